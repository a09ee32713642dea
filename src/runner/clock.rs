//! The run's clock: microseconds since it began, monotonic.

use std::time::Duration;
use tokio::time::Instant;

/// The run's clock. Copies share their origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(super) fn now_us(self) -> u64 {
        micros(self.origin.elapsed())
    }

    pub(super) fn at(self, us: u64) -> Instant {
        self.origin + Duration::from_micros(us)
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
