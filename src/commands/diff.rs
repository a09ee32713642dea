//! `papertiger diff OLD NEW`.

use crate::cli::diff::DiffArgs;
use crate::cli::{Form, UsageError};
use crate::core::diff::{Found, diff};
use crate::exit::ExitStatus;
use crate::report::{self, found, write_stdout};
use anyhow::Context;
use std::path::Path;

pub(super) fn run(args: DiffArgs) -> anyhow::Result<ExitStatus> {
    let DiffArgs { old, new, output, color } = args;
    let read = |path: &Path| -> anyhow::Result<Found> {
        found::read(path).with_context(|| UsageError::new(format!("cannot compare {}", path.display())))
    };
    let diff = diff(&read(&old)?, &read(&new)?);
    write_stdout(&match output {
        Form::Pretty => report::diff::render(&diff, report::style(color.into(), 0)),
        Form::Json => report::diff::json(&diff),
    })?;
    Ok(ExitStatus::of_diff(&diff))
}
