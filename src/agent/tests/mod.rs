//! Conversations on a paused clock, with a model of a network.

mod pacing;
mod session;
mod takeover;

use super::*;
use crate::core::model::flow::Protocol;
use crate::core::model::observation::Outcome;
use crate::core::wire::{FlowStreak, FromAgent, ListenFailure, ListenPort, Pace, ProbeFlow, ToAgent, VERSION};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const PACE: Pace = Pace {
    deadline_ms: 900,
    blocked_ms: 100,
    blocked_attempts: 1_000,
    blocked_max_ms: 100,
    through_ms: 50,
    through_attempts: 1,
    through_max_ms: 400,
};

fn connected() -> Outcome {
    Outcome::Connected { source: IpAddr::V4(Ipv4Addr::LOCALHOST) }
}

fn flow(flow: u32) -> ProbeFlow {
    let to = "10.0.0.1:80".parse().unwrap();
    ProbeFlow {
        flow,
        to,
        protocol: Protocol::Tcp,
        identity: "y/b".to_owned(),
        pace: PACE,
        standing: None,
        announced_by: None,
    }
}

/// What a network does with an attempt on a flow that begins now: its outcome, and how long that takes.
type Rule = Box<dyn Fn(u32, Duration) -> (Outcome, Duration) + Send + Sync>;

/// A network after a rule, and what was done to it.
struct Model {
    rule: Rule,
    begin: Instant,
    arrivals: Arrivals,
    at_once: usize,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// When attempts on each flow began.
    begun: Mutex<BTreeMap<u32, Vec<Duration>>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    drained: AtomicUsize,
}

impl Model {
    fn new(rule: impl Fn(u32, Duration) -> (Outcome, Duration) + Send + Sync + 'static) -> (Self, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        let arrivals = Arrivals::new(Clock::start());
        let model =
            Self { rule: Box::new(rule), begin: Instant::now(), arrivals, at_once: 1024, seen: Arc::clone(&seen) };
        (model, seen)
    }

    /// A network that lets nothing through.
    fn blocked() -> (Self, Arc<Seen>) {
        Self::new(|_, _| (Outcome::TimedOut, Duration::from_millis(900)))
    }

    /// A network that lets everything through at once.
    fn open() -> (Self, Arc<Seen>) {
        Self::new(|_, _| (connected(), Duration::ZERO))
    }
}

impl Seen {
    fn begun_ms(&self, flow: u32) -> Vec<u128> {
        self.begun.lock().unwrap().get(&flow).into_iter().flatten().map(Duration::as_millis).collect()
    }
}

/// Counts an attempt in flight for as long as it lives.
struct InFlight<'a>(&'a Seen);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Net for Model {
    async fn attempt(&self, flow: &ProbeFlow, _epoch: u32) -> Outcome {
        let now = self.begin.elapsed();
        self.seen.begun.lock().unwrap().entry(flow.flow).or_default().push(now);
        let in_flight = self.seen.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.seen.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
        let _in_flight = InFlight(&self.seen);
        let (outcome, duration) = (self.rule)(flow.flow, now);
        sleep(duration).await;
        outcome
    }

    async fn listen(&self, ports: &[ListenPort]) -> Vec<ListenFailure> {
        let privileged = ports.iter().filter(|port| port.port < 1024);
        privileged.map(|port| ListenFailure { port: *port, reason: "privileged".to_owned() }).collect()
    }

    async fn drain(&self) {
        if self.seen.drained.fetch_add(1, Ordering::SeqCst) == 0 {
            self.arrivals.record(1, 7, "[::ffff:10.0.0.2]:20000".parse().unwrap());
        }
    }

    fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    fn attempts_at_once(&self) -> usize {
        self.at_once
    }
}

fn gate() -> Gate {
    Gate { identity: "x/a".to_owned(), token: "secret".to_owned(), start: 42 }
}

/// The other end of a conversation.
struct Controller {
    reader: FrameReader<ReadHalf<DuplexStream>>,
    writer: FrameWriter<WriteHalf<DuplexStream>>,
}

impl Controller {
    fn over(stream: DuplexStream) -> Self {
        let (reader, writer) = split(stream);
        Self { reader: FrameReader::new(reader), writer: FrameWriter::new(writer) }
    }

    /// With an agent of its own, and welcomed by it.
    async fn of(net: Model) -> (Self, JoinHandle<SessionEnd>) {
        let (near, far) = duplex(64 * 1024);
        let agent = tokio::spawn(serve(far, gate(), Agent::new(net)));
        let mut controller = Self::over(near);
        controller.say_hello().await;
        (controller, agent)
    }

    /// Returns the newest epoch that the agent says it was told to probe.
    async fn say_hello(&mut self) -> Option<u32> {
        self.say(ToAgent::Hello { version: VERSION, token: "secret".to_owned() }).await;
        let FromAgent::Welcome { version: VERSION, identity, start: 42, epoch } = self.hear().await else {
            panic!("no welcome");
        };
        assert_eq!(identity, "x/a");
        epoch
    }

    async fn say(&mut self, message: ToAgent) {
        self.writer.write(&message).await.unwrap();
    }

    async fn hear(&mut self) -> FromAgent {
        let message = timeout(Duration::from_secs(600), self.reader.read()).await.expect("an answer");
        message.unwrap().expect("an answer before the end")
    }

    async fn probe(&mut self, epoch: u32, flows: impl IntoIterator<Item = ProbeFlow>) {
        self.say(ToAgent::Probe { epoch, flows: flows.into_iter().collect() }).await;
    }

    /// Everything said for so long, then the end of the epoch: streaks by flow and number.
    async fn watch(&mut self, epoch: u32, duration: Duration) -> BTreeMap<(u32, u32), FlowStreak> {
        let mut streaks = BTreeMap::new();
        let end = Instant::now() + duration;
        while let Ok(message) = tokio::time::timeout_at(end, self.hear()).await {
            note(&mut streaks, message, epoch);
        }
        self.say(ToAgent::Stop { epoch }).await;
        loop {
            match self.hear().await {
                FromAgent::Stopped { epoch: stopped } if stopped == epoch => return streaks,
                message => note(&mut streaks, message, epoch),
            }
        }
    }
}

fn note(streaks: &mut BTreeMap<(u32, u32), FlowStreak>, message: FromAgent, expected: u32) {
    let FromAgent::Streaks { epoch, streaks: told } = message else {
        panic!("{message:?}");
    };
    assert_eq!(epoch, expected);
    streaks.extend(told.into_iter().map(|streak| ((streak.flow, streak.index), streak)));
}
