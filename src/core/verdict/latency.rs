//! How late a network acts on changes: from the request of each to the last observation that was still as before it.

use super::case::Evidence;
use super::seen::{ATTEMPT_DEADLINE_US, Attempts};
use crate::core::event::{Cell, PhaseEnded};
use crate::core::model::change::Change;
use crate::core::model::observation::Signal;
use crate::core::oracle::Answer;
use std::fmt;

/// Which way a flow turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// It was open and must be blocked.
    Deny,
    /// It was blocked and must be open.
    Allow,
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        })
    }
}

/// How late a change took effect on the flows that it turned one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Which way.
    pub turn: Turn,
    /// Whether nothing else was probed meanwhile, and these flows closely.
    pub alone: bool,
    /// From the request to the last observation that was still as before, in microseconds; 0 where none was.
    pub last_wrong_us: u64,
    /// From the request to the first attempt since which every flow is known to have turned, in microseconds. The flow that
    /// turned last did so between these two.
    pub right_us: u64,
    /// How long the request took to be accepted, in microseconds. It took effect at some time in that.
    pub request_us: u64,
    /// How far the clocks of the agents may be from the run's, in microseconds.
    pub clock_us: u64,
}

/// The latencies of a phase's change, at most one for each way in which flows turned. Where a flow did not turn for good,
/// that is a finding and no latency.
pub(super) fn of_phase(evidence: &Evidence<'_>, ended: &PhaseEnded) -> Vec<Latency> {
    let turned_by = |turn| of_turn(evidence, ended, turn);
    match evidence.experiment.change(ended.phase) {
        // Of a pod that was made again, its own start is the longest part.
        None | Some(Change::Recreate { .. }) => Vec::new(),
        Some(Change::Apply { .. } | Change::Replace { .. } | Change::Delete { .. } | Change::Relabel { .. }) => {
            [Turn::Deny, Turn::Allow].into_iter().filter_map(turned_by).collect()
        }
    }
}

fn of_turn(evidence: &Evidence<'_>, ended: &PhaseEnded, turn: Turn) -> Option<Latency> {
    let phase = evidence.experiment.index(ended.phase);
    let (before, after) = match turn {
        Turn::Deny => (Answer::Allow, Answer::Deny),
        Turn::Allow => (Answer::Deny, Answer::Allow),
    };
    let turned = evidence
        .flows
        .iter()
        .enumerate()
        .filter(|(_, sighting)| phase > 0 && sighting.right[phase - 1] == before && sighting.right[phase] == after);
    let mut bounds = Vec::new();
    for (index, sighting) in turned.filter(|(_, sighting)| sighting.unproven.is_none()) {
        let cell = ended.cells.iter().find(|cell| cell.flow == *sighting.flow)?;
        // What had to be tried again alone has no time of its own.
        let was = evidence.through(phase - 1, index) == Some(turn == Turn::Deny);
        let is = evidence.through(phase, index) == Some(turn == Turn::Allow);
        if cell.alone.is_some() || !was || !is {
            return None;
        }
        let bound = bound(cell, turn)?;
        // Attempts that began before it turned and were still on their way at the end were not counted.
        if bound.right_us + ATTEMPT_DEADLINE_US > ended.ended_us {
            return None;
        }
        bounds.push(bound);
    }
    let since = |us: u64| us.saturating_sub(ended.requested_us);
    Some(Latency {
        turn,
        alone: evidence.run.started.stopwatch,
        last_wrong_us: bounds.iter().filter_map(|bound| bound.last_wrong_us).map(since).max().unwrap_or(0),
        right_us: bounds.iter().map(|bound| since(bound.right_us)).max()?,
        request_us: since(ended.accepted_us),
        clock_us: ended.clock_us,
    })
}

/// Between which two attempts a flow turned.
pub(super) struct Bound {
    pub(super) last_wrong_us: Option<u64>,
    pub(super) right_us: u64,
}

pub(super) fn bound(cell: &Cell, turn: Turn) -> Option<Bound> {
    let attempts = Attempts::of(cell);
    match turn {
        Turn::Deny => {
            let last_wrong_us = attempts.last_through_us();
            let since = last_wrong_us.unwrap_or(0);
            let stopped = cell.streaks.iter().filter(|streak| streak.outcome.signal() == Signal::Stopped);
            // Of a streak that began before, only its last attempt is known to have begun after.
            let after = |first: u64, last: u64| if first >= since { first } else { last };
            let right_us = stopped
                .filter(|streak| streak.last_us >= since)
                .map(|streak| after(streak.first_us, streak.last_us))
                .min()?;
            Some(Bound { last_wrong_us, right_us })
        }
        Turn::Allow => {
            let right_us = attempts.first_through_us()?;
            Some(Bound { last_wrong_us: last_wrong_us(cell), right_us })
        }
    }
}

/// When a cell was last seen to be wrong, if it ever was.
pub(super) fn last_wrong_us(cell: &Cell) -> Option<u64> {
    let attempts = Attempts::of(cell);
    match cell.expected {
        Answer::Deny => attempts.last_through_us(),
        Answer::Allow => {
            let first = attempts.first_through_us()?;
            cell.streaks.iter().filter(|streak| streak.first_us < first).map(|streak| streak.last_us.min(first)).max()
        }
        Answer::Undefined(_) => None,
    }
}

