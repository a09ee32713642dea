//! However a run ends, nothing of it stays: no process, no namespace, no file.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Set for a run, and so for everything that it starts.
const MARK: &str = "ENDINGS_TEST_MARK";

/// Longer than anything that a condition waits for takes on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run in directories of its own.
struct Run {
    child: Child,
    mark: String,
    directory: TempDir,
    /// What was mounted before, seen from the system's own namespace.
    mounts: BTreeSet<String>,
}

/// How a run ended.
struct Ended {
    output: Output,
    stdout: String,
    stderr: String,
    log: PathBuf,
    _directory: TempDir,
}

impl Run {
    fn start(variables: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().unwrap();
        for name in ["here", "tmp", "log"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let mounts = namespace_mounts();
        let mut command = Command::new(env!("CARGO_BIN_EXE_papertiger"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PAPERTIGER_")) {
            command.env_remove(name);
        }
        let child = command
            .args(["lab", "--seed", "7", "--color", "never", "--record"])
            .arg(directory.path().join("log/run.jsonl"))
            .current_dir(directory.path().join("here"))
            .env("TMPDIR", directory.path().join("tmp"))
            .env("COLUMNS", "80")
            .env(MARK, &mark)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, mark, directory, mounts }
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log/run.jsonl")
    }

    /// Waits until policies are in force and probed, and agents run in namespaces of their own.
    fn reach_the_middle(&mut self) {
        let log = self.log();
        wait_for("a step to begin", || {
            assert!(self.child.try_wait().unwrap().is_none(), "the run ended before it began");
            let events = fs::read_to_string(&log).unwrap_or_default();
            events.lines().any(|line| line.contains("\"phase-started\"") && line.contains("\"step\""))
        });
        let processes = processes(&self.mark);
        let agents = processes.iter().filter(|process| process.arguments.contains(&"agent".to_owned())).count();
        let namespaces: BTreeSet<&PathBuf> = processes.iter().filter_map(|process| process.network.as_ref()).collect();
        assert!(agents > 1 && namespaces.len() > agents / 2, "{agents} agents in {} namespaces", namespaces.len());
    }

    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for the end, after which everything must be gone: at once, where the run could clean up.
    fn end(self, could_clean_up: bool) -> Ended {
        let log = self.log();
        let Self { child, mark, directory, mounts } = self;
        let output = child.wait_with_output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap());
        if !could_clean_up {
            wait_for("the agents to end by themselves", || processes(&mark).is_empty());
        }
        // A network namespace without a mount lives as long as a process that is in it or holds a file of it, and a process
        // of the run carries its mark.
        let left = processes(&mark);
        assert!(left.is_empty(), "{left:#?}\n{stdout}{stderr}");
        assert_eq!(namespace_mounts(), mounts);
        for name in ["here", "tmp"] {
            let files: Vec<_> = fs::read_dir(directory.path().join(name)).unwrap().collect();
            assert!(files.is_empty(), "{name}: {files:?}");
        }
        Ended { output, stdout, stderr, log, _directory: directory }
    }
}

/// A process of a run.
#[derive(Debug)]
struct Process {
    #[expect(dead_code, reason = "read by whoever reads why a test failed")]
    pid: i32,
    arguments: Vec<String>,
    network: Option<PathBuf>,
}

/// The processes that carry a mark. What has ended and only waits to be reaped has no environment any more.
fn processes(mark: &str) -> Vec<Process> {
    let mark = format!("{MARK}={mark}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let directory = entry.unwrap().path();
        let Some(pid) = directory.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
        // A process may end at any moment.
        let environment = fs::read(directory.join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
            found.push(Process {
                pid,
                arguments: arguments(&directory),
                network: fs::read_link(directory.join("ns/net")).ok(),
            });
        }
    }
    found
}

fn arguments(directory: &Path) -> Vec<String> {
    let line = fs::read(directory.join("cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

/// Namespaces that a mount keeps, as `ip netns add` does, and the names that it gives them.
fn namespace_mounts() -> BTreeSet<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = mounts.lines().filter(|line| line.contains(" - nsfs ")).map(str::to_owned);
    let names = fs::read_dir("/run/netns").into_iter().flatten();
    mounts.chain(names.map(|name| name.unwrap().path().display().to_string())).collect()
}

#[track_caller]
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {} s for {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The log of a run that did not complete tells what was seen until then.
#[track_caller]
fn log_is_readable(ended: &Ended, code: i32) {
    let output = crate::common::papertiger().arg("report").arg(&ended.log).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn ctrl_c_cleans_up_and_is_130() {
    let mut run = Run::start(&[]);
    run.reach_the_middle();
    run.send(Signal::SIGINT);
    let ended = run.end(true);
    assert_eq!(ended.output.status.code(), Some(130), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("interrupted (SIGINT)"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("cleaned up"), "{}", ended.stdout);
    log_is_readable(&ended, 130);
}

#[test]
fn sigterm_cleans_up_and_is_143() {
    let mut run = Run::start(&[]);
    run.reach_the_middle();
    run.send(Signal::SIGTERM);
    let ended = run.end(true);
    assert_eq!(ended.output.status.code(), Some(143), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("interrupted (SIGTERM)"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("cleaned up"), "{}", ended.stdout);
    log_is_readable(&ended, 143);
}

#[test]
fn a_signal_while_lanes_are_being_opened_leaves_nothing_either() {
    let run = Run::start(&[]);
    wait_for("the first agent", || {
        processes(&run.mark).iter().any(|process| process.arguments.contains(&"agent".to_owned()))
    });
    run.send(Signal::SIGTERM);
    let ended = run.end(true);
    assert_eq!(ended.output.status.code(), Some(143), "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stdout.contains("cleaned up"), "{}", ended.stdout);
}

#[test]
fn sigkill_leaves_nothing() {
    let mut run = Run::start(&[]);
    run.reach_the_middle();
    run.send(Signal::SIGKILL);
    let ended = run.end(false);
    assert_eq!(ended.output.status.signal(), Some(9));
    log_is_readable(&ended, 3);
}

#[test]
fn a_panic_cleans_up_and_is_4() {
    let ended = Run::start(&[("PAPERTIGER_TEST_PANIC", "allow-by-pod")]).end(true);
    assert_eq!(ended.output.status.code(), Some(4), "{}{}", ended.stdout, ended.stderr);
    let words = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("papertiger itself failed (a bug; please report it): told to panic in allow-by-pod"),
        "{words}"
    );
    assert!(!words.contains("cleaned up"), "{words}");
    assert!(ended.stderr.contains("panicked at"), "{}", ended.stderr);
    log_is_readable(&ended, 4);
}
