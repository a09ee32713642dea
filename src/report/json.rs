//! The JSON report, `papertiger.dev/report/v1`. Structs of its own: what users' scripts read does not change with ours.

mod convert;
mod v1;
mod words;

pub use v1::{Report, SCHEMA};

use crate::core::verdict::RunResult;

/// The report of a result, as text.
pub fn render(result: &RunResult) -> String {
    // Only maps with keys that are no strings can fail, and there are none.
    let mut text = serde_json::to_string_pretty(&Report::from(result)).unwrap_or_default();
    text.push('\n');
    text
}

/// The JSON Schema of reports, as committed in `schemas/report-v1.json`.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Report)).unwrap_or_default();
    text.push('\n');
    text
}
