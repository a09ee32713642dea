//! One owner for each control stream: it always reads, writes from a bounded queue, and ends with its owner.

use super::clock::Clock;
use crate::agent::{FrameReader, FrameWriter, LinkError};
use crate::core::model::flow::Endpoint;
use crate::core::wire::{FromAgent, ListenPort, ToAgent, VERSION};
use crate::target::Stream;
use std::time::Duration;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long an agent may take to answer anything.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// How often the clocks are compared when a link opens; the quickest answer counts.
const CLOCK_SAMPLES: u64 = 5;

/// How often an agent hears from us at least: it stops by itself after two minutes of silence.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// The question of a heartbeat, whose answer nobody waits for.
const NOBODY: u64 = u64::MAX;

/// Messages that may wait to be written.
const QUEUE: usize = 64;

/// A link to an agent.
#[derive(Debug)]
pub(super) struct Link {
    commands: mpsc::Sender<ToAgent>,
    offset_us: i64,
    tasks: [JoinHandle<()>; 2],
}

/// What a link brings.
#[derive(Debug)]
pub(super) enum Inbound {
    Message(FromAgent),
    Lost { cause: String },
}

/// Why a link could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("it hung up")]
    HungUp,
    #[error("it refused: {0}")]
    Refused(String),
    #[error("it is {found}, not {expected}")]
    Stranger { found: String, expected: String },
    #[error("it cannot listen on {0}")]
    CannotListen(String),
    #[error("it answered `{0}` out of turn")]
    OutOfTurn(String),
    #[error("it did not answer within {} s", ANSWER_DEADLINE.as_secs())]
    Silent,
}

struct Talk {
    reader: FrameReader<ReadHalf<Box<dyn Stream>>>,
    writer: FrameWriter<WriteHalf<Box<dyn Stream>>>,
}

impl Talk {
    async fn ask(&mut self, question: &ToAgent) -> Result<FromAgent, OpenError> {
        let answer = async {
            self.writer.write(question).await?;
            loop {
                match self.reader.read().await? {
                    Some(FromAgent::Refused { reason }) => return Err(OpenError::Refused(reason)),
                    // What came in from earlier probes is no answer.
                    Some(FromAgent::Arrivals { .. }) => {}
                    Some(message) => return Ok(message),
                    None => return Err(OpenError::HungUp),
                }
            }
        };
        tokio::time::timeout(ANSWER_DEADLINE, answer).await.unwrap_or(Err(OpenError::Silent))
    }
}

impl Link {
    /// Opens a link: token, identity, ports, clocks. Everything the agent says later comes through `inbox`.
    pub(super) async fn open(
        stream: Box<dyn Stream>,
        endpoint: Endpoint,
        identity: &str,
        token: &str,
        ports: Vec<ListenPort>,
        clock: Clock,
        inbox: mpsc::Sender<(Endpoint, Inbound)>,
    ) -> Result<Self, OpenError> {
        let (read, write) = tokio::io::split(stream);
        let mut talk = Talk { reader: FrameReader::new(read), writer: FrameWriter::new(write) };
        match talk.ask(&ToAgent::Hello { version: VERSION, token: token.to_owned() }).await? {
            FromAgent::Welcome { identity: found, .. } if found == identity => {}
            FromAgent::Welcome { identity: found, .. } => {
                return Err(OpenError::Stranger { found, expected: identity.to_owned() });
            }
            other => return Err(OpenError::OutOfTurn(format!("{other:?}"))),
        }
        match talk.ask(&ToAgent::Listen { ports }).await? {
            FromAgent::Listening { failed } if failed.is_empty() => {}
            FromAgent::Listening { failed } => {
                let list = failed.iter().map(|f| format!("{} {}: {}", f.port.protocol, f.port.port, f.reason));
                return Err(OpenError::CannotListen(list.collect::<Vec<_>>().join(", ")));
            }
            other => return Err(OpenError::OutOfTurn(format!("{other:?}"))),
        }
        let offset_us = compare_clocks(&mut talk, clock).await?;

        let (commands, queue) = mpsc::channel(QUEUE);
        let reading = tokio::spawn(read_all(talk.reader, endpoint.clone(), inbox.clone()));
        let writing = tokio::spawn(write_all(talk.writer, queue, endpoint, inbox));
        Ok(Self { commands, offset_us, tasks: [reading, writing] })
    }

    /// Queues a message. A link that is gone says so through the inbox.
    pub(super) async fn send(&self, message: ToAgent) {
        // The only error is a writer that has ended, which has reported why.
        let _ = self.commands.send(message).await;
    }

    /// A time on the agent's clock, on the run's.
    pub(super) fn run_us(&self, agent_us: u64) -> u64 {
        agent_us.saturating_add_signed(self.offset_us)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What must be added to the agent's clock to get the run's, from the question that was answered soonest.
async fn compare_clocks(talk: &mut Talk, clock: Clock) -> Result<i64, OpenError> {
    let mut best: Option<(u64, i64)> = None;
    for id in 0..CLOCK_SAMPLES {
        let asked = clock.now_us();
        match talk.ask(&ToAgent::Ping { id }).await? {
            FromAgent::Pong { id: answered, at_us } if answered == id => {
                let round_trip = clock.now_us() - asked;
                let middle = asked + round_trip / 2;
                if best.is_none_or(|(quickest, _)| round_trip < quickest) {
                    best = Some((round_trip, middle.cast_signed() - at_us.cast_signed()));
                }
            }
            other => return Err(OpenError::OutOfTurn(format!("{other:?}"))),
        }
    }
    Ok(best.map_or(0, |(_, offset)| offset))
}

async fn read_all(
    mut reader: FrameReader<ReadHalf<Box<dyn Stream>>>,
    endpoint: Endpoint,
    inbox: mpsc::Sender<(Endpoint, Inbound)>,
) {
    loop {
        let (inbound, last) = match reader.read().await {
            Ok(Some(message)) => (Inbound::Message(message), false),
            Ok(None) => (Inbound::Lost { cause: "it hung up".to_owned() }, true),
            Err(error) => (Inbound::Lost { cause: error.to_string() }, true),
        };
        if inbox.send((endpoint.clone(), inbound)).await.is_err() || last {
            return;
        }
    }
}

async fn write_all(
    mut writer: FrameWriter<WriteHalf<Box<dyn Stream>>>,
    mut queue: mpsc::Receiver<ToAgent>,
    endpoint: Endpoint,
    inbox: mpsc::Sender<(Endpoint, Inbound)>,
) {
    loop {
        let message = match tokio::time::timeout(HEARTBEAT, queue.recv()).await {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(_) => ToAgent::Ping { id: NOBODY },
        };
        if let Err(error) = writer.write(&message).await {
            // Nobody is left to tell when the lane is gone.
            let _ = inbox.send((endpoint, Inbound::Lost { cause: error.to_string() })).await;
            return;
        }
    }
}
