//! Connection tracking is shared with everything else on a node: all lanes together may fill at most so many entries.

use crate::core::event::Cell;
use crate::core::model::flow::Protocol;
use crate::core::model::observation::Signal;
use crate::core::model::world::World;
use crate::core::oracle::Answer;
use crate::core::verdict::seen::Attempts;
use crate::target::Tracking;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

/// The most entries on one node that all lanes together may keep alive.
pub const ENTRIES_PER_NODE: u32 = 5_000;

/// What one lane expects to need at once is never more than this, so that lanes can always take turns.
const ENTRIES_PER_PHASE: u32 = ENTRIES_PER_NODE / 2;

/// How many attempts are in flight when a phase ends, on a flow that is blocked: its pauses are long by then.
const IN_FLIGHT: u32 = 2;

/// The ledger of live entries, shared by all lanes.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    tracking: Tracking,
    ledger: Arc<Mutex<Vec<Entry>>>,
    changed: Arc<Notify>,
    /// Whose turn it is to take room: else one that needs much would wait for as long as others need little.
    turn: Arc<Mutex<()>>,
}

/// Entries that die together.
#[derive(Debug)]
struct Entry {
    reservation: u64,
    node: String,
    count: u32,
    lifetime: Duration,
    /// `None` while the phase that makes them still runs.
    dies: Option<Instant>,
}

/// Room that a phase has taken.
#[derive(Debug)]
pub(super) struct Reservation {
    id: u64,
}

/// How many attempts on a flow got through and how many were stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tries {
    pub(super) through: u32,
    pub(super) stopped: u32,
}

impl Tries {
    /// What was tried on a flow, with what was in flight at the end.
    pub(super) fn of(cell: &Cell) -> Self {
        let attempts = Attempts::of(cell);
        let stopped: u32 = attempts.stops().iter().map(|stop| stop.count).sum();
        // A datagram that came in got through, though its answer did not.
        let arrived = attempts.arrived.map_or(0, |arrived| arrived.count);
        let in_flight = match cell.streaks.last().map(|streak| streak.outcome.signal()) {
            Some(Signal::Stopped) => IN_FLIGHT,
            Some(Signal::Through | Signal::Void) | None => 0,
        };
        Self { through: (attempts.count() - stopped).max(arrived), stopped: stopped + in_flight }
    }

    /// The same where what is stopped never leaves its sender.
    pub(super) fn unsent(self) -> Self {
        Self { stopped: 0, ..self }
    }
}

/// By node and lifetime, how many entries.
type Counts = BTreeMap<(String, Duration), u32>;

impl Budget {
    pub(super) fn new(tracking: Tracking) -> Self {
        Self { tracking, ledger: Arc::default(), changed: Arc::default(), turn: Arc::default() }
    }

    /// How long the nodes remember what is tried.
    pub(super) fn tracking(&self) -> Tracking {
        self.tracking
    }

