//! The contract's sentences beside what they come to.

use super::*;
use crate::core::event::{RunSettings, RunStarted, SCHEMA};
use crate::core::model::flow::{Family, Path, Protocol};
use crate::core::verdict::{CaseResult, NodeResult, Placement, Scope, ScopeResult};
use ExitStatus as E;
use Verdict as V;

const FAILURES: [V; 5] = [V::Ignored, V::Partial, V::Overblocked, V::Stale, V::Flapping];

/// A completed run of one case that has one isolation term for each list of scopes.
fn run(verdict: V, terms: &[(V, &[V])]) -> RunResult {
    let family = [Family::Ipv4, Family::Ipv6];
    let scope = |index: usize| Scope {
        family: family[index],
        path: Path::PodIp,
        protocol: Protocol::Tcp,
        placement: Placement::SameNode,
    };
    let terms = terms
        .iter()
        .map(|(verdict, scopes)| TermResult {
            id: "x/p ingress".into(),
            feature: "ingress".into(),
            isolation: true,
            verdict: *verdict,
            explanation: String::new(),
            faults: Vec::new(),
            witnesses: Vec::new(),
            scopes: scopes
                .iter()
                .enumerate()
                .map(|(index, verdict)| ScopeResult { scope: scope(index), verdict: *verdict })
                .collect(),
            latency_ms: None,
            policy: None,
        })
        .collect();
    RunResult {
        run: RunStarted {
            schema: SCHEMA.into(),
            run: "abcdef".into(),
            tool_version: "0".into(),
            target: "lab".into(),
            nodes: vec!["n1".into()],
            untested: Vec::new(),
            started_at: String::new(),
            settings: RunSettings {
                profile: "quick".into(),
                settle_ms: 1,
                hold_ms: 1,
                hold_attempts: 20,
                canary_ms: 0,
                budget_ms: None,
                timeout_ms: 1,
                lanes: 1,
                seed: 0,
                faults: Vec::new(),
            },
            cases: vec!["c".into()],
        },
        duration_us: 0,
        verdict_us: 0,
        end: Some(RunEnd::Completed),
        verdict,
        headline: String::new(),
        diagnoses: Vec::new(),
        features: Vec::new(),
        cases: vec![CaseResult {
            id: "c".into(),
            title: String::new(),
            verdict,
            reason: None,
            world: None,
            steps: Vec::new(),
            terms,
            latencies: Vec::new(),
        }],
        nodes: vec![NodeResult { name: "n1".into(), verdict, server: None, client: None, reason: None }],
        lapses: Vec::new(),
        startups: Vec::new(),
        behaviours: Vec::new(),
        notes: Vec::new(),
    }
}

fn folded(verdict: V) -> RunResult {
    run(verdict, &[(verdict, &[verdict])])
}

#[track_caller]
fn check(sentence: &str, result: &RunResult, expect: Option<Expect>, fail_on: &[FailOn], expected: ExitStatus) {
    assert_eq!(ExitStatus::of(result, expect, fail_on), expected, "{sentence}: {:?}", result.verdict);
}

#[test]
fn worst_wins() {
    for failure in FAILURES {
        check("IGNORED, PARTIAL, OVERBLOCKED, STALE, FLAPPING → exit 1", &folded(failure), None, &[], E::NotEnforced);
    }
    check("INCONCLUSIVE → 3", &folded(V::Inconclusive), None, &[], E::Inconclusive);
    check("ENFORCED → 0", &folded(V::Enforced), None, &[], E::Enforced);
    check("ENFORCED → 0", &folded(V::Enforced), Some(Expect::Enforced), &[], E::Enforced);
}

#[test]
fn a_run_that_proved_nothing_exits_3() {
    let sentence = "SKIPPED and UNDEFINED never change the code, but a run that proved nothing exits 3";
    check(sentence, &folded(V::Skipped), None, &[], E::Inconclusive);
    check(sentence, &folded(V::Undefined), None, &[], E::Inconclusive);
    check(sentence, &run(V::Enforced, &[]), None, &[], E::Inconclusive);
}

