//! A simulated target whose control streams can be cut: those of its first lane, all at the same moment. Or over which one
//! agent lies.

use crate::agent::{FrameReader, FrameWriter};
use crate::core::model::change::Change;
use crate::core::model::flow::{Endpoint, PodId};
use crate::core::model::world::World;
use crate::core::wire::{FromAgent, Message, ToAgent};
use crate::runner::clock::Clock;
use crate::runner::link::Peer;
use crate::target::sim::{SimDial, SimLane, SimTarget};
use crate::target::{Dial, Lane, LaneNames, Stand, Stream, Target, TargetError};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// An agent of a simulated lane, as a link meets it.
pub(super) fn peer<D>(dial: D) -> Peer<D> {
    Peer {
        endpoint: "x/a".parse().unwrap(),
        identity: "x/a@sim0000".to_owned(),
        token: "token".to_owned(),
        ports: Vec::new(),
        clock: Clock::start(),
        dial,
    }
}

/// A cut.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) when: When,
    pub(super) how: How,
    /// What comes of the tries to connect after the outage.
    pub(super) then: Then,
    /// How long nobody can connect.
    pub(super) outage: Duration,
}

/// When streams are cut.
#[derive(Clone, Debug)]
pub(super) enum When {
    /// So long after the lane was opened.
    After(Duration),
    /// Instead of passing on the order of this number, from 0, that is like this.
    Order(u32, fn(&ToAgent) -> bool),
    /// Instead of passing on the answer of this number, from 0, that is like this.
    Answer(u32, fn(&FromAgent) -> bool),
}

/// What becomes of a stream that is cut.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    /// Both ends see that it is over.
    HangUp,
    /// Nobody sees anything; nothing is passed on any more.
    Stall,
}

/// Who is found by whoever connects again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    Same,
    /// Another process in the place of the agent of x/a.
    Replaced,
    /// Somebody else instead of the agent of x/a.
    Stranger,
    /// Something that speaks another protocol instead of the agent of x/a.
    Garbage,
    /// The pod x/a was deleted.
    Gone,
}

impl Cut {
    /// Every stream, seen by both ends, and everybody can be reached again at once.
    pub(super) fn all(when: When) -> Self {
        Self { when, how: How::HangUp, then: Then::Same, outage: Duration::ZERO }
    }
}

/// What somebody says instead of a message.
pub(super) type Lie = Arc<dyn Fn(FromAgent) -> Vec<FromAgent> + Send + Sync>;

pub(super) struct Wires {
    sim: SimTarget,
    cuts: Vec<Cut>,
    lag: Duration,
    lie: Option<Lie>,
}

impl Wires {
    pub(super) fn new(sim: SimTarget, cuts: Vec<Cut>) -> Self {
        Self { sim, cuts, lag: Duration::ZERO, lie: None }
    }

    /// Wires over which whatever an agent says takes so long, and whatever it is told takes no time.
    pub(super) fn lagging(sim: SimTarget, lag: Duration) -> Self {
        Self { sim, cuts: Vec::new(), lag, lie: None }
    }

    /// Wires over which the agent of x/a says something else.
    pub(super) fn lying(sim: SimTarget, lie: impl Fn(FromAgent) -> Vec<FromAgent> + Send + Sync + 'static) -> Self {
        Self { sim, cuts: Vec::new(), lag: Duration::ZERO, lie: Some(Arc::new(lie)) }
    }
}

pub(super) struct WiredLane {
    sim: SimLane,
    dial: WiredDial,
}

#[derive(Clone)]
pub(super) struct WiredDial {
    sim: SimDial,
    exchange: Arc<Exchange>,
}

/// What the streams of a lane share.
struct Exchange {
    cuts: Mutex<Vec<Pending>>,
    /// The last cut, and how many there were.
    done: watch::Sender<(u32, Option<Done>)>,
    /// How long an answer is on its way.
    lag: Duration,
    /// What the agent of x/a says instead.
    lie: Option<Lie>,
}

struct Pending {
    cut: Cut,
    seen: u32,
}

#[derive(Clone, Copy)]
struct Done {
    how: How,
    then: Then,
    until: Instant,
}

impl Exchange {
    fn cut(&self, cut: &Cut) {
        let done = Done { how: cut.how, then: cut.then, until: Instant::now() + cut.outage };
        self.done.send_modify(|(count, last)| (*count, *last) = (*count + 1, Some(done)));
    }

    /// Whether a cut was waiting for this message; then it has been made.
    fn triggers(&self, is_like: impl Fn(&When) -> Option<u32>) -> bool {
        let mut cuts = self.cuts.lock().unwrap();
        let due = cuts.iter_mut().position(|pending| {
            is_like(&pending.cut.when).is_some_and(|number| {
                pending.seen += 1;
                pending.seen == number + 1
            })
        });
        let due = due.map(|index| cuts.remove(index));
        due.inspect(|pending| self.cut(&pending.cut)).is_some()
    }
}

impl Target for Wires {
    type Lane = WiredLane;