/// Latencies at a glance. Times are in milliseconds, from the request to the last observation that was still as before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// Of how many changes.
    pub changes: usize,
    /// The median.
    pub p50_ms: f64,
    /// Nine of ten changes were not later.
    pub p90_ms: f64,
    /// 99 of 100 changes were not later.
    pub p99_ms: f64,
    /// No change was later.
    pub max_ms: f64,
    /// How much later each may have been than it was seen to be: in the interval between two attempts, and by what clocks
    /// may differ; the most of any. How long its request took is the most that it may have been sooner.
    pub resolution_ms: f64,
    /// How long requests took to be accepted; the longest of any.
    pub request_ms: f64,
}

impl Quantiles {
    /// Of these latencies; `None` of none.
    pub fn of<'a>(latencies: impl IntoIterator<Item = &'a Latency>) -> Option<Self> {
        let mut latencies: Vec<&Latency> = latencies.into_iter().collect();
        latencies.sort_by_key(|latency| latency.last_wrong_us);
        let ms = |us: u64| us as f64 / 1_000.0;
        let at =
            |percent: usize| latencies.get(rank(latencies.len(), percent)).map(|latency| ms(latency.last_wrong_us));
        let most = |of: fn(&Latency) -> u64| ms(latencies.iter().map(|latency| of(latency)).max().unwrap_or(0));
        Some(Self {
            changes: latencies.len(),
            p50_ms: at(50)?,
            p90_ms: at(90)?,
            p99_ms: at(99)?,
            max_ms: at(100)?,
            resolution_ms: most(|latency| latency.right_us.saturating_sub(latency.last_wrong_us) + latency.clock_us),
            request_ms: most(|latency| latency.request_us),
        })
    }
}

/// The nearest rank: the place of the smallest of `many`, sorted, that at least so many in a hundred do not exceed.
pub(super) fn rank(many: usize, percent: usize) -> usize {
    (many * percent).div_ceil(100).max(1) - 1
}

/// The groups that latencies are told in: each way, under load and alone.
pub const GROUPS: [(Turn, bool); 4] =
    [(Turn::Deny, false), (Turn::Allow, false), (Turn::Deny, true), (Turn::Allow, true)];

/// Latencies by group, those groups that have any.
pub fn by_group(latencies: &[Latency]) -> Vec<(Turn, bool, Quantiles)> {
    let of = |(turn, alone)| {
        let group = latencies.iter().filter(move |latency| latency.turn == turn && latency.alone == alone);
        Quantiles::of(group).map(|quantiles| (turn, alone, quantiles))
    };
    GROUPS.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Arrived;
    use crate::core::model::flow::{Flow, Protocol};
    use crate::core::model::observation::{Outcome, Streak};

    fn cell(expected: Answer, streaks: &[(bool, u64, u64)], arrived: Option<u64>) -> Cell {
        let flow = Flow { protocol: Protocol::Udp, ..Flow::sample() };
        let source = std::net::Ipv4Addr::LOCALHOST.into();
        let streaks = streaks.iter().map(|(through, first_us, last_us)| Streak {
            outcome: if *through { Outcome::Connected { source } } else { Outcome::TimedOut },
            count: 2,
            first_us: *first_us,
            last_us: *last_us,
        });
        let arrived = arrived.map(|last_us| Arrived { count: 1, first_us: last_us, last_us });
        Cell { flow, expected, streaks: streaks.collect(), arrived, alone: None }
    }

    fn bounds(expected: Answer, turn: Turn, streaks: &[(bool, u64, u64)], arrived: Option<u64>) -> [Option<u64>; 2] {
        let bound = bound(&cell(expected, streaks, arrived), turn);
        [bound.as_ref().and_then(|bound| bound.last_wrong_us), bound.map(|bound| bound.right_us)]
    }

    #[test]
    fn a_flow_turned_between_two_attempts() {
        let deny = |streaks: &[_], arrived| bounds(Answer::Deny, Turn::Deny, streaks, arrived);
        assert_eq!(deny(&[(true, 100, 180), (false, 220, 900)], None), [Some(180), Some(220)]);
        assert_eq!(deny(&[(false, 40, 900)], None), [None, Some(40)], "it was blocked before the first attempt");
        assert_eq!(deny(&[(false, 40, 900)], Some(120)), [Some(120), Some(900)], "a datagram came in all the same");
        assert_eq!(deny(&[(true, 100, 180)], None), [None, None], "it never was blocked");

        let allow = |streaks: &[_]| bounds(Answer::Allow, Turn::Allow, streaks, None);
        assert_eq!(allow(&[(false, 100, 180), (true, 220, 900)]), [Some(180), Some(220)]);
        assert_eq!(allow(&[(true, 40, 900)]), [None, Some(40)]);
        assert_eq!(allow(&[(true, 40, 900), (false, 950, 950)]), [None, Some(40)], "what is lost later is no latency");
        assert_eq!(allow(&[(false, 100, 180)]), [None, None], "it never was open");
    }

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let latency = |ms: u64| Latency {
            turn: Turn::Deny,
            alone: false,
            last_wrong_us: ms * 1_000,
            right_us: ms * 1_000 + 50_000,
            request_us: 9_000,
            clock_us: 2_000,
        };
        let of = |all: &[u64]| {
            let latencies: Vec<Latency> = all.iter().copied().map(latency).collect();
            Quantiles::of(&latencies).map(|q| [q.p50_ms, q.p90_ms, q.p99_ms, q.max_ms, q.resolution_ms, q.request_ms])
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[7]), Some([7.0, 7.0, 7.0, 7.0, 52.0, 9.0]));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(of(&hundred), Some([50.0, 90.0, 99.0, 100.0, 52.0, 9.0]));
        assert_eq!(of(&[1, 2]), Some([1.0, 2.0, 2.0, 2.0, 52.0, 9.0]));
    }
}
