//! The first screen: what is wrong, where, and what to do next, for somebody who sees such a page for the first time.

use super::cases::{Anchored, link};
use super::terms::tested;
use super::words::{badge, rich, say, sentence};
use crate::core::fault::Fault;
use crate::core::verdict::{CaseResult, CellResult, RunResult, Scope, ScopeResult, Seen, Verdict};
use crate::report::page::count;
use crate::report::phrases::{by_verdict, fails_over, unscored};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// How many names stand in a sentence.
const NAMES: usize = 5;

pub(super) fn render(result: &RunResult, cases: &[Anchored<'_>]) -> Markup {
    let failing = result.verdict.is_failure();
    let unclear = result.verdict == Verdict::Inconclusive;
    let title = if failing {
        "What is wrong"
    } else if unclear {
        "Why this proves nothing"
    } else {
        "What this proves"
    };
    html! {
        section.findings aria-labelledby="findings" {
            h2 #findings { (title) }
            dl.byverdict {
                @if failing { (row("What", features(result))) }
                @if unclear {
                    @if let Some(reason) = first_reason(result) {
                        (row("Why", html! { p { "First: " (rich(&sentence(reason))) } }))
                    }
                }
                (row("Where", sentences(places(result))))
                (row("Do", html! { p { (advice(result)) } }))
                @if failing { (row("Cases", examples(cases, Verdict::is_failure))) }
                @if unclear { (row("Cases", examples(cases, |verdict| verdict == Verdict::Inconclusive))) }
                @let untested = not_tested(result);
                @if !untested.is_empty() { (row("Not tested", sentences(untested))) }
            }
        }
    }
}

fn sentences(lines: Vec<String>) -> Markup {
    html! { @for line in lines { p { (rich(&sentence(&line))) } } }
}

fn row(name: &str, text: Markup) -> Markup {
    html! { div { dt { (name) } dd { (text) } } }
}

fn features(result: &RunResult) -> Markup {
    let failing = result.features.iter().filter(|feature| feature.verdict.is_failure());
    let groups = by_verdict(failing.map(|feature| (feature.verdict, feature.feature.as_str())));
    html! {
        @if groups.is_empty() { p { "No feature as a whole." } }
        @for (verdict, features) in groups { p { (badge(verdict)) " " (say(features.join(", "))) } }
    }
}

/// How many cases there are of which `wanted` is true, and the way to the first.
fn examples(cases: &[Anchored<'_>], wanted: impl Fn(Verdict) -> bool) -> Markup {
    let found: Vec<&Anchored<'_>> = cases.iter().filter(|anchored| wanted(anchored.case.verdict)).collect();
    let hidden = found.len().saturating_sub(NAMES);
    html! {
        p {
            (found.len()) " of " (cases.len())
            @if !found.is_empty() { ": " }
            @for (index, anchored) in found.iter().take(NAMES).enumerate() {
                @if index > 0 { ", " }
                (link(anchored))
            }
            @if hidden > 0 { " and " a href="#cases" { (hidden) " more" } }
            "."
        }
    }
}

fn first_reason(result: &RunResult) -> Option<&str> {
    let unclear = result.cases.iter().filter(|case| case.verdict == Verdict::Inconclusive);
    unclear.filter_map(|case| case.reason.as_deref()).next()
}

/// In which scopes, on which nodes and between which ends.
fn places(result: &RunResult) -> Vec<String> {
    let failing = result.verdict.is_failure();
    let mut lines = Vec::new();
    if failing {
        let of_terms = by_scope(result, true);
        lines.extend(fails_over(&of_terms).or_else(|| match of_terms.len() {
            0 => None,
            1 => Some("in the one scope that was tested".to_owned()),
            all => Some(format!("in all {all} scopes that were tested")),
        }));
    } else if result.verdict != Verdict::Inconclusive {
        lines.extend(tested(&by_scope(result, false)));
    }
    lines.extend(nodes(result));
    lines.extend(ends(result, failing));
    if lines.is_empty() {
        lines.push("nothing was tested".to_owned());
    }
    lines
}

/// What the terms came to in each scope. Where some fail, those that do not are left aside.
fn by_scope(result: &RunResult, failing: bool) -> Vec<ScopeResult> {
    let mut scopes: BTreeMap<Scope, Verdict> = BTreeMap::new();
    let terms = result.cases.iter().flat_map(|case| &case.terms);
    for found in terms.filter(|term| !failing || term.verdict.is_failure()).flat_map(|term| &term.scopes) {
        let known = scopes.entry(found.scope).or_insert(found.verdict);
        if found.verdict.is_failure() {
            *known = found.verdict;
        }
    }
    scopes.into_iter().map(|(scope, verdict)| ScopeResult { scope, verdict }).collect()
}

fn nodes(result: &RunResult) -> Option<String> {
    let same = |verdict: Verdict| match result.verdict.is_failure() {
        true => verdict.is_failure(),
        false => verdict == result.verdict,
    };
    let probed = || result.nodes.iter().filter(|node| node.verdict != Verdict::Skipped);
    let hit: Vec<&str> = probed().filter(|node| same(node.verdict)).map(|node| node.name.as_str()).collect();
    let others: Vec<&str> = probed().filter(|node| !same(node.verdict)).map(|node| node.name.as_str()).collect();
    match (hit.len(), others.len()) {
        (0, _) => None,
        (1, 0) => Some(format!("on the one node that was probed, {}", list(&hit))),
        (2, 0) => Some(format!("on both nodes that were probed: {}", list(&hit))),
        (_, 0) => Some(format!("on all {} nodes that were probed: {}", hit.len(), list(&hit))),
        (number, rest) => Some(format!(
            "on {number} of {} nodes that were probed: {}; not on {}",
            number + rest,
            list(&hit),
            list(&others)
        )),
    }
}

fn list(names: &[&str]) -> String {
    let hidden = names.len().saturating_sub(NAMES);
    let shown = names.iter().take(NAMES).copied().collect::<Vec<_>>().join(", ");
    if hidden > 0 { format!("{shown} and {hidden} more") } else { shown }
}

/// The one receiver or sender that all odd flows share, where there is one: then it, and not the policies, may be at fault.
fn ends(result: &RunResult, wrong: bool) -> Option<String> {
    let steps = || result.cases.iter().flat_map(|case: &CaseResult| &case.steps);
    let odd = |cell: &&CellResult| if wrong { cell.wrong } else { matches!(cell.seen, Seen::Unclear { .. }) };
    let flows: Vec<_> = steps().flat_map(|step| &step.cells).filter(odd).map(|cell| &cell.cell.flow).collect();
    let word = if wrong { "wrong" } else { "unclear" };
    let receivers: BTreeSet<String> = flows.iter().map(|flow| flow.to.to_string()).collect();
    let senders: BTreeSet<String> = flows.iter().map(|flow| flow.from.to_string()).collect();
    let (way, end) = match (receivers.len(), senders.len()) {
        (1, _) => ("go to", receivers.first()?),
        (_, 1) => ("come from", senders.first()?),
        _ => return None,
    };
    (flows.len() > 1).then(|| format!("all {} {way} {end}", count(flows.len(), &format!("{word} flow"))))
}

fn not_tested(result: &RunResult) -> Vec<String> {
    let groups = unscored(&result.cases).into_iter().filter(|group| group.verdict == Verdict::Skipped);
    let mut lines: Vec<String> =
        groups.map(|group| format!("{}: {}", count(group.cases.len(), "case"), group.reason)).collect();
    let nodes: Vec<&str> =
        result.nodes.iter().filter(|node| node.verdict == Verdict::Skipped).map(|node| node.name.as_str()).collect();
    if !nodes.is_empty() {
        lines.push(format!("{}: {}", count(nodes.len(), "node"), list(&nodes)));
    }
    lines
}

/// What to do about a verdict.
fn advice(result: &RunResult) -> &'static str {
    let no_engine = result
        .diagnoses
        .iter()
        .any(|one| one.faults.iter().any(|found| found.fault == Fault::NoEngine && found.scope.is_none()));
    match result.verdict {
        Verdict::Ignored if no_engine => {
            "Look whether a policy engine is installed, and whether it runs on every node. Until one does, NetworkPolicies \
             protect nothing here."
        }
        Verdict::Ignored => {
            "The network plugin does not implement this, has it switched off, or has a bug. Try a flow from below by hand, and \
             take it to the plugin's issue tracker. Until that is mended, policies that rely on it protect nothing."
        }
        Verdict::Partial => {
            "Look at what fails and what holds. One node: its engine is down or behind. One IP family: often IPv6 is not \
             filtered. ClusterIP alone: rules are matched before or after a Service's address was rewritten. Until that is \
             mended, policies do not protect what fails."
        }
        Verdict::Overblocked => {
            "Expect outages rather than leaks. Engines that take only the first rule, peer, port or policy do this: look which \
             terms below are hit."
        }
        Verdict::Stale => {
            "The engine misses changes. Look at its watches and at its logs; if a restart cures it, that is the confirmation."
        }
        Verdict::Flapping => {
            "Compare the times below with the engine's logs: restarts, full reconciliations, other programs that write into \
             the same tables. While enforcement lapses, nothing is protected."
        }
        Verdict::Inconclusive => {
            "This is not a pass. Mend what the reason names (the network itself, a pod, a node), then run again. What is \
             ENFORCED below stays proven."
        }
        Verdict::Late => "Policies are enforced, but changes take longer than the budget: see the latencies.",
        Verdict::Enforced => {
            "Nothing. It holds for what was tested, at that time: run again after each change of the cluster or its network."
        }
        Verdict::Skipped | Verdict::Undefined => "Nothing was proven. See why cases did not run, and run again.",
    }
}
