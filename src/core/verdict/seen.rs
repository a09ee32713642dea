//! What the attempts on one flow come to. Evidence is asymmetric: one answered attempt proves that a flow is open, one
//! unanswered attempt proves nothing.

use super::Seen;
use crate::core::event::{Arrived, Cell, RunSettings};
use crate::core::model::observation::{Outcome, Signal, Streak};
use crate::core::oracle::Answer;

/// How long failures must go on until an allowed flow counts as blocked, in microseconds.
pub const OVERBLOCK_US: u64 = 3_000_000;

/// Above this share of lost baseline attempts a flow proves nothing.
pub const MAX_LOSS: f64 = 0.2;

/// Attempts that must have been made before a share of lost ones says anything.
pub const LOSS_SAMPLE: u32 = 5;

/// How likely a whole run may be to call a flow blocked by chance, over its cells: 1 in 10,000 over 10,000 cells.
const CHANCE_PER_CELL: f64 = 1e-8;

/// Attempts on one flow.
#[derive(Clone, Copy, Debug)]
pub struct Attempts<'a> {
    /// The sender's side.
    pub streaks: &'a [Streak],
    /// The receiver's side (UDP only).
    pub arrived: Option<&'a Arrived>,
}

/// An unbroken run of attempts that did not get through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// How many.
    pub count: u32,
    /// When the first of them began.
    pub first_us: u64,
    /// When the last of them began.
    pub last_us: u64,
}

/// How many unanswered attempts, over how long, make a flow blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// How many.
    pub attempts: u32,
    /// Over how long, in microseconds.
    pub span_us: u64,
}

impl Quorum {
    /// What proves a denial: the hold.
    pub fn denial(settings: &RunSettings) -> Self {
        Self { attempts: settings.hold_attempts, span_us: settings.hold_ms * 1_000 }
    }

    /// What proves that an allowed flow is blocked, given how its baseline lost attempts: so many failures in a row that
    /// loss alone would hardly ever produce them.
    pub fn overblock(baseline: Attempts<'_>) -> Self {
        let loss = (f64::from(baseline.failed()) + 1.0) / (f64::from(baseline.count()) + 2.0);
        let attempts = (CHANCE_PER_CELL.ln() / loss.min(0.9).ln()).ceil();
        // At most ln(1e-8) / ln(0.9) = 175: the cast cannot lose anything.
        Self { attempts: attempts as u32, span_us: OVERBLOCK_US }
    }

    /// Whether a run of unanswered attempts is enough.
    pub fn met_by(self, stopped: Stopped) -> bool {
        stopped.count >= self.attempts && stopped.last_us.saturating_sub(stopped.first_us) >= self.span_us
    }
}

impl<'a> Attempts<'a> {
    /// The attempts of a cell.
    pub fn of(cell: &'a Cell) -> Self {
        Self { streaks: &cell.streaks, arrived: cell.arrived.as_ref() }
    }

    /// How many attempts ended.
    pub fn count(self) -> u32 {
        self.streaks.iter().map(|streak| streak.count).sum()
    }

    /// How many of them did not get through.
    pub fn failed(self) -> u32 {
        self.streaks.iter().filter(|streak| streak.outcome.signal() != Signal::Through).map(|streak| streak.count).sum()
    }

    /// When traffic first got through.
    pub fn first_through_us(self) -> Option<u64> {
        let answered = self.through().map(|streak| streak.first_us).min();
        answered.into_iter().chain(self.arrived.map(|arrived| arrived.first_us)).min()
    }

    /// When traffic last got through. A datagram that came in counts, even when its answer was lost.
    pub fn last_through_us(self) -> Option<u64> {
        let answered = self.through().map(|streak| streak.last_us).max();
        answered.into_iter().chain(self.arrived.map(|arrived| arrived.last_us)).max()
    }

    /// The unbroken run of stopped attempts since traffic last got through.
    pub fn stopped(self) -> Stopped {
        let since = self.last_through_us();
        let mut run = Stopped::default();
        for streak in self.streaks.iter().filter(|streak| streak.outcome.signal() == Signal::Stopped) {
            let (first_us, count) = match since {
                Some(since) if streak.last_us <= since => continue,
                Some(since) if streak.first_us <= since => (since, later_part(streak, since)),
                Some(_) | None => (streak.first_us, streak.count),
            };
            run.first_us = if run.count == 0 { first_us } else { run.first_us.min(first_us) };
            run.last_us = run.last_us.max(streak.last_us);
            run.count += count;
        }
        run
    }

