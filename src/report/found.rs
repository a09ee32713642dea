//! Reads what a run found: from its JSON report, or from its event log.

use super::{json, record};
use crate::core::diff::Found;
use crate::core::verdict::{NoRunError, judge};
use std::io;
use std::path::Path;

/// A file that says nothing of a run.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    /// The system said so.
    #[error("cannot read it")]
    Io(#[from] io::Error),
    /// It is neither.
    #[error("it is neither a JSON report nor an event log")]
    Neither,
    /// It is a report of another version.
    #[error("its schema is `{schema}`; this version compares `{}`", json::SCHEMA)]
    Schema {
        /// What it names.
        schema: String,
    },
    /// It is a report, and not as its schema says.
    #[error("it is no whole JSON report")]
    Report(#[source] serde_json::Error),
    /// It is an event log, and cannot be read.
    #[error("its events cannot be read")]
    Log(#[from] record::ReadError),
    /// It is an event log, and there is no run in it.
    #[error(transparent)]
    NoRun(#[from] NoRunError),
}

/// What the run found that a file tells of.
pub fn read(path: &Path) -> Result<Found, FoundError> {
    parse(&std::fs::read(path)?)
}

/// What the run found that the contents of such a file tell of.
pub fn parse(bytes: &[u8]) -> Result<Found, FoundError> {
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        // A log of one line is an object as well.
        Ok(value) if value.get("event").is_none() => {
            let schema = value.get("schema").and_then(serde_json::Value::as_str).ok_or(FoundError::Neither)?;
            if schema != json::SCHEMA {
                return Err(FoundError::Schema { schema: schema.to_owned() });
            }
            serde_json::from_value(value).map_err(FoundError::Report)
        }
        Err(error) if bytes.trim_ascii_start().starts_with(b"{\n") => Err(FoundError::Report(error)),
        Ok(_) | Err(_) => {
            let recording = match record::read(bytes) {
                Err(record::ReadError::NoLog | record::ReadError::Empty) => return Err(FoundError::Neither),
                other => other?,
            };
            // Reports are what is compared: a log is one that was not written yet.
            serde_json::from_str(&json::render(&judge(&recording.events)?)).map_err(FoundError::Report)
        }
    }
}
