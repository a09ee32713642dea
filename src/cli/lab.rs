//! `papertiger lab`.

use super::run::RunArgs;
use super::settings::{LabSettings, UsageError};
use super::values;
use std::time::Duration;

const AFTER: &str = "\
Every flag has a variable: --fail-on is PAPERTIGER_FAIL_ON.

Examples:
  papertiger lab
  papertiger lab --fault ignore-egress
  papertiger lab --case 'deny-*' --record run.jsonl --report json=report.json
  papertiger lab --fault no-engine --expect ignored";

const AFTER_LONG: &str = "\
Every flag has a variable: --fail-on is PAPERTIGER_FAIL_ON. Of flags that can
be repeated it holds one value; of --fault and --fail-on a list, separated by
commas.

Examples:
  papertiger lab
      Every feature, on two nodes.
  papertiger lab --fault ignore-egress
      The same on a network that ignores egress: all of it must be found out.
  papertiger lab --case 'deny-*' --record run.jsonl --report json=report.json
      Only some cases. `papertiger report run.jsonl -v` shows all that was seen.
  papertiger lab --fault no-engine --expect ignored
      The negative control: passes because nothing is enforced.

Exit codes:
  0    every policy is enforced (with --expect ignored: none is)
  1    a policy is not enforced as written, or --fail-on names what was found
       (with --expect ignored: something is enforced)
  2    wrong usage
  3    inconclusive: nothing wrong was seen, and what was seen is no proof
  4    could not run, or could not write what was asked for
  130  interrupted (SIGINT), after cleaning up
  143  terminated (SIGTERM), after cleaning up";

/// Proves which policies the built-in lab enforces.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER, after_long_help = AFTER_LONG)]
pub struct LabArgs {
    #[command(flatten)]
    run: RunArgs,

    /// How many nodes, 1 to 16
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    #[arg(env = "PAPERTIGER_SIZE", hide_env = true, help_heading = "Lab")]
    size: u8,
    /// Misread policies in this way; can be repeated. `--fault list` prints all ways
    #[arg(long = "fault", value_name = "NAME[@SCOPE]", value_delimiter = ',', env = "PAPERTIGER_FAULT")]
    #[arg(hide_env = true, help_heading = "Lab")]
    faults: Vec<String>,
    /// How late the lab's policy engine acts on every change
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    #[arg(env = "PAPERTIGER_DELAY", hide_env = true, help_heading = "Lab")]
    delay: Duration,
    /// How long the lab's policy engine does not know of a pod that starts
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = values::duration)]
    #[arg(env = "PAPERTIGER_START_UP", hide_env = true, help_heading = "Lab")]
    start_up: Duration,
}

impl LabArgs {
    /// What the run is told to do.
    pub fn into_settings(self) -> Result<LabSettings, UsageError> {
        let Self { run, size, faults, delay, start_up } = self;
        Ok(LabSettings { run: run.into_settings()?, size: usize::from(size), faults, delay, start_up })
    }
}
