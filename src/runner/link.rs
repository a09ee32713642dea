//! A link to an agent, which outlives the streams that carry it.
//!
//! It has one owner, a task: that always reads, writes from a bounded queue, opens another stream when one is cut, and ends
//! with the link. What it reads, and what became of a stream, comes through the inbox in the order in which it happened,
//! so nothing of a former stream can be taken for news of the present one.

mod open;

pub(super) use open::{ANSWER_DEADLINE, Peer, Unreached};

use crate::agent::LinkError;
use crate::core::model::flow::Endpoint;
use crate::core::wire::{FrameError, FromAgent, ToAgent};
use crate::target::Dial;
use open::{Acquaintance, Met, Patience, Reader, STEADY, Writer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// How often an agent hears from us at least, and we from it.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// So many heartbeats without a word back, and the stream is taken for cut. They are counted instead of the time, so that a
/// process which was itself stopped for a while does not accuse the agents. Their time is below [`ANSWER_DEADLINE`], so
/// that a stream which hangs is not taken for an agent that does not answer.
const UNANSWERED: u32 = 3;

/// The question of a heartbeat, whose answer nobody waits for.
const NOBODY: u64 = u64::MAX;

/// A frame that is not taken in so long will never be.
const WRITE_LIMIT: Duration = HEARTBEAT.saturating_mul(UNANSWERED);

/// Messages that may wait to be written.
const QUEUE: usize = 64;

/// Where a link's news go.
pub(super) type Inbox = mpsc::Sender<(Endpoint, Inbound)>;

/// The way to one stream. What is sent down the line of a former stream goes nowhere.
pub(super) type Line = mpsc::Sender<ToAgent>;

/// A link to an agent.
#[derive(Debug)]
pub(super) struct Link {
    line: Line,
    offset_us: i64,
    uncertainty_us: u64,
    sctp: bool,
    epoch: Option<u32>,
    owner: JoinHandle<()>,
}

/// What a link brings.
#[derive(Debug)]
pub(super) enum Inbound {
    /// The agent said something.
    Message(FromAgent),
    /// The stream was cut; another one is being opened. Either [`Inbound::Resumed`] or [`Inbound::Lost`] follows.
    Cut {
        /// Since when nothing was heard.
        since: Instant,
    },
    /// The link goes on. Everything that was sent before has been obeyed or never will be; whether the order to probe has
    /// been, the epoch says. All other orders that are still unanswered have to be sent again.
    Resumed {
        /// The way to the new stream, for [`Link::resume`].
        line: Line,
        /// The newest epoch that the agent was told to probe.
        epoch: Option<u32>,
    },
    /// The link is over.
    Lost {
        /// Why.
        cause: String,
    },
}

/// Why a stream does not go on.
enum End {
    Cut {
        cause: String,
        since: Instant,
    },
    Lost {
        cause: String,
    },
    /// Nobody wants to hear more.
    Over,
}

impl Link {
    /// Opens a link: token, identity, ports, clocks. Everything the agent says later comes through `inbox`; `resumed` counts
    /// the streams that replaced another.
    pub(super) async fn open<D: Dial>(peer: Peer<D>, inbox: Inbox, resumed: Arc<AtomicU32>) -> Result<Self, Unreached> {
        let met = peer.reach(None, &mut Patience::begin()).await?;
        let Acquaintance { offset_us, uncertainty_us, sctp, .. } = met.acquaintance;
        let epoch = met.epoch;
        let (line, queue) = mpsc::channel(QUEUE);
        let owner = tokio::spawn(own(peer, met, queue, inbox, resumed));
        Ok(Self { line, offset_us, uncertainty_us, sctp, epoch, owner })
    }

    /// Queues a message. A link that is cut or gone says so through the inbox.
    pub(super) async fn send(&self, message: ToAgent) {
        // The only error is a stream that has ended.
        let _ = self.line.send(message).await;
    }

    /// Ends it; nothing comes from it any more.
    pub(super) async fn end(mut self) {
        self.owner.abort();
        // It was told to end, and however it does there is nobody left to hear of it.
        let _ended = (&mut self.owner).await;
    }

    /// From now on messages go down this line.
    pub(super) fn resume(&mut self, line: Line) {
        self.line = line;
    }

    /// The newest epoch that the agent was told to probe when it was first met.
    pub(super) fn epoch_at_first(&self) -> Option<u32> {
        self.epoch
    }

    /// Whether the agent's kernel has SCTP.
    pub(super) fn speaks_sctp(&self) -> bool {
        self.sctp
    }

    /// How far [`Link::run_us`] may be off, in microseconds.
    pub(super) fn uncertainty_us(&self) -> u64 {
        self.uncertainty_us
    }

    /// A time on the agent's clock, on the run's.
    pub(super) fn run_us(&self, agent_us: u64) -> u64 {
        agent_us.saturating_add_signed(self.offset_us)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.owner.abort();
    }
}

/// Carries a link over one stream after the other, for as long as there are any.
async fn own<D: Dial>(
    peer: Peer<D>,
    met: Met,
    mut queue: mpsc::Receiver<ToAgent>,
    inbox: Inbox,
    resumed: Arc<AtomicU32>,
) {
    let acquaintance = met.acquaintance;
    let (mut reader, mut writer, mut news) = (met.reader, met.writer, met.news);
    let mut patience: Option<Patience> = None;
    loop {
        for message in news {
            tell(&inbox, &peer.endpoint, Inbound::Message(message)).await;
        }
        let began = Instant::now();
        let end = carry(reader, writer, queue, &peer.endpoint, &inbox).await;
        let (cut, since) = match end {
            End::Cut { cause, since } => (cause, since),
            End::Lost { cause } => return tell(&inbox, &peer.endpoint, Inbound::Lost { cause }).await,
            End::Over => return,
        };
        tell(&inbox, &peer.endpoint, Inbound::Cut { since }).await;
        let patience = match &mut patience {
            Some(patience) if began.elapsed() < STEADY => patience,
            patience => patience.insert(Patience::begin()),
        };
        let met = match peer.reach(Some(acquaintance), patience).await {
            Ok(met) => met,
            Err(unreached) => {
                let cause = format!("{cut}, and {unreached}");
                return tell(&inbox, &peer.endpoint, Inbound::Lost { cause }).await;
            }
        };
        resumed.fetch_add(1, Ordering::Relaxed);
        let line;
        (line, queue) = mpsc::channel(QUEUE);
        (reader, writer, news) = (met.reader, met.writer, met.news);
        tell(&inbox, &peer.endpoint, Inbound::Resumed { line, epoch: met.epoch }).await;
    }
}

async fn tell(inbox: &Inbox, endpoint: &Endpoint, news: Inbound) {
    // Nobody is left to tell when the lane is gone; then this task ends too.
    let _ = inbox.send((endpoint.clone(), news)).await;
}

/// Carries a link over a stream until that ends.
async fn carry(
    mut reader: Reader,
    writer: Writer,
    queue: mpsc::Receiver<ToAgent>,
    endpoint: &Endpoint,
    inbox: &Inbox,
) -> End {
    let unanswered = AtomicU32::new(0);
    let since = || {
        let now = Instant::now();
        now.checked_sub(HEARTBEAT * unanswered.load(Ordering::Relaxed)).unwrap_or(now)
    };
    let reading = async {
        loop {
            let message = match reader.read().await {
                Ok(Some(FromAgent::Pong { id: NOBODY, .. })) => {
                    unanswered.store(0, Ordering::Relaxed);
                    continue;
                }
                Ok(Some(message)) => message,
                Ok(None) => return End::Cut { cause: "its control stream ended".to_owned(), since: since() },
                Err(LinkError::Io(error)) => {
                    return End::Cut { cause: format!("its control stream failed: {error}"), since: since() };
                }
                Err(error @ LinkError::Frame(FrameError::Truncated)) => {
                    return End::Cut { cause: error.to_string(), since: since() };
                }
                Err(error @ LinkError::Frame(FrameError::TooLong { .. } | FrameError::Malformed(_))) => {
                    return End::Lost { cause: error.to_string() };
                }
            };
            unanswered.store(0, Ordering::Relaxed);
            if inbox.send((endpoint.clone(), Inbound::Message(message))).await.is_err() {
                return End::Over;
            }
        }
    };
    tokio::select! {
        // What has come in is taken in before a stream that cannot be written to any more is given up.
        biased;
        end = reading => end,
        cause = write_all(writer, queue, &unanswered) => match cause {
            Some(cause) => End::Cut { cause, since: since() },
            None => End::Over,
        },
    }
}

/// Writes what is queued, and heartbeats, until that is of no more use. Says why; says nothing when the link was dropped.
async fn write_all(mut writer: Writer, mut queue: mpsc::Receiver<ToAgent>, unanswered: &AtomicU32) -> Option<String> {
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            message = queue.recv() => message?,
            _ = heartbeat.tick() => {
                if unanswered.fetch_add(1, Ordering::Relaxed) >= UNANSWERED {
                    return Some(format!("it said nothing for {} s", (HEARTBEAT * UNANSWERED).as_secs()));
                }
                ToAgent::Ping { id: NOBODY }
            }
        };
        match timeout(WRITE_LIMIT, writer.write(&message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Some(error.to_string()),
            Err(_) => return Some(format!("it took nothing in for {} s", WRITE_LIMIT.as_secs())),
        }
    }
}
