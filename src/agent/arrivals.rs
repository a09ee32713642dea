//! The datagrams that reached this agent, counted by what they say of themselves.

use crate::agent::clock::Clock;
use crate::core::wire::Arrival;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Datagrams of older epochs than this many are forgotten.
const EPOCHS_KEPT: usize = 8;

/// More flows than this in all epochs together are answered, but not counted: a stranger cannot fill the memory.
const FLOWS_KEPT: usize = 32 * 1024;

/// How long arrivals are gathered before they are reported.
const BATCH: Duration = Duration::from_millis(20);

/// Counts arrivals for whoever receives datagrams, and hands them to whoever reports them.
#[derive(Debug)]
pub struct Arrivals {
    clock: Clock,
    book: Mutex<Book>,
    changed: Notify,
    /// Wakes whoever waits for a flow's first datagram.
    begun: Notify,
}

#[derive(Debug, Default)]
struct Book {
    epochs: BTreeMap<u32, BTreeMap<u32, Entry>>,
    flows: usize,
    unsent: Vec<(u32, u32)>,
    since: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    arrival: Arrival,
    sent: bool,
}

impl Arrivals {
    /// Nothing has come in yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, book: Mutex::default(), changed: Notify::new(), begun: Notify::new() }
    }

    /// The clock that arrivals are stamped with.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// A valid datagram of this flow and epoch has come in just now.
    pub fn record(&self, epoch: u32, flow: u32, source: SocketAddr) {
        let now_us = self.clock.now_us();
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        let mut book = self.lock();
        if book.count(epoch, flow, source, now_us) && book.since.is_none() {
            book.since = Some(Instant::now());
            self.changed.notify_one();
        }
        drop(book);
        self.begun.notify_waiters();
    }

    /// Who sent the datagrams of a flow and epoch, as soon as the first of them has come in.
    pub(crate) async fn source(&self, epoch: u32, flow: u32) -> SocketAddr {
        loop {
            // Whoever asks before it looks misses nothing that comes in between.
            let begun = self.begun.notified();
            if let Some(entry) = self.lock().epochs.get(&epoch).and_then(|flows| flows.get(&flow)) {
                return entry.arrival.source;
            }
            begun.await;
        }
    }

    /// When the next report is due; `None` while there is nothing to tell.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.lock().since.map(|since| since + BATCH)
    }

    /// Resolves when [`Arrivals::due`] has changed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Every flow with new datagrams, with its totals.
    pub(crate) fn take(&self) -> Vec<Arrival> {
        let mut book = self.lock();
        book.since = None;
        let keys = std::mem::take(&mut book.unsent);
        keys.into_iter()
            .filter_map(|(epoch, flow)| {
                let entry = book.epochs.get_mut(&epoch)?.get_mut(&flow)?;
                entry.sent = true;
                Some(entry.arrival.clone())
            })
            .collect()
    }

    /// A new controller knows nothing: everything that is remembered shall be told again.
    pub(crate) fn tell_again(&self) {
        let mut book = self.lock();
        let book = &mut *book;
        book.unsent.clear();
        for entry in book.epochs.values_mut().flat_map(BTreeMap::values_mut) {
            entry.sent = false;
            book.unsent.push((entry.arrival.epoch, entry.arrival.flow));
        }
        book.since = (!book.unsent.is_empty()).then(Instant::now);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Says whether there is anything to tell.
    fn count(&mut self, epoch: u32, flow: u32, source: SocketAddr, now_us: u64) -> bool {
        let known = self.epochs.get_mut(&epoch).and_then(|flows| flows.get_mut(&flow));
        if let Some(Entry { arrival, sent }) = known {
            arrival.count = arrival.count.saturating_add(1);
            arrival.last_us = now_us;
            arrival.source = source;
            if std::mem::take(sent) {
                self.unsent.push((epoch, flow));
            }
            return true;
        }
        if self.flows >= FLOWS_KEPT {
            match self.epochs.first_key_value() {
                Some((oldest, _)) if *oldest < epoch => self.forget_oldest(),
                _ => return false,
            }
        }
        let arrival = Arrival { epoch, flow, count: 1, first_us: now_us, last_us: now_us, source };
        self.epochs.entry(epoch).or_default().insert(flow, Entry { arrival, sent: false });
        self.flows += 1;
        self.unsent.push((epoch, flow));
        if self.epochs.len() > EPOCHS_KEPT {
            self.forget_oldest();
        }
        !self.unsent.is_empty()
    }

    fn forget_oldest(&mut self) {
        if let Some((oldest, flows)) = self.epochs.pop_first() {
            self.flows -= flows.len();
            self.unsent.retain(|(epoch, _)| *epoch != oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> SocketAddr {
        "[::ffff:10.0.0.1]:7".parse().unwrap()
    }

    #[test]
    fn totals_grow_and_only_news_are_told() {
        let arrivals = Arrivals::new(Clock::start());
        arrivals.record(1, 5, source());
        arrivals.record(1, 5, source());
        arrivals.record(1, 6, source());
        let told = arrivals.take();
        assert_eq!(told.iter().map(|a| (a.flow, a.count)).collect::<Vec<_>>(), [(5, 2), (6, 1)]);
        assert_eq!(told[0].source, "10.0.0.1:7".parse().unwrap());
        assert!(arrivals.due().is_none());
        arrivals.record(1, 5, source());
        assert_eq!(arrivals.take().iter().map(|a| (a.flow, a.count)).collect::<Vec<_>>(), [(5, 3)]);
        arrivals.tell_again();
        assert_eq!(arrivals.take().len(), 2);
    }

    #[tokio::test]
    async fn a_flow_is_waited_for_until_its_first_datagram() {
        let arrivals = Arrivals::new(Clock::start());
        let mut waiting = std::pin::pin!(arrivals.source(2, 5));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        arrivals.record(1, 5, source());
        arrivals.record(2, 6, source());
        assert!(futures_util::poll!(waiting.as_mut()).is_pending(), "another epoch, another flow");
        arrivals.record(2, 5, source());
        assert_eq!(waiting.await, "10.0.0.1:7".parse().unwrap());
        assert_eq!(arrivals.source(2, 5).await, "10.0.0.1:7".parse().unwrap(), "it is there already");
    }

    #[test]
    fn old_epochs_are_forgotten() {
        let arrivals = Arrivals::new(Clock::start());
        for epoch in 1..=20 {
            arrivals.record(epoch, 1, source());
        }
        arrivals.record(2, 1, source());
        let epochs: Vec<u32> = arrivals.take().iter().map(|a| a.epoch).collect();
        assert_eq!(epochs, (13..=20).collect::<Vec<_>>());
    }

    #[test]
    fn a_stranger_cannot_fill_the_memory() {
        let arrivals = Arrivals::new(Clock::start());
        for flow in 0..FLOWS_KEPT + 10 {
            arrivals.record(1, u32::try_from(flow).unwrap(), source());
        }
        assert_eq!(arrivals.take().len(), FLOWS_KEPT);
        arrivals.record(0, 1, source());
        assert!(arrivals.take().is_empty());
        arrivals.record(2, 1, source());
        assert_eq!(arrivals.take().len(), 1, "a new epoch makes room");
        assert_eq!(arrivals.lock().flows, 1);
    }
}
