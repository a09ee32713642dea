//! Events in, result out: what a command needs to know of reports.

use super::files::{Appended, PendingFile, WriteError};
use super::page::WIDEST;
use super::progress::Progress;
use super::push::{Gateway, PushError};
use super::record::Recorder;
use super::terminal::{self, Style};
use super::{Color, Form, Outputs, ReportFile, ReportFormat, json};
use crate::core::event::RunEvent;
use crate::core::verdict::RunResult;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

/// Everything that a run is reported to.
#[derive(Debug)]
pub struct Reporters {
    stdout: Form,
    style: Style,
    files: Vec<(ReportFormat, PendingFile)>,
    push: Option<Gateway>,
    summary: Option<Appended>,
    record: Option<Record>,
    progress: Progress,
}

#[derive(Debug)]
struct Record {
    path: PathBuf,
    recorder: Recorder<BufWriter<File>>,
    failed: Option<io::Error>,
}

/// A result that did not get to where it should.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file.
    #[error(transparent)]
    File(#[from] WriteError),
    /// Stdout.
    #[error("cannot write to stdout")]
    Stdout(#[source] io::Error),
    /// A Pushgateway.
    #[error(transparent)]
    Push(#[from] PushError),
}

impl Reporters {
    /// Opens every file, so that a bad path fails before the run.
    pub fn open(outputs: &Outputs) -> Result<Self, OutputError> {
        let Outputs { stdout, reports, push, summary, record, color, quiet, verbose } = outputs;
        let files = reports
            .iter()
            .map(|ReportFile { format, path }| Ok((*format, PendingFile::open(path)?)))
            .collect::<Result<_, WriteError>>()?;
        let record = match record {
            Some(path) => Some(Record { path: path.clone(), recorder: Recorder::create(path)?, failed: None }),
            None => None,
        };
        Ok(Self {
            stdout: *stdout,
            style: style(*color, *verbose),
            files,
            push: push.clone(),
            summary: summary.as_deref().map(Appended::open).transpose()?,
            record,
            progress: Progress::new(*quiet, *verbose),
        })
    }

    /// Takes an event. Never fails: a log that cannot be written must not end a run whose clean-up is still to come.
    pub fn event(&mut self, event: &RunEvent) {
        self.progress.event(event);
        if let Some(record) = &mut self.record
            && record.failed.is_none()
        {
            record.failed = record.recorder.write(event).err();
        }
    }

    /// Reports the result everywhere; the first failure is returned, after all was tried.
    pub async fn finish(mut self, result: &RunResult) -> Result<(), OutputError> {
        self.progress.finish();
        let mut outcome = write_stdout(&match self.stdout {
            Form::Pretty => terminal::render(result, self.style),
            Form::Json => json::render(result),
        });
        for (format, file) in self.files {
            outcome = outcome.and(file.write(format.render(result).as_bytes()).map_err(OutputError::from));
        }
        if let Some(summary) = self.summary {
            let text = ReportFormat::Markdown.render(result);
            outcome = outcome.and(summary.write(text.as_bytes()).map_err(OutputError::from));
        }
        if let Some(Record { path, failed: Some(source), .. }) = self.record {
            outcome = outcome.and(Err(OutputError::File(WriteError { path, source })));
        }
        if let Some(gateway) = self.push {
            outcome = outcome.and(gateway.push(result).await.map_err(OutputError::from));
        }
        outcome
    }
}

/// Writes a text to stdout. A reader that has seen enough is no failure.
pub fn write_stdout(text: &str) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(OutputError::Stdout(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// How text is to look on this stdout.
pub fn style(color: Color, verbose: u8) -> Style {
    let stdout = io::stdout();
    let color = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
    };
    let width = if stdout.is_terminal() {
        terminal_size::terminal_size().map_or(WIDEST, |(width, _)| usize::from(width.0).min(WIDEST))
    } else {
        WIDEST
    };
    Style { color, width, verbose }
}
