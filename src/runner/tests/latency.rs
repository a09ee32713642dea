//! Latencies: what an engine takes is what is measured, deny and allow, and what is later than the budget is LATE.

use super::wires::Wires;
use super::*;
use crate::core::verdict::{Latency, Turn};

const CASE: &str = "enforcement-latency";

fn delayed(ms: u64) -> SimOptions {
    SimOptions { delay: Duration::from_millis(ms), ..SimOptions::default() }
}

/// How far the engine's delay is outside what was measured, in milliseconds.
fn error_ms(latency: &Latency, delay_ms: u64) -> f64 {
    let ms = |us: u64| us as f64 / 1_000.0;
    (ms(latency.last_wrong_us) - delay_ms as f64).abs()
}

fn each_way(result: &RunResult) -> Vec<Latency> {
    let latencies = result.latencies();
    for turn in [Turn::Deny, Turn::Allow] {
        let changes = latencies.iter().filter(|latency| latency.turn == turn && latency.alone).count();
        assert_eq!(changes, 4, "{turn}: {}", story(result));
    }
    latencies
}

#[test]
fn delays_are_measured_closely_and_lie_between_the_bounds() {
    for delay_ms in [0, 100, 1_000, 5_000] {
        let (result, _) = simulate(delayed(delay_ms), some_cases(&[CASE]));
        assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
        for latency in each_way(&result) {
            assert!(error_ms(&latency, delay_ms) < 60.0, "{delay_ms} ms: {latency:?}");
            let clock_us = latency.clock_us;
            assert!(latency.last_wrong_us <= delay_ms * 1_000 + clock_us, "{delay_ms} ms: {latency:?}");
            assert!(latency.right_us + clock_us >= delay_ms * 1_000, "{delay_ms} ms: {latency:?}");
        }
    }
}

#[test]
fn what_a_lagging_stream_makes_of_clocks_is_within_what_is_stated() {
    let lag = Duration::from_millis(100);
    let wires = Wires::lagging(SimTarget::new(delayed(1_000)), lag);
    let (result, _) = run_on(wires, some_cases(&[CASE]), settings(SEED));
    assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
    for latency in each_way(&result) {
        // The agent's answers seem to come from the middle of the time that they took.
        assert!((45_000..60_000).contains(&latency.clock_us), "{latency:?}");
        let stated_ms = (latency.right_us - latency.last_wrong_us + latency.clock_us) as f64 / 1_000.0;
        assert!(latency.last_wrong_us > 1_000_000, "the lag does not show: {latency:?}");
        assert!(error_ms(&latency, 1_000) <= stated_ms, "{latency:?}");
    }
}

#[test]
fn what_is_later_than_the_budget_is_late_and_no_failure() {
    let case = "deny-ingress-to-one-pod";
    let run = |delay_ms, budget_ms| {
        let mut sim = Sim::new(delayed(delay_ms), some_cases(&[case]));
        sim.settings.budget = Some(Duration::from_millis(budget_ms));
        sim.run().0
    };
    let (prompt, late) = (run(1_000, 2_000), run(1_000, 500));
    assert_eq!(prompt.verdict, Verdict::Enforced, "{}", story(&prompt));
    assert_eq!(late.verdict, Verdict::Late, "{}", story(&late));
    assert!(late.headline.contains("later than 500 ms"), "{}", late.headline);
    assert!(!late.verdict.is_failure());
    let mut terms = late.cases[0].terms.iter().filter(|term| term.verdict == Verdict::Late).peekable();
    assert!(terms.peek().is_some(), "{}", story(&late));
    assert!(terms.all(|term| term.explanation.contains("ms later than the budget allows")), "{}", story(&late));
    assert!(late.nodes.iter().any(|node| node.verdict == Verdict::Late), "{:?}", late.nodes);
}

#[test]
fn what_is_never_enforced_has_no_latency() {
    let (result, _) = simulate(with("no-engine"), some_cases(&[CASE]));
    assert_eq!(result.verdict, Verdict::Ignored);
    // What was never blocked was not opened either.
    assert_eq!(result.latencies(), []);
}

#[test]
fn a_timed_case_probes_alone() {
    let cases = some_cases(&[CASE, "deny-egress-of-one-pod", "allow-by-pod", "default-deny-both"]);
    let (result, events) = Sim::new(SimOptions::default(), cases).lanes(4).run();
    assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
    let phases = events.iter().filter_map(|event| match &event.event {
        Event::PhaseEnded(ended) => Some((ended.case == CASE, ended.requested_us, ended.ended_us)),
        _ => None,
    });
    let (timed, others): (Vec<_>, Vec<_>) = phases.partition(|(timed, ..)| *timed);
    for (_, from, to) in timed {
        let beside = others.iter().find(|(_, begun, ended)| *begun < to && from < *ended);
        assert!(beside.is_none(), "{from}..{to}: {beside:?}");
    }
}

#[test]
fn attempts_end_soon_where_answers_come_soon_and_have_longer_where_these_are_far() {
    let cases = || some_cases(&["deny-ingress-to-one-pod", "udp-rule-is-not-tcp", "egress-to-pod-and-port"]);
    for (round_trip_ms, holding_ms) in
        [(1, 1_000..1_500), (200, 1_000..1_500), (300, 1_500..2_000), (450, 1_500..2_000)]
    {
        let round_trip = Duration::from_millis(round_trip_ms);
        let (result, events) = simulate(SimOptions { round_trip, ..SimOptions::default() }, cases());
        assert_eq!(result.verdict, Verdict::Enforced, "{round_trip_ms} ms: {}", story(&result));
        for RunEvent { event, .. } in &events {
            let Event::PhaseEnded(ended) = event else { continue };
            let (Phase::Step(_), Some(since_us)) = (ended.phase, ended.held_since_us()) else { continue };
            let holding = (ended.ended_us - since_us) / 1_000;
            assert!(holding_ms.contains(&holding), "{round_trip_ms} ms: {} held {holding} ms", ended.case);
        }
        let options = SimOptions { round_trip, ..with("no-engine") };
        let (result, _) = simulate(options, cases());
        assert_eq!(result.verdict, Verdict::Ignored, "{round_trip_ms} ms: {}", story(&result));
    }
}
