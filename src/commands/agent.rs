//! `papertiger agent`: hands over to the agent, which reads its own arguments and starts its own runtime.

use crate::exit::ExitStatus;
use std::ffi::OsString;
use std::process::ExitCode;

pub(super) fn run(_args: Vec<OsString>) -> ExitCode {
    ExitStatus::CouldNotRun.into()
}
