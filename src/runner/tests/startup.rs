//! Start-up windows: how long a pod that starts is without its policies is what is measured, in each direction.

use super::*;
use crate::core::catalogue::batches;
use crate::core::model::flow::PodId;
use crate::core::model::policy::Direction;
use crate::core::verdict::StartUp;

const CASE: &str = "start-under-policies";

fn open_for(ms: u64) -> SimOptions {
    SimOptions { start_up: Duration::from_millis(ms), ..SimOptions::default() }
}

fn each_way(result: &RunResult) -> &[StartUp; 2] {
    let [ingress, egress] = result.startups.as_slice() else { panic!("{}: {:?}", story(result), result.startups) };
    assert_eq!([ingress.direction, egress.direction], [Direction::Ingress, Direction::Egress]);
    result.startups.as_array().unwrap()
}

#[test]
fn windows_are_measured_closely_each_way() {
    for window_ms in [0, 50, 200, 1_000] {
        let (result, _) = simulate(open_for(window_ms), some_cases(&[CASE]));
        assert_eq!(result.verdict, Verdict::Enforced, "a window is no verdict: {}", story(&result));
        for startup in each_way(&result) {
            assert_eq!((startup.starts, startup.unsettled), (3, 0), "{startup:?}");
            assert_eq!(startup.open, if window_ms == 0 { 0 } else { 3 }, "{window_ms} ms: {startup:?}");
            for seen_ms in [startup.open_ms.p50_ms, startup.open_ms.max_ms] {
                assert!((seen_ms - window_ms as f64).abs() < 60.0, "{window_ms} ms: {startup:?}");
                assert!(seen_ms <= window_ms as f64, "nothing gets through later: {startup:?}");
                assert!(seen_ms + startup.resolution_ms >= window_ms as f64, "{window_ms} ms: {startup:?}");
            }
            let opened = if window_ms == 0 { 0 } else { 3 };
            assert_eq!((startup.opened, startup.kept), (opened, opened), "this network cuts nothing: {startup:?}");
        }
        assert_eq!(result.headline.contains("new pods without their policies"), window_ms > 0, "{}", result.headline);
    }
}

#[test]
fn company_changes_nothing_about_a_window() {
    let of_run = batches(of_profile(Profile::Standard));
    let batch = of_run.into_iter().find(|batch| batch.members.iter().any(|member| member.case.id == CASE)).unwrap();
    let company: Vec<Case> = batch.members.into_iter().map(|member| member.case).collect();
    assert!(company.len() > 2, "its company changes policies and labels with the steps in which it is watched");
    for window_ms in [0, 200] {
        let (result, events) = simulate(open_for(window_ms), company.clone());
        assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
        let lanes = events.iter().filter(|event| matches!(event.event, Event::LaneOpened { .. })).count();
        assert_eq!(lanes, 1, "all in one world");
        for startup in each_way(&result) {
            assert_eq!((startup.starts, startup.unsettled), (3, 0), "{startup:?}");
            assert_eq!(startup.open, if window_ms == 0 { 0 } else { 3 }, "{window_ms} ms: {startup:?}");
        }
    }
}

#[test]
fn the_step_goes_on_with_the_pod_that_was_watched_last() {
    let (result, events) = simulate(open_for(0), some_cases(&[CASE]));
    assert_eq!(result.verdict, Verdict::Enforced, "{}", story(&result));
    let mut watched = None;
    let mut steps = 0;
    for event in &events {
        match &event.event {
            Event::PodStarted(started) => watched = Some(started.pod.clone()),
            Event::PhaseEnded(ended) if !ended.pods.is_empty() => {
                assert_eq!(ended.pods, watched.take().into_iter().collect::<Vec<_>>());
                steps += 1;
            }
            _ => {}
        }
    }
    assert_eq!(steps, 2);
}

#[test]
fn a_connection_of_the_window_is_seen_to_be_cut() {
    let options = SimOptions { cuts_standing_connections: true, ..open_for(200) };
    let (result, _) = simulate(options, some_cases(&[CASE]));
    for startup in each_way(&result) {
        assert_eq!((startup.opened, startup.kept), (3, 0), "{startup:?}");
    }
}

#[test]
fn nothing_is_watched_where_nothing_is_enforced() {
    let (result, events) = simulate(with("no-engine"), some_cases(&[CASE]));
    assert_eq!(result.verdict, Verdict::Ignored, "{}", story(&result));
    assert_eq!(result.startups, []);
    let watched = events.iter().filter(|event| matches!(event.event, Event::PodStarted(_))).count();
    assert_eq!(watched, 1, "what a pod needs without any policy");
}

#[test]
fn a_pod_that_never_comes_under_its_policies_is_watched_once() {
    let (result, events) = simulate(with("ignore-new-pods"), some_cases(&[CASE]));
    assert!(result.verdict.is_failure(), "{}", story(&result));
    let held = |event: &RunEvent| match &event.event {
        Event::PodStarted(started) => Some(started.held_us.is_some()),
        _ => None,
    };
    assert_eq!(events.iter().filter_map(held).collect::<Vec<_>>(), [true, false]);
    assert!(!result.headline.contains("new pods without their policies"), "{}", result.headline);
}

#[test]
fn others_wait_for_the_pod_that_announces_itself() {
    let (_, events) = simulate(open_for(0), some_cases(&[CASE]));
    let pod = PodId::new("x", "a").into();
    for event in &events {
        let Event::PodStarted(started) = &event.event else { continue };
        for cell in &started.cells {
            let first_us = cell.streaks.iter().map(|streak| streak.first_us).min();
            let waited_us = first_us.map(|us| us.saturating_sub(started.began_us));
            assert!(waited_us.is_some_and(|us| us < 60_000), "{}: {waited_us:?}", cell.flow);
            assert!(cell.flow.from == pod || cell.flow.to == pod, "{}", cell.flow);
        }
        let ways: BTreeSet<bool> = started.cells.iter().map(|cell| cell.flow.from == pod).collect();
        assert_eq!(ways.len(), 2, "from it and to it");
    }
}
