//! The flows that are wrong, with what was seen on them.

use super::words::say;
use crate::core::verdict::{CaseResult, CellResult, Seen, StepResult};
use crate::report::evidence::{Facts, diverse};
use crate::report::page::count;
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
                            @for (name, text) in named(Facts::of(case, step, now.as_ref(), cell)) {
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

fn named(facts: Facts) -> impl Iterator<Item = (&'static str, String)> {
    let Facts { places, before, expected, seen, alone, unclear } = facts;
    let facts = [
        ("Where", places),
        ("Before", before),
        ("Expected", Some(expected)),
        ("Seen", Some(seen)),
        ("Tried again alone", alone),
        ("Unclear because", unclear),
    ];
    facts.into_iter().filter_map(|(name, text)| Some((name, text?)))
}
