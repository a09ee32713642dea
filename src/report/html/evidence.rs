//! What was seen on the flows that are wrong, in enough detail for a bug report.

use super::words::say;
use crate::core::event::Phase;
use crate::core::model::world::World;
use crate::core::oracle::Answer;
use crate::core::verdict::{CaseResult, CellResult, Seen, StepResult};
use crate::report::page::count;
use crate::report::terminal::evidence::{attempts, diverse, places};
use maud::{Markup, html};

/// How many flows of a phase are shown. A network that ignores everything has thousands that say the same.
const FLOWS: usize = 4;

/// The flows of a phase that need looking at: the wrong ones, else the unclear ones.
pub(super) fn odd(step: &StepResult) -> Vec<&CellResult> {
    let of = |wanted: fn(&CellResult) -> bool| -> Vec<&CellResult> {
        diverse(&step.cells.iter().filter(|cell| wanted(cell)).collect::<Vec<_>>())
    };
    let wrong = of(|cell| cell.wrong);
    if wrong.is_empty() { of(|cell| matches!(cell.seen, Seen::Unclear { .. })) } else { wrong }
}

pub(super) fn render(case: &CaseResult, step: &StepResult) -> Markup {
    let cells = odd(step);
    let now = case.world.as_ref().map(|world| world.clone().with_pods(&step.pods));
    let hidden = cells.len().saturating_sub(FLOWS);
    html! {
        @if !cells.is_empty() {
            ul.flows {
                @for cell in cells.iter().take(FLOWS) {
                    li {
                        strong { (say(cell.cell.flow.to_string())) }
                        dl {
                            @for (name, text) in facts(case, step, now.as_ref(), cell) {
                                div { dt { (name) } dd { (say(text)) } }
                            }
                        }
                    }
                }
            }
            @if hidden > 0 { p.quiet { "… and " (count(hidden, "flow")) ". The JSON report has every wrong one." } }
        }
    }
}

/// `now` is the world as it was in the step.
fn facts(
    case: &CaseResult,
    step: &StepResult,
    now: Option<&World>,
    result: &CellResult,
) -> Vec<(&'static str, String)> {
    let flow = &result.cell.flow;
    let sender_in = |world: Option<&World>| world.and_then(|world| world.address(&flow.from, flow.family));
    let before = case
        .steps
        .iter()
        .find(|other| other.phase == Phase::Baseline && step.phase != Phase::Baseline)
        .and_then(|baseline| baseline.cells.iter().find(|cell| cell.cell.flow == *flow))
        .map(|before| attempts(&before.cell.streaks, sender_in(case.world.as_ref())));
    let expected = match result.cell.expected {
        Answer::Allow => "must connect".to_owned(),
        Answer::Deny => "must be blocked".to_owned(),
        Answer::Undefined(why) => format!("may do either: {why}"),
    };
    let mut seen = attempts(&result.cell.streaks, sender_in(now));
    if let Some(arrived) = &result.cell.arrived {
        seen.push_str(&format!("; {} arrived", count(arrived.count as usize, "datagram")));
    }
    let alone = result.cell.alone.as_ref().map(|alone| attempts(&alone.streaks, sender_in(now)));
    let unclear = match &result.seen {
        Seen::Unclear { why } => Some(why.clone()),
        Seen::Through | Seen::Blocked => None,
    };
    let facts = [
        ("Where", now.and_then(|world| places(world, flow))),
        ("Before", before),
        ("Expected", Some(expected)),
        ("Seen", Some(seen)),
        ("Tried again alone", alone),
        ("Unclear because", unclear),
    ];
    facts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}
