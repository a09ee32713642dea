//! What was seen: the outcome of an attempt, and streaks of equal outcomes.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The outcome of one attempt on a flow: one new connection, one SYN or one datagram, one deadline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// The expected receiver answered with the nonce that was sent.
    Connected {
        /// The source address that the receiver saw.
        source: std::net::IpAddr,
    },
    /// The connection was refused, or an ICMP port-unreachable came back.
    Refused,
    /// The connection was reset after it stood.
    Reset,
    /// Nothing came back before the deadline.
    TimedOut,
    /// The network said that there is no way (no route, administratively prohibited).
    Unreachable,
    /// Somebody else answered.
    WrongIdentity {
        /// Whom the answer names.
        answered: String,
    },
    /// TCP connected, but the echo never came: a proxy or a mesh may have taken the connection.
    NoEcho,
    /// The attempt could not be made.
    ProbeError {
        /// What the prober's own system said.
        message: String,
    },
}

/// What an outcome says about the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Traffic got through to the right receiver: one such answer proves that the flow is open.
    Through,
    /// Nothing got through in this attempt. One of these proves nothing; many do.
    Stopped,
    /// The attempt says nothing about policy: wrong receiver, no echo, or no attempt at all.
    Void,
}

impl Outcome {
    /// What this outcome says about the flow.
    pub fn signal(&self) -> Signal {
        match self {
            Self::Connected { .. } => Signal::Through,
            Self::Refused | Self::Reset | Self::TimedOut | Self::Unreachable => Signal::Stopped,
            Self::WrongIdentity { .. } | Self::NoEcho | Self::ProbeError { .. } => Signal::Void,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { source } => write!(f, "connected (seen as {source})"),
            Self::Refused => f.write_str("refused"),
            Self::Reset => f.write_str("reset"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::WrongIdentity { answered } => write!(f, "answered by {answered}"),
            Self::NoEcho => f.write_str("connected without echo"),
            Self::ProbeError { message } => write!(f, "probe error: {message}"),
        }
    }
}

/// Consecutive attempts on one flow with the same outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Streak {
    /// The outcome that they share.
    pub outcome: Outcome,
    /// How many attempts (1 or more).
    pub count: u32,
    /// When the first of them began, in microseconds on the clock of whoever holds the streak.
    pub first_us: u64,
    /// When the last of them began, in microseconds on the same clock.
    pub last_us: u64,
}

/// No time is later than this, in microseconds: centuries after any clock of ours began. So sums of a few fit everywhere.
pub const LATEST_US: u64 = 1 << 53;

impl Streak {
    /// Whether its times can be: somebody who lies, and a file that somebody has changed, may say anything.
    pub fn is_possible(&self) -> bool {
        self.first_us <= self.last_us && self.last_us <= LATEST_US
    }
}
