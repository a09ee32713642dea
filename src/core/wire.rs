//! The messages between the controller and an agent: versioned, length-limited, the same over a Unix socket and a
//! port-forward.
//!
//! A frame is a big-endian `u32` length and that many bytes of JSON. The controller speaks first ([`ToAgent::Hello`]);
//! an agent that does not know the token or the version says so and hangs up.
//!
//! An agent outlives a stream that is cut, and tells whoever comes back all that it remembers, under the same numbers. The
//! one who comes back cannot know which of the last orders arrived: [`FromAgent::Welcome`] tells of the only one that must
//! not be repeated, [`ToAgent::Probe`]. All others may be.

mod frame;

#[cfg(test)]
mod tests;

pub use frame::{Decoder, FrameError, Message, encode};

use crate::core::model::flow::Protocol;
use crate::core::model::observation::Streak;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The version that both sides must share.
pub const VERSION: u32 = 7;

/// The longest frame either side accepts, in bytes. A longer announced length ends the connection unread.
pub const MAX_FRAME_BYTES: usize = 1 << 20;

/// The shortest interval between attempts that an agent takes from an order, in milliseconds.
pub const SHORTEST_MS: u32 = 5;

/// What the controller says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToAgent {
    /// Opens the conversation.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// The run's secret.
        token: String,
    },
    /// Listens on these ports, on every address of both families. Answered by [`FromAgent::Listening`].
    Listen {
        /// The ports. Ports that are open already stay open.
        ports: Vec<ListenPort>,
    },
    /// Asks for the agent's clock. Answered by [`FromAgent::Pong`] at once.
    Ping {
        /// Comes back with the answer.
        id: u64,
    },
    /// Starts to probe these flows, each until [`ToAgent::Stop`]. An epoch that still runs is ended first.
    Probe {
        /// The epoch that all results of this order carry; larger than every one before.
        epoch: u32,
        /// The flows.
        flows: Vec<ProbeFlow>,
    },
    /// Ends the epoch: attempts in flight are dropped uncounted. Answered by [`FromAgent::Stopped`], also when it was
    /// ended before.
    Stop {
        /// The epoch.
        epoch: u32,
    },
    /// Asks for everything seen so far. Answered by [`FromAgent::Synced`] after all sockets were read empty and every
    /// streak and every arrival was reported: the agent's watermark.
    Sync {
        /// Comes back with the answer.
        id: u64,
    },
}

/// What the agent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FromAgent {
    /// Answers [`ToAgent::Hello`].
    Welcome {
        /// [`VERSION`].
        version: u32,
        /// Who it is: what it answers to probes.
        identity: String,
        /// Drawn at start: another value means another process, whose observations prove nothing about the first one's.
        start: u64,
        /// The newest epoch that it was told to probe. No order of an earlier stream is obeyed after this was said.
        epoch: Option<u32>,
    },
    /// The agent ends the conversation.
    Refused {
        /// Why.
        reason: String,
    },
    /// Answers [`ToAgent::Listen`].
    Listening {
        /// What could not be opened; empty when all is well.
        failed: Vec<ListenFailure>,
    },
    /// Answers [`ToAgent::Ping`].
    Pong {
        /// The question's.
        id: u64,
        /// The agent's monotonic clock, in microseconds.
        at_us: u64,
    },
    /// What was seen on flows since the last report. A streak that goes on is sent again, grown.
    Streaks {
        /// The epoch.
        epoch: u32,
        /// One entry for each streak that is new or has grown.
        streaks: Vec<FlowStreak>,
    },
    /// Datagrams that reached this agent, counted as they came in, whether or not the answer got back.
    Arrivals {
        /// One entry for each flow with new datagrams, with the totals so far.
        arrivals: Vec<Arrival>,
    },
    /// Answers [`ToAgent::Stop`]; the epoch's last streaks were sent before.
    Stopped {
        /// The epoch.
        epoch: u32,
    },
    /// Answers [`ToAgent::Sync`].
    Synced {
        /// The question's.
        id: u64,
    },
}

/// A port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenPort {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub port: u16,
}

/// A port that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenFailure {
    /// Which one.
    pub port: ListenPort,
    /// What the system said.
    pub reason: String,
}

/// A flow that an agent shall probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeFlow {
    /// The controller's number for it; unique in the epoch over all agents.
    pub flow: u32,
    /// Where to; of a flow that waits, the port alone.
    pub to: SocketAddr,
    /// Its protocol.
    pub protocol: Protocol,
    /// Who must answer.
    pub identity: String,
    /// When to try again.
    pub pace: Pace,
    /// Every attempt is a request on one connection (for UDP, between the same two ports), which is opened once: no earlier
    /// than in this epoch. A new connection for each attempt where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<u32>,
    /// It waits until a datagram of this flow and of its epoch has reached the agent, and then probes whoever sent that:
    /// somebody who announces himself, and whose address nobody could know before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_by: Option<u32>,
}

/// When a flow is tried again, in milliseconds. An attempt leaves entries in the nodes' connection tracking: one that ended
/// Through or Void on every node that it passed, a stopped one on the sender's when it is the receiver's that drops it. So
/// pauses get longer and longer, in the first case at once, in the second after what proves a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Every attempt ends after this long (below 1,000: before the first retransmission of a SYN).
    pub deadline_ms: u32,
    /// From the start of one attempt to the start of the next while nothing gets through. Attempts overlap.
    pub blocked_ms: u32,
    /// So many attempts in a row are made at that pace; then each is followed by twice the pause before it.
    pub blocked_attempts: u32,
    /// The longest such pause.
    pub blocked_max_ms: u32,
    /// The first pause after an attempt that got through.
    pub through_ms: u32,
    /// So many attempts in a row that got through are followed by that pause; then each by twice the pause before it.
    pub through_attempts: u32,
    /// The longest such pause.
    pub through_max_ms: u32,
}

/// A streak of a flow. Times are the agent's monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowStreak {
    /// The flow's number.
    pub flow: u32,
    /// The streak's number within flow and epoch, from 0: a message with the same number replaces the former.
    pub index: u32,
    /// The streak.
    pub streak: Streak,
    /// How long the slowest of its attempts took, in milliseconds.
    pub slowest_ms: u32,
}

/// Datagrams of one flow that reached a receiver. Times are the receiver's monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// The epoch that the datagrams carried.
    pub epoch: u32,
    /// The flow that the datagrams carried.
    pub flow: u32,
    /// How many so far.
    pub count: u32,
    /// When the first came in, in microseconds.
    pub first_us: u64,
    /// When the last came in, in microseconds.
    pub last_us: u64,
    /// The source address of the last.
    pub source: SocketAddr,
}
