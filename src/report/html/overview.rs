//! The run at a glance: how much of it came to what, then features and nodes by verdict.

use super::words::{badge, class, meanings, say, scroll};
use crate::core::verdict::{NodeResult, RunResult, Seen, Verdict};
use crate::report::page::count;
use crate::report::phrases;
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
    let cells = || result.cases.iter().flat_map(|case| &case.steps).flat_map(|step| &step.cells);
    let wrong = cells().filter(|cell| cell.wrong).count();
    let unclear = cells().filter(|cell| !cell.wrong && matches!(cell.seen, Seen::Unclear { .. })).count();
    format!(
        "{} were judged, each in every phase that it was probed in: {wrong} wrong, {unclear} unclear.",
        count(cells().count(), "flow")
    )
}

fn features(result: &RunResult) -> Markup {
    let of = |verdict: Verdict| -> Vec<&str> {
        let of_it = result.features.iter().filter(|feature| feature.verdict == verdict);
        of_it.map(|feature| feature.feature.as_str()).collect()
    };
    let used = || Verdict::WORST_FIRST.into_iter().filter(|verdict| !of(*verdict).is_empty());
    html! {
        section aria-labelledby="features" {
            h2 #features { "Features" }
            @if result.features.is_empty() {
                p { "No term of any feature was tested." }
            } @else {
                dl.byverdict {
                    @for verdict in used() {
                        div {
                            dt { (badge(verdict)) }
                            dd { ul.chips { @for feature in of(verdict) { li { (say(feature)) } } } }
                        }
                    }
                }
                p.small { "What these words mean:" }
                (meanings(used()))
            }
        }
    }
}

/// A tile for each node, worst first: on a thousand nodes the one that matters must not be looked for.
fn nodes(nodes: &[NodeResult]) -> Markup {
    let of = |verdict: Verdict| nodes.iter().filter(move |node| node.verdict == verdict).collect::<Vec<_>>();
    let groups: Vec<(Verdict, Vec<&NodeResult>)> = Verdict::WORST_FIRST
        .into_iter()
        .map(|verdict| (verdict, of(verdict)))
        .filter(|(_, group)| !group.is_empty())
        .collect();
    let parts = groups.iter().map(|(verdict, group)| format!("{} {}", group.len(), phrases::heading(*verdict)));
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
                        summary { (count(group.len(), "node")) ": " (phrases::heading(verdict)) }
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
                    b { (phrases::heading(node.verdict)) }
                    " "
                    code { (say(&node.name)) }
                    @if let Some(reason) = &node.reason { " " small { (say(reason)) } }
                }
            }
        }
    }
}
