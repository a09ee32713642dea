//! `papertiger man`.

use crate::cli::Cli;
use crate::exit::ExitStatus;
use crate::report::write_stdout;
use clap::CommandFactory;

pub(super) fn run() -> anyhow::Result<ExitStatus> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    write_stdout(&String::from_utf8(page)?)?;
    Ok(ExitStatus::Enforced)
}
