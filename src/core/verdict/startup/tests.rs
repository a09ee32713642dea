use super::*;
use crate::core::catalogue::Seat;
use crate::core::event::{CaseStarted, Phase};
use crate::core::model::change::Change;
use crate::core::model::flow::Flow;
use crate::core::model::observation::{Outcome, Streak};
use crate::core::model::world::{Pod, World};
use crate::core::oracle::{Assumptions, Undefined};

const MS: u64 = 1_000;
/// When every pod here began.
const BORN: u64 = 10_000 * MS;

/// The pod's own flow (egress) or one to it, what it must do, and what was seen in milliseconds from its first instruction:
/// whether attempts got through, and when the first and the last of them began.
fn cell(egress: bool, expected: Answer, connection: Connection, seen: &[(bool, u64, u64)]) -> Cell {
    let usual = Flow { connection, ..Flow::sample() };
    let flow = if egress { usual } else { Flow { from: usual.to.clone(), to: usual.from.clone(), ..usual } };
    let source = std::net::Ipv4Addr::LOCALHOST.into();
    let streaks = seen.iter().map(|(through, first_ms, last_ms)| Streak {
        outcome: if *through { Outcome::Connected { source } } else { Outcome::TimedOut },
        count: u32::try_from((last_ms - first_ms) / 40 + 1).unwrap(),
        first_us: BORN + first_ms * MS,
        last_us: BORN + last_ms * MS,
    });
    Cell { flow, expected, streaks: streaks.collect(), arrived: None, alone: None }
}

fn started(held: bool, cells: Vec<Cell>) -> PodStarted {
    let pod = Pod {
        id: PodId::new("x", "a"),
        name: "a-1".to_owned(),
        labels: BTreeMap::new(),
        node: "n1".to_owned(),
        addresses: Vec::new(),
        host_network: false,
        bare: false,
        phase: crate::core::model::world::Phase::Running,
        ports: Vec::new(),
        service: None,
    };
    PodStarted {
        lane: 0,
        case: "case".to_owned(),
        phase: Phase::Step(1),
        pod,
        began_us: BORN,
        clock_us: 2 * MS,
        held_us: held.then_some(BORN + 3_000 * MS),
        ended_us: BORN + 3_000 * MS,
        cells,
    }
}

fn seen(starts: &[PodStarted], disturbed: bool) -> Vec<StartUp> {
    let case = CaseStarted {
        lane: 0,
        case: "case".to_owned(),
        title: String::new(),
        covers: Vec::new(),
        masked: Vec::new(),
        property: None,
        stopwatch: false,
        requires_property: false,
        assumptions: Assumptions::default(),
        world: World::default(),
        steps: Vec::new(),
        removal: Change::Delete { policies: Vec::new() },
        beside: Vec::new(),
        seat: Seat::default(),
    };
    let mut run = CaseRun::began(&case, 0);
    run.starts = starts.iter().collect();
    if disturbed {
        run.intrusion = Some(super::super::foreign::Doubt { object: String::new(), why: String::new() });
    }
    observed(&[run])
}

const NEW: Connection = Connection::New;
const DENY: Answer = Answer::Deny;
const ALLOW: Answer = Answer::Allow;

#[test]
fn a_window_ends_with_the_last_attempt_that_got_through() {
    let start = |open_ms: Option<u64>| {
        let seen = match open_ms {
            Some(last_ms) => vec![(true, 0, last_ms), (false, last_ms + 40, 3_000)],
            None => vec![(false, 0, 3_000)],
        };
        started(true, vec![cell(true, DENY, NEW, &seen), cell(true, ALLOW, NEW, &[(true, 12, 3_000)])])
    };
    let starts = [start(None), start(Some(80)), start(Some(960))];
    let [startup] = seen(&starts, false).try_into().unwrap();
    assert_eq!((startup.direction, startup.starts, startup.open, startup.leaks), (Direction::Egress, 3, 2, 3 + 25));
    assert_eq!(startup.open_ms, Spread { p50_ms: 80.0, p90_ms: 960.0, max_ms: 960.0 });
    assert_eq!(startup.ready_ms, Some(Spread { p50_ms: 12.0, p90_ms: 12.0, max_ms: 12.0 }));
    assert_eq!(startup.resolution_ms, 42.0, "40 ms between two attempts, 2 ms of the clocks");
    assert!(startup.has_window());
    assert_eq!(seen(&starts, true), [], "somebody else's policy may have opened it");
}

#[test]
fn each_direction_is_told_apart_and_starts_without_policies_are_none_of_it() {
    let free = started(true, vec![cell(true, ALLOW, NEW, &[(false, 0, 20), (true, 60, 3_000)])]);
    let guarded = started(
        true,
        vec![
            cell(true, DENY, NEW, &[(true, 0, 200), (false, 240, 3_000)]),
            cell(false, DENY, NEW, &[(false, 30, 3_000)]),
            cell(false, ALLOW, NEW, &[(false, 30, 470), (true, 510, 3_000)]),
        ],
    );
    let [ingress, egress] = seen(&[free, guarded], false).try_into().unwrap();
    assert_eq!((ingress.direction, ingress.starts, ingress.open), (Direction::Ingress, 1, 0));
    assert_eq!(ingress.ready_ms.map(|ready| ready.max_ms), Some(510.0));
    assert_eq!(ingress.ready_without_ms, None);
    assert_eq!((egress.direction, egress.starts, egress.open, egress.open_ms.max_ms), (Direction::Egress, 1, 1, 200.0));
    assert_eq!(egress.ready_ms, None);
    assert_eq!(egress.ready_without_ms.map(|ready| ready.max_ms), Some(60.0));
}

#[test]
fn a_start_that_never_comes_right_has_no_window() {
    let good = started(true, vec![cell(true, DENY, NEW, &[(false, 0, 3_000)])]);
    let bad = started(false, vec![cell(true, DENY, NEW, &[(true, 0, 3_000)])]);
    let [startup] = seen(&[good, bad.clone()], false).try_into().unwrap();
    assert_eq!((startup.starts, startup.unsettled, startup.open), (1, 1, 0));
    assert_eq!(seen(&[bad], false), [], "that is a matter of the verdict");
}

#[test]
fn a_connection_that_was_opened_in_the_window_may_stay() {
    let open = Answer::Undefined(Undefined::StandingConnection);
    let start = |stays: bool| {
        let standing = if stays { vec![(true, 0, 3_000)] } else { vec![(true, 0, 80), (false, 120, 3_000)] };
        let never = vec![(false, 0, 3_000)];
        started(
            true,
            vec![
                cell(true, DENY, NEW, &[(true, 0, 80), (false, 120, 3_000)]),
                cell(true, open, Connection::Standing, &standing),
                cell(true, open, Connection::Standing, &never),
            ],
        )
    };
    let [startup] = seen(&[start(true), start(false), start(true)], false).try_into().unwrap();
    assert_eq!((startup.opened, startup.kept), (3, 2));
}
