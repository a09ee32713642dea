//! The event log: what is written is what is read, and what cannot be read is named.

use crate::common::world;
use papertiger::core::catalogue::Seat;
use papertiger::core::event::{
    CaseStarted, Event, ForeignPolicy, Phase, PhaseEnded, RunEnd, RunEvent, RunSettings, RunStarted, SCHEMA,
};
use papertiger::core::model::change::Change;
use papertiger::core::model::flow::PodId;
use papertiger::core::oracle::Assumptions;
use papertiger::report::record::{ReadError, Recorder, read};

pub(crate) fn events() -> Vec<RunEvent> {
    let started = CaseStarted {
        lane: 0,
        case: "deny-egress".into(),
        title: "A title".into(),
        covers: vec!["egress".into()],
        masked: Vec::new(),
        property: None,
        stopwatch: false,
        requires_property: false,
        assumptions: Assumptions::default(),
        world: world(),
        steps: vec![Change::Apply { policies: Vec::new() }],
        removal: Change::Delete { policies: Vec::new() },
        beside: Vec::new(),
        seat: Seat::default(),
    };
    let result = super::report::egress_ignored_step();
    let ended = PhaseEnded {
        lane: 0,
        case: "deny-egress".into(),
        phase: Phase::Baseline,
        requested_us: 0,
        accepted_us: 1,
        clock_us: 1,
        converged_us: Some(2),
        held_us: Some(2),
        patience_us: None,
        ended_us: 3,
        pods: world().pods,
        cells: result.cells.into_iter().map(|cell| cell.cell).collect(),
    };
    let settings = RunSettings {
        profile: "quick".into(),
        settle_ms: 60_000,
        hold_ms: 1_000,
        hold_attempts: 20,
        canary_ms: 0,
        budget_ms: None,
        timeout_ms: 900_000,
        lanes: 1,
        seed: u64::MAX,
        faults: Vec::new(),
    };
    let run = RunStarted {
        schema: SCHEMA.into(),
        run: "k3x9qa".into(),
        tool_version: "0.1.0".into(),
        target: "lab".into(),
        nodes: vec!["n1".into(), "n2".into()],
        untested: Vec::new(),
        started_at: "2026-11-23T20:00:00Z".into(),
        settings,
        cases: vec!["deny-egress".into()],
    };
    let events = [
        Event::RunStarted(run),
        Event::LaneOpened { lane: 0 },
        Event::CaseStarted(Box::new(started)),
        Event::PhaseStarted { lane: 0, phase: Phase::Step(0), flows: 240 },
        Event::PhaseEnded(Box::new(ended)),
        Event::CaseEnded { lane: 0, case: "deny-egress".into(), abandoned: None },
        Event::CaseSkipped { case: "ip-block-outside".into(), reason: "this target has no host outside".into() },
        Event::PropertyObserved { assumptions: Assumptions { ip_block_matches_pods: true } },
        Event::KubeletObserved { lane: 0, case: "kubelet".into(), through: true },
        Event::ForeignPolicy(ForeignPolicy {
            lane: Some(0),
            object: "NetworkPolicy papertiger-k3x9qa0-x/allow-all".into(),
            pods: Some(vec![PodId::new("x", "a")]),
            present: true,
        }),
        Event::Note { text: "ü\n\"".into() },
        Event::RunEnded { end: RunEnd::Interrupted { signal: "SIGINT".into() } },
    ];
    events.into_iter().zip(0..).map(|(event, at_us)| RunEvent { at_us, event }).collect()
}

pub(crate) fn log() -> Vec<u8> {
    let mut log = Vec::new();
    let mut recorder = Recorder::new(&mut log);
    for event in events() {
        recorder.write(&event).unwrap();
        recorder.write(&RunEvent { at_us: 0, event: Event::PhaseProgress { lane: 0, wrong: 1 } }).unwrap();
        recorder
            .write(&RunEvent { at_us: 0, event: Event::Progress { lane: None, text: "making worlds".into() } })
            .unwrap();
    }
    log
}

#[test]
fn what_is_written_is_read() {
    let recording = read(log().as_slice()).unwrap();
    assert_eq!(recording.events, events());
    assert_eq!(recording.note, None);
}

#[test]
fn a_log_that_was_cut_anywhere_counts_as_far_as_it_goes() {
    let log = log();
    let first = log.iter().position(|byte| *byte == b'\n').unwrap();
    for cut in (first + 1..log.len()).step_by(97).chain([log.len() - 1]) {
        let recording = read(&log[..cut]).unwrap();
        let lines = log[..cut].iter().filter(|byte| **byte == b'\n').count();
        let whole = recording.note.is_none();
        assert_eq!(recording.events.len(), if whole && !log[..cut].ends_with(b"\n") { lines + 1 } else { lines });
        assert_eq!(recording.events, events()[..recording.events.len()]);
    }
}

#[test]
fn what_is_no_log_is_named() {
    assert!(matches!(read(&b""[..]), Err(ReadError::Empty)));
    assert!(matches!(read(&b"\n\n"[..]), Err(ReadError::Empty)));
    assert!(matches!(read(&b"hello\n"[..]), Err(ReadError::NoLog)));
    assert!(matches!(read(&b"{\"kind\": \"Pod\"}"[..]), Err(ReadError::NoLog)));
    let later = String::from_utf8(log()).unwrap().replace("events/v1", "events/v2");
    let error = read(later.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("papertiger.dev/events/v2") && error.contains("papertiger.dev/events/v1"), "{error}");
    let broken = String::from_utf8(log()).unwrap().replace("lane-opened", "lane-broken");
    assert!(matches!(read(broken.as_bytes()), Err(ReadError::Line { line: 2, .. })));
}

#[test]
fn times_that_cannot_be_are_named() {
    let spoiled = |spoil: fn(&mut PhaseEnded)| {
        let mut log = Vec::new();
        let mut recorder = Recorder::new(&mut log);
        for mut event in events() {
            if let Event::PhaseEnded(ended) = &mut event.event {
                spoil(ended);
            }
            recorder.write(&event).unwrap();
        }
        read(log.as_slice())
    };
    assert!(spoiled(|_| {}).is_ok());
    let spoils: [fn(&mut PhaseEnded); 4] = [
        |ended| ended.ended_us = u64::MAX,
        |ended| ended.held_us = Some(u64::MAX),
        |ended| ended.cells[0].streaks[0].last_us = u64::MAX,
        |ended| ended.cells[0].streaks[0].first_us = ended.cells[0].streaks[0].last_us + 1,
    ];
    for spoil in spoils {
        assert!(matches!(spoiled(spoil), Err(ReadError::Times { line: 5 })));
    }
}

#[test]
fn logs_from_before_there_was_a_canary_are_still_read() {
    let mut old = String::from_utf8(log()).unwrap();
    for field in ["\"canary_ms\":0,", "\"held_us\":2,", "\"patience_us\":null,"] {
        assert!(old.contains(field), "{field}");
        old = old.replace(field, "");
    }
    let held = |events: &[RunEvent]| {
        let phases = events.iter().filter_map(|event| match &event.event {
            Event::PhaseEnded(ended) => Some(ended.held_us),
            _ => None,
        });
        phases.collect::<Vec<_>>()
    };
    assert_eq!(held(&read(old.as_bytes()).unwrap().events), [None]);
}
