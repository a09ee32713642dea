//! The first words on a stream to an agent, and how often they are tried.

use super::super::clock::Clock;
use crate::agent::{FrameReader, FrameWriter, LinkError};
use crate::core::model::flow::{Endpoint, Protocol};
use crate::core::wire::{FrameError, FromAgent, ListenPort, ToAgent, VERSION};
use crate::target::{Dial, Stream, TargetError};
use std::time::Duration;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// How long an agent may take to answer anything.
pub(in crate::runner) const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// How long an agent may stay out of reach: well below the two minutes after which it ends by itself.
const REACH: Duration = Duration::from_secs(60);

/// The pause after the first try; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A stream that stood for so long counts as a good one: the next cut has the whole patience again.
pub(super) const STEADY: Duration = Duration::from_secs(10);

/// How often the clocks are compared when a link opens; the quickest answer counts.
const CLOCK_SAMPLES: u64 = 5;

/// So many messages are taken that nobody asked for while an agent is being met: more than all that one can have to tell.
const NEWS: usize = 1_024;

pub(super) type Reader = FrameReader<ReadHalf<Box<dyn Stream>>>;
pub(super) type Writer = FrameWriter<WriteHalf<Box<dyn Stream>>>;

/// Whom a link leads to, and how to get there.
pub(in crate::runner) struct Peer<D> {
    pub(in crate::runner) endpoint: Endpoint,
    /// What it must say that it is.
    pub(in crate::runner) identity: String,
    pub(in crate::runner) token: String,
    /// What it must listen on.
    pub(in crate::runner) ports: Vec<ListenPort>,
    pub(in crate::runner) clock: Clock,
    pub(in crate::runner) dial: D,
}

/// What is known of an agent since it was first met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acquaintance {
    /// Another value would be another process, whose observations prove nothing about the first one's.
    start: u64,
    /// What must be added to its clock to get the run's.
    pub(super) offset_us: i64,
    /// How far that may be off.
    pub(super) uncertainty_us: u64,
    /// Whether it could listen on what it was asked to on SCTP, which not every kernel has.
    pub(super) sctp: bool,
}

/// An agent that has welcomed us.
pub(super) struct Met {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) acquaintance: Acquaintance,
    /// The newest epoch that it was told to probe.
    pub(super) epoch: Option<u32>,
    /// What it said unasked meanwhile, in order.
    pub(super) news: Vec<FromAgent>,
}

/// Why a stream came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("its control stream ended")]
    HungUp,
    #[error("it did not answer within {} s", ANSWER_DEADLINE.as_secs())]
    Silent,
    #[error("it refused: {0}")]
    Refused(String),
    #[error("it is {found}, not {expected}")]
    Stranger { found: String, expected: String },
    #[error("its process was replaced")]
    Replaced,
    #[error("no stream to it has stood for {} s", STEADY.as_secs())]
    Unsteady,
    #[error("it cannot listen on {0}")]
    CannotListen(String),
    #[error("it answered `{0}` out of turn")]
    OutOfTurn(String),
    #[error("it said too much that it was not asked for")]
    Talkative,
}

impl OpenError {
    /// Whether another try could come to more.
    fn may_pass(&self) -> bool {
        match self {
            Self::Target(error) => !error.gone,
            Self::Link(LinkError::Io(_) | LinkError::Frame(FrameError::Truncated))
            | Self::HungUp
            | Self::Silent
            | Self::Unsteady => true,
            Self::Link(LinkError::Frame(FrameError::TooLong { .. } | FrameError::Malformed(_)))
            | Self::Refused(_)
            | Self::Stranger { .. }
            | Self::Replaced
            | Self::CannotListen(_)
            | Self::OutOfTurn(_)
            | Self::Talkative => false,
        }
    }
}

/// Why an agent was not reached, however often it was tried.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub(in crate::runner) struct Unreached {
    again: bool,
    error: OpenError,
    former: Option<OpenError>,
}

impl Unreached {
    fn sentence(&self) -> String {
        let Self { again, error, former } = self;
        let again = if *again { " again" } else { "" };
        match former {
            _ if error.may_pass() => format!("it could not be reached{again} within {} s: {error}", REACH.as_secs()),
            // What may be the consequence of an earlier failure is not understood without it.
            Some(former) => format!("it cannot be reached{again}: {former}; then {error}"),
            None => format!("it cannot be reached{again}: {error}"),
        }
    }
}

/// How long an agent is tried to be reached, and how soon it is tried again.
#[derive(Debug)]
pub(super) struct Patience {
    until: Instant,
    /// Before the next try; there is none before the first.
    pause: Option<Duration>,
}

impl Patience {
    pub(super) fn begin() -> Self {
        Self { until: Instant::now() + REACH, pause: None }
    }

    /// Waits until it is time for the next try. Says whether there is time left for one.
    async fn is_ready(&mut self) -> bool {
        let pause = self.pause.replace(self.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE)));
        let next = Instant::now() + pause.unwrap_or_default();
        if next >= self.until {
            return false;
        }
        sleep_until(next).await;
        true
    }
}

