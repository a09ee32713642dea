//! How late changes took effect, at a glance.

use super::in_columns;
use crate::core::verdict::RunResult;
use crate::report::page::{Line, Page, Tone, duration_ms};
use crate::report::phrases::latencies;

/// Where the columns of figures end.
const COLUMNS: [usize; 6] = [29, 39, 49, 59, 69, 79];

/// A line for each way in which flows turned, under load and alone.
pub(super) fn table(page: &mut Page, result: &RunResult) {
    let rows = latencies(result);
    if rows.is_empty() {
        return;
    }
    page.blank();
    let heads = ["CHANGES", "P50", "P90", "P99", "MAX", "± UP TO"];
    page.line(in_columns(COLUMNS, Line::new().toned("LATENCY", Tone::Strong), heads.map(str::to_owned), Tone::Strong));
    for [what, figures @ ..] in rows {
        page.line(in_columns(COLUMNS, Line::new().to(2).text(&what), figures, Tone::Plain));
    }
    if let Some(budget_ms) = result.run.settings.budget_ms {
        let text = format!("The budget is {}.", duration_ms(budget_ms as f64));
        page.line(Line::new().to(2).toned(text, Tone::Dim));
    }
}
