//! `papertiger report FILE`.

use super::run::runtime;
use crate::cli::{Gate, UsageError};
use crate::core::verdict::judge;
use crate::exit::ExitStatus;
use crate::report::{Outputs, Reporters, record};
use anyhow::Context;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

pub(super) fn run((path, outputs, gate): (PathBuf, Outputs, Gate)) -> anyhow::Result<ExitStatus> {
    let wrong = |path: &PathBuf| UsageError::new(format!("cannot use the event log {}", path.display()));
    let file = File::open(&path).with_context(|| wrong(&path))?;
    let recording = record::read(BufReader::new(file)).with_context(|| wrong(&path))?;
    let reporters = Reporters::open(&outputs)?;
    let mut result = judge(&recording.events).with_context(|| wrong(&path))?;
    result.notes.extend(recording.note);
    runtime()?.block_on(reporters.finish(&result))?;
    let Gate { expect, fail_on } = gate;
    Ok(ExitStatus::of(&result, expect, &fail_on))
}
