//! What happened to flows in the time since a change, a bar for each.
//!
//! Bars are stretched to the width of the page, so no text stands in them: it would be stretched too, and too small on
//! a telephone.

use super::evidence::odd;
use super::words::say;
use crate::core::model::observation::{Signal, Streak};
use crate::core::verdict::{CaseResult, CellResult, StepResult, Verdict};
use crate::report::evidence::attempts;
use crate::report::page::{count, duration_ms};
use maud::{Markup, html};

/// How many bars.
const BARS: usize = 12;

/// How wide a bar is, in units of its own.
const WIDTH: u64 = 600;

/// What can be seen of a single attempt, in the same units.
const LEAST: u64 = 3;

/// Time, from the request of the change to the end of what is shown.
struct Axis {
    requested_us: u64,
    span_us: u64,
}

impl Axis {
    fn x(&self, us: u64) -> u64 {
        (us.saturating_sub(self.requested_us).min(self.span_us) * WIDTH).checked_div(self.span_us).unwrap_or(0)
    }

    fn of_ms(&self, ms: f64) -> u64 {
        // Times since the run began are far below what either type holds.
        self.x(self.requested_us + (ms * 1_000.0) as u64)
    }
}

/// The bars of a phase, where there is anything to see.
pub(super) fn render(case: &CaseResult, step: &StepResult) -> Markup {
    let mut cells = odd(step);
    if cells.is_empty() && case.verdict == Verdict::Late {
        // Nothing is wrong in the end: what took its time to come right.
        cells = step.cells.iter().filter(|cell| cell.cell.streaks.len() > 1).collect();
        cells.sort_by_key(|cell| std::cmp::Reverse(cell.cell.streaks.last().map(|last| last.first_us)));
    }
    let last_us = cells.iter().take(BARS).flat_map(|cell| &cell.cell.streaks).map(|streak| streak.last_us).max();
    let Some(last_us) = last_us else { return html! {} };
    let requested_us = step.requested_us;
    let span_us = last_us.saturating_sub(requested_us).max((step.duration_ms * 1_000.0) as u64).max(1);
    let axis = Axis { requested_us, span_us };
    let marks: Vec<String> = [("converged", step.converged_ms), ("held", step.held_ms)]
        .into_iter()
        .filter_map(|(name, ms)| Some(format!("{name} after {}", duration_ms(ms?))))
        .collect();
    let hidden = cells.len().saturating_sub(BARS);
    html! {
        figure.time {
            figcaption {
                "Since the change was requested. Tall orange: got through. Low blue: nothing got through. Outlined: \
                 says nothing. Line above: datagrams that arrived."
                @if !marks.is_empty() { " Upright: " (marks.join(", ")) "." }
            }
            ol {
                @for cell in cells.iter().take(BARS) {
                    li { span { (say(cell.cell.flow.to_string())) } (bar(case, step, &axis, cell)) }
                }
            }
            div.axis {
                span { "0: change requested" }
                span { (duration_ms(span_us as f64 / 1_000.0)) }
            }
            @if hidden > 0 { p.quiet { "… and " (count(hidden, "flow")) "." } }
        }
    }
}

fn bar(case: &CaseResult, step: &StepResult, axis: &Axis, result: &CellResult) -> Markup {
    let streaks = &result.cell.streaks;
    let sender = case
        .world
        .as_ref()
        .and_then(|world| world.clone().with_pods(&step.pods).address(&result.cell.flow.from, result.cell.flow.family));
    let arrived = result.cell.arrived.as_ref().map(|arrived| (arrived.first_us, arrived.last_us));
    let marks: String =
        [step.converged_ms, step.held_ms].into_iter().flatten().map(|ms| format!("M{} 0v16", axis.of_ms(ms))).collect();
    let classes = [(Signal::Through, "t", 4, 12), (Signal::Stopped, "s", 10, 6), (Signal::Void, "n", 7, 6)];
    html! {
        svg role="img" viewBox={ "0 0 " (WIDTH) " 16" } preserveAspectRatio="none" {
            title { (say(attempts(streaks, sender))) }
            path.base d={ "M0 15.5h" (WIDTH) } {}
            @for (signal, class, top, height) in classes {
                @let boxes = boxes(axis, &spans(streaks, signal), top, height);
                @if !boxes.is_empty() { path class=(class) d=(boxes) {} }
            }
            @if let Some(span) = arrived { path.a d=(boxes(axis, &[span], 0, 2)) {} }
            @if !marks.is_empty() { path.m d=(marks) {} }
        }
    }
}

fn spans(streaks: &[Streak], signal: Signal) -> Vec<(u64, u64)> {
    let of_it = streaks.iter().filter(|streak| streak.outcome.signal() == signal);
    of_it.map(|streak| (streak.first_us, streak.last_us)).collect()
}

/// Boxes from each first to its last; those that would touch are one, so that flows that flicker take no more room.
fn boxes(axis: &Axis, spans: &[(u64, u64)], top: u64, height: u64) -> String {
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (first_us, last_us) in spans {
        let start = axis.x(*first_us).min(WIDTH - LEAST);
        let end = axis.x(*last_us).max(start + LEAST);
        match merged.last_mut() {
            Some((_, known)) if start <= *known => *known = end.max(*known),
            Some(_) | None => merged.push((start, end)),
        }
    }
    merged.iter().map(|(start, end)| format!("M{start} {top}H{end}v{height}H{start}z")).collect()
}
