//! The agent's monotonic clock, from which every time in its reports is taken.

use std::time::Duration;
use tokio::time::Instant;

/// Microseconds since a moment that never changes while the agent lives. It is tokio's clock, so a paused runtime
/// pauses it too.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that shows zero now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// A clock that now shows `elapsed`: agents of one simulation need not agree about the time.
    pub fn ahead(elapsed: Duration) -> Self {
        let now = Instant::now();
        Self { origin: now.checked_sub(elapsed).unwrap_or(now) }
    }

    /// What it shows.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
