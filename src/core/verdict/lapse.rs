//! The moments in which what had held did not, without any change: for whoever watches a cluster while its engine is upgraded
//! or a node is started again.

use super::case::{CaseRun, Evidence};
use super::relapse::{Relapse, outages};
use super::seen::Attempts;
use crate::core::event::{Cell, PhaseEnded};
use crate::core::model::flow::Flow;
use crate::core::model::observation::Signal;
use crate::core::oracle::Answer;
use std::collections::BTreeSet;

/// Lapses this close to each other are one.
const TOGETHER_US: u64 = 5_000_000;

/// A moment in which policies that had held did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lapse {
    /// The case whose policies these are.
    pub case: String,
    /// What was wrong.
    pub way: Way,
    /// When that was first seen, in microseconds since the run began.
    pub from_us: u64,
    /// When it was first seen to be right again; `None` where it never was.
    pub to_us: Option<u64>,
    /// On how many flows.
    pub flows: usize,
    /// One of them.
    pub example: Flow,
    /// The nodes that were to decide on them.
    pub nodes: BTreeSet<String>,
}

/// What is wrong in a lapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// What policies forbid got through.
    Open,
    /// What they allow did not, while other things did.
    Closed,
    /// Nothing did, for which no policy needs to be the reason.
    Dead,
}

impl Lapse {
    fn is_together_with(&self, next: &Self) -> bool {
        let near = self.to_us.is_none_or(|to_us| next.from_us <= to_us.saturating_add(TOGETHER_US));
        self.case == next.case && self.way == next.way && near
    }

    fn take_in(&mut self, next: Self) {
        let Self { case: _, way: _, from_us: _, to_us, flows, example: _, nodes } = next;
        self.to_us = self.to_us.zip(to_us).map(|(one, other)| one.max(other));
        self.flows += flows;
        self.nodes.extend(nodes);
    }
}

/// Every moment, in order.
pub(super) fn observed(evidence: &[Evidence<'_>]) -> Vec<Lapse> {
    let mut single: Vec<Lapse> = evidence.iter().flat_map(of_case).collect();
    single.sort_by(|one, other| (&one.case, one.way, one.from_us).cmp(&(&other.case, other.way, other.from_us)));
    let mut lapses: Vec<Lapse> = Vec::new();
    for lapse in single {
        match lapses.last_mut().filter(|last| last.is_together_with(&lapse)) {
            Some(last) => last.take_in(lapse),
            None => lapses.push(lapse),
        }
    }
    lapses.sort_by_key(|lapse| (lapse.from_us, lapse.way));
    lapses
}

fn of_case<'a>(evidence: &'a Evidence<'_>) -> impl Iterator<Item = Lapse> + 'a {
    let CaseRun { started, phases, .. } = evidence.run;
    phases.iter().flat_map(move |ended| {
        let index = evidence.experiment.index(ended.phase);
        let mut lapses = Vec::new();
        for sighting in &evidence.flows {
            let Some(relapse) = &sighting.relapses[index] else { continue };
            let Some((cell, held_us)) = find(ended, sighting.flow).zip(ended.held_us) else { continue };
            let (way, moments) = match (relapse, cell.expected) {
                (Relapse::Flapped(_), Answer::Deny) => (Way::Open, leaks(cell, held_us)),
                (Relapse::Flapped(_), _) => (Way::Closed, blocks(cell, evidence, sighting.flow, held_us)),
                (Relapse::Dead(_), _) => (Way::Dead, blocks(cell, evidence, sighting.flow, held_us)),
            };
            let nodes: BTreeSet<String> = evidence.deciding(index, &cell.flow).into_iter().map(str::to_owned).collect();
            lapses.extend(moments.into_iter().map(|(from_us, to_us)| Lapse {
                case: started.case.clone(),
                way,
                from_us,
                to_us,
                flows: 1,
                example: cell.flow.clone(),
                nodes: nodes.clone(),
            }));
        }
        lapses
    })
}

fn find<'a>(ended: &'a PhaseEnded, flow: &Flow) -> Option<&'a Cell> {
    ended.cells.iter().find(|cell| cell.flow == *flow)
}

