//! How long pods that start are without their policies, at a glance.

use super::in_columns;
use crate::core::verdict::RunResult;
use crate::report::page::{Line, Page, Tone};
use crate::report::phrases::{STARTUP_HEADS, startup_remarks, startups};

/// Where the columns of figures end.
const COLUMNS: [usize; 6] = [33, 42, 51, 60, 69, 79];

/// A line for each pod and direction, and what is to be said besides.
pub(super) fn table(page: &mut Page, result: &RunResult) {
    let rows = startups(result);
    if rows.is_empty() {
        return;
    }
    page.blank();
    let heads = STARTUP_HEADS.map(str::to_uppercase);
    page.line(in_columns(COLUMNS, Line::new().toned("START-UP", Tone::Strong), heads, Tone::Strong));
    for ([what, figures @ ..], startup) in rows.into_iter().zip(&result.startups) {
        let tone = if startup.has_window() { Tone::Warn } else { Tone::Plain };
        page.line(in_columns(COLUMNS, Line::new().to(2).text(&what), figures, tone));
    }
    for text in startup_remarks(result) {
        page.paragraph(Line::new().to(2), 2, &text, Tone::Dim);
    }
}
