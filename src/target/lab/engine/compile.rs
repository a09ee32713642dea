//! Policies to packet-filter rules, as text.

use super::dispatch::{Dispatch, marking};
use super::matching::isolates;
use super::misread::misread;
use super::rules;
use super::view::View;
use crate::core::fault::Fault;
use crate::core::model::flow::PodId;
use crate::core::model::policy::{Direction, Policy};
use crate::core::model::world::Pod;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What is decided on one node for one lane.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The name of the table that holds the lane's rules.
    pub(super) table: String,
    /// The node's end of the cable of each of the lane's pods on it.
    pub(super) links: BTreeMap<PodId, String>,
    /// Whether packets have to be marked, see [`marking`].
    pub(super) marks: bool,
}

/// The rules that put the table of `place` in the place of whatever it was before: all at once, or not at all.
///
/// A packet that starts a connection passes two chains: of the pod that it comes from (egress, on that pod's node) and of
/// the pod that it goes to (ingress, on that one's). A pod that no policy isolates has none. An isolated pod's chain
/// returns for what a rule allows, and drops the rest.
pub(super) fn compile(place: &Place, variants: &[View], dispatch: &Dispatch) -> String {
    let table = &place.table;
    let mut chains = String::new();
    let mut isolated = false;
    for (index, view) in variants.iter().enumerate() {
        isolated |= variant(&mut chains, index, view, place);
    }
    let mut text = format!("table inet {table}\ndelete table inet {table}\n");
    if !isolated && !place.marks {
        return text;
    }
    let mark = if place.marks { marking() } else { String::new() };
    if isolated {
        let entry = tree(&mut chains, dispatch, &mut 0);
        let _infallible = write!(
            chains,
            "  chain forward {{\n    type filter hook forward priority filter; policy accept;\n    \
             ct state established,related accept\n    goto {entry}\n  }}\n"
        );
    }
    let _infallible = write!(text, "table inet {table} {{\n{mark}{chains}}}\n");
    text
}

/// Writes the chains of one variant; says whether it isolates any pod of this place.
fn variant(chains: &mut String, index: usize, view: &View, place: &Place) -> bool {
    let policies: Vec<Policy> =
        view.policies.values().map(|policy| misread(policy, &view.faults, &view.world)).collect();
    let mut entries = String::new();
    for (direction, field) in [(Direction::Egress, "iifname"), (Direction::Ingress, "oifname")] {
        let mut verdicts = Vec::new();
        for (number, (id, link)) in place.links.iter().enumerate() {
            let Some(pod) = view.world.pod(id) else { continue };
            if let Some(lines) = pod_chain(direction, pod, &policies, view) {
                let name = format!("v{index}_{direction}_{number}");
                let body: String = lines.iter().map(|line| format!("    {line}\n")).collect();
                let _infallible = write!(chains, "  chain {name} {{ # {id}\n{body}    drop\n  }}\n");
                verdicts.push(format!("\"{link}\" : jump {name}"));
            }
        }
        if !verdicts.is_empty() {
            let _infallible = writeln!(entries, "    {field} vmap {{ {} }}", verdicts.join(", "));
        }
    }
    let _infallible = write!(chains, "  chain v{index} {{\n{entries}  }}\n");
    !entries.is_empty()
}

/// The lines that allow, for a pod that is isolated in this direction.
fn pod_chain(direction: Direction, pod: &Pod, policies: &[Policy], view: &View) -> Option<Vec<String>> {
    if view.faults.contains(&Fault::NoEngine) {
        return None;
    }
    // Policies come ordered by name.
    let mut concerning: Vec<(&Policy, &Vec<_>)> = policies
        .iter()
        .filter(|policy| isolates(policy, pod, &view.faults))
        .filter_map(|policy| policy.rules(direction).map(|rules| (policy, rules)))
        .collect();
    if view.faults.contains(&Fault::FirstPolicyOnly) {
        concerning.truncate(1);
    }
    if concerning.is_empty() {
        return None;
    }
    let lines = concerning.iter().flat_map(|(policy, rules)| {
        rules.iter().flat_map(|rule| rules::lines(direction, pod, &policy.namespace, rule, view))
    });
    Some(lines.collect())
}

/// Writes the chains that lead to the variants; returns the name of the first.
fn tree(chains: &mut String, dispatch: &Dispatch, count: &mut usize) -> String {
    match dispatch {
        Dispatch::Variant(index) => format!("v{index}"),
        Dispatch::Split { conditions, inside, outside } => {
            let inside = tree(chains, inside, count);
            let outside = tree(chains, outside, count);
            let name = format!("scope{count}");
            *count += 1;
            let body: String = conditions.iter().map(|condition| format!("    {condition} goto {inside}\n")).collect();
            let _infallible = write!(chains, "  chain {name} {{\n{body}    goto {outside}\n  }}\n");
            name
        }
    }
}
