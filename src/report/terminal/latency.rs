//! How late changes took effect, at a glance.

use crate::core::verdict::latency::by_group;
use crate::core::verdict::{Quantiles, RunResult, Turn};
use crate::report::page::{Line, Page, Tone, duration_ms};

/// Where the columns of figures end.
const COLUMNS: [usize; 6] = [29, 39, 49, 59, 69, 79];

/// A line for each way in which flows turned, under load and alone.
pub(super) fn table(page: &mut Page, result: &RunResult) {
    let groups = by_group(&result.latencies());
    if groups.is_empty() {
        return;
    }
    page.blank();
    let heads = ["CHANGES", "P50", "P90", "P99", "MAX", "± UP TO"];
    page.line(columns(Line::new().toned("LATENCY", Tone::Strong), heads.map(str::to_owned), Tone::Strong));
    for (turn, alone, quantiles) in groups {
        let word = match turn {
            Turn::Deny => "to block",
            Turn::Allow => "to open",
        };
        let Quantiles { changes, p50_ms, p90_ms, p99_ms, max_ms, resolution_ms, request_ms } = quantiles;
        let [p50, p90, p99, max] = [p50_ms, p90_ms, p99_ms, max_ms].map(duration_ms);
        let within = duration_ms(resolution_ms.max(request_ms));
        let line = Line::new().to(2).text(word).text(if alone { ", alone" } else { "" });
        page.line(columns(line, [changes.to_string(), p50, p90, p99, max, within], Tone::Plain));
    }
    if let Some(budget_ms) = result.run.settings.budget_ms {
        let text = format!("The budget is {}.", duration_ms(budget_ms as f64));
        page.line(Line::new().to(2).toned(text, Tone::Dim));
    }
}

fn columns(line: Line, texts: [String; 6], tone: Tone) -> Line {
    COLUMNS.iter().zip(texts).fold(line, |line, (end, text)| line.right(*end, &text, tone))
}
