//! The run at a glance: how much of it came to what, then features and nodes by verdict.

use super::words::{badge, class, meanings, say, scroll};
use crate::core::verdict::{NodeResult, RunResult, Verdict};
use crate::report::page::count;
use crate::report::phrases::{Flows, by_verdict, heading};
use maud::{Markup, html};

/// More nodes than this, of which nothing is wrong, are folded.
const TILES: usize = 40;

pub(super) fn render(result: &RunResult) -> Markup {
    html! {
        (glance(result))
        (features(result))
        (nodes(&result.nodes))
    }
}

fn glance(result: &RunResult) -> Markup {
    let terms = result.cases.iter().flat_map(|case| &case.terms).map(|term| term.verdict).collect();
    let cases = result.cases.iter().map(|case| case.verdict).collect();
    let nodes = result.nodes.iter().map(|node| node.verdict).collect();
    let rows: [(&str, Vec<Verdict>); 3] = [("Terms", terms), ("Cases", cases), ("Nodes", nodes)];
    let used: Vec<Verdict> =
        Verdict::WORST_FIRST.into_iter().filter(|verdict| rows.iter().any(|(_, of)| of.contains(verdict))).collect();
    let table = html! {
        table.counts {
            caption { "How many came to which verdict" }
            thead {
                tr {
                    td {}
                    @for verdict in &used { th scope="col" { (badge(*verdict)) } }
                    th scope="col" { "All" }
                }
            }
            tbody {
                @for (name, verdicts) in &rows {
                    tr {
                        th scope="row" { (name) }
                        @for verdict in &used {
                            @let number = verdicts.iter().filter(|of| *of == verdict).count();
                            td.number { @if number > 0 { (number) } @else { "–" } }
                        }
                        td.number { (verdicts.len()) }
                    }
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

/// A tile for each node, worst first: on a thousand nodes the one that matters must not be looked for.
fn nodes(nodes: &[NodeResult]) -> Markup {
    let groups = by_verdict(nodes.iter().map(|node| (node.verdict, node)));
    let parts = groups.iter().map(|(verdict, group)| format!("{} {}", group.len(), heading(*verdict)));
    let parts = parts.collect::<Vec<_>>().join(", ");
    html! {
        section aria-labelledby="nodes" {
            h2 #nodes { "Nodes" }
            @if groups.is_empty() {
                p { "Nothing is known of any node." }
            } @else {
                p { (count(nodes.len(), "node")) ": " (parts) "." }
            }
            @for (verdict, group) in groups {
                @if group.len() > TILES && !verdict.is_failure() {
                    details.more {
                        summary { (count(group.len(), "node")) ": " (heading(verdict)) }
                        (tiles(&group))
                    }
                } @else {
                    (tiles(&group))
                }
            }
        }
    }
}

/// The verdict comes first: a name may read like one.
fn tiles(nodes: &[&NodeResult]) -> Markup {
    html! {
        ul.tiles {
            @for node in nodes {
                li class=(class(node.verdict)) {
                    b { (heading(node.verdict)) }
                    " "
                    code { (say(&node.name)) }
                    @if let Some(reason) = &node.reason { " " small { (say(reason)) } }
                }
            }
        }
    }
}
