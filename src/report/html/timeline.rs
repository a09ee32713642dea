//! What happened to flows from before the first change until after the last, a bar for each.
//!
//! Bars are stretched to the width of the page, so no text stands in them: it would be stretched too, and too small on
//! a telephone.

use super::evidence::odd;
use super::words::{capital, say};
use crate::core::model::flow::Flow;
use crate::core::model::observation::{Signal, Streak};
use crate::core::oracle::Answer;
use crate::core::verdict::{CaseResult, CellResult, StepResult, Verdict};
use crate::report::evidence::{attempts, diverse};
use crate::report::page::{count, duration_ms};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// How many bars there are of a case to look into, and of one that is fine.
const BARS: usize = 12;
const EXAMPLES: usize = 4;

/// How wide a bar is, in units of its own.
const WIDTH: u64 = 600;

/// What can be seen of a single attempt, in the same units.
const LEAST: u64 = 3;

/// A phase on the axis. Each is as wide as the others: a baseline of 60 ms would be lost beside a step of 60 s.
struct Part<'a> {
    step: &'a StepResult,
    left: u64,
    width: u64,
    span_us: u64,
}

impl Part<'_> {
    fn x(&self, us: u64) -> u64 {
        let since_us = us.saturating_sub(self.step.requested_us).min(self.span_us);
        self.left + (since_us * self.width).checked_div(self.span_us).unwrap_or(0)
    }

    fn of_ms(&self, ms: f64) -> u64 {
        // Times since the run began are far below what either type holds.
        self.x(self.step.requested_us + (ms * 1_000.0) as u64)
    }

    fn cell(&self, flow: &Flow) -> Option<&CellResult> {
        self.step.cells.iter().find(|cell| cell.cell.flow == *flow)
    }
}

/// The bars of a case, where there is anything to see.
pub(super) fn render(case: &CaseResult, fine: bool) -> Markup {
    let (flows, hidden) = flows(case, fine);
    if flows.is_empty() {
        return html! {};
    }
    let parts = parts(&case.steps, &flows);
    html! {
        h4 { "Timeline" }
        figure.time {
            figcaption {
                @if fine { "Some of the flows that changes turn. " }
                "Tall orange: got through. Low blue: nothing did. Grey ground: must be blocked. " a href="#bars" { "How to read timelines" }
            }
            div.parts style={ "grid-template-columns:repeat(" (parts.len()) ",1fr)" } {
                @for Part { step, span_us, .. } in &parts {
                    div { b { (capital(&step.phase.to_string())) } " " (duration_ms(*span_us as f64 / 1_000.0)) }
                }
            }
            ol {
                @for flow in &flows { li { span { (say(flow.to_string())) } (bar(case, &parts, flow)) } }
            }
            @if hidden > 0 { p.quiet { "… and " (count(hidden, "flow")) "." } }
        }
    }
}

/// The flows to show, and how many like them are left out: the odd ones; where there are none, those that changed; else
/// those that a change should have turned.
fn flows(case: &CaseResult, fine: bool) -> (Vec<&Flow>, usize) {
    let mut cells: Vec<&CellResult> = if fine { Vec::new() } else { case.steps.iter().flat_map(odd).collect() };
    if cells.is_empty() && case.verdict == Verdict::Late {
        // Nothing is wrong in the end: what took its time to come right.
        cells = case.steps.iter().flat_map(|step| &step.cells).filter(|cell| cell.cell.streaks.len() > 1).collect();
        cells.sort_by_key(|cell| std::cmp::Reverse(cell.cell.streaks.last().map(|last| last.first_us)));
    }
    if cells.is_empty() {
        let closed = case.steps.iter().flat_map(|step| &step.cells).filter(|cell| cell.cell.expected != Answer::Allow);
        cells = diverse(&closed.collect::<Vec<_>>());
    }
    let mut known = BTreeSet::new();
    let mut flows: Vec<&Flow> = cells.iter().map(|cell| &cell.cell.flow).filter(|flow| known.insert(*flow)).collect();
    let shown = if fine { EXAMPLES } else { BARS };
    let hidden = flows.len().saturating_sub(shown);
    flows.truncate(shown);
    (flows, hidden)
}

