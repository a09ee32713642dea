//! The `papertiger` command.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    papertiger::commands::run(papertiger::cli::Cli::parse())
}
