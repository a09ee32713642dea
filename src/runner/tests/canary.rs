//! The canary stays to the last, and tells what lapses meanwhile.

use super::{SEED, Sim, of_profile, some_cases, story, terms, with};
use crate::core::catalogue::Profile;
use crate::core::event::{Event, Phase, PhaseEnded, RunEvent};
use crate::core::oracle::Answer;
use crate::core::verdict::seen::Attempts;
use crate::core::verdict::{RunResult, Verdict};
use crate::exit::{ExitStatus, Expect};
use crate::target::sim::{Lapse, Lapsed, SimOptions};
use std::time::Duration;

const OTHERS: [&str; 4] =
    ["default-deny-ingress", "default-deny-egress", "port-name-of-another-protocol", "update-drops-a-direction"];

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The canary beside a few others, for so long.
fn beside_others(options: SimOptions, least: u64) -> Sim {
    let mut cases = some_cases(&OTHERS);
    cases.extend(some_cases(&["canary"]));
    let mut sim = Sim::new(options, cases);
    sim.settings.canary = seconds(least);
    sim
}

fn lapse(after_ms: u64, lasts_ms: u64, what: Lapsed) -> SimOptions {
    let (after, lasts) = (Duration::from_millis(after_ms), Duration::from_millis(lasts_ms));
    SimOptions { lapse: Some(Lapse { after, lasts, what }), ..SimOptions::default() }
}

fn phases<'a>(events: &'a [RunEvent], case: &'a str) -> impl Iterator<Item = &'a PhaseEnded> {
    events.iter().filter_map(move |event| match &event.event {
        Event::PhaseEnded(ended) if ended.case == case => Some(&**ended),
        _ => None,
    })
}

fn held(events: &[RunEvent]) -> &PhaseEnded {
    phases(events, "canary").find(|ended| ended.phase == Phase::Step(0)).unwrap()
}

fn verdict(result: &RunResult, case: &str) -> Verdict {
    result.cases.iter().find(|result| result.id == case).unwrap().verdict
}

#[track_caller]
fn others_are_enforced(result: &RunResult) {
    for case in OTHERS {
        assert_eq!(verdict(result, case), Verdict::Enforced, "{}", story(result));
    }
}

#[test]
fn its_policies_stay_from_the_first_to_the_last() {
    // The others make two tasks.
    for (lanes, opened) in [(2, 2), (4, 3)] {
        let (result, events) = beside_others(SimOptions::default(), 0).lanes(lanes).run();
        assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
        let held = held(&events);
        let others: Vec<&PhaseEnded> = OTHERS.iter().flat_map(|case| phases(&events, case)).collect();
        let first = others.iter().filter(|ended| ended.phase == Phase::Step(0)).map(|ended| ended.ended_us).min();
        let last = others.iter().map(|ended| ended.ended_us).max();
        assert!(Some(held.accepted_us) < first && Some(held.ended_us) >= last, "{lanes} lanes");
        assert_eq!(events.iter().filter(|event| matches!(event.event, Event::LaneOpened { .. })).count(), opened);
    }
}

#[test]
fn it_stays_for_a_while_even_alone_and_costs_little() {
    for (cases, lanes) in [(some_cases(&["canary"]), 4), (some_cases(&["default-deny-ingress", "canary"]), 1)] {
        let mut sim = Sim::new(SimOptions::default(), cases).lanes(lanes);
        sim.settings.canary = seconds(35);
        let (result, events) = sim.run();
        assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
        let held = held(&events);
        let lasted_us = held.ended_us - held.accepted_us;
        assert!((35_000_000..37_000_000).contains(&lasted_us), "{lasted_us}");
        let world = events.iter().find_map(|event| match &event.event {
            Event::CaseStarted(started) if started.case == "canary" => Some(&started.world),
            _ => None,
        });
        let world = world.unwrap();
        for cell in &held.cells {
            assert!(cell.streaks.len() <= 3, "{:?}", cell.streaks);
            let attempts = Attempts::of(cell).count();
            // Those of the hold among them, and what is remembered less often.
            let is_remembered = world.node_of(&cell.flow.from) != world.node_of(&cell.flow.to);
            let expected = match (cell.expected, is_remembered) {
                (Answer::Allow, _) => 4..14,
                (Answer::Deny | Answer::Undefined(_), true) => 24..40,
                (Answer::Deny | Answer::Undefined(_), false) => 80..110,
            };
            assert!(expected.contains(&attempts), "{attempts} on {}", cell.flow);
        }
        let last = result.cases.iter().flat_map(|case| &case.steps).map(|step| step.duration_ms).fold(0.0, f64::max);
        assert!(last >= 35_000.0);
    }
}

#[test]
fn a_moment_without_rules_is_flapping() {
    let (result, _) = beside_others(lapse(20_000, 300, Lapsed::Open), 35).run();
    others_are_enforced(&result);
    assert_eq!(verdict(&result, "canary"), Verdict::Flapping, "{}", story(&result));
    assert_eq!(ExitStatus::of(&result, None, &[]), ExitStatus::NotEnforced);
    let isolations: Vec<_> = result.cases.iter().flat_map(|case| &case.terms).filter(|term| term.isolation).collect();
    let flapping: Vec<_> = isolations.iter().filter(|term| term.verdict == Verdict::Flapping).collect();
    assert!(flapping.len() >= 2, "{}", story(&result));
    for term in flapping {
        let said = &term.explanation;
        assert!(said.contains("was blocked for a whole hold, then got through without any change from 20."), "{said}");
        assert!(said.contains(" to 20.") && term.faults.is_empty(), "{said}");
    }
    assert_eq!(result.diagnoses, []);
    let nodes: Vec<Verdict> = result.nodes.iter().map(|node| node.verdict).collect();
    assert_eq!(nodes, [Verdict::Flapping; 2]);
    let wrong = result.cases.iter().flat_map(|case| &case.steps).flat_map(|step| &step.cells).filter(|cell| cell.wrong);
    assert!(wrong.count() > 0, "a reader wants to see them");
}

