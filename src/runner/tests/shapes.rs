//! Targets that have less than others: one family, one node, no host outside.

use super::{Sim, of_profile, some_cases, story, with};
use crate::core::catalogue::Profile;
use crate::core::model::flow::Family;
use crate::core::verdict::{Diagnosis, RunResult, Verdict};
use crate::exit::{ExitStatus, Expect};
use crate::target::sim::SimOptions;
use std::time::Duration;

/// Every shape, each with a name.
fn shapes() -> Vec<(&'static str, SimOptions)> {
    let whole = SimOptions::default;
    vec![
        ("IPv4 only", SimOptions { families: vec![Family::Ipv4], ..whole() }),
        ("IPv6 only", SimOptions { families: vec![Family::Ipv6], ..whole() }),
        ("one node", SimOptions { nodes: 1, ..whole() }),
        ("five nodes", SimOptions { nodes: 5, ..whole() }),
        ("nothing outside", SimOptions { externals: false, ..whole() }),
        ("least", SimOptions { families: vec![Family::Ipv4], nodes: 1, externals: false, ..whole() }),
    ]
}

fn skipped(result: &RunResult) -> Vec<&str> {
    let skipped = result.cases.iter().filter(|case| case.verdict == Verdict::Skipped);
    skipped.map(|case| case.id.as_str()).collect()
}

const NEEDING_HOSTS_OUTSIDE: [&str; 4] =
    ["ip-block-outside", "ip-block-except-outside", "except-is-not-a-deny", "everywhere-but-one-address"];

#[test]
fn a_healthy_network_of_any_shape_is_enforced() {
    for (shape, options) in shapes() {
        let outside = options.externals;
        let (result, _) = Sim::new(options, of_profile(Profile::Standard)).run();
        assert_eq!(ExitStatus::of(&result, None, &[]), ExitStatus::Enforced, "{shape}: {}", story(&result));
        for case in result.cases.iter().filter(|case| case.verdict != Verdict::Skipped) {
            let odd = case.terms.iter().find(|term| term.verdict != Verdict::Enforced);
            assert!(odd.is_none(), "{shape}: {}", story(&result));
        }
        let needing: &[&str] = if outside { &[] } else { &NEEDING_HOSTS_OUTSIDE };
        assert_eq!(skipped(&result), needing, "{shape}: {}", story(&result));
        for case in result.cases.iter().filter(|case| case.verdict == Verdict::Skipped) {
            let why = case.reason.as_deref().unwrap();
            assert!(why.starts_with("it needs a host outside the pod network (external:echo"), "{shape}: {why}");
        }
        assert_eq!(result.headline.contains("; 4 cases skipped"), !outside, "{shape}: {}", result.headline);
    }
}

#[test]
fn a_mute_node_is_inconclusive_and_the_others_are_judged() {
    let options = SimOptions { nodes: 3, mute: Some("n2".to_owned()), ..SimOptions::default() };
    let (result, _) = Sim::new(options, of_profile(Profile::Quick)).run();
    assert_eq!(ExitStatus::of(&result, None, &[]), ExitStatus::Inconclusive, "{}", story(&result));
    let nodes: Vec<_> = result.nodes.iter().map(|node| (node.name.as_str(), node.verdict)).collect();
    let expected = [("n1", Verdict::Enforced), ("n2", Verdict::Inconclusive), ("n3", Verdict::Enforced)];
    assert_eq!(nodes, expected, "{}", story(&result));
    let reasons: Vec<_> = result.nodes.iter().map(|node| node.reason.as_deref()).collect();
    assert_eq!(reasons, [None, Some("nothing connected from or to it before any policy"), None]);
}

