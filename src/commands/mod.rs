//! One file for each subcommand: wires target, runner and reporters.

mod agent;
mod cases;
mod catalogue;
mod cleanup;
mod completions;
mod diff;
mod image;
mod lab;
mod man;
mod manifests;
mod report;
mod run;
mod verify;
mod version;

use crate::cli::{self, Cli, Command, UsageError};
use crate::exit::ExitStatus;
use crate::report::page::clean_lines;
use clap::error::ErrorKind;
use std::io::{self, Write};
use std::process::ExitCode;

/// Does what the user typed. Starts no async runtime: the lab has to enter its namespaces before there are threads.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Verify(args) => args.into_settings().map_err(|error| usage("verify", &error)).and_then(verify::run),
        Command::Cleanup(args) => cleanup::run(args.into_settings()),
        Command::Lab(args) => args.into_settings().map_err(|error| usage("lab", &error)).and_then(lab::run),
        Command::Report(args) => args.into_settings().map_err(|error| usage("report", &error)).and_then(report::run),
        Command::Diff(args) => diff::run(args),
        Command::Cases(command) => cases::run(command),
        Command::Image(command) => image::run(command),
        Command::Manifests(args) => manifests::run(args.into_settings()),
        Command::Completions(args) => completions::run(&args),
        Command::Man => man::run(),
        Command::Version(args) => version::run(args),
        Command::Agent(args) => return agent::run(args.args),
    };
    match done {
        Ok(status) => status.into(),
        Err(error) => explain(&error).into(),
    }
}

/// Says on stderr why a command did not do what it should, and how the process ends.
fn explain(error: &anyhow::Error) -> ExitStatus {
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // A closed stderr leaves nobody to tell.
        let _ = usage.print();
        return ExitStatus::Usage;
    }
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  caused by: {cause}\n"));
    }
    let _ = io::stderr().lock().write_all(cli::says(&clean_lines(&text)).as_bytes());
    match error.downcast_ref::<UsageError>() {
        Some(_) => ExitStatus::Usage,
        None => ExitStatus::CouldNotRun,
    }
}

/// The same words and form that clap uses for its own.
fn usage(subcommand: &str, error: &UsageError) -> anyhow::Error {
    let mut command = cli::command();
    command.build();
    match command.find_subcommand_mut(subcommand) {
        Some(subcommand) => subcommand.error(ErrorKind::ValueValidation, error).into(),
        None => command.error(ErrorKind::ValueValidation, error).into(),
    }
}
