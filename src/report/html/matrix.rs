//! Heat maps: from each sender to each receiver, over all protocols, ports, families and paths at once.

use super::words::{say, scroll};
use crate::core::model::flow::{Connection, Endpoint, Family, Path, Protocol};
use crate::core::verdict::{CellResult, StepResult};
use crate::report::terminal::table::{Ends, Sign, name};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// Longer names stand upright where they head a column.
const FLAT: usize = 6;

/// How a port was tried.
type Variant = (Family, Path, Connection);

/// The flows from one sender to one receiver.
type Pairs<'a> = BTreeMap<(&'a Endpoint, &'a Endpoint), Vec<&'a CellResult>>;

/// The heat map of a phase.
pub(super) fn table(step: &StepResult) -> Markup {
    let mut pairs: Pairs<'_> = BTreeMap::new();
    for result in &step.cells {
        pairs.entry((&result.cell.flow.from, &result.cell.flow.to)).or_default().push(result);
    }
    if pairs.is_empty() {
        return html! {};
    }
    let ends = Ends::of(&pairs.iter().map(|(ends, cells)| (*ends, sign(cells))).collect());
    let Ends { senders, receivers, .. } = &ends;
    if senders.is_empty() {
        return html! { @if let Some(text) = ends.left_out() { p.small { (text) } } };
    }
    let variants: BTreeSet<Variant> = step.cells.iter().map(variant).collect();
    let tall = receivers.iter().any(|to| say(name(to)).chars().count() > FLAT);
    let gaps = senders.iter().any(|from| receivers.iter().any(|to| from != to && !pairs.contains_key(&(*from, *to))));
    let used: BTreeSet<Sign> = pairs.values().map(|cells| sign(cells)).collect();
    let grid = html! {
        table.map.tall[tall] {
            caption { "Rows send, columns receive" }
            thead {
                tr {
                    td {}
                    @for to in receivers { th scope="col" { span { (name(to)) } } }
                }
            }
            tbody {
                @for from in senders {
                    tr {
                        th scope="row" { (name(from)) }
                        @for to in receivers {
                            @match pairs.get(&(*from, *to)) {
                                Some(cells) => (cell(cells, &variants)),
                                None => { td {} }
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        (scroll("Heat map", grid))
        @if let Some(text) = ends.left_out() { p.small { (text) } }
        (legend(&used, gaps))
    }
}

fn cell(cells: &[&CellResult], variants: &BTreeSet<Variant>) -> Markup {
    let sign = sign(cells);
    html! { td class=(class(sign)) title=(behind(cells, variants)) { (sign.show().0) } }
}

fn sign(cells: &[&CellResult]) -> Sign {
    cells.iter().map(|cell| Sign::of(cell)).reduce(Sign::and).unwrap_or(Sign::Unclear)
}

fn variant(result: &CellResult) -> Variant {
    let flow = &result.cell.flow;
    (flow.family, flow.path, flow.connection)
}

/// "open, must be blocked: TCP 80 over IPv6 by pod IP; open, as written: UDP 53". What needs no explanation is told by
/// the cell's own sign: pages stay small.
fn behind(cells: &[&CellResult], variants: &BTreeSet<Variant>) -> String {
    let mut signs: BTreeMap<Sign, BTreeMap<(Protocol, u16), BTreeSet<Variant>>> = BTreeMap::new();
    for result in cells {
        let flow = &result.cell.flow;
        signs
            .entry(Sign::of(result))
            .or_default()
            .entry((flow.protocol, flow.port))
            .or_default()
            .insert(variant(result));
    }
    let plain = signs.keys().all(|sign| *sign == Sign::Open) || signs.keys().all(|sign| *sign == Sign::Blocked);
    // The worst sign is the cell's own.
    let parts = signs.into_iter().rev().map(|(sign, ports)| {
        let mut alike: BTreeMap<BTreeSet<Variant>, Vec<String>> = BTreeMap::new();
        for ((protocol, port), ways) in ports {
            alike.entry(ways).or_default().push(format!("{protocol} {port}"));
        }
        let ports = alike.into_iter().map(|(ways, ports)| ports.join(", ") + &over(&ways, variants));
        let ports = ports.collect::<Vec<_>>().join(", ");
        if plain { ports } else { format!("{}: {ports}", sign.show().2) }
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// In which ways, where that is not every way of the phase.
fn over(ways: &BTreeSet<Variant>, all: &BTreeSet<Variant>) -> String {
    if ways == all {
        return String::new();
    }
    let show = |(family, path, connection): &Variant| match connection {
        Connection::New => format!("{family} by {path}"),
        Connection::Standing => format!("{family} by {path} on a standing connection"),
    };
    format!(" over {}", ways.iter().map(show).collect::<Vec<_>>().join(" and "))
}

fn class(sign: Sign) -> &'static str {
    match sign {
        Sign::Open => "o",
        Sign::Blocked => "x",
        Sign::Both => "h",
        Sign::Undefined => "d",
        Sign::Unclear => "u",
        Sign::Overblocked => "b",
        Sign::Leak => "l",
    }
}

fn legend(used: &BTreeSet<Sign>, gaps: bool) -> Markup {
    html! {
        ul.legend {
            @for sign in Sign::ALL.into_iter().filter(|sign| used.contains(sign)) {
                @let (mark, _, meaning) = sign.show();
                li { span class={ "key " (class(sign)) } { (mark) } " " (meaning) }
            }
            @if gaps { li { "blank: not probed" } }
        }
    }
}
