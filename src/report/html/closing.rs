//! What the specification leaves open, notes, and how to read all of it.

use super::words::{meanings, rich, scroll, sentence};
use crate::core::verdict::{RunResult, Verdict};
use maud::{Markup, html};

/// What the process that wrote a report ends with.
const CODES: [(&str, &str); 7] = [
    ("0", "policies are enforced; with --expect ignored: none is, as expected"),
    ("1", "something is not enforced as written, or --fail-on names what was found"),
    ("2", "the command line, or a file that it names, is wrong"),
    ("3", "what was seen proves nothing"),
    ("4", "the run could not be done, or its result could not be written"),
    ("130", "ended by SIGINT, after cleaning up"),
    ("143", "ended by SIGTERM, after cleaning up"),
];

/// The words of the page.
const WORDS: [(&str, &str); 9] = [
    ("case", "an experiment: policies, and the steps that change them"),
    ("step", "one change, and what was observed until the next; a baseline comes before all, a removal after"),
    ("term", "the smallest part of a policy that can be ignored: a direction's isolation, a rule, a peer, a port, …"),
    ("flow", "a sender, a receiver, how the one addresses the other, an IP family, a protocol and a port"),
    ("witness", "a flow on which ignoring a term would show; without one the term is not tested"),
    ("scope", "where a verdict holds: family, path, protocol, and whether both ends stand on one node"),
    ("converged", "since then everything was right, counted from the request of the change"),
    ("held", "by then everything had been right for a whole hold"),
    ("as if", "a way to misread policies that predicts exactly what was seen"),
];

pub(super) fn render(result: &RunResult) -> Markup {
    html! {
        @if !result.behaviours.is_empty() {
            section aria-labelledby="open" {
                h2 #open { "Left open by the specification" }
                p { "What this network does where the specification does not say what it must. It is never scored." }
                ul { @for behaviour in &result.behaviours { li { (rich(&sentence(&behaviour.text))) } } }
            }
        }
        @if !result.notes.is_empty() {
            section aria-labelledby="notes" {
                h2 #notes { "Notes" }
                ul { @for note in &result.notes { li { (rich(&sentence(note))) } } }
            }
        }
        section aria-labelledby="reading" {
            h2 #reading { "How to read this" }
            p {
                "papertiger applied policies of its own to probe pods of its own and sent real traffic between them, \
                 before and after every change. Nothing here rests on what the network plugin is called or says of \
                 itself. One answered attempt proves that a flow is open. That it is blocked takes many unanswered \
                 attempts, and other traffic that gets through meanwhile. A term is "
                strong { "enforced" }
                " only in the scopes that it was tested in."
            }
            dl.words { @for (word, meaning) in WORDS { div { dt { (word) } dd { (meaning) } } } }
            h3 #bars { "Timelines" }
            p {
                "A bar for each flow, from before the first change until after the last. Each part of it begins with the \
                 request of a change and has a scale of its own. Tall and orange: attempts that got through. Low and blue: \
                 attempts that did not. Outlined: attempts that say nothing. A line above: datagrams that arrived, answered \
                 or not. Grey ground: the flow must be blocked. An upright line within a part: since then everything in the \
                 case was right."
            }
            h3 { "Verdicts, worst first" }
            (meanings(Verdict::WORST_FIRST.into_iter()))
            p {
                "The worst verdict of its terms is a case's, and the worst of its cases the run's. SKIPPED and \
                 UNDEFINED say nothing."
            }
            h3 { "Exit codes" }
            (scroll("Exit codes", html! {
                table {
                    caption { "What the command ends with" }
                    thead { tr { th scope="col" { "Code" } th scope="col" { "Meaning" } } }
                    tbody {
                        @for (code, meaning) in CODES {
                            tr { th scope="row" { (code) } td { (meaning) } }
                        }
                    }
                }
            }))
            p.small {
                "This page tells of wrong flows by example. The JSON report of the same recording has them all: "
                code { "papertiger report RECORDING --report json=report.json" } "."
            }
        }
    }
}
