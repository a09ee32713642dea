//! The canary: a case whose policies stay in force, calmly watched, while the other lanes work.

use super::budget::{entries_at, longest_pause};
use super::phase::{RELAPSE, wire_ms};
use super::settings::ATTEMPT_DEADLINE;
use crate::core::event::{Arrived, Cell};
use crate::core::model::observation::Streak;
use crate::core::oracle::Answer;
use crate::core::verdict::seen::Attempts;
use crate::core::wire::Pace;
use std::time::Duration;

/// From one attempt to the next on what is blocked: minutes of this cost little, and no engine comes and goes in less.
const BLOCKED_PACE_MS: u32 = 250;

/// From one attempt to the next on what is open, at least.
const OPEN_PACE: Duration = Duration::from_secs(5);

/// What other phases may wait where nothing is enforced, at least.
const LEAST_PATIENCE: Duration = Duration::from_secs(5);

/// How calmly a hold is watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    pause: Duration,
}

impl Watch {
    /// The watch over these cells beside so many lanes: what it leaves in connection tracking never crowds them out.
    pub(super) fn over(cells: &[Cell], lanes: usize) -> Self {
        Self { pause: longest_pause(cells, lanes).max(OPEN_PACE) }
    }

    pub(super) fn pace(self, cell: &Cell) -> Pace {
        let longest = wire_ms(self.pause);
        Pace {
            deadline_ms: wire_ms(ATTEMPT_DEADLINE),
            blocked_ms: BLOCKED_PACE_MS,
            through_ms: match cell.expected {
                Answer::Allow => longest,
                // How long a leak lasts is worth knowing.
                Answer::Deny | Answer::Undefined(_) => BLOCKED_PACE_MS,
            },
            through_max_ms: longest,
        }
    }

    /// How many entries of connection tracking a cell keeps alive.
    pub(super) fn entries(self, cell: &Cell) -> u32 {
        match cell.expected {
            Answer::Allow => entries_at(self.pause, cell.flow.protocol),
            Answer::Deny | Answer::Undefined(_) => 1,
        }
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
    use crate::core::model::flow::{Endpoint, Family, Flow, Path, PodId, Protocol};
    use crate::core::model::observation::Outcome;

    fn cell(expected: Answer, attempts: &[(bool, u32)]) -> Cell {
        let flow = Flow {
            from: Endpoint::Pod(PodId::new("x", "a")),
            to: Endpoint::Pod(PodId::new("y", "b")),
            path: Path::PodIp,
            family: Family::Ipv4,
            protocol: Protocol::Tcp,
            port: 8080,
        };
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
        assert_eq!(short_patience(seconds(60), seconds(1)), seconds(5));
        assert_eq!(short_patience(seconds(60), seconds(5)), seconds(10));
        assert_eq!(short_patience(seconds(4), seconds(1)), seconds(4));
    }

    #[test]
    fn a_hold_goes_on_where_the_phase_was() {
        let mut cells = [cell(Answer::Deny, &[(true, 1), (false, 20)])];
        append(&mut cells, vec![cell(Answer::Deny, &[(false, 100), (true, 1)])]);
        let counts: Vec<u32> = cells[0].streaks.iter().map(|streak| streak.count).collect();
        assert_eq!(counts, [1, 120, 1]);
    }
}
