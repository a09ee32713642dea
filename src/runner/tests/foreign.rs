//! Somebody else's policies come and go while a run goes on.

use super::{Sim, some_cases, story, with};
use crate::core::catalogue::Case;
use crate::core::event::Event;
use crate::core::model::flow::Protocol;
use crate::core::model::policy::{LabelSelector, Policy, Rule};
use crate::core::verdict::{NodeResult, RunResult, Verdict};
use crate::exit::ExitStatus;
use crate::target::sim::{Intrusion, SimOptions};
use std::time::Duration;

/// Cases that take place one after the other, as [`apart`] makes them.
const CASES: [&str; 3] =
    ["default-deny-ingress", "port-name-of-another-protocol", "egress-denied-although-ingress-allowed"];

/// The same, with one more about egress, so that there is one from each node.
const CASES_OF_BOTH_NODES: [&str; 4] = [CASES[0], CASES[1], CASES[2], "egress-to-pod-elsewhere"];

/// These cases, the first two of which leave each other nothing, and the others with a protocol less: batches have theirs in
/// common.
fn apart(ids: &[&str]) -> Vec<Case> {
    let mut cases = some_cases(ids);
    cases[2..].iter_mut().for_each(|case| case.protocols = vec![Protocol::Tcp]);
    cases
}

/// A policy for both directions and all pods of namespace x.
fn policy(name: &str, rules: Vec<Rule>) -> Policy {
    Policy {
        namespace: "x".to_owned(),
        name: name.to_owned(),
        pod_selector: LabelSelector::default(),
        ingress: Some(rules.clone()),
        egress: Some(rules),
    }
}

fn allow_all() -> Policy {
    policy("allow-all", vec![Rule { ports: Vec::new(), peers: Vec::new() }])
}

fn deny_all() -> Policy {
    policy("deny-all", Vec::new())
}

/// A network in whose first lane this policy comes up while the first case holds.
fn intruded(policy: Policy, stays: Option<Duration>) -> SimOptions {
    let intrusion = Intrusion { lane: Some(0), after: Duration::from_millis(1_500), stays, policy };
    SimOptions { intrusions: vec![intrusion], ..SimOptions::default() }
}

fn watched(options: SimOptions) -> SimOptions {
    let intrusion = Intrusion { lane: None, after: Duration::ZERO, stays: None, policy: deny_all() };
    SimOptions { intrusions: vec![intrusion], ..options }
}

#[track_caller]
fn only_the_first_case_is_in_doubt(result: &RunResult, object: &str) {
    for case in &result.cases {
        let first = case.id == CASES[0];
        let verdict = if first { Verdict::Inconclusive } else { Verdict::Enforced };
        assert_eq!(case.verdict, verdict, "{}", story(result));
        assert!(case.terms.iter().all(|term| term.verdict == verdict), "{}", story(result));
        if first {
            let reason = case.reason.as_deref().unwrap();
            assert!(reason.contains(object) && reason.contains("x/a, x/b, x/c from 1.5 s"), "{reason}");
            assert!(case.terms.iter().all(|term| term.explanation == reason), "{}", story(result));
            let scopes = case.terms.iter().flat_map(|term| &term.scopes);
            assert!(scopes.clone().count() > 0 && scopes.into_iter().all(|scope| scope.verdict == verdict));
        }
    }
    assert!(result.headline.contains(object), "{}", result.headline);
    assert!(result.notes.iter().any(|note| note.contains(object)), "{:?}", result.notes);
    assert_eq!(result.diagnoses, []);
    let doubtful = |node: &&NodeResult| node.server == Some(Verdict::Inconclusive);
    let doubted: Vec<Verdict> = result.nodes.iter().filter(doubtful).map(|node| node.verdict).collect();
    assert!(
        !doubted.is_empty() && doubted.iter().all(|verdict| *verdict == Verdict::Inconclusive),
        "{:?}",
        result.nodes
    );
    assert!(result.nodes.iter().all(|node| node.client == Some(Verdict::Enforced)), "{:?}", result.nodes);
    assert_eq!(ExitStatus::of(result, None, &[]), ExitStatus::Inconclusive);
}

#[test]
fn an_allow_that_comes_up_is_no_leak() {
    for stays in [None, Some(Duration::from_millis(700))] {
        let (result, events) = Sim::new(intruded(allow_all(), stays), apart(&CASES_OF_BOTH_NODES)).lanes(1).run();
        only_the_first_case_is_in_doubt(&result, "NetworkPolicy papertiger-sim0000-x/allow-all");
        let lanes = events.iter().filter(|event| matches!(event.event, Event::LaneOpened { .. })).count();
        assert_eq!(lanes, 2, "the policy stays where it is, so the lane must be left");
    }
}

#[test]
fn a_deny_that_comes_up_is_no_block() {
    let (result, _) = Sim::new(intruded(deny_all(), None), apart(&CASES_OF_BOTH_NODES)).lanes(1).run();
    only_the_first_case_is_in_doubt(&result, "NetworkPolicy papertiger-sim0000-x/deny-all");
}

#[test]
fn a_policy_that_selects_nobody_changes_nothing() {
    let mut nobody = allow_all();
    nobody.pod_selector.match_labels.insert("pod".to_owned(), "nobody".to_owned());
    let (result, events) = Sim::new(intruded(nobody, None), apart(&CASES)).lanes(1).run();
    assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
    assert!(result.notes.is_empty(), "{:?}", result.notes);
    assert!(events.iter().any(|event| matches!(event.event, Event::ForeignPolicy(_))));
}

#[test]
fn a_policy_of_the_whole_cluster_takes_nothing_from_what_is_enforced() {
    let (result, _) = Sim::new(watched(SimOptions::default()), apart(&CASES)).lanes(1).run();
    assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
    assert!(result.notes.iter().any(|note| note.contains("ClusterNetworkPolicy deny-all")), "{:?}", result.notes);
    assert_eq!(ExitStatus::of(&result, None, &[]), ExitStatus::Enforced);
}

#[test]
fn a_policy_of_the_whole_cluster_may_be_the_reason_for_what_is_not() {
    let (result, _) = Sim::new(watched(with("ignore-egress")), apart(&CASES)).lanes(1).run();
    assert_eq!(result.verdict, Verdict::Inconclusive, "{}", story(&result));
    for case in &result.cases {
        let touched = case.id == "egress-denied-although-ingress-allowed";
        assert_eq!(case.verdict, if touched { Verdict::Inconclusive } else { Verdict::Enforced }, "{}", story(&result));
        if touched {
            let reason = case.reason.as_deref().unwrap();
            assert!(
                reason.contains("ClusterNetworkPolicy deny-all") && reason.contains("may be the reason"),
                "{reason}"
            );
        }
    }
    assert!(result.headline.contains("ClusterNetworkPolicy deny-all"), "{}", result.headline);
    assert_eq!(ExitStatus::of(&result, None, &[]), ExitStatus::Inconclusive);
}

#[test]
fn a_policy_of_the_whole_cluster_that_comes_up_in_a_case_spoils_it() {
    let mut options = watched(SimOptions::default());
    options.intrusions[0].after = Duration::from_millis(1_500);
    let (result, _) = Sim::new(options, apart(&CASES)).lanes(1).run();
    let verdicts: Vec<Verdict> = result.cases.iter().map(|case| case.verdict).collect();
    assert_eq!(verdicts, [Verdict::Inconclusive, Verdict::Enforced, Verdict::Enforced], "{}", story(&result));
    assert!(result.cases[0].reason.as_deref().unwrap().contains("appeared at 1.5 s"), "{}", story(&result));
}