#[test]
fn a_network_of_any_shape_without_an_engine_is_found_out() {
    for (shape, options) in shapes() {
        let (result, _) =
            Sim::new(SimOptions { faults: with("no-engine").faults, ..options }, of_profile(Profile::Standard)).run();
        assert_eq!(ExitStatus::of(&result, None, &[]), ExitStatus::NotEnforced, "{shape}: {}", story(&result));
        let expected = ExitStatus::of(&result, Some(Expect::Ignored), &[]);
        assert_eq!(expected, ExitStatus::Enforced, "{shape}: {}", story(&result));
    }
}

#[test]
fn services_that_become_reachable_late_are_waited_for_once() {
    for (after, verdict) in [(8, Verdict::Enforced), (40, Verdict::Inconclusive)] {
        let options = SimOptions { services_after: Duration::from_secs(after), ..SimOptions::default() };
        let mut sim = Sim::new(options, some_cases(&["default-deny-ingress", "port-name-of-another-protocol"]));
        sim.settings.settle = Duration::from_secs(60);
        let (result, _) = sim.lanes(1).run();
        assert_eq!(result.cases[0].verdict, verdict, "{after} s: {}", story(&result));
        let waited = result.cases[0].steps[0].duration_ms / 1_000.0;
        assert!((8.0..32.0).contains(&waited), "{after} s: {waited}");
        if verdict == Verdict::Enforced {
            assert_eq!(result.verdict, verdict, "{}", story(&result));
        } else {
            // Whoever still waits now, waits for what never comes.
            let waited = result.cases[1].steps[0].duration_ms / 1_000.0;
            assert!((5.0..7.0).contains(&waited), "{after} s: {waited}");
        }
    }
}

#[test]
fn services_that_become_reachable_a_moment_late_cost_a_baseline_a_moment() {
    let options = SimOptions { services_after: Duration::from_millis(400), ..SimOptions::default() };
    let (result, _) = Sim::new(options, some_cases(&["default-deny-ingress"])).lanes(1).run();
    assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
    let waited_ms = result.cases[0].steps[0].duration_ms;
    assert!((400.0..2_000.0).contains(&waited_ms), "{waited_ms}");
}

#[test]
fn a_run_of_nothing_but_skipped_cases_proves_nothing() {
    let cases = of_profile(Profile::Standard)
        .into_iter()
        .filter(|case| case.id.starts_with("ip-block-") && case.id.ends_with("outside"));
    let (result, _) = Sim::new(SimOptions { externals: false, ..SimOptions::default() }, cases.collect()).run();
    assert_eq!(skipped(&result).len(), 2);
    assert_eq!(ExitStatus::of(&result, None, &[]), ExitStatus::Inconclusive);
}

const BY_SCTP: [&str; 3] =
    ["sctp-default-deny-ingress", "sctp-ingress-from-namespace-on-port", "sctp-ingress-from-pod-elsewhere"];

#[test]
fn sctp_is_probed_where_kernels_have_it_and_skipped_where_not() {
    let run = |sctp| Sim::new(SimOptions { sctp, ..SimOptions::default() }, some_cases(&BY_SCTP)).run().0;
    let (with, without) = (run(true), run(false));
    assert_eq!((with.verdict, skipped(&with)), (Verdict::Enforced, Vec::new()), "{}", story(&with));
    assert_eq!(skipped(&without), BY_SCTP);
    for case in &without.cases {
        let why = "it needs SCTP, which the kernel of at least one node does not have";
        assert_eq!(case.reason.as_deref(), Some(why), "{}", case.id);
    }
}

#[test]
fn an_engine_that_lets_sctp_alone_pass_is_found_out() {
    let cases = [&BY_SCTP[..], &["default-deny-ingress"]].concat();
    let (result, _) = Sim::new(with("no-engine@protocol=sctp"), some_cases(&cases)).run();
    let named = Diagnosis { faults: vec!["no-engine@protocol=sctp".parse().unwrap()] };
    assert!(result.diagnoses.contains(&named), "{:?}\n{}", result.diagnoses, story(&result));
    let enforced = result.cases.iter().find(|case| case.id == "default-deny-ingress").unwrap();
    assert_eq!(enforced.verdict, Verdict::Enforced);
}
