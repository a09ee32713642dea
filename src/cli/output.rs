//! Flags that every command with a result shares: where it goes, and what makes it pass.

use super::settings::{Gate, UsageError};
use super::values;
use crate::exit;
use crate::report::push::Gateway;
use crate::report::{self, Outputs, ReportFile, ReportFormat};
use clap::{ArgAction, Args, ValueEnum};
use std::path::PathBuf;

/// Where the result goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// What goes to stdout
    #[arg(short, long, value_enum, default_value_t = Form::Pretty, env = "PAPERTIGER_OUTPUT", hide_env = true)]
    output: Form,
    /// Write a report to a file as well; can be repeated. Formats: json, html, junit, markdown, prometheus, message
    ///
    /// Markdown is appended to the file that GITHUB_STEP_SUMMARY names as well, where that is set.
    #[arg(long = "report", value_name = "FORMAT=PATH", value_parser = values::report, env = "PAPERTIGER_REPORT")]
    #[arg(hide_env = true)]
    reports: Vec<ReportFile>,
    /// Push the metrics of `--report prometheus` to a Pushgateway: http://HOST:PORT
    ///
    /// They replace those of the run before, in the group of job `papertiger` or the one that the address names
    /// (/metrics/job/NAME). The time of the last success has a group of its own.
    #[arg(long, value_name = "URL", env = "PAPERTIGER_PUSH", hide_env = true)]
    push: Option<Gateway>,
    /// Colours
    #[arg(long, value_enum, default_value_t = Color::Auto, env = "PAPERTIGER_COLOR", hide_env = true)]
    color: Color,
    /// No progress on stderr
    #[arg(long, env = "PAPERTIGER_QUIET", hide_env = true, value_parser = clap::builder::BoolishValueParser::new())]
    quiet: bool,
    /// More: every term, truth table and flow; twice for all of them uncut
    #[arg(short, long, action = ArgAction::Count, env = "PAPERTIGER_VERBOSE", hide_env = true)]
    verbose: u8,
}

/// What makes the run pass.
#[derive(Debug, Args)]
#[command(next_help_heading = "Verdict")]
pub struct GateArgs {
    /// What you expect: `ignored` is the negative control, which passes only where no policy is enforced
    #[arg(long, value_enum, env = "PAPERTIGER_EXPECT", hide_env = true)]
    expect: Option<Expect>,
    /// What fails a run that would pass otherwise, separated by commas
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',', env = "PAPERTIGER_FAIL_ON", hide_env = true)]
    fail_on: Vec<FailOn>,
}

/// What goes to stdout.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Form {
    /// Text for people.
    Pretty,
    /// The JSON report.
    Json,
}

/// Whether stdout is coloured.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Color {
    /// Where stdout is a terminal and NO_COLOR is not set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Expect {
    /// That policies are enforced
    Enforced,
    /// That none is
    Ignored,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOn {
    /// Something is enforced, but late
    Late,
    /// Pods are without their policies when they start
    Startup,
    /// A case was skipped or a node not tested
    Skipped,
}

impl OutputArgs {
    /// Where the result goes, the event log included.
    pub fn into_settings(self, record: Option<PathBuf>) -> Result<Outputs, UsageError> {
        let Self { output, reports, push, color, quiet, verbose } = self;
        let mut paths: Vec<&PathBuf> = reports.iter().map(|report| &report.path).chain(&record).collect();
        paths.sort();
        if let Some(twice) = paths.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(UsageError::new(format!("{} is named twice among --report and --record", twice[0].display())));
        }
        let wants_summary = reports.iter().any(|report| report.format == ReportFormat::Markdown);
        let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| wants_summary && !path.is_empty());
        Ok(Outputs {
            stdout: form(output),
            reports,
            push,
            summary: summary.map(PathBuf::from),
            record,
            color: color.into(),
            quiet,
            verbose,
        })
    }
}

impl GateArgs {
    /// What makes the run pass.
    pub fn into_settings(self) -> Gate {
        let Self { expect, fail_on } = self;
        Gate {
            expect: expect.map(|expect| match expect {
                Expect::Enforced => exit::Expect::Enforced,
                Expect::Ignored => exit::Expect::Ignored,
            }),
            fail_on: fail_on
                .into_iter()
                .map(|fail_on| match fail_on {
                    FailOn::Late => exit::FailOn::Late,
                    FailOn::Startup => exit::FailOn::Startup,
                    FailOn::Skipped => exit::FailOn::Skipped,
                })
                .collect(),
        }
    }
}

impl From<Color> for report::Color {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// What goes to stdout, as reports call it.
pub(super) fn form(form: Form) -> report::Form {
    match form {
        Form::Pretty => report::Form::Pretty,
        Form::Json => report::Form::Json,
    }
}
