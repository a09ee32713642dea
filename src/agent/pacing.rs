//! When a flow is tried next.

use crate::core::model::observation::Signal;
use crate::core::wire::Pace;
use std::time::Duration;
use tokio::time::Instant;

/// The pace of one flow, kept by the youngest attempt that has ended: an attempt that began before the network changed
/// may time out long after a younger one got through, and must not turn the pace back.
#[derive(Debug)]
pub(crate) struct Pacing {
    blocked: Backoff,
    /// How many attempts in a row are made without a longer pause while nothing gets through.
    steady: u64,
    through: Backoff,
    /// How many attempts in a row that got through are followed by the same pause.
    through_steady: u32,
    through_in_a_row: u32,
    at_once: usize,
    begun: u64,
    last_begin: Instant,
    decided_by: u64,
    /// The youngest attempt that was not stopped.
    last_through: u64,
    due: Instant,
}

impl Pacing {
    /// The first attempt is due at `first`.
    pub(crate) fn new(pace: Pace, first: Instant) -> Self {
        let Pace {
            deadline_ms,
            blocked_ms,
            blocked_attempts,
            blocked_max_ms,
            through_ms,
            through_attempts,
            through_max_ms,
        } = pace;
        Self {
            blocked: Backoff::new(blocked_ms, blocked_max_ms),
            steady: blocked_attempts.into(),
            through: Backoff::new(through_ms, through_max_ms),
            through_steady: through_attempts,
            through_in_a_row: 0,
            at_once: usize::try_from(deadline_ms / blocked_ms.max(1)).unwrap_or(usize::MAX).saturating_add(2),
            begun: 0,
            last_begin: first,
            decided_by: 0,
            last_through: 0,
            due: first,
        }
    }

    /// When the next attempt shall begin.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// How many attempts may be in flight.
    pub(crate) fn at_once(&self) -> usize {
        self.at_once
    }

    /// The number of the attempt that began last.
    pub(crate) fn youngest(&self) -> u64 {
        self.begun
    }

    /// An attempt begins; returns its number.
    pub(crate) fn begin(&mut self, now: Instant) -> u64 {
        self.begun += 1;
        self.last_begin = now;
        if self.begun - self.last_through > self.steady {
            self.blocked.lengthen();
        }
        self.due = now + self.blocked.pause;
        self.begun
    }

    /// An attempt has ended.
    pub(crate) fn end(&mut self, number: u64, signal: Signal, now: Instant) {
        if number < self.decided_by {
            return;
        }
        self.decided_by = number;
        match signal {
            Signal::Stopped => {
                self.through.restart();
                self.through_in_a_row = 0;
                self.due = self.last_begin + self.blocked.pause;
            }
            Signal::Through | Signal::Void => {
                self.last_through = number;
                self.blocked.restart();
                self.due = now + self.through.pause;
                self.through_in_a_row = self.through_in_a_row.saturating_add(1);
                if self.through_in_a_row >= self.through_steady {
                    self.through.lengthen();
                }
            }
        }
    }
}

/// A pause that grows by half of what it is: whoever awaits a single attempt more, as at the end of a hold, does not wait long for
/// it.
#[derive(Debug)]
struct Backoff {
    shortest: Duration,
    longest: Duration,
    pause: Duration,
}

impl Backoff {
    fn new(shortest_ms: u32, longest_ms: u32) -> Self {
        let longest = Duration::from_millis(longest_ms.into());
        let shortest = Duration::from_millis(shortest_ms.into()).min(longest);
        Self { shortest, longest, pause: shortest }
    }

    fn lengthen(&mut self) {
        self.pause = (self.pause + self.pause / 2).min(self.longest);
    }

    fn restart(&mut self) {
        self.pause = self.shortest;
    }
}
