//! The canary: a case whose policies stay in force, calmly watched, while the other lanes work.

use super::budget::{LongestPause, Tries, keeps_stopped};
use super::settings::ATTEMPT_DEADLINE;
use super::standing::RELAPSE;
use super::tempo::wire_ms;
use crate::core::event::{Arrived, Cell};
use crate::core::model::observation::Streak;
use crate::core::model::world::World;
use crate::core::oracle::Answer;
use crate::core::verdict::seen::Attempts;
use crate::core::wire::Pace;
use crate::target::Tracking;
use std::time::Duration;

/// How many attempts the nodes may remember of a flow that is blocked between them.
const REMEMBERED_BLOCKED: u32 = 15;

/// The same of one that is open.
const REMEMBERED_OPEN: u32 = 6;

/// From one attempt to the next on what is blocked where no node remembers it, because both ends stand on it. Flows take turns,
/// so that together they look much closer.
const FORGOTTEN_PACE: Duration = Duration::from_millis(500);

/// From one attempt to the next, at least, on what gets through and must not, once that was seen again.
const LEAK_PACE: Duration = Duration::from_secs(5);

/// From one attempt to the next when something is not as it was.
const SURPRISE_PACE_MS: u32 = 250;

/// So many attempts in a row are made at that pace on what is blocked and was open.
const SURPRISES: u32 = 20;

/// What other phases may wait where nothing is enforced, at least.
const LEAST_PATIENCE: Duration = Duration::from_secs(4);

/// How calmly a hold is watched: what it leaves in connection tracking never crowds out the other lanes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    tracking: Tracking,
    pause: LongestPause,
}

impl Watch {
    /// The watch over these cells beside so many lanes.
    pub(super) fn over(tracking: Tracking, world: &World, cells: &[Cell], lanes: usize) -> Self {
        Self { tracking, pause: LongestPause::of(tracking, world, cells, lanes) }
    }

    pub(super) fn pace(self, world: &World, cell: &Cell) -> Pace {
        let LongestPause { through, denied, overblocked } = self.pauses(cell);
        let denied = if keeps_stopped(world, cell).is_some() { denied } else { FORGOTTEN_PACE };
        let (through_max_ms, denied_ms) = (wire_ms(through), wire_ms(denied));
        // How long a surprise lasts is worth knowing.
        let (through_ms, blocked_ms, blocked_max_ms) = match cell.expected {
            Answer::Allow => (through_max_ms, SURPRISE_PACE_MS, wire_ms(overblocked)),
            Answer::Deny | Answer::Undefined(_) => (SURPRISE_PACE_MS, denied_ms, denied_ms),
        };
        let deadline_ms = wire_ms(ATTEMPT_DEADLINE);
        Pace {
            deadline_ms,
            blocked_ms,
            blocked_attempts: SURPRISES,
            blocked_max_ms,
            through_ms,
            through_attempts: 1,
            through_max_ms,
        }
    }

    /// From one attempt on a cell to the next.
    fn pauses(self, cell: &Cell) -> LongestPause {
        let LongestPause { through, denied, overblocked } = self.pause;
        let through = match cell.expected {
            Answer::Allow => through.max(self.tracking.through(cell) / REMEMBERED_OPEN),
            Answer::Deny | Answer::Undefined(_) => through.max(LEAK_PACE),
        };
        LongestPause { through, denied: denied.max(self.tracking.stopped(cell) / REMEMBERED_BLOCKED), overblocked }
    }

    /// How many entries of connection tracking a cell keeps alive.
    pub(super) fn tries(self, cell: &Cell) -> Tries {
        self.pauses(cell).tries(self.tracking, cell)
    }
}

/// Whether all that had to be blocked got through, from the beginning to the end, as if no policy were there. Anything in
/// doubt is an answer of no.
pub(super) fn nothing_was_blocked(cells: &[Cell]) -> bool {
    let mut denied = cells.iter().filter(|cell| cell.expected == Answer::Deny).map(Attempts::of).peekable();
    let through = |attempts: Attempts<'_>| {
        let longest = attempts.stops().into_iter().map(|stop| stop.count).max().unwrap_or(0);
        attempts.first_through_us().is_some() && attempts.void().is_none() && longest < RELAPSE
    };
    denied.peek().is_some() && denied.all(through)
}

/// How long other phases need to wait where nothing is enforced.
pub(super) fn short_patience(settle: Duration, hold: Duration) -> Duration {
    settle.min(LEAST_PATIENCE.max(2 * hold))
}

/// Puts what was seen during the hold behind what was seen before it.
pub(super) fn append(cells: &mut [Cell], held: Vec<Cell>) {
    for (cell, held) in cells.iter_mut().zip(held) {
        held.streaks.into_iter().for_each(|streak| grow(&mut cell.streaks, streak));
        cell.arrived = match (cell.arrived.take(), held.arrived) {
            (Some(before), Some(since)) => Some(Arrived {
                count: before.count.saturating_add(since.count),
                first_us: before.first_us.min(since.first_us),
                last_us: before.last_us.max(since.last_us),
            }),
            (before, since) => before.or(since),
        };
    }
}

fn grow(streaks: &mut Vec<Streak>, next: Streak) {
    match streaks.last_mut() {
        Some(last) if last.outcome == next.outcome => {
            last.count = last.count.saturating_add(next.count);
            last.last_us = last.last_us.max(next.last_us);
        }
        Some(_) | None => streaks.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::flow::Flow;
    use crate::core::model::observation::Outcome;

    fn cell(expected: Answer, attempts: &[(bool, u32)]) -> Cell {
        let flow = Flow::sample();
        let mut at_us = 0;
        let streaks = attempts.iter().map(|(through, count)| {
            let source = std::net::Ipv4Addr::LOCALHOST.into();
            let outcome = if *through { Outcome::Connected { source } } else { Outcome::TimedOut };
            let first_us = at_us;
            at_us += u64::from(*count) * 50_000;
            Streak { outcome, count: *count, first_us, last_us: at_us - 50_000 }
        });
        Cell { flow, expected, streaks: streaks.collect(), arrived: None, alone: None }
    }

    #[test]
    fn nothing_is_blocked_only_where_nothing_ever_was() {
        let leaking = || cell(Answer::Deny, &[(true, 9), (false, 2), (true, 20)]);
        assert!(nothing_was_blocked(&[leaking(), leaking(), cell(Answer::Allow, &[(true, 9)])]));
        assert!(!nothing_was_blocked(&[cell(Answer::Allow, &[(true, 9)])]), "nothing had to be blocked");
        for doubt in
            [&[(true, 9), (false, 30)][..], &[(false, 30), (true, 9)], &[(true, 9), (false, 10), (true, 9)], &[]]
        {
            assert!(!nothing_was_blocked(&[leaking(), cell(Answer::Deny, doubt)]), "{doubt:?}");
        }
    }

    #[test]
    fn patience_is_never_lengthened() {
        let seconds = Duration::from_secs;
        assert_eq!(short_patience(seconds(60), seconds(1)), seconds(4));
        assert_eq!(short_patience(seconds(60), seconds(5)), seconds(10));
        assert_eq!(short_patience(seconds(3), seconds(1)), seconds(3));
    }

    #[test]
    fn a_hold_goes_on_where_the_phase_was() {
        let mut cells = [cell(Answer::Deny, &[(true, 1), (false, 20)])];
        append(&mut cells, vec![cell(Answer::Deny, &[(false, 100), (true, 1)])]);
        let counts: Vec<u32> = cells[0].streaks.iter().map(|streak| streak.count).collect();
        assert_eq!(counts, [1, 120, 1]);
    }
}
