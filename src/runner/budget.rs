//! Connection tracking is shared with everything else on a node: all lanes together may fill at most so many entries.

use crate::core::event::Cell;
use crate::core::model::flow::Protocol;
use crate::core::model::observation::Signal;
use crate::core::model::world::World;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

/// The most entries on one node that all lanes together may keep alive.
pub const ENTRIES_PER_NODE: u32 = 5_000;

/// What one lane expects to need at once is never more than this, so that lanes can always take turns.
const ENTRIES_PER_PHASE: u32 = ENTRIES_PER_NODE / 2;

/// The ledger of live entries, shared by all lanes.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    ledger: Arc<Mutex<Vec<Entry>>>,
    changed: Arc<Notify>,
}

/// Entries that die together.
#[derive(Debug)]
struct Entry {
    reservation: u64,
    node: String,
    count: u32,
    /// `None` while the phase that makes them still runs.
    dies: Option<Instant>,
}

/// Room that a phase has taken.
#[derive(Debug)]
pub(super) struct Reservation {
    id: u64,
}

/// How long Linux remembers a connection that has ended: a TCP one after its RST (`nf_conntrack_tcp_timeout_close`), a
/// UDP exchange of one datagram each way (`nf_conntrack_udp_timeout`).
fn lifetime(protocol: Protocol) -> Duration {
    match protocol {
        Protocol::Tcp | Protocol::Sctp => Duration::from_secs(10),
        Protocol::Udp => Duration::from_secs(30),
    }
}