/// When traffic got through after everything had held, and when it first did not again.
fn leaks(cell: &Cell, held_us: u64) -> Vec<(u64, Option<u64>)> {
    let mut leaks: Vec<(u64, Option<u64>)> = Vec::new();
    let mut open = false;
    for streak in cell.streaks.iter().filter(|streak| streak.last_us > held_us) {
        match streak.outcome.signal() {
            Signal::Through if !open => {
                leaks.push((streak.first_us.max(held_us), None));
                open = true;
            }
            Signal::Stopped if open => {
                // An attempt that began before it ended later than those that got through.
                leaks.iter_mut().rev().take(1).for_each(|(from_us, to)| *to = Some(streak.first_us.max(*from_us)));
                open = false;
            }
            Signal::Through | Signal::Stopped | Signal::Void => {}
        }
    }
    // A datagram came in whose answer was lost: that it did is all that is known.
    match cell.arrived.as_ref().map(|arrived| arrived.last_us).filter(|us| *us > held_us) {
        Some(us) if leaks.is_empty() => vec![(us, Some(us))],
        Some(_) | None => leaks,
    }
}

/// When traffic did not get through after everything had held, and when it did again.
fn blocks(cell: &Cell, evidence: &Evidence<'_>, flow: &Flow, held_us: u64) -> Vec<(u64, Option<u64>)> {
    let first = evidence.run.phases.first().and_then(|baseline| find(baseline, flow)).unwrap_or(cell);
    let last_us = Attempts::of(cell).last_through_us();
    outages(cell, Attempts::of(first), held_us)
        .into_iter()
        .map(|out| (out.first_us, last_us.filter(|us| *us > out.last_us).map(|_| out.last_us)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Arrived;
    use crate::core::model::observation::{Outcome, Streak};

    fn cell(streaks: &[(bool, u64, u64)], arrived: Option<u64>) -> Cell {
        let source = std::net::Ipv4Addr::LOCALHOST.into();
        let streaks = streaks.iter().map(|(through, first_us, last_us)| Streak {
            outcome: if *through { Outcome::Connected { source } } else { Outcome::TimedOut },
            count: 3,
            first_us: *first_us,
            last_us: *last_us,
        });
        let arrived = arrived.map(|last_us| Arrived { count: 1, first_us: 0, last_us });
        Cell { flow: Flow::sample(), expected: Answer::Deny, streaks: streaks.collect(), arrived, alone: None }
    }

    #[test]
    fn every_leak_after_the_hold_is_a_moment() {
        let of = |streaks: &[_], arrived| leaks(&cell(streaks, arrived), 1_000);
        assert_eq!(of(&[(true, 0, 100), (false, 200, 9_000)], None), [], "before the hold");
        let twice = [(false, 200, 3_000), (true, 3_100, 3_300), (false, 3_400, 5_000), (true, 5_100, 5_100)];
        assert_eq!(of(&twice, None), [(3_100, Some(3_400)), (5_100, None)]);
        assert_eq!(of(&[(false, 200, 9_000)], Some(4_000)), [(4_000, Some(4_000))], "a datagram");
        let overlapping = [(false, 200, 3_000), (true, 3_100, 3_300), (false, 2_900, 5_000)];
        assert_eq!(of(&overlapping, None), [(3_100, Some(3_100))], "nothing ends before it begins");
    }

    #[test]
    fn moments_that_touch_are_one() {
        let lapse = |from_s: u64, to_s: Option<u64>, node: &str| Lapse {
            case: "canary".to_owned(),
            way: Way::Open,
            from_us: from_s * 1_000_000,
            to_us: to_s.map(|to_s| to_s * 1_000_000),
            flows: 1,
            example: Flow::sample(),
            nodes: BTreeSet::from([node.to_owned()]),
        };
        let mut first = lapse(10, Some(12), "n1");
        assert!(first.is_together_with(&lapse(16, Some(17), "n2")));
        assert!(!first.is_together_with(&lapse(18, None, "n2")));
        first.take_in(lapse(16, Some(17), "n2"));
        assert_eq!((first.to_us, first.flows, first.nodes.len()), (Some(17_000_000), 2, 2));
        first.take_in(lapse(17, None, "n2"));
        assert_eq!(first.to_us, None, "to the end");
        assert!(first.is_together_with(&lapse(90, None, "n2")));
    }
}
