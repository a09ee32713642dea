//! The cases: a line for each, then each in full.

use super::case;
use super::words::{badge, rich, say, scroll, sentence};
use crate::core::verdict::{CaseResult, RunResult};
use crate::report::page::Tone;
use crate::report::phrases::{self, Converged, Unscored, is_scored};
use crate::report::terminal::tone;
use maud::{Markup, html};
use std::ptr;

/// A case and where it stands on the page.
pub(super) struct Anchored<'a> {
    pub(super) case: &'a CaseResult,
    pub(super) anchor: String,
}

/// The cases, what is wrong first and what is fine last, each in the order of the run.
pub(super) fn anchored(cases: &[CaseResult]) -> Vec<Anchored<'_>> {
    let mut anchored: Vec<Anchored<'_>> =
        cases.iter().enumerate().map(|(index, case)| Anchored { case, anchor: anchor(index, &case.id) }).collect();
    anchored.sort_by_key(|anchored| match tone(anchored.case.verdict) {
        Tone::Bad => 0,
        Tone::Warn => 1,
        Tone::Good => 2,
        Tone::Plain | Tone::Strong | Tone::Dim => 3,
    });
    anchored
}

/// Ids of cases may be anything, and twice the same.
fn anchor(index: usize, id: &str) -> String {
    let plain: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(63).collect();
    format!("case-{}-{plain}", index + 1)
}

pub(super) fn link(Anchored { case, anchor }: &Anchored<'_>) -> Markup {
    html! {
        @if case.steps.is_empty() { (say(&case.id)) } @else { a href={ "#" (anchor) } { (say(&case.id)) } }
    }
}

/// A line for each case.
pub(super) fn table(result: &RunResult, cases: &[Anchored<'_>]) -> Markup {
    let scored: Vec<&Anchored<'_>> = cases.iter().filter(|anchored| is_scored(anchored.case)).collect();
    // Where nothing needs a reason, the column would be empty.
    let why = scored.iter().any(|anchored| anchored.case.reason.is_some());
    let table = html! {
        table.cases {
            caption { "Cases that were scored, what is wrong first" }
            thead {
                tr {
                    @for head in ["Verdict", "Case", "Terms", "Converged"] { th scope="col" { (head) } }
                    @if why { th scope="col" { "Why" } }
                }
            }
            tbody {
                @for anchored in &scored {
                    @let case = anchored.case;
                    tr {
                        td { (badge(case.verdict)) }
                        th scope="row" { (link(anchored)) }
                        td { (phrases::terms(case)) }
                        td.number { (Converged::of(case)) }
                        @if why { td.why { @if let Some(reason) = &case.reason { (rich(&say(reason))) } } }
                    }
                }
            }
        }
    };
    html! {
        section aria-labelledby="cases" {
            h2 #cases { "Cases" }
            @if scored.is_empty() {
                p { "No case was scored." }
            } @else {
                (scroll("Cases", table))
                p.small { "Converged: how long the slowest step of the case took until everything was right." }
            }
            (unscored(cases, &phrases::unscored(&result.cases)))
        }
    }
}

/// Cases that say nothing about the verdict, by why.
fn unscored(cases: &[Anchored<'_>], groups: &[Unscored<'_>]) -> Markup {
    html! {
        @if !groups.is_empty() {
            h3 { "Not scored" }
            dl.byverdict {
                @for Unscored { verdict, reason, cases: group } in groups {
                    div {
                        dt { (badge(*verdict)) }
                        dd {
                            p { (rich(&sentence(reason))) }
                            ul.chips {
                                @for anchored in cases.iter().filter(|one| group.iter().any(|case| ptr::eq(*case, one.case))) {
                                    li { (link(anchored)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How many cases are open from the beginning: with a hundred of them nobody finds anything.
const OPEN: usize = 12;

/// Every case that ran.
pub(super) fn details(cases: &[Anchored<'_>]) -> Markup {
    let ran = || cases.iter().filter(|anchored| !anchored.case.steps.is_empty());
    html! {
        section aria-labelledby="details" {
            h2 #details { "Each case" }
            p.small {
                "The first cases in which something is wrong or unclear are open, " (OPEN) " at most. Select another to open it."
            }
            @for (index, anchored) in ran().enumerate() {
                (case::render(anchored, index < OPEN))
            }
        }
    }
}