    /// Waits until the nodes have room for what will be tried on the cells, and takes it. `on_wait` is called when there is
    /// none yet. Who comes first is served first.
    pub(super) async fn reserve(
        &self,
        world: &World,
        cells: &[Cell],
        tries: impl Fn(&Cell) -> Tries,
        mut on_wait: impl FnMut(),
    ) -> Reservation {
        let mut wanted = self.counts(world, cells, tries);
        for (node, total) in totals(&wanted).into_iter().filter(|(_, total)| *total > ENTRIES_PER_PHASE) {
            let of_node = wanted.iter_mut().filter(|((other, _), _)| *other == node);
            of_node.for_each(|(_, count)| *count = share(*count, ENTRIES_PER_PHASE, total));
        }
        let needed = totals(&wanted);
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                on_wait();
                self.turn.lock().await
            }
        };
        loop {
            let changed = self.changed.notified();
            let wait_until = {
                let mut ledger = self.ledger.lock().await;
                let now = Instant::now();
                ledger.retain(|entry| entry.dies.is_none_or(|dies| dies > now));
                let live = |node: &str| -> u32 {
                    ledger.iter().filter(|entry| entry.node == node).map(|entry| entry.count).sum()
                };
                if needed.iter().all(|(node, count)| live(node) + count <= ENTRIES_PER_NODE) {
                    let id = ledger.iter().map(|entry| entry.reservation + 1).max().unwrap_or(0);
                    ledger.extend(entries(id, wanted, None));
                    return Reservation { id };
                }
                ledger.iter().filter_map(|entry| entry.dies).min()
            };
            on_wait();
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
        let now = Instant::now();
        let mut ledger = self.ledger.lock().await;
        let taken = ledger.iter_mut().filter(|entry| entry.reservation == reservation.id && entry.dies.is_none());
        taken.for_each(|entry| entry.dies = Some(now + entry.lifetime));
        drop(ledger);
        self.changed.notify_waiters();
    }

    /// Replaces what a phase took by what it really left behind.
    pub(super) async fn settle(
        &self,
        reservation: Reservation,
        world: &World,
        cells: &[Cell],
        tries: impl Fn(&Cell) -> Tries,
    ) {
        let left = self.counts(world, cells, tries);
        let mut ledger = self.ledger.lock().await;
        ledger.retain(|entry| entry.reservation != reservation.id || entry.dies.is_some());
        ledger.extend(entries(reservation.id, left, Some(Instant::now())));
        drop(ledger);
        self.changed.notify_waiters();
    }

    fn counts(&self, world: &World, cells: &[Cell], tries: impl Fn(&Cell) -> Tries) -> Counts {
        let mut counts = Counts::new();
        for cell in cells {
            let Tries { through, stopped } = tries(cell);
            for node in nodes(world, cell) {
                *counts.entry((node.to_owned(), self.tracking.through(cell))).or_default() += through;
            }
            if let Some(node) = keeps_stopped(world, cell) {
                *counts.entry((node.to_owned(), self.tracking.stopped(cell))).or_default() += stopped;
            }
        }
        counts
    }
}

fn totals(counts: &Counts) -> BTreeMap<String, u32> {
    let mut totals = BTreeMap::new();
    counts.iter().for_each(|((node, _), count)| *totals.entry(node.clone()).or_default() += count);
    totals
}

fn share(count: u32, part: u32, whole: u32) -> u32 {
    // Not more than `count`, so the cast cannot lose anything.
    (u64::from(count) * u64::from(part) / u64::from(whole)) as u32
}

fn entries(reservation: u64, counts: Counts, ended: Option<Instant>) -> impl Iterator<Item = Entry> {
    counts.into_iter().map(move |((node, lifetime), count)| Entry {
        reservation,
        node,
        count,
        lifetime,
        dies: ended.map(|ended| ended + lifetime),
    })
}

/// How long flows must pause at most between two attempts, so that many phases side by side stay within the budget however
/// long they last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LongestPause {
    /// Flows that get through.
    pub(super) through: Duration,
    /// Flows that do not and must not.
    pub(super) denied: Duration,
    /// Flows that do not and should.
    pub(super) overblocked: Duration,
}

impl LongestPause {
    /// For `lanes` phases like this one.
    pub(super) fn of(tracking: Tracking, world: &World, cells: &[Cell], lanes: usize) -> Self {
        let pause = |entry_seconds: u64, least: u64| {
            let millis = entry_seconds * lanes as u64 * 1_000 / u64::from(ENTRIES_PER_PHASE);
            Duration::from_millis(millis.clamp(least, 10_000))
        };
        let through = cells.iter().map(|cell| tracking.through(cell).as_secs()).sum();
        let stopped = |overblocked: bool| {
            let mut entry_seconds: BTreeMap<&str, u64> = BTreeMap::new();
            for cell in cells.iter().filter(|cell| (cell.expected == Answer::Allow) == overblocked) {
                if let Some(node) = keeps_stopped(world, cell) {
                    *entry_seconds.entry(node).or_default() += tracking.stopped(cell).as_secs();
                }
            }
            pause(entry_seconds.into_values().max().unwrap_or(0), 250)
        };
        Self { through: pause(through, 500), denied: stopped(false), overblocked: stopped(true) }
    }

