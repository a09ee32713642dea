//! What all lanes together keep alive in connection tracking, counted from what they report.

use super::{Sim, of_profile, story, with};
use crate::core::catalogue::Profile;
use crate::core::event::{Event, RunEvent};
use crate::core::fault::Fault;
use crate::core::model::flow::{Flow, Protocol};
use crate::core::model::observation::{Signal, Streak};
use crate::core::model::world::World;
use crate::runner::ENTRIES_PER_NODE;
use crate::target::Tracking;
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn whatever_is_wrong_the_budget_is_kept() {
    let cases = of_profile(Profile::Quick);
    let mut peaks = BTreeMap::new();
    for fault in Fault::ALL {
        let mut sim = Sim::new(with(fault.name()), cases.clone());
        sim.settings.settle = Duration::from_secs(60);
        let (result, events) = sim.run();
        let peak = peak(&events);
        assert!(peak <= ENTRIES_PER_NODE, "{fault}: {peak} entries\n{}", story(&result));
        peaks.insert(fault.name(), peak);
    }
    assert!(peaks.values().any(|peak| *peak > ENTRIES_PER_NODE / 2), "nothing came near the budget: {peaks:?}");
}

/// The most entries that any node kept at any time.
fn peak(events: &[RunEvent]) -> u32 {
    let mut changes: BTreeMap<&str, BTreeMap<u64, i64>> = BTreeMap::new();
    let mut worlds: BTreeMap<u32, &World> = BTreeMap::new();
    for RunEvent { event, .. } in events {
        match event {
            Event::CaseStarted(started) => drop(worlds.insert(started.lane, &started.world)),
            Event::PhaseEnded(ended) => {
                for cell in &ended.cells {
                    let alone = cell.alone.iter().flat_map(|alone| &alone.streaks);
                    for streak in cell.streaks.iter().chain(alone) {
                        let lifetime = lifetime(&cell.flow, streak);
                        for node in nodes(worlds[&ended.lane], &cell.flow, streak) {
                            let changes = changes.entry(node).or_default();
                            for at in attempts(streak) {
                                *changes.entry(at).or_default() += 1;
                                *changes.entry(at + lifetime).or_default() -= 1;
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let peak = |changes: &BTreeMap<u64, i64>| {
        let running = changes.values().scan(0, |live, change| {
            *live += change;
            Some(*live)
        });
        running.max().unwrap_or(0)
    };
    u32::try_from(changes.values().map(peak).max().unwrap_or(0)).unwrap()
}

/// When the attempts of a streak began, evenly spread.
fn attempts(streak: &Streak) -> impl Iterator<Item = u64> {
    let (first, count) = (streak.first_us, u64::from(streak.count));
    let pause = (streak.last_us - first) / (count - 1).max(1);
    (0..count).map(move |number| first + number * pause)
}

fn lifetime(flow: &Flow, streak: &Streak) -> u64 {
    let Tracking { syn_sent, closed, datagram, sweep: _ } = Tracking::LINUX;
    let lifetime = match (flow.protocol, streak.outcome.signal()) {
        (Protocol::Udp, _) => datagram,
        (Protocol::Tcp | Protocol::Sctp, Signal::Stopped) => syn_sent,
        (Protocol::Tcp | Protocol::Sctp, Signal::Through | Signal::Void) => closed,
    };
    u64::try_from(lifetime.as_micros()).unwrap()
}

fn nodes<'a>(world: &'a World, flow: &'a Flow, streak: &Streak) -> Vec<&'a str> {
    let (from, to) = (world.node_of(&flow.from), world.node_of(&flow.to));
    match streak.outcome.signal() {
        Signal::Stopped if from == to => Vec::new(),
        Signal::Stopped => from.into_iter().collect(),
        Signal::Through | Signal::Void => from.into_iter().chain(to.filter(|_| to != from)).collect(),
    }
}
