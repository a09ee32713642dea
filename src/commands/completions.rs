//! `papertiger completions SHELL`.

use crate::cli::Cli;
use crate::cli::completions::CompletionsArgs;
use crate::exit::ExitStatus;
use crate::report::write_stdout;
use clap::CommandFactory;

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "papertiger", &mut script);
    write_stdout(&String::from_utf8(script)?)?;
    Ok(ExitStatus::Enforced)
}
