//! Control streams that are cut: the verdicts are those of a run in which nothing happened, or none is given.

use super::wires::{Cut, How, Then, When, Wires, peer};
use super::*;
use crate::core::verdict::CaseResult;
use crate::core::wire::{FromAgent, ToAgent};
use crate::runner::link::{Inbound, Link};
use crate::target::{Lane, LaneNames, Stand};
use std::collections::BTreeMap;
use std::sync::Arc;

const CASE: &str = "deny-ingress-to-one-pod";
/// Not beside the first: it guards the same pod, and stays where it is.
const NEXT_CASE: &str = "port-name-of-another-protocol";

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Runs cases one after the other on a lane whose streams are cut like this.
fn run_cut(options: SimOptions, ids: &[&str], cuts: Vec<Cut>) -> (RunResult, Vec<RunEvent>) {
    let settings = Settings { lanes: 1, ..settings(SEED) };
    run_on(Wires::new(SimTarget::new(options), cuts), some_cases(ids), settings)
}

/// What is said of every term.
fn verdicts(result: &RunResult) -> BTreeMap<String, Verdict> {
    let of_case = |case: &CaseResult| -> Vec<(String, Verdict)> {
        case.terms.iter().map(|term| (format!("{}: {}", case.id, term.id), term.verdict)).collect()
    };
    result.cases.iter().flat_map(of_case).collect()
}

/// Why cases were given up.
pub(super) fn abandoned(events: &[RunEvent]) -> Vec<String> {
    let cause = |event: &RunEvent| {
        if let Event::CaseEnded { abandoned, .. } = &event.event { abandoned.clone() } else { None }
    };
    events.iter().filter_map(cause).collect()
}

/// Nothing but a note tells this run from one without cuts.
pub(super) fn assert_unharmed(what: &str, result: &RunResult, events: &[RunEvent], undisturbed: &RunResult) {
    assert!(abandoned(events).is_empty(), "{what}: {:?}", abandoned(events));
    assert_eq!(verdicts(result), verdicts(undisturbed), "{what}: {}", story(result));
    assert_eq!(result.verdict, undisturbed.verdict, "{what}: {}", story(result));
    assert_eq!(result.end, Some(RunEnd::Completed), "{what}");
}

fn is_probe(order: &ToAgent) -> bool {
    matches!(order, ToAgent::Probe { .. })
}

fn is_stop(order: &ToAgent) -> bool {
    matches!(order, ToAgent::Stop { .. })
}

fn is_sync(order: &ToAgent) -> bool {
    matches!(order, ToAgent::Sync { .. })
}

fn is_streaks(answer: &FromAgent) -> bool {
    matches!(answer, FromAgent::Streaks { .. })
}

fn is_arrivals(answer: &FromAgent) -> bool {
    matches!(answer, FromAgent::Arrivals { .. })
}

fn is_stopped(answer: &FromAgent) -> bool {
    matches!(answer, FromAgent::Stopped { .. })
}

fn is_synced(answer: &FromAgent) -> bool {
    matches!(answer, FromAgent::Synced { .. })
}

#[test]
fn a_cut_at_any_time_changes_nothing() {
    let (undisturbed, events) = run_cut(SimOptions::default(), &[CASE], Vec::new());
    assert_eq!(undisturbed.verdict, Verdict::Enforced, "{}", story(&undisturbed));
    assert!(undisturbed.notes.is_empty());
    let end_ms = events.last().unwrap().at_us / 1_000;
    assert!(end_ms > 1_500, "{end_ms}");
    let hang_ups = (0..end_ms).step_by(100).map(|at_ms| (How::HangUp, at_ms));
    let stalls = (0..end_ms).step_by(500).map(|at_ms| (How::Stall, at_ms));
    let mut resumed = 0;
    for (how, at_ms) in hang_ups.chain(stalls) {
        let cut = Cut { how, ..Cut::all(When::After(Duration::from_millis(at_ms))) };
        let (result, events) = run_cut(SimOptions::default(), &[CASE], vec![cut]);
        assert_unharmed(&format!("{how:?} {at_ms} ms"), &result, &events, &undisturbed);
        resumed += u64::from(result.notes.iter().any(|note| note.ends_with("and resumed")));
    }
    // Only a cut at the very end may go unnoticed, because nobody listens any more.
    assert!(resumed * 100 > end_ms, "{resumed} of {end_ms} ms");
}

#[test]
fn an_order_or_an_answer_that_is_lost_with_the_stream_is_made_up_for() {
    let (undisturbed, _) = run_cut(SimOptions::default(), &[CASE], Vec::new());
    let whens: [fn(u32) -> When; 7] = [
        |number| When::Order(number, is_probe),
        |number| When::Order(number, is_stop),
        |number| When::Order(number, is_sync),
        |number| When::Answer(number, is_streaks),
        |number| When::Answer(number, is_arrivals),
        |number| When::Answer(number, is_stopped),
        |number| When::Answer(number, is_synced),
    ];
    for when in whens {
        for number in [0, 1, 2, 5] {
            for how in [How::HangUp, How::Stall] {
                let cut = Cut { how, ..Cut::all(when(number)) };
                let what = format!("{cut:?}");
                let (result, events) = run_cut(SimOptions::default(), &[CASE], vec![cut]);
                assert_unharmed(&what, &result, &events, &undisturbed);
                // There are not so many of each in one case.
                assert!(result.notes.len() == 1 || number > 2, "{what}: {:?}", result.notes);
            }
        }
    }
}