    fn kind(&self) -> &'static str {
        self.sim.kind()
    }

    fn nodes(&self) -> Vec<String> {
        self.sim.nodes()
    }

    async fn open_lane(&self, names: LaneNames, stand: Stand) -> Result<WiredLane, TargetError> {
        let cuts = if names.lane == 0 { self.cuts.clone() } else { Vec::new() };
        let sim = self.sim.open_lane(names, stand).await?;
        let (done, _) = watch::channel((0, None));
        let waiting = cuts.iter().map(|cut| Pending { cut: cut.clone(), seen: 0 }).collect();
        let exchange = Arc::new(Exchange { cuts: Mutex::new(waiting), done, lag: self.lag, lie: self.lie.clone() });
        for cut in cuts {
            if let When::After(delay) = cut.when {
                let exchange = Arc::clone(&exchange);
                tokio::spawn(async move {
                    sleep(delay).await;
                    exchange.cut(&cut);
                });
            }
        }
        Ok(WiredLane { dial: WiredDial { sim: sim.dial(), exchange }, sim })
    }

    async fn close(&self) -> Result<(), TargetError> {
        self.sim.close().await
    }
}

impl Lane for WiredLane {
    type Dial = WiredDial;

    fn world(&self) -> &World {
        self.sim.world()
    }

    async fn apply(&mut self, change: &Change) -> Result<(), TargetError> {
        self.sim.apply(change).await
    }

    async fn instruct(&mut self, pod: &PodId, plan: Vec<ToAgent>) -> Result<(), TargetError> {
        self.sim.instruct(pod, plan).await
    }

    fn dial(&self) -> WiredDial {
        self.dial.clone()
    }

    async fn close(self) -> Result<(), TargetError> {
        self.sim.close().await
    }
}

impl Dial for WiredDial {
    async fn connect(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, TargetError> {
        let step = "forwarding a port".to_owned();
        let done = self.exchange.done.borrow().1;
        if done.is_some_and(|done| Instant::now() < done.until) {
            return Err(TargetError { step, cause: "the API server is away".to_owned(), hint: None, gone: false });
        }
        let place: Endpoint = "x/a".parse().unwrap();
        let lie = self.exchange.lie.clone().filter(|_| *endpoint == place);
        let agent = match done.map(|done| done.then).filter(|_| *endpoint == place) {
            None | Some(Then::Same) => self.sim.connect(endpoint).await?,
            Some(Then::Replaced) => {
                self.sim.replace(endpoint);
                self.sim.connect(endpoint).await?
            }
            Some(Then::Stranger) => self.sim.connect(&"y/b".parse().unwrap()).await?,
            Some(Then::Garbage) => {
                let (near, mut far) = duplex(1024);
                far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
                tokio::spawn(hold(far));
                return Ok(Box::new(near));
            }
            Some(Then::Gone) => return Err(TargetError::gone(step, "there is no pod x/a")),
        };
        let (near, far) = duplex(64 * 1024);
        tokio::spawn(relay(far, agent, Arc::clone(&self.exchange), lie));
        Ok(Box::new(near))
    }
}

/// Keeps a stream that nothing comes over.
async fn hold<T>(_kept: T) {
    pending().await
}

/// Passes messages on until the streams are cut.
async fn relay(controller: DuplexStream, agent: Box<dyn Stream>, exchange: Arc<Exchange>, lie: Option<Lie>) {
    let mut cut = exchange.done.subscribe();
    let (from_controller, to_controller) = split(controller);
    let (from_agent, to_agent) = split(agent);
    let (mut orders, mut obeying) = (FrameReader::new(from_controller), FrameWriter::new(to_agent));
    let (mut answers, mut hearing) = (FrameReader::new(from_agent), FrameWriter::new(to_controller));
    let (no_lag, truth) = (Duration::ZERO, |order: ToAgent| vec![order]);
    let lied = |answer: FromAgent| match &lie {
        Some(lie) => lie(answer),
        None => vec![answer],
    };
    tokio::select! {
        biased;
        _ = cut.changed() => {}
        () = pass::<ToAgent, _, _>(&mut orders, &mut obeying, no_lag, truth, |order| exchange.triggers(|when| match when {
            When::Order(number, is_like) => is_like(order).then_some(*number),
            When::After(_) | When::Answer(..) => None,
        })) => {}
        () = pass::<FromAgent, _, _>(&mut answers, &mut hearing, exchange.lag, lied, |answer| exchange.triggers(|when| match when {
            When::Answer(number, is_like) => is_like(answer).then_some(*number),
            When::After(_) | When::Order(..) => None,
        })) => {}
    }
    let how = exchange.done.borrow().1.map(|done| done.how);
    match how {
        Some(How::Stall) => hold((orders, obeying, answers, hearing)).await,
        Some(How::HangUp) | None => {}
    }
}

async fn pass<M: Message, R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    from: &mut FrameReader<R>,
    to: &mut FrameWriter<W>,
    lag: Duration,
    say: impl Fn(M) -> Vec<M>,
    cuts: impl Fn(&M) -> bool,
) {
    let (sender, mut on_their_way) = mpsc::unbounded_channel();
    let reading = async {
        while let Ok(Some(message)) = from.read::<M>().await {
            for said in say(message) {
                if sender.send((Instant::now() + lag, said)).is_err() {
                    return;
                }
            }
        }
    };
    let writing = async {
        while let Some((due, message)) = on_their_way.recv().await {
            sleep_until(due).await;
            if cuts(&message) || to.write(&message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}
