//! When a flow is tried next.

use crate::core::model::observation::Signal;
use crate::core::wire::Pace;
use std::time::Duration;
use tokio::time::Instant;

/// The pace of one flow, kept by the youngest attempt that has ended: an attempt that began before the network changed
/// may time out long after a younger one got through, and must not turn the pace back.
#[derive(Debug)]
pub(crate) struct Pacing {
    blocked: Duration,
    through: Duration,
    through_max: Duration,
    at_once: usize,
    begun: u64,
    last_begin: Instant,
    decided_by: u64,
    pause: Duration,
    due: Instant,
}

impl Pacing {
    /// The first attempt is due at `first`.
    pub(crate) fn new(pace: Pace, first: Instant) -> Self {
        let Pace { deadline_ms, blocked_ms, through_ms, through_max_ms } = pace;
        let through_max = Duration::from_millis(through_max_ms.into());
        let through = Duration::from_millis(through_ms.into()).min(through_max);
        Self {
            blocked: Duration::from_millis(blocked_ms.into()),
            through,
            through_max,
            at_once: usize::try_from(deadline_ms / blocked_ms.max(1)).unwrap_or(usize::MAX).saturating_add(2),
            begun: 0,
            last_begin: first,
            decided_by: 0,
            pause: through,
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
        self.due = now + self.blocked;
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
                self.pause = self.through;
                self.due = self.last_begin + self.blocked;
            }
            Signal::Through | Signal::Void => {
                self.due = now + self.pause;
                self.pause = self.pause.saturating_mul(2).min(self.through_max);
            }
        }
    }
}
