//! Flags that `lab` and `verify` share: which cases, at what pace, and what becomes of the result.

use super::output::{GateArgs, OutputArgs};
use super::settings::{Profile, RunSettings, UsageError};
use super::values;
use clap::builder::BoolishValueParser;
use std::path::PathBuf;
use std::time::Duration;

/// A block that held for less proves nothing.
const SHORTEST_HOLD: Duration = Duration::from_secs(1);

/// What a run may take unless it is told otherwise, besides what it watches.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// A longer run is a mistake in the unit.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Which cases, at what pace, and what becomes of the result.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// How much to prove
    #[arg(long, value_enum, default_value_t = Profile::Standard, env = "PAPERTIGER_PROFILE", hide_env = true)]
    #[arg(help_heading = "Cases")]
    profile: Profile,
    /// Only cases whose id matches; can be repeated
    #[arg(long = "case", value_name = "GLOB", value_parser = values::glob, env = "PAPERTIGER_CASE", hide_env = true)]
    #[arg(help_heading = "Cases")]
    cases: Vec<String>,
    /// A directory with cases of your own, beside the built-in ones
    #[arg(long, value_name = "DIR", env = "PAPERTIGER_CASE_DIR", hide_env = true, help_heading = "Cases")]
    case_dir: Option<PathBuf>,
    /// Probe from and to the nodes' own network too (hostNetwork pods), to see what is left open there
    #[arg(long, env = "PAPERTIGER_HOST_PROBES", hide_env = true, value_parser = BoolishValueParser::new())]
    #[arg(help_heading = "Cases")]
    host_probes: bool,

    /// How long a change may take until what is still wrong is a finding
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = values::duration)]
    #[arg(env = "PAPERTIGER_SETTLE", hide_env = true, help_heading = "Pace")]
    settle: Duration,
    /// How long what is right must stay right, 1s at least [default: 1s; 5s in profile full]
    #[arg(long, value_name = "DURATION", value_parser = values::duration, env = "PAPERTIGER_HOLD")]
    #[arg(hide_env = true, help_heading = "Pace")]
    hold: Option<Duration>,
    /// How late a change may take effect; what is later is LATE [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = values::duration, env = "PAPERTIGER_BUDGET")]
    #[arg(hide_env = true, help_heading = "Pace")]
    budget: Option<Duration>,
    /// Keep the canary's policies in force so long, beside changes of others, and report whenever they lapse
    #[arg(long, value_name = "DURATION", value_parser = values::duration, env = "PAPERTIGER_WATCH")]
    #[arg(hide_env = true, help_heading = "Pace")]
    watch: Option<Duration>,
    /// How long the whole run may take [default: 15m, and what --watch takes]
    #[arg(long, value_name = "DURATION", value_parser = values::duration, env = "PAPERTIGER_TIMEOUT")]
    #[arg(hide_env = true, help_heading = "Pace")]
    timeout: Option<Duration>,
    /// How many cases run side by side, 1 to 32 [default: as many as there is room for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32), env = "PAPERTIGER_LANES")]
    #[arg(hide_env = true, help_heading = "Pace")]
    lanes: Option<u8>,
    /// Repeat what another run drew [default: drawn, and reported]
    #[arg(long, value_name = "N", env = "PAPERTIGER_SEED", hide_env = true, help_heading = "Pace")]
    seed: Option<u64>,

    #[command(flatten)]
    gate: GateArgs,
    /// Write everything that happens to an event log, for `papertiger report`
    #[arg(long, value_name = "PATH", env = "PAPERTIGER_RECORD", hide_env = true, help_heading = "Output")]
    record: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

impl RunArgs {
    /// What the run is told to do.
    pub(super) fn into_settings(self) -> Result<RunSettings, UsageError> {
        let Self {
            profile,
            cases,
            case_dir,
            host_probes,
            settle,
            hold,
            budget,
            watch,
            timeout,
            lanes,
            seed,
            gate,
            output,
            record,
        } = self;
        let hold = hold.unwrap_or(profile.hold());
        let timeout = timeout.unwrap_or(TIMEOUT + watch.unwrap_or_default());
        check_pace(settle, hold, timeout)?;
        check_watch(watch, timeout)?;
        Ok(RunSettings {
            profile,
            cases,
            case_dir,
            host_probes,
            settle,
            hold,
            budget,
            watch,
            timeout,
            lanes: lanes.map(usize::from),
            seed,
            gate: gate.into_settings(),
            outputs: output.into_settings(record)?,
        })
    }
}

fn check_pace(settle: Duration, hold: Duration, timeout: Duration) -> Result<(), UsageError> {
    let show = values::show;
    let error = |message: String| Err(UsageError::new(message));
    if hold < SHORTEST_HOLD {
        return error(format!(
            "--hold must be at least 1s, not {}: a block that held for less proves nothing",
            show(hold)
        ));
    }
    if settle < hold {
        return error(format!("--settle must be at least as long as --hold, {}, not {}", show(hold), show(settle)));
    }
    if timeout <= settle {
        return error(format!("--timeout must be longer than --settle, {}, not {}", show(settle), show(timeout)));
    }
    if timeout > LONGEST_TIMEOUT {
        return error(format!("--timeout must be at most 24h, not {}", show(timeout)));
    }
    Ok(())
}

fn check_watch(watch: Option<Duration>, timeout: Duration) -> Result<(), UsageError> {
    match watch {
        Some(watch) if watch >= timeout => {
            let (watch, timeout) = (values::show(watch), values::show(timeout));
            Err(UsageError::new(format!("--timeout must be longer than --watch, {watch}, not {timeout}")))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_ends_before_the_run_does() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert!(check_watch(None, minutes(15)).is_ok());
        assert!(check_watch(Some(minutes(60)), minutes(75)).is_ok());
        let message = check_watch(Some(minutes(60)), minutes(60)).unwrap_err().to_string();
        assert!(message.starts_with("--timeout must be longer than --watch"), "{message}");
    }

    #[test]
    fn a_pace_must_be_able_to_prove_something() {
        let seconds = Duration::from_secs;
        let check = |settle, hold, timeout| check_pace(settle, hold, timeout).map_err(|error| error.to_string());
        assert_eq!(check(seconds(60), seconds(1), seconds(900)), Ok(()));
        assert_eq!(check(seconds(5), seconds(5), seconds(6)), Ok(()));
        for (settle, hold, timeout, flag) in [
            (seconds(60), Duration::from_millis(999), seconds(900), "--hold must be"),
            (Duration::ZERO, seconds(1), seconds(900), "--settle must be"),
            (seconds(4), seconds(5), seconds(900), "--settle must be"),
            (seconds(60), seconds(1), seconds(60), "--timeout must be"),
            (seconds(60), seconds(1), seconds(90_000), "--timeout must be"),
        ] {
            let message = check(settle, hold, timeout).unwrap_err();
            assert!(message.starts_with(flag), "{message}");
        }
    }
}
