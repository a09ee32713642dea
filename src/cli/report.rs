//! `papertiger report FILE`.

use super::output::{GateArgs, OutputArgs};
use super::settings::{Gate, UsageError};
use crate::report::Outputs;
use std::path::PathBuf;

const AFTER: &str = "\
Examples:
  papertiger report run.jsonl -v
  papertiger report run.jsonl -o json | jq .summary

The exit code is that of the run: see `papertiger lab --help`.";

/// Renders a recorded run again, as its own end would have done.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct ReportArgs {
    /// The event log that `--record` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    gate: GateArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl ReportArgs {
    /// The log, where its result goes and what makes it pass.
    pub fn into_settings(self) -> Result<(PathBuf, Outputs, Gate), UsageError> {
        let Self { file, gate, output } = self;
        Ok((file, output.into_settings(None)?, gate.into_settings()))
    }
}
