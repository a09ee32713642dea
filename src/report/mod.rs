//! What users get to see. Reads events and core types only; nothing here knows how a run is done.

pub mod diff;
mod evidence;
pub mod files;
pub mod found;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod message;
pub mod page;
mod phrases;
pub mod progress;
pub mod prometheus;
pub mod push;
pub mod record;
mod reporters;
pub mod terminal;

pub use reporters::{OutputError, Reporters, style, write_stdout};

use crate::core::verdict::RunResult;
use std::path::PathBuf;

/// Where a run's result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// What goes to stdout.
    pub stdout: Form,
    /// Files to write besides.
    pub reports: Vec<ReportFile>,
    /// The Pushgateway that metrics go to.
    pub push: Option<push::Gateway>,
    /// A file that Markdown is appended to.
    pub summary: Option<PathBuf>,
    /// Where the event log goes.
    pub record: Option<PathBuf>,
    /// Whether stdout is coloured.
    pub color: Color,
    /// Whether progress is kept off stderr.
    pub quiet: bool,
    /// How much is shown: 0, 1 or more.
    pub verbose: u8,
}

/// What goes to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text for people.
    Pretty,
    /// The JSON report.
    Json,
}

/// Whether stdout is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Where stdout is a terminal that wants it.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A report that goes to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFile {
    /// Its format.
    pub format: ReportFormat,
    /// Its path.
    pub path: PathBuf,
}

/// The formats of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// `papertiger.dev/report/v1`.
    Json,
    /// A page for a browser.
    Html,
    /// JUnit XML.
    Junit,
    /// Markdown as GitHub renders it.
    Markdown,
    /// The text format of Prometheus.
    Prometheus,
    /// A container's termination message.
    Message,
}

impl ReportFormat {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Json, Self::Html, Self::Junit, Self::Markdown, Self::Prometheus, Self::Message];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Html => "html",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
            Self::Prometheus => "prometheus",
            Self::Message => "message",
        }
    }

    /// A result in it.
    pub fn render(self, result: &RunResult) -> String {
        match self {
            Self::Json => json::render(result),
            Self::Html => html::render(result),
            Self::Junit => junit::render(result),
            Self::Markdown => markdown::render(result),
            Self::Prometheus => prometheus::render(result),
            Self::Message => message::render(result),
        }
    }
}
