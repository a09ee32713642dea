//! Agents that lie, repeat themselves, or talk without end: what they say of others proves nothing, what they can say of
//! themselves ends their case, and neither takes more than it is given.

use super::cuts::{abandoned, assert_unharmed, seconds};
use super::wires::{Wires, peer};
use super::*;
use crate::core::model::flow::Endpoint;
use crate::core::model::observation::{Outcome, Streak};
use crate::core::wire::{Arrival, FlowStreak, FromAgent, VERSION, encode};
use crate::runner::link::{Inbound, Link};
use crate::target::{Dial, Stream, TargetError};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncWriteExt, duplex};

const CASE: &str = "deny-egress-of-one-pod";

/// No phase has more flows.
const FLOWS: u32 = 1_000;

fn run_lying(lie: impl Fn(FromAgent) -> Vec<FromAgent> + Send + Sync + 'static) -> (RunResult, Vec<RunEvent>) {
    let settings = Settings { lanes: 1, ..settings(SEED) };
    run_on(Wires::lying(SimTarget::new(SimOptions::default()), lie), some_cases(&[CASE]), settings)
}

/// A streak of attempts that got through for as long as anybody could ask for.
fn through(flow: u32, index: u32) -> FlowStreak {
    let outcome = Outcome::Connected { source: Ipv4Addr::LOCALHOST.into() };
    FlowStreak {
        flow,
        index,
        streak: Streak { outcome, count: 1_000, first_us: 0, last_us: 100_000_000 },
        slowest_ms: 0,
    }
}

/// Why a run that could not even begin failed.
fn failure(result: &RunResult) -> &str {
    let Some(RunEnd::Failed { message }) = &result.end else { panic!("{:?}", result.end) };
    message
}

#[test]
fn who_greets_as_somebody_else_is_not_talked_to() {
    let (result, events) = run_lying(|answer| match answer {
        FromAgent::Welcome { version, start, epoch, .. } => {
            vec![FromAgent::Welcome { version, identity: "y/b@sim0000".to_owned(), start, epoch }]
        }
        other => vec![other],
    });
    let message = failure(&result);
    assert!(
        message.contains("the agent of x/a") && message.contains("it is y/b@sim0000, not x/a@sim0000"),
        "{message}"
    );
    assert!(!events.iter().any(|event| matches!(event.event, Event::PhaseStarted { .. })), "nothing was probed");
}

#[test]
fn what_an_agent_says_of_others_flows_proves_nothing() {
    let (undisturbed, _) = run_lying(|answer| vec![answer]);
    assert_eq!(undisturbed.verdict, Verdict::Enforced, "{}", story(&undisturbed));
    let own: Mutex<BTreeMap<u32, BTreeSet<u32>>> = Mutex::default();
    let lied = Arc::new(Mutex::new(0));
    let lies = Arc::clone(&lied);
    let (result, events) = run_lying(move |answer| {
        let mut own = own.lock().unwrap();
        match &answer {
            FromAgent::Streaks { epoch, streaks } => {
                own.entry(*epoch).or_default().extend(streaks.iter().map(|streak| streak.flow));
                vec![answer]
            }
            // Everything that it has to say of its own was said before.
            FromAgent::Stopped { epoch } => {
                let own = own.entry(*epoch).or_default();
                let others = (0..FLOWS).filter(|flow| !own.contains(flow));
                let streaks = others.map(|flow| through(flow, 0)).collect();
                let source = (Ipv4Addr::LOCALHOST, 7).into();
                let to_others = |flow: &u32| Arrival {
                    epoch: *epoch,
                    flow: *flow,
                    count: u32::MAX,
                    first_us: 0,
                    last_us: 100_000_000,
                    source,
                };
                let arrivals = own.iter().map(to_others).collect();
                *lies.lock().unwrap() += 1;
                vec![FromAgent::Streaks { epoch: *epoch, streaks }, FromAgent::Arrivals { arrivals }, answer]
            }
            _ => vec![answer],
        }
    });
    assert!(*lied.lock().unwrap() >= 3, "once in each phase");
    assert_unharmed("lies about others", &result, &events, &undisturbed);
}

#[test]
fn what_was_said_in_an_earlier_epoch_proves_nothing_when_it_is_said_again() {
    let (undisturbed, _) = run_lying(|answer| vec![answer]);
    let said: Mutex<Vec<FromAgent>> = Mutex::default();
    let again = Arc::new(Mutex::new(0));
    let repeated = Arc::clone(&again);
    let (result, events) = run_lying(move |answer| {
        let mut said = said.lock().unwrap();
        match &answer {
            FromAgent::Streaks { .. } | FromAgent::Arrivals { .. } | FromAgent::Synced { .. } => {
                said.push(answer.clone())
            }
            _ => {}
        }
        match &answer {
            FromAgent::Stopped { epoch } => {
                let is_old = |message: &&FromAgent| match message {
                    FromAgent::Streaks { epoch: of, .. } => of < epoch,
                    FromAgent::Arrivals { arrivals } => arrivals.iter().all(|arrival| arrival.epoch < *epoch),
                    FromAgent::Synced { .. } => true,
                    _ => false,
                };
                let old: Vec<FromAgent> = said.iter().filter(is_old).cloned().collect();
                *repeated.lock().unwrap() += old.len();
                old.into_iter().chain([answer]).collect()
            }
            _ => vec![answer],
        }
    });
    assert!(*again.lock().unwrap() > 3);
    assert_unharmed("replays", &result, &events, &undisturbed);
}

