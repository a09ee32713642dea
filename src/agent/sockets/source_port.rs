//! Source ports of the agent's own choice.
//!
//! The kernel draws ports at random, and may draw one that a connection-tracking table on the way still knows: then a
//! new probe passes as part of an old conversation. So ports are given out in sequence, and again only after
//! [`REST`], which is longer than any table keeps an entry of ours.

use crate::core::model::flow::{Family, Protocol};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a port rests before the same receiver sees it again.
const REST: Duration = Duration::from_secs(300);

const FIRST: u16 = 20_000;
const COUNT: u16 = 41_000;

/// Last uses are remembered for so many ports together.
const BLOCK: u16 = 50;

/// More receivers than this are forgotten once all their ports have rested.
const RECEIVERS_KEPT: usize = 128;

/// Whose ports they are. Not the address: a receiver may have several, and address translation leads to one of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Receiver {
    pub(super) identity: String,
    pub(super) protocol: Protocol,
    pub(super) family: Family,
}

/// The ports of one receiver.
#[derive(Debug)]
struct Sequence {
    next: u16,
    last_used: Vec<Option<Instant>>,
}

/// Hands out source ports.
#[derive(Debug, Default)]
pub(super) struct SourcePorts {
    sequences: Mutex<HashMap<Receiver, Sequence>>,
}

impl SourcePorts {
    /// The next port for this receiver; `None` when all have been used too recently. `random` chooses where a new
    /// sequence starts, because an agent may be the second one at its address.
    pub(super) fn next(&self, receiver: &Receiver, random: impl FnOnce() -> u64) -> Option<u16> {
        let now = Instant::now();
        let mut sequences = self.sequences.lock().unwrap_or_else(PoisonError::into_inner);
        if !sequences.contains_key(receiver) {
            if sequences.len() >= RECEIVERS_KEPT {
                sequences.retain(|_, sequence| !sequence.rested(now));
            }
            sequences.insert(receiver.clone(), Sequence::from(random()));
        }
        sequences.get_mut(receiver)?.next(now)
    }
}

impl Sequence {
    /// Starts at the beginning of a block.
    fn from(random: u64) -> Self {
        let blocks = COUNT / BLOCK;
        let block = u16::try_from(random % u64::from(blocks)).unwrap_or(0);
        Self { next: block * BLOCK, last_used: vec![None; usize::from(blocks)] }
    }

    fn next(&mut self, now: Instant) -> Option<u16> {
        let place = self.next;
        let last_used = self.last_used.get_mut(usize::from(place / BLOCK))?;
        let entered = place.is_multiple_of(BLOCK);
        if entered && last_used.is_some_and(|last_used| now - last_used < REST) {
            return None;
        }
        *last_used = Some(now);
        self.next = (place + 1) % COUNT;
        Some(FIRST + place)
    }

    fn rested(&self, now: Instant) -> bool {
        self.last_used.iter().flatten().all(|last_used| now - *last_used >= REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn receiver(identity: &str) -> Receiver {
        Receiver { identity: identity.to_owned(), protocol: Protocol::Udp, family: Family::Ipv4 }
    }

    #[tokio::test(start_paused = true)]
    async fn no_port_comes_twice_before_it_has_rested() {
        let ports = SourcePorts::default();
        let to = receiver("x/a");
        let first = ports.next(&to, || 7).unwrap();
        let mut seen = HashSet::from([first]);
        while let Some(port) = ports.next(&to, || unreachable!()) {
            assert!(seen.insert(port) && (FIRST..FIRST + COUNT).contains(&port));
        }
        assert_eq!(seen.len(), usize::from(COUNT));
        assert!(ports.next(&receiver("x/b"), || 0).is_some(), "another receiver has ports of its own");
        tokio::time::advance(REST - Duration::from_millis(1)).await;
        assert_eq!(ports.next(&to, || 0), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(ports.next(&to, || 0), Some(first), "the longest rested comes first");
    }

    #[tokio::test(start_paused = true)]
    async fn receivers_are_forgotten_only_with_rested_ports() {
        let ports = SourcePorts::default();
        for number in 0..RECEIVERS_KEPT + 10 {
            ports.next(&receiver(&number.to_string()), || 0).unwrap();
        }
        assert_eq!(ports.next(&receiver("0"), || 0), Some(FIRST + 1));
        tokio::time::advance(REST).await;
        ports.next(&receiver("new"), || 0).unwrap();
        assert_eq!(ports.sequences.lock().unwrap().len(), 1);
    }
}
