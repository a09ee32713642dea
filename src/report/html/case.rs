//! One case in full: what it proves, what its terms came to, and what was seen.

use super::cases::Anchored;
use super::words::{badge, capital, rich, say, say_lines, sentence};
use super::{evidence, matrix, terms, timeline};
use crate::core::event::Phase;
use crate::core::verdict::{CaseResult, Seen, StepResult, Verdict};
use crate::report::evidence::by_dimension;
use crate::report::page::{count, duration_ms};
use crate::report::phrases::Flows;
use maud::{Markup, html};

/// `first` is of a case that is open where it is not fine.
pub(super) fn render(Anchored { case, anchor }: &Anchored<'_>, first: bool) -> Markup {
    let fine = is_fine(case);
    html! {
        details.case open[first && !fine] {
            summary {
                h3 { (badge(case.verdict)) " " span.id { (say(&case.id)) } }
                @if !case.title.is_empty() { " " span.title { (say(&case.title)) } }
            }
            // Browsers open what holds the anchor that a link leads to, not what is one.
            div.body id=(anchor) {
                @if let Some(reason) = &case.reason {
                    p { strong { "Why: " } (rich(&sentence(reason))) }
                }
                (terms::table(case, fine))
                (timeline::render(case, fine))
                @for step in &case.steps { (phase(case, step, fine)) }
                (policies(case))
            }
        }
    }
}

/// Whether there is nothing to look into.
fn is_fine(case: &CaseResult) -> bool {
    match case.verdict {
        Verdict::Enforced | Verdict::Skipped | Verdict::Undefined => true,
        Verdict::Ignored
        | Verdict::Partial
        | Verdict::Overblocked
        | Verdict::Stale
        | Verdict::Flapping
        | Verdict::Late
        | Verdict::Inconclusive => false,
    }
}

fn phase(case: &CaseResult, step: &StepResult, fine: bool) -> Markup {
    let odd = step.cells.iter().any(|cell| cell.wrong || matches!(cell.seen, Seen::Unclear { .. }));
    let shown = match step.phase {
        Phase::Step(_) => true,
        // All of their flows must be open: where they are, a table tells no more than a sentence.
        Phase::Baseline | Phase::Removal => odd && !fine,
    };
    html! {
        @if shown {
            h4 { (capital(&step.phase.to_string())) ": " (say(&step.change)) }
            p { (outcome(step)) }
            @if !fine {
                @for line in by_dimension(&step.cells, case.world.as_ref()) { p { (capital(&say(line))) "." } }
            }
            (matrix::table(step))
            @if !fine {
                (evidence::render(case, step))
            }
        } @else {
            p.quiet { strong { (capital(&step.phase.to_string())) ": " } (say(&step.change)) ". " (outcome(step)) }
        }
    }
}

fn outcome(step: &StepResult) -> String {
    let Flows { all, wrong, unclear } = Flows::of(&step.cells);
    let flows = count(all, "flow");
    let mut text = match (wrong, unclear, step.converged_ms) {
        (0, 0, Some(ms)) => format!("{flows}, all right after {}", duration_ms(ms)),
        (0, 0, None) => format!("{flows}, none of them wrong"),
        (0, unclear, _) => format!("{unclear} of {flows} unclear"),
        (wrong, 0, _) => format!("{wrong} of {flows} wrong"),
        (wrong, unclear, _) => format!("{wrong} of {flows} wrong, {unclear} unclear"),
    };
    if let Some(ms) = step.held_ms {
        text.push_str(&format!(", had held after {}", duration_ms(ms)));
    }
    text.push_str(&format!("; probed for {}", duration_ms(step.duration_ms)));
    if let Some(ms) = step.patience_ms.filter(|_| wrong > 0) {
        text.push_str(&format!(", given {} to come right", duration_ms(ms)));
    }
    text.push('.');
    text
}

/// The policies that hold the terms, each once.
fn policies(case: &CaseResult) -> Markup {
    let mut shown: Vec<&str> = Vec::new();
    for policy in case.terms.iter().filter_map(|term| term.policy.as_deref()) {
        if !shown.contains(&policy) {
            shown.push(policy);
        }
    }
    html! {
        @if !shown.is_empty() {
            h4 { (if shown.len() == 1 { "The policy" } else { "The policies" }) }
            @for policy in shown {
                pre tabindex="0" role="group" aria-label="Policy, as YAML" { code { (say_lines(policy)) } }
            }
        }
    }
}
