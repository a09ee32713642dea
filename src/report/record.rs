//! The event log: JSON Lines, one event a line, written as it happens.

use super::files::WriteError;
use crate::core::event::{RunEvent, SCHEMA};
use std::fs::File;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::Path;

/// Writes events as they happen.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    out: W,
}

impl Recorder<BufWriter<File>> {
    /// A log at `path`, empty so far.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let file = File::create(path).map_err(|source| WriteError { path: path.to_owned(), source })?;
        Ok(Self::new(BufWriter::new(file)))
    }
}

impl<W: Write> Recorder<W> {
    /// A log in `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes an event, so that a process that dies next still leaves it.
    pub fn write(&mut self, event: &RunEvent) -> io::Result<()> {
        if event.event.is_progress() {
            return Ok(());
        }
        serde_json::to_writer(&mut self.out, event)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

/// What a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its events, the first of which starts a run.
    pub events: Vec<RunEvent>,
    /// What a reader should know of the log itself.
    pub note: Option<String>,
}

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system said so.
    #[error("cannot read it")]
    Io(#[from] io::Error),
    /// There is no event in it.
    #[error("no event was recorded")]
    Empty,
    /// It begins otherwise than logs do.
    #[error("this is no event log: it does not begin with `run-started`")]
    NoLog,
    /// It is of another version of papertiger.
    #[error("its schema is `{schema}`; this version reads `{SCHEMA}`")]
    Schema {
        /// What it names.
        schema: String,
    },
    /// An event tells of times that cannot be.
    #[error("line {line} tells of times that cannot be")]
    Times {
        /// Counted from 1.
        line: usize,
    },
    /// A line is no event.
    #[error("line {line} is no event")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

/// Reads a log. A last line that was cut short is left out, and said so.
pub fn read(mut input: impl BufRead) -> Result<Recording, ReadError> {
    let mut events = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let complete = line.ends_with(b"\n");
        if events.is_empty() && (complete || serde_json::from_slice::<serde_json::Value>(&line).is_ok()) {
            check_schema(&line)?;
        }
        match serde_json::from_slice::<RunEvent>(&line) {
            Ok(event) if !event.is_possible() => return Err(ReadError::Times { line: number }),
            Ok(event) => events.push(event),
            Err(_) if !complete && !events.is_empty() => {
                let note = format!("the event log breaks off in line {number}; what came before it counts");
                return Ok(Recording { events, note: Some(note) });
            }
            Err(source) => return Err(ReadError::Line { line: number, source }),
        }
    }
    if events.is_empty() { Err(ReadError::Empty) } else { Ok(Recording { events, note: None }) }
}

/// Looks at the first line before it must have the shape that this version knows.
fn check_schema(line: &[u8]) -> Result<(), ReadError> {
    let value: serde_json::Value = serde_json::from_slice(line).map_err(|_| ReadError::NoLog)?;
    let event = &value["event"];
    match (event["type"].as_str(), event["schema"].as_str()) {
        (Some("run-started"), Some(SCHEMA)) => Ok(()),
        (Some("run-started"), Some(other)) => Err(ReadError::Schema { schema: other.to_owned() }),
        _ => Err(ReadError::NoLog),
    }
}
