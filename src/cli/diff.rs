//! `papertiger diff OLD NEW`.

use super::output::{Color, Form};
use std::path::PathBuf;

const AFTER: &str = "\
Examples:
  papertiger diff before.json after.json
  papertiger diff before.jsonl after.jsonl -o json | jq '.changes[] | select(.turn == \"worse\")'

Exit codes:
  0  nothing got worse
  1  something fails that did not, or fails more
  2  a file cannot be used
  3  nothing got worse, but something is no longer proven, or the second run did not complete";

/// Compares two runs: what got worse, better, new, gone.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct DiffArgs {
    /// The run that came first: a JSON report, or an event log that `--record` wrote
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The run to compare with it, likewise
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// What goes to stdout
    #[arg(short, long, value_enum, default_value_t = Form::Pretty, env = "PAPERTIGER_OUTPUT", hide_env = true)]
    pub output: Form,
    /// Colours
    #[arg(long, value_enum, default_value_t = Color::Auto, env = "PAPERTIGER_COLOR", hide_env = true)]
    pub color: Color,
}