#[test]
fn a_fault_is_found_over_streams_that_are_cut_as_over_others() {
    let with_fault = || with("ignore-egress");
    let cases = [CASE, NEXT_CASE, "default-deny-both"];
    let (undisturbed, _) = run_cut(with_fault(), &cases, Vec::new());
    assert!(verdicts(&undisturbed).values().any(|verdict| *verdict == Verdict::Ignored));
    let cuts = (0..8).map(|number| Cut::all(When::After(seconds(3 + 11 * number)))).collect();
    let (result, events) = run_cut(with_fault(), &cases, cuts);
    assert_unharmed("eight cuts", &result, &events, &undisturbed);
    assert_eq!(result.diagnoses, undisturbed.diagnoses);
}

#[test]
fn an_outage_costs_nobody_patience() {
    let (undisturbed, _) = run_cut(SimOptions::default(), &[CASE], Vec::new());
    let after = |at_ms| When::After(Duration::from_millis(at_ms));
    // Of these orders the agents know nothing before the outage is over.
    let orders = [0, 2, 4].map(|number| When::Order(number, is_probe));
    for when in [500, 1_500, 3_000].map(after).into_iter().chain(orders) {
        for how in [How::HangUp, How::Stall] {
            let cut = Cut { how, outage: seconds(20), ..Cut::all(when.clone()) };
            let what = format!("{cut:?}");
            let (result, events) = run_cut(SimOptions::default(), &[CASE], vec![cut]);
            assert_unharmed(&what, &result, &events, &undisturbed);
        }
    }
}

#[test]
fn what_cannot_be_resumed_is_inconclusive_and_says_why() {
    let at = || When::After(Duration::from_millis(1_500));
    let cut = |then, outage| Cut { then, outage, ..Cut::all(at()) };
    for (cut, endpoint, part) in [
        (cut(Then::Same, seconds(300)), "", "could not be reached again within 60 s: forwarding a port failed"),
        (cut(Then::Replaced, seconds(3)), "x/a", "its process was replaced"),
        (cut(Then::Stranger, seconds(3)), "x/a", "it is y/b@sim0000, not x/a@sim0000"),
        (cut(Then::Garbage, seconds(3)), "x/a", "the control stream carried a frame"),
        (cut(Then::Gone, seconds(3)), "x/a", "there is no pod x/a"),
    ] {
        let (result, events) = run_cut(SimOptions::default(), &[CASE, NEXT_CASE], vec![cut]);
        let causes = abandoned(&events);
        assert_eq!(causes.len(), 1, "{causes:?}");
        assert!(causes[0].starts_with(&format!("the agent of {endpoint}")) && causes[0].contains(part), "{causes:?}");
        assert!(causes[0].contains("was lost: its control stream ended, and "), "{causes:?}");
        assert_eq!(result.verdict, Verdict::Inconclusive, "{}", story(&result));
        for case in &result.cases {
            let verdict = if case.id == CASE { Verdict::Inconclusive } else { Verdict::Enforced };
            assert_eq!(case.verdict, verdict, "{}: {}", case.id, story(&result));
        }
    }
}

#[test]
fn streams_that_are_cut_over_and_over_are_given_up() {
    let cuts = (0..300).map(|number| Cut::all(When::After(seconds(1 + number)))).collect();
    let settings = Settings { lanes: 1, settle: seconds(1_000), ..settings(SEED) };
    let target = Wires::new(SimTarget::new(with("no-engine")), cuts);
    let (result, events) = run_on(target, some_cases(&[CASE]), settings);
    let causes = abandoned(&events);
    assert!(causes.len() == 1 && causes[0].contains("no stream to it has stood for 10 s"), "{causes:?}");
    assert_eq!(result.verdict, Verdict::Inconclusive, "{}", story(&result));
}

/// A lane may wait for minutes for its turn, longer than an agent waits for a controller.
#[tokio::test(start_paused = true)]
async fn a_stream_is_resumed_while_nobody_listens() {
    for how in [How::HangUp, How::Stall] {
        let cut = Cut { how, outage: seconds(30), ..Cut::all(When::After(seconds(5))) };
        let names = LaneNames { run: "sim000".to_owned(), lane: 0, token: "token".to_owned() };
        let wires = Wires::new(SimTarget::new(SimOptions::default()), vec![cut]);
        let lane = wires.open_lane(names, Stand::Spread).await.unwrap();
        let peer = peer(lane.dial());
        let (sender, mut inbox) = mpsc::channel(8);
        let mut link = Link::open(peer, sender, Arc::default()).await.unwrap();
        tokio::time::sleep(seconds(600)).await;
        link.send(ToAgent::Sync { id: 1 }).await;
        assert!(matches!(inbox.recv().await.unwrap().1, Inbound::Cut { .. }), "{how:?}");
        let Inbound::Resumed { line, epoch: None } = inbox.recv().await.unwrap().1 else { panic!("{how:?}") };
        link.resume(line);
        link.send(ToAgent::Sync { id: 2 }).await;
        let Inbound::Message(answer) = inbox.recv().await.unwrap().1 else { panic!("{how:?}") };
        assert_eq!(answer, FromAgent::Synced { id: 2 }, "what was sent down the former line is lost with it");
    }
}
