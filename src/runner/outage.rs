//! The time in which not every agent could be heard, or nobody listened. It counts against nobody's patience.

use crate::core::model::flow::Endpoint;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Whoever meant to wait for a moment and waited so much longer was not let run meanwhile: its process was stopped, or its
/// machine, or that was busy with something else. Nor, then, may have been who was waited for.
const STANDSTILL: Duration = Duration::from_millis(250);

/// The outages of a lane's links, as one: links that are cut at the same time lose that time once.
#[derive(Debug)]
pub(super) struct Outage {
    began: Instant,
    down: BTreeSet<Endpoint>,
    since: Instant,
    before: Duration,
}

impl Outage {
    /// Counts from now on.
    pub(super) fn none() -> Self {
        let now = Instant::now();
        Self { began: now, down: BTreeSet::new(), since: now, before: Duration::ZERO }
    }

    /// Counts anew from now on. What is cut stays cut.
    pub(super) fn restart(&mut self) {
        *self = Self { down: std::mem::take(&mut self.down), ..Self::none() };
    }

    /// A link is cut, and nothing was heard over it since then.
    pub(super) fn cut(&mut self, endpoint: Endpoint, since: Instant) {
        let since = since.max(self.began);
        self.since = if self.down.is_empty() { since } else { self.since.min(since) };
        self.down.insert(endpoint);
    }

    /// A link goes on.
    pub(super) fn over(&mut self, endpoint: &Endpoint) {
        if self.down.remove(endpoint) && self.down.is_empty() {
            self.before += self.since.elapsed();
        }
    }

    /// Whoever listened meant to wait until `meant`. Gives the time that was lost by that, if it was a standstill.
    pub(super) fn woke_late(&mut self, meant: Instant) -> Option<Duration> {
        let late = meant.elapsed();
        let standstill = (late >= STANDSTILL).then_some(late)?;
        // What is lost to a cut is counted already.
        if !self.is_on() {
            self.before += standstill;
        }
        Some(standstill)
    }

    /// Whether a link is cut now.
    pub(super) fn is_on(&self) -> bool {
        !self.down.is_empty()
    }

    /// How much time was lost so far.
    pub(super) fn lost(&self) -> Duration {
        if self.is_on() { self.before + self.since.elapsed() } else { self.before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_standstill_is_lost_and_a_little_lateness_is_not() {
        let mut outage = Outage::none();
        let wake = async |outage: &mut Outage, late_ms: u64| {
            let meant = Instant::now();
            advance(Duration::from_millis(late_ms)).await;
            outage.woke_late(meant)
        };
        assert_eq!(wake(&mut outage, 0).await, None);
        assert_eq!(wake(&mut outage, 249).await, None);
        assert_eq!(outage.lost(), Duration::ZERO);
        assert_eq!(wake(&mut outage, 8_000).await, Some(Duration::from_secs(8)));
        assert_eq!(outage.lost(), Duration::from_secs(8));
        let early = Instant::now() + Duration::from_secs(1);
        assert_eq!(outage.woke_late(early), None, "news came before");

        outage.cut("x/a".parse().unwrap(), Instant::now());
        assert_eq!(wake(&mut outage, 2_000).await, Some(Duration::from_secs(2)));
        outage.over(&"x/a".parse().unwrap());
        assert_eq!(outage.lost(), Duration::from_secs(10), "the same two seconds count once");
        outage.restart();
        assert_eq!(outage.lost(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn time_is_lost_once_however_many_links_are_cut() {
        let seconds = Duration::from_secs;
        let [a, b]: [Endpoint; 2] = ["x/a", "x/b"].map(|name| name.parse().unwrap());
        let mut outage = Outage::none();
        advance(seconds(10)).await;
        outage.cut(a.clone(), Instant::now() - seconds(2));
        advance(seconds(1)).await;
        outage.cut(b.clone(), Instant::now());
        advance(seconds(1)).await;
        outage.over(&a);
        assert!(outage.is_on());
        advance(seconds(1)).await;
        outage.over(&b);
        advance(seconds(1)).await;
        assert!(!outage.is_on());
        assert_eq!(outage.lost(), seconds(5), "from two seconds before the first cut to the last resumption");

        outage.cut(a, Instant::now());
        advance(seconds(1)).await;
        outage.restart();
        assert_eq!(outage.lost(), Duration::ZERO);
        outage.cut(b, Instant::now() - seconds(20));
        advance(seconds(1)).await;
        assert_eq!(outage.lost(), seconds(1), "nothing from before counts");
    }
}
