//! The flows that are wrong, with what was seen on them.

use crate::core::model::flow::Flow;
use crate::core::verdict::{CaseResult, CellResult, Seen, StepResult};
use crate::report::evidence::{Facts, by_dimension, diverse};
use crate::report::page::{Line, Page, Tone, count};

/// The flows that are wrong in a phase.
pub(super) fn render(page: &mut Page, case: &CaseResult, step: &StepResult, verbose: u8) {
    let unclear = |cell: &CellResult| matches!(cell.seen, Seen::Unclear { .. });
    let mut cells: Vec<&CellResult> = step.cells.iter().filter(|cell| cell.wrong).collect();
    if cells.is_empty() && verbose > 0 {
        cells = step.cells.iter().filter(|cell| unclear(cell)).collect();
    }
    if cells.is_empty() {
        return;
    }
    for line in by_dimension(&step.cells, case.world.as_ref()) {
        page.paragraph(Line::new().to(2), 4, &line, Tone::Plain);
    }
    let now = case.world.as_ref().map(|world| world.clone().with_pods(&step.pods));
    let most = match verbose {
        0 => 3,
        1 => 20,
        _ => usize::MAX,
    };
    for result in diverse(&cells).into_iter().take(most) {
        page.blank();
        flow(page, &result.cell.flow, Facts::of(case, step, now.as_ref(), result));
    }
    if cells.len() > most {
        page.blank();
        let more = if verbose == 0 { "-v shows more" } else { "-vv shows all" };
        page.line(Line::new().to(4).toned(format!("… and {} ({more})", count(cells.len() - most, "flow")), Tone::Dim));
    }
}

fn flow(page: &mut Page, flow: &Flow, facts: Facts) {
    let Facts { places, before, expected, seen, alone, unclear } = facts;
    page.paragraph(Line::new().to(4), 6, &flow.to_string(), Tone::Strong);
    let mut text = format!("{expected}; seen: {seen}");
    if let Some(alone) = alone {
        text.push_str(&format!("; tried again alone: {alone}"));
    }
    if let Some(why) = unclear {
        text.push_str(&format!("; unclear: {why}"));
    }
    let before = before.map(|before| format!("before: {before}"));
    for line in places.into_iter().chain(before).chain([text]) {
        page.paragraph(Line::new().to(6), 8, &line, Tone::Plain);
    }
}