impl<D: Dial> Peer<D> {
    /// Opens a stream to the agent, again and again until it comes to something or patience ends. Who was met before must
    /// still be the same process, which still listens and whose clock still goes as it went.
    pub(super) async fn reach(&self, before: Option<Acquaintance>, patience: &mut Patience) -> Result<Met, Unreached> {
        let again = before.is_some();
        let mut former = None;
        while patience.is_ready().await {
            match timeout_at(patience.until, self.meet(before)).await.unwrap_or(Err(OpenError::Silent)) {
                Ok(met) => return Ok(met),
                Err(error) if error.may_pass() => former = Some(error),
                Err(error) => return Err(Unreached { again, error, former }),
            }
        }
        Err(Unreached { again, error: former.unwrap_or(OpenError::Unsteady), former: None })
    }

    async fn meet(&self, before: Option<Acquaintance>) -> Result<Met, OpenError> {
        let connecting = timeout(ANSWER_DEADLINE, self.dial.connect(&self.endpoint)).await;
        let (read, write) = tokio::io::split(connecting.map_err(|_| OpenError::Silent)??);
        let mut talk = Talk { reader: FrameReader::new(read), writer: FrameWriter::new(write), news: Vec::new() };
        let (start, epoch) = match talk.ask(&ToAgent::Hello { version: VERSION, token: self.token.clone() }).await? {
            FromAgent::Welcome { identity, start, epoch, version: _ } if identity == self.identity => (start, epoch),
            FromAgent::Welcome { identity: found, .. } => {
                return Err(OpenError::Stranger { found, expected: self.identity.clone() });
            }
            other => return Err(OpenError::OutOfTurn(format!("{other:?}"))),
        };
        let acquaintance = match before {
            Some(before) if before.start == start => before,
            Some(_) => return Err(OpenError::Replaced),
            None => {
                let sctp = talk.listen(self.ports.clone()).await?;
                let (offset_us, uncertainty_us) = talk.compare_clocks(self.clock).await?;
                Acquaintance { start, offset_us, uncertainty_us, sctp }
            }
        };
        let Talk { reader, writer, news } = talk;
        Ok(Met { reader, writer, acquaintance, epoch, news })
    }
}

/// Questions and answers, one after the other.
struct Talk {
    reader: Reader,
    writer: Writer,
    news: Vec<FromAgent>,
}

impl Talk {
    async fn ask(&mut self, question: &ToAgent) -> Result<FromAgent, OpenError> {
        let answer = async {
            self.writer.write(question).await?;
            loop {
                match self.reader.read().await? {
                    Some(FromAgent::Refused { reason }) => return Err(OpenError::Refused(reason)),
                    // It may have had a plan, and strangers may have sent it datagrams.
                    Some(news @ (FromAgent::Arrivals { .. } | FromAgent::Streaks { .. })) => {
                        if self.news.len() >= NEWS {
                            return Err(OpenError::Talkative);
                        }
                        self.news.push(news);
                    }
                    Some(message) => return Ok(message),
                    None => return Err(OpenError::HungUp),
                }
            }
        };
        timeout(ANSWER_DEADLINE, answer).await.unwrap_or(Err(OpenError::Silent))
    }

    /// Has it listen on `ports`; says whether that could be done on SCTP too. Without the others nothing can be probed.
    async fn listen(&mut self, ports: Vec<ListenPort>) -> Result<bool, OpenError> {
        let is_sctp = |port: &ListenPort| port.protocol == Protocol::Sctp;
        match self.ask(&ToAgent::Listen { ports }).await? {
            FromAgent::Listening { failed } if failed.iter().all(|failed| is_sctp(&failed.port)) => {
                Ok(failed.is_empty())
            }
            FromAgent::Listening { failed } => {
                let failed = failed.iter().filter(|failed| !is_sctp(&failed.port));
                let list = failed.map(|f| format!("{} {}: {}", f.port.protocol, f.port.port, f.reason));
                Err(OpenError::CannotListen(list.collect::<Vec<_>>().join(", ")))
            }
            other => Err(OpenError::OutOfTurn(format!("{other:?}"))),
        }
    }

    /// What must be added to the agent's clock to get the run's, from the question that was answered soonest, and how far
    /// that may be off: question and answer may have taken the whole time between them, either of them.
    async fn compare_clocks(&mut self, clock: Clock) -> Result<(i64, u64), OpenError> {
        let mut best: Option<(u64, i64)> = None;
        for id in 0..CLOCK_SAMPLES {
            let asked = clock.now_us();
            match self.ask(&ToAgent::Ping { id }).await? {
                FromAgent::Pong { id: answered, at_us } if answered == id => {
                    let round_trip = clock.now_us() - asked;
                    let middle = asked + round_trip / 2;
                    if best.is_none_or(|(quickest, _)| round_trip < quickest) {
                        // No clock of ours is so far off that this is not exact; one that lies may be.
                        best = Some((round_trip, middle.cast_signed().saturating_sub_unsigned(at_us)));
                    }
                }
                other => return Err(OpenError::OutOfTurn(format!("{other:?}"))),
            }
        }
        Ok(best.map_or((0, u64::MAX), |(round_trip, offset)| (offset, round_trip.div_ceil(2))))
    }
}
