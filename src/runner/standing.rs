//! How the cells of a phase stand: what is wrong, what is undecided, and whether enough was seen.

use super::phase::Goal;
use crate::core::event::{Cell, RunSettings};
use crate::core::oracle::Answer;
use crate::core::verdict::seen::{Attempts, HARDLY_LOSS, LOSS_SAMPLE, Quorum};

/// How many failures in a row make an allowed flow that connected before look blocked now.
pub(super) const RELAPSE: u32 = 10;

/// How the cells of a phase stand.
pub(super) struct Standing {
    /// Cells that are not as they must be.
    pub(super) wrong: usize,
    /// Of these, how many are blocked and must not be.
    pub(super) overblocked: usize,
    /// Cells that must connect and may be about to turn out blocked: they fail, and not yet for long enough, or were not
    /// tried since others turned.
    pub(super) undecided: usize,
    /// Since when everything has been right.
    pub(super) since_us: u64,
    /// Whether the phase has seen enough.
    pub(super) done: bool,
}

/// What a phase is measured by.
pub(super) struct Sheet<'a> {
    pub(super) goal: Goal,
    pub(super) settings: &'a RunSettings,
    pub(super) baseline: &'a [Cell],
    pub(super) accepted_us: u64,
}

impl Sheet<'_> {
    pub(super) fn standing(&self, cells: &[Cell]) -> Standing {
        match self.goal {
            Goal::Baseline => self.connecting(cells, well_known),
            Goal::Removal => self.connecting(cells, |attempts| attempts.first_through_us().is_some()),
            Goal::Step | Goal::Timed => self.holding(cells),
            Goal::Alone => self.showing(cells),
        }
    }

    fn connecting(&self, cells: &[Cell], enough: impl Fn(Attempts<'_>) -> bool) -> Standing {
        let wrong = cells.iter().filter(|cell| !enough(Attempts::of(cell))).count();
        let since_us = cells.iter().filter_map(|cell| Attempts::of(cell).first_through_us()).max();
        let since_us = since_us.unwrap_or(self.accepted_us);
        Standing { wrong, overblocked: wrong, undecided: 0, since_us, done: wrong == 0 }
    }

    /// Everything is right since the last leak and the last first success; it holds when every denied flow has met its
    /// quorum since then, and every allowed one has connected once more.
    fn holding(&self, cells: &[Cell]) -> Standing {
        let denial = Quorum::denial(self.settings);
        let turned_us = cells.iter().filter_map(|cell| turned_us(Attempts::of(cell))).max();
        let (mut leaks, mut overblocked, mut undecided, mut since_us) = (0, 0, 0, self.accepted_us);
        for (index, cell) in cells.iter().enumerate() {
            let attempts = Attempts::of(cell);
            match cell.expected {
                Answer::Deny => {
                    if let Some(leak) = attempts.last_through_us() {
                        since_us = since_us.max(leak);
                        leaks += usize::from(attempts.stopped().count < HARDLY_LOSS);
                    }
                }
                Answer::Allow => {
                    let (first_us, stopped) = (attempts.first_through_us(), attempts.stopped());
                    since_us = since_us.max(first_us.unwrap_or(self.accepted_us));
                    overblocked += usize::from(first_us.is_none() || stopped.count >= RELAPSE);
                    let quorum = Quorum::overblock(self.baseline.get(index).map_or(attempts, Attempts::of));
                    let failing = first_us.is_none() || stopped.count > 0;
                    let untried = attempts.last_us() < turned_us;
                    undecided += usize::from(untried || (failing && !quorum.met_by(stopped)));
                }
                Answer::Undefined(_) => {}
            }
        }
        let held = cells.iter().all(|cell| {
            let attempts = Attempts::of(cell);
            match cell.expected {
                Answer::Deny => {
                    let stopped = attempts.stopped();
                    denial.met_by(stopped) && stopped.last_us >= since_us + denial.span_us
                }
                // The success that everything has been right since says nothing of what came after it; and it may have come
                // before the change took effect, where what came after it fails.
                Answer::Allow => {
                    attempts.last_through_us().is_some_and(|last| last > since_us) && attempts.stopped().count == 0
                }
                // It may have connected before the change took effect: what it does shows when the hold is over.
                Answer::Undefined(_) => {
                    attempts.last_through_us().is_some_and(|last| last >= since_us + denial.span_us)
                        || denial.met_by(attempts.stopped())
                }
            }
        });
        let wrong = leaks + overblocked;
        Standing { wrong, overblocked, undecided, since_us, done: wrong == 0 && held }
    }

    /// Each cell has shown, by itself, that it is open or that it is blocked.
    fn showing(&self, cells: &[Cell]) -> Standing {
        let shown = |(index, cell): (usize, &Cell)| {
            let attempts = Attempts::of(cell);
            let quorum = match cell.expected {
                Answer::Allow => Quorum::overblock(self.baseline.get(index).map_or(attempts, Attempts::of)),
                Answer::Deny | Answer::Undefined(_) => Quorum::denial(self.settings),
            };
            attempts.first_through_us().is_some() || quorum.met_by(attempts.stopped())
        };
        let wrong = cells.iter().enumerate().filter(|cell| !shown(*cell)).count();
        Standing { wrong, overblocked: wrong, undecided: 0, since_us: self.accepted_us, done: wrong == 0 }
    }
}