#[test]
fn an_engine_that_dies_in_the_middle_is_flapping() {
    let (result, _) = beside_others(lapse(20_000, 1_000_000, Lapsed::Open), 35).run();
    others_are_enforced(&result);
    assert_eq!(verdict(&result, "canary"), Verdict::Flapping, "{}", story(&result));
    let said = result.cases.iter().find(|case| case.id == "canary").unwrap().reason.as_deref().unwrap();
    assert!(said.contains("to the end"), "{said}");
}

#[test]
fn an_outage_of_what_is_open_is_flapping_when_loss_cannot_explain_it() {
    let flapping = |lasts_ms| {
        let (result, _) = beside_others(lapse(15_000, lasts_ms, Lapsed::Closed), 45).run();
        others_are_enforced(&result);
        (verdict(&result, "canary"), story(&result))
    };
    let (verdict, told) = flapping(15_000);
    assert_eq!(verdict, Verdict::Flapping, "{told}");
    assert!(told.contains("attempts in a row failed without any change from"), "{told}");
    let (verdict, told) = flapping(1_000);
    assert_eq!(verdict, Verdict::Enforced, "{told}");
}

/// Nothing tells a policy that blocks everything from a network that is dead, or from nodes that have no time.
#[test]
fn an_outage_of_everything_is_not_the_engines() {
    let (result, _) = beside_others(lapse(15_000, 15_000, Lapsed::Dead), 45).run();
    others_are_enforced(&result);
    assert_eq!(verdict(&result, "canary"), Verdict::Inconclusive, "{}", story(&result));
    let told = story(&result);
    assert!(told.contains("nothing else connected beside it"), "{told}");
}

#[test]
fn loss_is_never_flapping() {
    for seed in 0..20 {
        let options = SimOptions { seed, ..with("packet-loss") };
        let mut sim = Sim::new(options, some_cases(&["canary", "default-deny-egress"])).seed(seed);
        sim.settings.canary = seconds(60);
        let (result, _) = sim.run();
        let flapping = terms(&result, |verdict| verdict == Verdict::Flapping);
        assert!(flapping.is_empty(), "{seed}: {}", story(&result));
        assert_eq!(result.verdict, Verdict::Enforced, "{seed}: {}", story(&result));
    }
}

fn patiently(options: SimOptions) -> (RunResult, Vec<RunEvent>) {
    let mut sim = Sim::new(options, of_profile(Profile::Standard)).seed(SEED);
    sim.settings.settle = seconds(60);
    let (result, events) = sim.run();
    eprintln!("{} s: {}", result.duration_us / 1_000_000, result.headline);
    (result, events)
}

fn patiences(events: &[RunEvent]) -> Vec<u64> {
    let patience = |event: &RunEvent| match &event.event {
        Event::PhaseEnded(ended) => ended.patience_us,
        _ => None,
    };
    events.iter().filter_map(patience).collect()
}

#[test]
fn where_nothing_is_enforced_nobody_waits_for_it() {
    let (result, events) = patiently(with("no-engine"));
    for term in result.cases.iter().flat_map(|case| &case.terms) {
        let verdict = if term.isolation { Verdict::Ignored } else { Verdict::Inconclusive };
        assert_eq!(term.verdict, verdict, "{} {}", term.id, term.explanation);
    }
    assert_eq!(ExitStatus::of(&result, None, &[]), ExitStatus::NotEnforced);
    assert_eq!(ExitStatus::of(&result, Some(Expect::Ignored), &[]), ExitStatus::Enforced);
    let note = "nothing is enforced: the first policies had no effect within 60 s, so others were given 4 s each";
    assert!(result.notes.iter().any(|said| said == note), "{:?}", result.notes);
    assert!(patiences(&events).contains(&4_000_000));
    // Without the canary this takes more than 1,000 s.
    assert!(result.duration_us < 300_000_000, "{} s", result.duration_us / 1_000_000);
}

#[test]
fn where_something_is_enforced_or_late_everybody_waits() {
    for options in [with("ignore-egress"), SimOptions { delay: seconds(50), ..SimOptions::default() }] {
        let (result, events) = patiently(options);
        assert!(patiences(&events).iter().all(|patience| *patience == 60_000_000));
        assert!(!result.notes.iter().any(|note| note.contains("nothing is enforced")), "{:?}", result.notes);
    }
}

#[test]
fn without_a_canary_it_takes_several_cases_and_both_directions_to_tell_of_others() {
    for (cases, tell) in [
        (&["deny-ingress-to-one-pod", "deny-egress-of-one-pod"][..], true),
        (&["deny-ingress-to-one-pod", "allow-by-pod"], false),
        (&["default-deny-both"], false),
    ] {
        let mut sim = Sim::new(with("no-engine"), some_cases(cases)).seed(SEED);
        sim.settings.settle = seconds(60);
        let (result, _) = sim.run();
        let is_told = result.notes.iter().any(|note| note.starts_with("nothing is enforced"));
        assert_eq!(is_told, tell, "{cases:?}: {:?}", result.notes);
    }
}
