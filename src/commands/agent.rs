//! `papertiger agent`: hands over to the agent, which reads its own arguments and starts its own runtime.

use crate::agent;
use std::ffi::OsString;
use std::process::ExitCode;

pub(super) fn run(args: Vec<OsString>) -> ExitCode {
    agent::run(args.into_iter())
}