    /// The last outcome that says nothing about policy, if attempts since the last success had one.
    pub fn void(self) -> Option<&'a Outcome> {
        let since = self.last_through_us().unwrap_or(0);
        self.streaks
            .iter()
            .rfind(|streak| streak.outcome.signal() == Signal::Void && streak.last_us >= since)
            .map(|streak| &streak.outcome)
    }

    /// The commonest outcome among attempts that did not get through.
    pub fn failure(self) -> Option<&'a Outcome> {
        self.streaks
            .iter()
            .filter(|streak| streak.outcome.signal() != Signal::Through)
            .max_by_key(|streak| streak.count)
            .map(|streak| &streak.outcome)
    }

    fn through(self) -> impl Iterator<Item = &'a Streak> {
        self.streaks.iter().filter(|streak| streak.outcome.signal() == Signal::Through)
    }

    /// What these attempts come to. `since_us` is when the flow must have been open at the earliest to count as open now.
    pub fn seen(self, quorum: Quorum, since_us: u64) -> Seen {
        let stopped = self.stopped();
        if let Some(void) = self.void() {
            return Seen::Unclear { why: void.to_string() };
        }
        if quorum.met_by(stopped) {
            return Seen::Blocked;
        }
        match self.last_through_us() {
            Some(last) if last >= since_us => Seen::Through,
            Some(_) => relapsed(stopped.count),
            None if self.count() == 0 => Seen::Unclear { why: "no attempt ended".to_owned() },
            None => Seen::Unclear { why: format!("{} unanswered attempts are too few to say so", stopped.count) },
        }
    }
}

/// How many attempts of an evenly paced streak began after `since`, rounded down.
fn later_part(streak: &Streak, since: u64) -> u32 {
    let span = streak.last_us.saturating_sub(streak.first_us);
    let later = streak.last_us.saturating_sub(since);
    if span == 0 {
        return 0;
    }
    // The share is at most 1, so the product fits.
    (u64::from(streak.count) * later / span) as u32
}

/// What a cell of a phase comes to. `held_since_us` is since when everything was right, where a hold was asked for and
/// reached: an allowed flow must have connected since then, not only before.
pub fn of_cell(cell: &Cell, baseline: Attempts<'_>, held_since_us: Option<u64>, settings: &RunSettings) -> Seen {
    let quorum = match cell.expected {
        Answer::Allow => Quorum::overblock(baseline),
        Answer::Deny | Answer::Undefined(_) => Quorum::denial(settings),
    };
    if let Some(alone) = &cell.alone {
        let attempts = Attempts { streaks: &alone.streaks, arrived: alone.arrived.as_ref() };
        return attempts.seen(quorum, 0);
    }
    let since_us = match cell.expected {
        Answer::Allow => held_since_us.unwrap_or(0),
        Answer::Deny | Answer::Undefined(_) => 0,
    };
    let attempts = Attempts::of(cell);
    let stopped = attempts.stopped().count;
    match attempts.seen(quorum, since_us) {
        // It may have connected before the change took effect: more failures since than loss explains are no success.
        Seen::Through if cell.expected == Answer::Allow && stopped >= quorum.attempts => relapsed(stopped),
        seen => seen,
    }
}

fn relapsed(failures: u32) -> Seen {
    Seen::Unclear { why: format!("it connected at first, then {failures} attempts in a row failed") }
}

/// Why a baseline cell proves nothing; `None` when it does.
pub fn unproven(cell: &Cell) -> Option<String> {
    let attempts = Attempts::of(cell);
    let flow = &cell.flow;
    if attempts.first_through_us().is_none() {
        let cause = attempts.failure().map_or_else(|| "no attempt ended".to_owned(), ToString::to_string);
        return Some(format!("{flow} never connected before any policy ({cause})"));
    }
    if let Some(void) = attempts.void() {
        return Some(format!("{flow} was unsound before any policy ({void})"));
    }
    let loss = f64::from(attempts.failed()) / f64::from(attempts.count().max(1));
    (attempts.count() >= LOSS_SAMPLE && loss > MAX_LOSS)
        .then(|| format!("{flow} lost {:.0} % of its attempts before any policy", loss * 100.0))
}