/// When a flow that got through ceased to, for sure.
fn turned_us(attempts: Attempts<'_>) -> Option<u64> {
    let stopped = attempts.stopped();
    (attempts.first_through_us().is_some() && stopped.count >= HARDLY_LOSS).then_some(stopped.first_us)
}

/// Whether a baseline tells that a flow connects, and that it does not lose too much.
fn well_known(attempts: Attempts<'_>) -> bool {
    let loss = attempts.loss();
    attempts.first_through_us().is_some()
        && (attempts.failed() == 0 || (loss.attempts >= LOSS_SAMPLE && !loss.is_too_much()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;
    use crate::core::model::flow::{Flow, Protocol};
    use crate::core::model::observation::{Outcome, Streak};
    use Answer::{Allow, Deny};

    const MS: u64 = 1_000;

    fn open(count: u32, first_ms: u64, last_ms: u64) -> Streak {
        let outcome = Outcome::Connected { source: std::net::Ipv4Addr::LOCALHOST.into() };
        Streak { outcome, count, first_us: first_ms * MS, last_us: last_ms * MS }
    }

    fn stopped(count: u32, first_ms: u64, last_ms: u64) -> Streak {
        Streak { outcome: Outcome::TimedOut, count, first_us: first_ms * MS, last_us: last_ms * MS }
    }

    #[test]
    fn what_is_wrong_what_is_undecided_and_whether_it_holds() {
        // Blocked from the beginning, or from the moment at which the change took effect.
        let denied = || (Deny, vec![stopped(25, 0, 1_300)]);
        let denied_since_100_ms = || (Deny, vec![open(2, 0, 90), stopped(60, 100, 4_000)]);
        type Row<'a> = (&'a str, Vec<(Answer, Vec<Streak>)>, (usize, usize, bool));
        let rows: Vec<Row<'_>> = vec![
            ("right for a whole hold", vec![denied(), (Allow, vec![open(2, 20, 720)])], (0, 0, true)),
            (
                "too short a hold",
                vec![(Deny, vec![stopped(25, 0, 900)]), (Allow, vec![open(2, 20, 720)])],
                (0, 0, false),
            ),
            // "Allow: at least one success in each hold window": the first is what the window begins with.
            ("one success and then silence", vec![denied(), (Allow, vec![open(1, 20, 20)])], (0, 0, false)),
            (
                "one success, then failures",
                vec![denied(), (Allow, vec![open(1, 20, 20), stopped(9, 720, 1_200)])],
                (0, 1, false),
            ),
            (
                "one success beside the last leak, then failures",
                vec![
                    (Deny, vec![open(1, 0, 0), stopped(25, 50, 1_350)]),
                    (Allow, vec![open(1, 20, 20), stopped(3, 920, 1_020)]),
                ],
                (0, 1, false),
            ),
            (
                "failures for too short",
                vec![denied(), (Allow, vec![open(1, 20, 20), stopped(19, 720, 1_700)])],
                (1, 1, false),
            ),
            (
                "failures for long enough",
                vec![denied(), (Allow, vec![open(1, 20, 20), stopped(25, 720, 3_800)])],
                (1, 0, false),
            ),
            ("never", vec![denied(), (Allow, vec![stopped(25, 0, 3_100)])], (1, 0, false)),
            ("not tried at all", vec![denied(), (Allow, vec![])], (1, 1, false)),
            // What connected before the change took effect says nothing of what it does now.
            ("not since another turned", vec![denied_since_100_ms(), (Allow, vec![open(1, 20, 20)])], (0, 1, false)),
            ("since another turned", vec![denied_since_100_ms(), (Allow, vec![open(2, 20, 720)])], (0, 0, true)),
            ("a leak", vec![(Deny, vec![open(9, 0, 4_000)]), (Allow, vec![open(2, 20, 720)])], (1, 0, false)),
        ];
        let settings = settings(7).recorded();
        for (name, cells, want) in rows {
            let cell = |(expected, streaks): (Answer, Vec<Streak>)| {
                let flow = Flow { protocol: Protocol::Tcp, ..Flow::sample() };
                Cell { flow, expected, streaks, arrived: None, alone: None }
            };
            let cells: Vec<Cell> = cells.into_iter().map(cell).collect();
            let clean = |cell: &Cell| Cell { streaks: vec![open(1, 0, 0)], ..cell.clone() };
            let baseline: Vec<Cell> = cells.iter().map(clean).collect();
            let sheet = Sheet { goal: Goal::Step, settings: &settings, baseline: &baseline, accepted_us: 0 };
            let Standing { wrong, undecided, done, .. } = sheet.standing(&cells);
            assert_eq!((wrong, undecided, done), want, "{name}");
        }
    }
}