    /// How many entries a flow keeps alive that is tried once in every such pause.
    pub(super) fn tries(self, tracking: Tracking, cell: &Cell) -> Tries {
        let alive = |lifetime: Duration, pause: Duration| {
            let pauses = lifetime.as_millis() / pause.as_millis().max(1);
            u32::try_from(pauses).unwrap_or(u32::MAX).saturating_add(1)
        };
        match cell.expected {
            Answer::Allow => Tries { through: alive(tracking.through(cell), self.through), stopped: 0 },
            Answer::Deny | Answer::Undefined(_) => {
                Tries { through: 1, stopped: alive(tracking.stopped(cell), self.denied) }
            }
        }
    }
}

impl Tracking {
    /// How long an attempt is remembered that got through: TCP ends by RST, a datagram has its answer.
    pub(super) fn through(self, cell: &Cell) -> Duration {
        self.sweep
            + match cell.flow.protocol {
                Protocol::Tcp | Protocol::Sctp => self.closed,
                Protocol::Udp => self.datagram,
            }
    }

    /// How long an attempt is remembered that was never answered.
    pub(super) fn stopped(self, cell: &Cell) -> Duration {
        self.sweep
            + match cell.flow.protocol {
                Protocol::Tcp | Protocol::Sctp => self.syn_sent,
                Protocol::Udp => self.datagram,
            }
    }
}

/// The nodes that keep an entry for a connection of this cell.
fn nodes<'a>(world: &'a World, cell: &'a Cell) -> impl Iterator<Item = &'a str> {
    let from = world.node_of(&cell.flow.from);
    let to = world.node_of(&cell.flow.to).filter(|to| Some(*to) != from);
    from.into_iter().chain(to)
}