#[test]
fn only_fail_on_fails_a_run_that_passes() {
    let sentence = "LATE, … skipped cases and untested nodes … fail the run only when --fail-on names them";
    check(sentence, &folded(V::Late), None, &[], E::Enforced);
    check(sentence, &folded(V::Late), None, &[FailOn::Late], E::NotEnforced);
    check(sentence, &folded(V::Late), None, &[FailOn::Skipped, FailOn::Startup], E::Enforced);

    let mut skipped = folded(V::Enforced);
    skipped.cases.push(CaseResult { verdict: V::Skipped, terms: Vec::new(), ..skipped.cases[0].clone() });
    check(sentence, &skipped, None, &[FailOn::Late], E::Enforced);
    check(sentence, &skipped, None, &[FailOn::Skipped], E::NotEnforced);

    let mut untested = folded(V::Enforced);
    untested.nodes.push(NodeResult {
        name: "n2".into(),
        verdict: V::Skipped,
        server: None,
        client: None,
        reason: None,
    });
    check(sentence, &untested, None, &[], E::Enforced);
    check(sentence, &untested, None, &[FailOn::Skipped], E::NotEnforced);

    let mut unclear = untested.clone();
    unclear.verdict = V::Inconclusive;
    check("what fails already keeps its code", &unclear, None, &[FailOn::Skipped], E::Inconclusive);
}

#[test]
fn the_negative_control_wants_every_isolation_ignored() {
    let ignored = Some(Expect::Ignored);
    let zero = "0 only when every isolation term was IGNORED in every scope tested";
    check(zero, &run(V::Ignored, &[(V::Ignored, &[V::Ignored, V::Ignored])]), ignored, &[], E::Enforced);
    check(zero, &run(V::Ignored, &[(V::Ignored, &[])]), ignored, &[], E::Enforced);
    let one = "1 when any was not";
    check(one, &run(V::Partial, &[(V::Partial, &[V::Ignored, V::Enforced])]), ignored, &[], E::NotEnforced);
    let mixed: &[(V, &[V])] = &[(V::Ignored, &[V::Ignored]), (V::Enforced, &[V::Enforced])];
    check(one, &run(V::Ignored, mixed), ignored, &[], E::NotEnforced);
    check(one, &folded(V::Enforced), ignored, &[], E::NotEnforced);
    check(one, &folded(V::Late), ignored, &[], E::NotEnforced);
    let three = "nothing tested proves nothing";
    check(three, &run(V::Skipped, &[]), ignored, &[], E::Inconclusive);
    check(three, &folded(V::Inconclusive), ignored, &[], E::Inconclusive);
    let open: &[(V, &[V])] = &[(V::Ignored, &[V::Ignored, V::Inconclusive])];
    check(three, &run(V::Ignored, open), ignored, &[], E::Inconclusive);

    let mut other = run(V::Ignored, &[(V::Ignored, &[V::Ignored]), (V::Enforced, &[V::Enforced])]);
    other.cases[0].terms[1].isolation = false;
    check("terms that are no isolation do not count", &other, ignored, &[], E::Enforced);
}

#[test]
fn a_run_that_did_not_complete_never_passes() {
    let ends = [
        (Some(RunEnd::Interrupted { signal: "SIGINT".into() }), E::Interrupted, E::Interrupted),
        (Some(RunEnd::Interrupted { signal: "SIGTERM".into() }), E::Terminated, E::Terminated),
        (Some(RunEnd::TimedOut), E::Inconclusive, E::NotEnforced),
        (None, E::Inconclusive, E::NotEnforced),
        (Some(RunEnd::Failed { message: "no room".into() }), E::CouldNotRun, E::NotEnforced),
    ];
    for (end, passing, failing) in ends {
        let passing_run = RunResult { end: end.clone(), ..folded(V::Enforced) };
        check("4 could not run · 130/143 interrupted", &passing_run, None, &[], passing);
        let failing_run = RunResult { end, ..folded(V::Ignored) };
        check("what was found counts", &failing_run, None, &[], failing);
        let expect = Some(Expect::Ignored);
        check("nor does the negative control", &failing_run, expect, &[FailOn::Skipped], passing);
    }
}

#[test]
fn codes_are_those_of_the_contract() {
    let codes = [E::Enforced, E::NotEnforced, E::Usage, E::Inconclusive, E::CouldNotRun, E::Interrupted, E::Terminated];
    assert_eq!(codes.map(E::code), [0, 1, 2, 3, 4, 130, 143]);
}
