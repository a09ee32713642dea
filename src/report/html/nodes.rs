//! The nodes: a tile for each, and a map of what went between them.

use super::words::{class, say, scroll};
use crate::core::model::flow::Endpoint;
use crate::core::model::world::World;
use crate::core::verdict::{NodeResult, RunResult, StepResult};
use crate::report::page::count;
use crate::report::phrases::{Flows, about_nodes, by_verdict, heading};
use maud::{Markup, html};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// More nodes than this, of which nothing is wrong, are folded.
const TILES: usize = 40;

/// More nodes than this are no map that anybody reads: those between which something is odd come first.
const MAPPED: usize = 12;

/// A tile for each node, worst first: on a thousand nodes the one that matters must not be looked for.
pub(super) fn render(result: &RunResult) -> Markup {
    let nodes = &result.nodes;
    let about: BTreeMap<&str, String> =
        about_nodes(result).into_iter().map(|(node, text)| (node.name.as_str(), text)).collect();
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
                        (tiles(&group, &about))
                    }
                } @else {
                    (tiles(&group, &about))
                }
            }
            (map(result))
        }
    }
}

/// The verdict comes first: a name may read like one.
fn tiles(nodes: &[&NodeResult], about: &BTreeMap<&str, String>) -> Markup {
    html! {
        ul.tiles {
            @for node in nodes {
                li class=(class(node.verdict)) {
                    b { (heading(node.verdict)) }
                    " "
                    code { (say(&node.name)) }
                    @if let Some(text) = about.get(node.name.as_str()) { " " small { (say(text)) } }
                }
            }
        }
    }
}

/// A node; `None` is what stands on none.
type Place<'a> = Option<&'a str>;

/// The flows from each node to each, by what was seen.
fn between(result: &RunResult) -> BTreeMap<(Place<'_>, Place<'_>), Flows> {
    let mut between: BTreeMap<(Place<'_>, Place<'_>), Flows> = BTreeMap::new();
    for case in &result.cases {
        let Some(world) = &case.world else { continue };
        for step in &case.steps {
            for cell in &step.cells {
                let flow = &cell.cell.flow;
                let ends = (place(world, step, &flow.from), place(world, step, &flow.to));
                between.entry(ends).or_default().add(cell);
            }
        }
    }
    between
}

/// Where an end stands. A pod that was made again may stand on another node.
fn place<'a>(world: &'a World, step: &'a StepResult, end: &'a Endpoint) -> Place<'a> {
    let again = end.pod().and_then(|id| step.pods.iter().find(|pod| pod.id == *id));
    again.map(|pod| pod.node.as_str()).or_else(|| world.node_of(end))
}

/// How many of the flows from each node to each went wrong.
fn map(result: &RunResult) -> Markup {
    let between = between(result);
    let odd = |place: Place<'_>| {
        let touching = between.iter().filter(|((from, to), _)| *from == place || *to == place);
        touching.map(|(_, flows)| flows.wrong + flows.unclear).sum::<usize>()
    };
    let places: BTreeSet<Place<'_>> = between.keys().flat_map(|(from, to)| [*from, *to]).collect();
    let mut shown: Vec<Place<'_>> = places.into_iter().rev().collect();
    shown.sort_by_key(|place| Reverse(odd(*place)));
    let hidden = shown.len().saturating_sub(MAPPED);
    shown.truncate(MAPPED);
    shown.sort_unstable_by_key(|place| (place.is_none(), *place));
    if shown.len() < 2 {
        return html! {};
    }
    let name = |place: Place<'_>| place.map_or_else(|| "outside".to_owned(), say);
    let grid = html! {
        table.between {
            caption { "Wrong or unclear, of all flows from a node (row) to a node (column)" }
            thead {
                tr {
                    td {}
                    @for to in &shown { th scope="col" { span { (name(*to)) } } }
                }
            }
            tbody {
                @for from in &shown {
                    tr {
                        th scope="row" { (name(*from)) }
                        @for to in &shown {
                            @match between.get(&(*from, *to)) {
                                Some(flows) => { td class=(colour(*flows)) { (figure(*flows)) } }
                                None => { td {} }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        (scroll("Flows between nodes", grid))
        @if hidden > 0 { p.small { "… and " (count(hidden, "node")) " with no more of them." } }
    }
}

fn colour(flows: Flows) -> &'static str {
    match flows {
        Flows { wrong: 1.., .. } => "l",
        Flows { unclear: 1.., .. } => "u",
        Flows { .. } => "x",
    }
}

/// "3 wrong of 120"
fn figure(Flows { all, wrong, unclear }: Flows) -> String {
    match (wrong, unclear) {
        (0, 0) => format!("0 of {all}"),
        (wrong, 0) => format!("{wrong} wrong of {all}"),
        (0, unclear) => format!("{unclear} unclear of {all}"),
        (wrong, unclear) => format!("{wrong} wrong, {unclear} unclear of {all}"),
    }
}