/// The node that keeps an entry for an attempt of this cell that was stopped. What is dropped on the way is remembered where
/// it had already left: on the sender's node, when it is not the receiver's too.
pub(super) fn keeps_stopped<'a>(world: &'a World, cell: &'a Cell) -> Option<&'a str> {
    let from = world.node_of(&cell.flow.from);
    from.filter(|_| world.node_of(&cell.flow.to) != from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Arrived;
    use crate::core::model::flow::{Connection, Endpoint, Family, Flow, Path};
    use crate::core::model::observation::{Outcome, Streak};
    use crate::core::model::world::Node;

    const ONCE: Tries = Tries { through: 1, stopped: 0 };

    fn world() -> World {
        let node = |name: &str| Node { name: name.to_owned(), addresses: Vec::new() };
        World { nodes: vec![node("n1"), node("n2")], ..World::default() }
    }

    fn streak(outcome: Outcome, count: u32) -> Streak {
        Streak { outcome, count, first_us: 0, last_us: 0 }
    }

    fn cell(to: &str, protocol: Protocol, port: u16, expected: Answer, streaks: Vec<Streak>) -> Cell {
        let flow = Flow {
            from: Endpoint::Node("n1".to_owned()),
            to: Endpoint::Node(to.to_owned()),
            path: Path::PodIp,
            family: Family::Ipv4,
            protocol,
            port,
            connection: Connection::New,
        };
        Cell { flow, expected, streaks, arrived: None, alone: None }
    }

    fn connected() -> Outcome {
        Outcome::Connected { source: std::net::Ipv4Addr::LOCALHOST.into() }
    }

    /// Flows on one node that connected once each.
    fn cells(count: u16, protocol: Protocol) -> Vec<Cell> {
        let cell = |port| cell("n1", protocol, port, Answer::Allow, vec![streak(connected(), 1)]);
        (1..=count).map(cell).collect()
    }

    /// Flows between nodes that were stopped so many times each.
    fn stopped(count: u16, protocol: Protocol, attempts: u32) -> Vec<Cell> {
        let cell = |port| cell("n2", protocol, port, Answer::Deny, vec![streak(Outcome::TimedOut, attempts)]);
        (1..=count).map(cell).collect()
    }

    #[test]
    fn every_node_on_the_way_remembers_what_connected_and_the_senders_what_was_stopped() {
        let of = |to: &str, protocol, streaks: Vec<Streak>, arrived: Option<u32>| {
            let mut cell = cell(to, protocol, 1, Answer::Deny, streaks);
            cell.arrived = arrived.map(|count| Arrived { count, first_us: 0, last_us: 0 });
            let counts = Budget::new(Tracking::LINUX)
                .counts(&world(), &[cell], Tries::of)
                .into_iter()
                .filter(|(_, count)| *count > 0);
            counts.map(|((node, lifetime), count)| (node, lifetime.as_secs(), count)).collect::<Vec<_>>()
        };
        let (up, down) = (|count| streak(connected(), count), |count| streak(Outcome::TimedOut, count));
        let entry = |node: &str, lifetime: u64, count: u32| (node.to_owned(), lifetime, count);
        assert_eq!(of("n1", Protocol::Tcp, vec![up(2)], None), [entry("n1", 20, 2)]);
        assert_eq!(of("n2", Protocol::Udp, vec![up(2)], None), [entry("n1", 40, 2), entry("n2", 40, 2)]);
        assert_eq!(of("n1", Protocol::Tcp, vec![down(20)], None), [], "dropped before anything remembers it");
        assert_eq!(of("n2", Protocol::Tcp, vec![down(20)], None), [entry("n1", 130, 20 + IN_FLIGHT)]);
        assert_eq!(
            of("n2", Protocol::Tcp, vec![up(1), down(20)], None),
            [entry("n1", 20, 1), entry("n1", 130, 20 + IN_FLIGHT), entry("n2", 20, 1)]
        );
        // The answers were dropped, not the datagrams.
        assert_eq!(
            of("n2", Protocol::Udp, vec![down(4)], Some(4)),
            [entry("n1", 40, 8 + IN_FLIGHT), entry("n2", 40, 4)]
        );
    }

    #[test]
    fn what_is_stopped_at_its_sender_is_not_remembered() {
        let cell =
            cell("n2", Protocol::Tcp, 1, Answer::Deny, vec![streak(connected(), 1), streak(Outcome::TimedOut, 20)]);
        let sent = Tries::of(&cell);
        assert_eq!(sent, Tries { through: 1, stopped: 20 + IN_FLIGHT });
        assert_eq!(sent.unsent(), Tries { through: 1, stopped: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_phase_waits_until_old_entries_have_died() {
        let (budget, world, start) = (Budget::new(Tracking::LINUX), world(), Instant::now());
        for _ in 0..2 {
            let cells = cells(2_500, Protocol::Udp);
            let reservation = budget.reserve(&world, &cells, |_| ONCE, || ()).await;
            budget.settle(reservation, &world, &cells, Tries::of).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        let mut waits = 0;
        let _third = budget.reserve(&world, &cells(1, Protocol::Udp), |_| ONCE, || waits += 1).await;
        assert_eq!((start.elapsed().as_secs(), waits), (40, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_phase_waits_until_stopped_attempts_are_forgotten() {
        let (budget, world, start) = (Budget::new(Tracking::LINUX), world(), Instant::now());
        let cells = stopped(100, Protocol::Tcp, 20);
        let tries = |_: &Cell| Tries { through: 0, stopped: 20 + IN_FLIGHT };
        for waited in [0, 0, 130, 130, 260] {
            let reservation = budget.reserve(&world, &cells, tries, || ()).await;
            assert_eq!(start.elapsed().as_secs(), waited);
            budget.settle(reservation, &world, &cells, Tries::of).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_phase_that_needed_less_makes_room_at_once() {
        let (budget, world) = (Budget::new(Tracking::LINUX), world());
        let many = cells(500, Protocol::Tcp);
        let five = |_: &Cell| Tries { through: 5, stopped: 0 };
        let first = budget.reserve(&world, &many, five, || ()).await;
        let second = budget.reserve(&world, &many, five, || ()).await;
        let start = Instant::now();
        let waiting = tokio::spawn({
            let (budget, world) = (budget.clone(), world.clone());
            async move { budget.reserve(&world, &cells(100, Protocol::Tcp), |_| ONCE, || ()).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        budget.settle(first, &world, &many, Tries::of).await;
        waiting.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        budget.settle(second, &world, &many, Tries::of).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_needs_much_does_not_wait_for_those_who_need_little() {
        let (budget, world, start) = (Budget::new(Tracking::LINUX), world(), Instant::now());
        let datagrams = |count| cells(count, Protocol::Udp);
        let most = budget.reserve(&world, &datagrams(2_500), |_| ONCE, || ()).await;
        budget.settle(most, &world, &datagrams(2_500), Tries::of).await;
        let more = budget.reserve(&world, &datagrams(2_400), |_| ONCE, || ()).await;
        budget.settle(more, &world, &datagrams(2_400), Tries::of).await;
        let much = tokio::spawn({
            let (budget, world) = (budget.clone(), world.clone());
            async move { budget.reserve(&world, &cells(1_000, Protocol::Udp), |_| ONCE, || ()).await }
        });
        tokio::task::yield_now().await;
        let _little = budget.reserve(&world, &datagrams(50), |_| ONCE, || ()).await;
        assert!(much.is_finished());
        assert_eq!(start.elapsed().as_secs(), 40);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_leaves_behind_what_it_took_for_as_long_as_it_lives() {
        let (budget, world, start) = (Budget::new(Tracking::LINUX), world(), Instant::now());
        for _ in 0..2 {
            let room = budget.reserve(&world, &cells(2_500, Protocol::Udp), |_| ONCE, || ()).await;
            budget.expire(room).await;
        }
        let _third = budget.reserve(&world, &cells(1, Protocol::Tcp), |_| ONCE, || ()).await;
        assert_eq!(start.elapsed().as_secs(), 40);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_wants_more_than_there_can_be() {
        let (budget, world) = (Budget::new(Tracking::LINUX), world());
        let many = |_: &Cell| Tries { through: 100, stopped: 100 };
        let _first = budget.reserve(&world, &stopped(1_000, Protocol::Tcp, 1), many, || ()).await;
        let _second = budget.reserve(&world, &stopped(1_000, Protocol::Udp, 1), many, || ()).await;
    }

    #[test]
    fn flows_that_leak_for_a_minute_stay_within_the_budget() {
        let cells = cells(60, Protocol::Udp);
        let pause = LongestPause::of(Tracking::LINUX, &world(), &cells, 6).through;
        let live = 6.0 * 60.0 * 40.0 / pause.as_secs_f64();
        assert!(live <= f64::from(ENTRIES_PER_NODE), "{live}");
    }

    #[test]
    fn flows_that_are_blocked_for_minutes_stay_within_the_budget() {
        let cells = stopped(20, Protocol::Tcp, 0);
        let pause = LongestPause::of(Tracking::LINUX, &world(), &cells, 6).denied;
        let live = 6.0 * 20.0 * 130.0 / pause.as_secs_f64();
        assert!(live <= f64::from(ENTRIES_PER_NODE), "{live}");
        let pause =
            LongestPause { denied: Duration::from_secs(5), ..LongestPause::of(Tracking::LINUX, &world(), &[], 1) };
        assert_eq!(pause.tries(Tracking::LINUX, &cells[0]), Tries { through: 1, stopped: 27 });
    }
}
