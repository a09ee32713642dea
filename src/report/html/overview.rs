//! The run at a glance: how much of it came to what, then features and nodes by verdict.

use super::nodes;
use super::words::{badge, meanings, say, scroll};
use crate::core::verdict::{RunResult, Verdict};
use crate::report::page::count;
use crate::report::phrases::{Flows, by_verdict};
use maud::{Markup, html};

pub(super) fn render(result: &RunResult) -> Markup {
    html! {
        (glance(result))
        (features(result))
        (nodes::render(result))
    }
}

fn glance(result: &RunResult) -> Markup {
    let terms = result.cases.iter().flat_map(|case| &case.terms).map(|term| term.verdict).collect();
    let cases = result.cases.iter().map(|case| case.verdict).collect();
    let nodes = result.nodes.iter().map(|node| node.verdict).collect();
    let kinds: [(&str, Vec<Verdict>); 3] = [("Terms", terms), ("Cases", cases), ("Nodes", nodes)];
    let used: Vec<Verdict> =
        Verdict::WORST_FIRST.into_iter().filter(|verdict| kinds.iter().any(|(_, of)| of.contains(verdict))).collect();
    let table = html! {
        table.counts {
            caption { "How many came to which verdict" }
            thead {
                tr {
                    td {}
                    @for (name, _) in &kinds { th scope="col" { (name) } }
                }
            }
            tbody {
                @for verdict in used {
                    tr {
                        th scope="row" { (badge(verdict)) }
                        @for (_, verdicts) in &kinds {
                            @let number = verdicts.iter().filter(|of| **of == verdict).count();
                            td.number { @if number > 0 { (number) } @else { "–" } }
                        }
                    }
                }
                tr {
                    th scope="row" { "All" }
                    @for (_, verdicts) in &kinds { td.number { (verdicts.len()) } }
                }
            }
        }
    };
    html! {
        section aria-labelledby="glance" {
            h2 #glance { "At a glance" }
            (scroll("How many came to which verdict", table))
            p { (flows(result)) }
        }
    }
}

fn flows(result: &RunResult) -> String {
    let Flows { all, wrong, unclear } = Flows::of_run(result);
    let judged = count(all, "flow");
    format!("{judged} were judged, each in every phase that it was probed in: {wrong} wrong, {unclear} unclear.")
}

fn features(result: &RunResult) -> Markup {
    let groups = by_verdict(result.features.iter().map(|feature| (feature.verdict, feature.feature.as_str())));
    html! {
        section aria-labelledby="features" {
            h2 #features { "Features" }
            @if groups.is_empty() {
                p { "No term of any feature was tested." }
            } @else {
                dl.byverdict {
                    @for (verdict, features) in &groups {
                        div {
                            dt { (badge(*verdict)) }
                            dd { ul.chips { @for feature in features { li { (say(feature)) } } } }
                        }
                    }
                }
                p.small { "What these words mean:" }
                (meanings(groups.iter().map(|(verdict, _)| *verdict)))
            }
        }
    }
}