impl Budget {
    /// Waits until the nodes have room for so many more entries, `entries` of each cell, and takes it.
    pub(super) async fn reserve(&self, world: &World, cells: &[Cell], entries: impl Fn(&Cell) -> u32) -> Reservation {
        let mut wanted: BTreeMap<String, u32> = BTreeMap::new();
        for cell in cells {
            for node in nodes(world, cell) {
                *wanted.entry(node.to_owned()).or_default() += entries(cell);
            }
        }
        wanted.values_mut().for_each(|count| *count = (*count).min(ENTRIES_PER_PHASE));
        loop {
            let changed = self.changed.notified();
            let wait_until = {
                let mut ledger = self.ledger.lock().await;
                let now = Instant::now();
                ledger.retain(|entry| entry.dies.is_none_or(|dies| dies > now));
                let live = |node: &str| -> u32 {
                    ledger.iter().filter(|entry| entry.node == node).map(|entry| entry.count).sum()
                };
                if wanted.iter().all(|(node, count)| live(node) + count <= ENTRIES_PER_NODE) {
                    let id = ledger.iter().map(|entry| entry.reservation + 1).max().unwrap_or(0);
                    ledger.extend(wanted.into_iter().map(|(node, count)| Entry {
                        reservation: id,
                        node,
                        count,
                        dies: None,
                    }));
                    return Reservation { id };
                }
                ledger.iter().filter_map(|entry| entry.dies).min()
            };
            // Room comes when entries die or when another phase turns out to have needed less than it took.
            match wait_until {
                Some(dies) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(dies) => {}
                        () = changed => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// Lets what a phase took die off: it kept no more than that alive, however often it tried.
    pub(super) async fn expire(&self, reservation: Reservation) {
        let dies = Instant::now() + lifetime(Protocol::Udp);
        let mut ledger = self.ledger.lock().await;
        let taken = ledger.iter_mut().filter(|entry| entry.reservation == reservation.id && entry.dies.is_none());
        taken.for_each(|entry| entry.dies = Some(dies));
        drop(ledger);
        self.changed.notify_waiters();
    }

    /// Replaces what a phase took by what it really left behind.
    pub(super) async fn settle(&self, reservation: Reservation, world: &World, cells: &[Cell]) {
        let mut left: BTreeMap<(String, Protocol), u32> = BTreeMap::new();
        for cell in cells {
            let entries: u32 = cell
                .streaks
                .iter()
                .filter(|streak| streak.outcome.signal() != Signal::Stopped)
                .map(|streak| streak.count)
                .sum();
            for node in nodes(world, cell) {
                *left.entry((node.to_owned(), cell.flow.protocol)).or_default() += entries;
            }
        }
        let mut ledger = self.ledger.lock().await;
        ledger.retain(|entry| entry.reservation != reservation.id || entry.dies.is_some());
        let now = Instant::now();
        ledger.extend(left.into_iter().map(|((node, protocol), count)| Entry {
            reservation: reservation.id,
            node,
            count,
            dies: Some(now + lifetime(protocol)),
        }));
        drop(ledger);
        self.changed.notify_waiters();
    }
}

/// How many entries a flow keeps alive that connects once in every `pause`.
pub(super) fn entries_at(pause: Duration, protocol: Protocol) -> u32 {
    let pauses = lifetime(protocol).as_millis() / pause.as_millis().max(1);
    u32::try_from(pauses).unwrap_or(u32::MAX).saturating_add(1)
}

/// How long a flow that gets through must pause at most, so that `lanes` such phases together stay within the budget
/// however long they last.
pub(super) fn longest_pause(cells: &[Cell], lanes: usize) -> Duration {
    let entry_seconds: u64 = cells.iter().map(|cell| lifetime(cell.flow.protocol).as_secs()).sum();
    let millis = entry_seconds * lanes as u64 * 1_000 / u64::from(ENTRIES_PER_PHASE);
    Duration::from_millis(millis.clamp(500, 10_000))
}

/// The nodes that keep an entry for a connection of this cell.
fn nodes<'a>(world: &'a World, cell: &'a Cell) -> impl Iterator<Item = &'a str> {
    let from = world.node_of(&cell.flow.from);
    let to = world.node_of(&cell.flow.to).filter(|to| Some(*to) != from);
    from.into_iter().chain(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::flow::{Endpoint, Family, Flow, Path};
    use crate::core::model::observation::{Outcome, Streak};
    use crate::core::model::world::Node;
    use crate::core::oracle::Answer;

    fn world() -> World {
        World { nodes: vec![Node { name: "n1".to_owned(), addresses: Vec::new() }], ..World::default() }
    }

    fn cells(count: u16, protocol: Protocol) -> Vec<Cell> {
        let flow = |port| Flow {
            from: Endpoint::Node("n1".to_owned()),
            to: Endpoint::Node("n1".to_owned()),
            path: Path::PodIp,
            family: Family::Ipv4,
            protocol,
            port,
        };
        let connected = Outcome::Connected { source: std::net::Ipv4Addr::LOCALHOST.into() };
        (1..=count)
            .map(|port| Cell {
                flow: flow(port),
                expected: Answer::Allow,
                streaks: vec![Streak { outcome: connected.clone(), count: 1, first_us: 0, last_us: 0 }],
                arrived: None,
                alone: None,
            })
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_phase_waits_until_old_entries_have_died() {
        let (budget, world, start) = (Budget::default(), world(), Instant::now());
        for _ in 0..2 {
            let cells = cells(2_500, Protocol::Udp);
            let reservation = budget.reserve(&world, &cells, |_| 1).await;
            budget.settle(reservation, &world, &cells).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        let _third = budget.reserve(&world, &cells(1, Protocol::Udp), |_| 1).await;
        assert_eq!(start.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_phase_that_needed_less_makes_room_at_once() {
        let (budget, world) = (Budget::default(), world());
        let many = cells(500, Protocol::Tcp);
        let first = budget.reserve(&world, &many, |_| 5).await;
        let second = budget.reserve(&world, &many, |_| 5).await;
        let start = Instant::now();
        let waiting = tokio::spawn({
            let (budget, world) = (budget.clone(), world.clone());
            async move { budget.reserve(&world, &cells(100, Protocol::Tcp), |_| 1).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        budget.settle(first, &world, &many).await;
        waiting.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        budget.settle(second, &world, &many).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_leaves_behind_what_it_took_for_as_long_as_it_lives() {
        let (budget, world, start) = (Budget::default(), world(), Instant::now());
        for _ in 0..2 {
            let room = budget.reserve(&world, &cells(2_500, Protocol::Tcp), |_| 1).await;
            budget.expire(room).await;
        }
        let _third = budget.reserve(&world, &cells(1, Protocol::Tcp), |_| 1).await;
        assert_eq!(start.elapsed().as_secs(), 30);
        assert_eq!(entries_at(Duration::from_secs(5), Protocol::Tcp), 3);
    }

    #[test]
    fn flows_that_leak_for_a_minute_stay_within_the_budget() {
        let cells = cells(60, Protocol::Udp);
        let pause = longest_pause(&cells, 6);
        let live = 6.0 * 60.0 * 30.0 / pause.as_secs_f64();
        assert!(live <= f64::from(ENTRIES_PER_NODE), "{live}");
    }
}