#[test]
fn who_talks_without_end_keeps_nobody_from_their_work() {
    let (undisturbed, _) = run_lying(|answer| vec![answer]);
    let source = (Ipv4Addr::LOCALHOST, 7).into();
    let noise = Arrival { epoch: u32::MAX, flow: 0, count: 1, first_us: 0, last_us: 0, source };
    let (result, events) = run_lying(move |answer| match answer {
        // While it is being met, that has an end of its own.
        FromAgent::Streaks { .. } | FromAgent::Arrivals { .. } | FromAgent::Synced { .. } => {
            let noise = || FromAgent::Arrivals { arrivals: vec![noise.clone(); 20] };
            (0..200).map(|_| noise()).chain([answer]).collect()
        }
        other => vec![other],
    });
    assert_unharmed("noise", &result, &events, &undisturbed);
}

#[test]
fn who_does_not_come_to_the_point_is_not_listened_to() {
    let (result, _) = run_lying(|answer| match answer {
        FromAgent::Welcome { .. } => {
            let noise = || FromAgent::Streaks { epoch: 1, streaks: vec![through(0, 0)] };
            (0..5_000).map(|_| noise()).chain([answer]).collect()
        }
        other => vec![other],
    });
    let message = failure(&result);
    assert!(message.contains("it said too much that it was not asked for"), "{message}");
}

#[test]
fn nobody_reports_more_streaks_than_it_can_have_made_attempts() {
    let next: Mutex<BTreeMap<(u32, u32), u32>> = Mutex::default();
    let (result, events) = run_lying(move |answer| {
        let FromAgent::Streaks { epoch, streaks } = &answer else { return vec![answer] };
        let mut next = next.lock().unwrap();
        let more = streaks.iter().flat_map(|streak| {
            let next = next.entry((*epoch, streak.flow)).or_default();
            let indices = *next..*next + 1_000;
            *next += 1_000;
            indices.map(|index| through(streak.flow, index)).collect::<Vec<_>>()
        });
        vec![FromAgent::Streaks { epoch: *epoch, streaks: more.collect() }]
    });
    let causes = abandoned(&events);
    assert!(causes.len() == 1 && causes[0].contains("than it can have made attempts"), "{causes:?}");
    assert_eq!(result.verdict, Verdict::Inconclusive, "{}", story(&result));
}

/// An agent that says always the same, whatever it is asked.
#[derive(Clone)]
struct Script(Vec<u8>);

impl Dial for Script {
    async fn connect(&self, _endpoint: &Endpoint) -> Result<Box<dyn Stream>, TargetError> {
        let (near, mut far) = duplex(64 * 1024);
        far.write_all(&self.0).await.unwrap();
        tokio::spawn(async move {
            // It hears everything, so that nobody has to wait for it.
            tokio::io::copy(&mut far, &mut tokio::io::sink()).await
        });
        Ok(Box::new(near))
    }
}

/// The announcement of a frame of 4 GiB.
const FOUR_GIB: [u8; 4] = u32::MAX.to_be_bytes();

/// What an agent says until a link to it stands; its clock tells this.
fn greeting(at_us: u64) -> Vec<u8> {
    let welcome = FromAgent::Welcome { version: VERSION, identity: "x/a@sim0000".to_owned(), start: 1, epoch: None };
    let listening = FromAgent::Listening { failed: Vec::new() };
    let pongs = (0..5).map(|id| FromAgent::Pong { id, at_us });
    [welcome, listening].into_iter().chain(pongs).flat_map(|message| encode(&message).unwrap()).collect()
}

async fn meet(said: Vec<u8>) -> (Result<Link, String>, mpsc::Receiver<(Endpoint, Inbound)>) {
    let peer = peer(Script(said));
    let (sender, inbox) = mpsc::channel(8);
    (Link::open(peer, sender, Arc::default()).await.map_err(|unreached| unreached.to_string()), inbox)
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_4_gib_is_not_waited_for() {
    let refused = "a frame of 4294967295 bytes, 1048576 are allowed";
    let cause = meet(FOUR_GIB.to_vec()).await.0.err().unwrap();
    assert!(cause.contains(refused), "{cause}");

    let (link, mut inbox) = meet([greeting(0), FOUR_GIB.to_vec()].concat()).await;
    let _link = link.unwrap();
    let Some((_, Inbound::Lost { cause })) = tokio::time::timeout(seconds(1), inbox.recv()).await.unwrap() else {
        panic!("the link goes on")
    };
    assert!(cause.contains(refused), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_cannot_be_spoils_nothing_but_its_own_times() {
    for at_us in [0, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX] {
        let link = meet(greeting(at_us)).await.0.unwrap();
        assert!(link.run_us(0) <= link.run_us(at_us), "{at_us}");
    }
}
