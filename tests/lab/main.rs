//! The lab with real packets: as root and as an ordinary user.
//!
//! Namespaces can be entered only while a process has one thread, so there is no test harness here. `cargo test --test lab
//! -- NAME` runs the tests whose name contains NAME.

#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a test program says on the terminal what it found")]

mod basics;
mod clocks;
/// Where what is shared with unit tests of the library looks for it.
mod core {
    pub(crate) use papertiger::core::*;
}
mod enforcement;
mod faults;
mod random;
#[expect(
    dead_code,
    clippy::panic,
    clippy::unwrap_used,
    reason = "it is made for unit tests, which may; the world that the oracle is tested in is another"
)]
#[path = "../../src/core/oracle/sample.rs"]
mod sample;
mod stub;
mod support;
mod whole;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Instant;
use support::Result;

/// Set in the process that runs the tests for one of the two kinds of users, to its name.
const AS_IS: &str = "PAPERTIGER_LAB_TEST_AS_IS";

/// The first of the two.
const ROOT: &str = "root";

/// Who owns nothing: `nobody`.
const NOBODY: u32 = 65_534;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "agent") {
        stub::run(&arguments[2]);
        return ExitCode::SUCCESS;
    }
    if nix::unistd::geteuid().is_root() && std::env::var_os(AS_IS).is_none() {
        return both(&arguments);
    }
    run(arguments.iter().find(|argument| !argument.starts_with('-')).map_or("", String::as_str))
}

/// Runs this program as root, and then as somebody without any rights.
fn both(arguments: &[String]) -> ExitCode {
    let mut good = true;
    for (who, ordinary) in [(ROOT, false), ("an ordinary user", true)] {
        eprintln!("as {who}:");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(arguments).env(AS_IS, who);
        if ordinary {
            command.uid(NOBODY).gid(NOBODY);
        }
        match command.status() {
            Ok(status) => good &= status.success(),
            Err(error) => {
                eprintln!("cannot run as {who}: {error}");
                good = false;
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(filter: &str) -> ExitCode {
    if let Err(error) = papertiger::target::lab::enter() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if filter == "hold" {
        return runtime.block_on(basics::hold()).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    if filter == "clock-errors" {
        return runtime.block_on(clocks::errors()).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let mut failures = 0;
    let mut test = |name: &str, result: &dyn Fn() -> Result| {
        if !name.contains(filter) {
            return;
        }
        let start = Instant::now();
        let result = result();
        eprintln!("  {name}: {} ({} ms)", if result.is_ok() { "ok" } else { "FAILED" }, start.elapsed().as_millis());
        if let Err(error) = result {
            eprintln!("{error}");
            failures += 1;
        }
    };
    basics::all(&runtime, &mut test);
    enforcement::all(&runtime, &mut test);
    faults::all(&runtime, &mut test);
    random::all(&runtime, &mut test);
    // It takes its time and asks for no rights: the other kind of user will do.
    if std::env::var_os(AS_IS).is_none_or(|who| who != ROOT) {
        whole::all(&runtime, &mut test);
        clocks::all(&runtime, &mut test);
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
