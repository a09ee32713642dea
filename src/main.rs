//! The `papertiger` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    papertiger::commands::run(papertiger::cli::parse())
}