fn parts<'a>(steps: &'a [StepResult], flows: &[&Flow]) -> Vec<Part<'a>> {
    let number = steps.len() as u64;
    let part = |(index, step): (usize, &'a StepResult)| {
        let shown = step.cells.iter().filter(|cell| flows.contains(&&cell.cell.flow));
        let last_us = shown.flat_map(|cell| &cell.cell.streaks).map(|streak| streak.last_us).max().unwrap_or(0);
        let span_us = last_us.saturating_sub(step.requested_us).max((step.duration_ms * 1_000.0) as u64).max(1);
        let left = WIDTH * index as u64 / number;
        Part { step, left, width: WIDTH * (index as u64 + 1) / number - left, span_us }
    };
    steps.iter().enumerate().map(part).collect()
}

fn bar(case: &CaseResult, parts: &[Part<'_>], flow: &Flow) -> Markup {
    let classes = [(Signal::Through, "t", 4, 12), (Signal::Stopped, "s", 10, 6), (Signal::Void, "n", 7, 6)];
    let mut told: Vec<String> = Vec::new();
    let (mut drawn, mut ground, mut arrived) = ([const { String::new() }; 3], String::new(), String::new());
    let mut marks = String::new();
    for part in parts {
        if part.left > 0 {
            marks.push_str(&format!("M{} 0v16", part.left));
        }
        let Some(cell) = part.cell(flow) else { continue };
        let sender = case
            .world
            .as_ref()
            .and_then(|world| world.clone().with_pods(&part.step.pods).address(&flow.from, flow.family));
        let must = if cell.cell.expected == Answer::Deny { ", must be blocked" } else { "" };
        told.push(format!("{}{must}: {}", capital(&part.step.phase.to_string()), attempts(&cell.cell.streaks, sender)));
        if cell.cell.expected == Answer::Deny {
            ground.push_str(&format!("M{} 0h{}v16h-{}z", part.left, part.width, part.width));
        }
        for (text, (signal, _, top, height)) in drawn.iter_mut().zip(classes) {
            text.push_str(&boxes(part, &spans(&cell.cell.streaks, signal), top, height));
        }
        if let Some(seen) = &cell.cell.arrived {
            arrived.push_str(&boxes(part, &[(seen.first_us, seen.last_us)], 0, 2));
        }
        if let Some(ms) = part.step.converged_ms {
            marks.push_str(&format!("M{} 2v14", part.of_ms(ms)));
        }
    }
    html! {
        svg role="img" viewBox={ "0 0 " (WIDTH) " 16" } preserveAspectRatio="none" {
            title { (say(told.join("; "))) }
            @if !ground.is_empty() { path.g d=(ground) {} }
            path.base d={ "M0 15.5h" (WIDTH) } {}
            @for (boxes, (_, class, ..)) in drawn.iter().zip(classes) {
                @if !boxes.is_empty() { path class=(class) d=(boxes) {} }
            }
            @if !arrived.is_empty() { path.a d=(arrived) {} }
            @if !marks.is_empty() { path.m d=(marks) {} }
        }
    }
}

fn spans(streaks: &[Streak], signal: Signal) -> Vec<(u64, u64)> {
    let of_it = streaks.iter().filter(|streak| streak.outcome.signal() == signal);
    of_it.map(|streak| (streak.first_us, streak.last_us)).collect()
}

/// Boxes from each first to its last; those that would touch are one, so that flows that flicker take no more room.
fn boxes(part: &Part<'_>, spans: &[(u64, u64)], top: u64, height: u64) -> String {
    let mut merged: Vec<(u64, u64)> = Vec::new();
    let right = part.left + part.width;
    for (first_us, last_us) in spans {
        let start = part.x(*first_us).min(right.saturating_sub(LEAST));
        let end = part.x(*last_us).max(start + LEAST).min(right);
        match merged.last_mut() {
            Some((_, known)) if start <= *known => *known = end.max(*known),
            Some(_) | None => merged.push((start, end)),
        }
    }
    merged.iter().map(|(start, end)| format!("M{start} {top}H{end}v{height}H{start}z")).collect()
}
