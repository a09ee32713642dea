//! What the attempts on one flow come to. Evidence is asymmetric: one answered attempt proves that a flow is open, one
//! unanswered attempt proves nothing.

use super::Seen;
use crate::core::event::{Arrived, Cell, RunSettings};
use crate::core::model::observation::{Outcome, Signal, Streak};
use crate::core::oracle::Answer;

/// An attempt ends after this long, in microseconds: well below the 1 s after which a SYN would be sent again.
pub const ATTEMPT_DEADLINE_US: u64 = 500_000;

/// How long failures must go on until an allowed flow counts as blocked, in microseconds.
pub const OVERBLOCK_US: u64 = 3_000_000;

/// Above this share of lost baseline attempts a flow proves nothing.
const MAX_LOSS: f64 = 0.2;

/// Attempts that must have been made before a share of lost ones says anything.
pub const LOSS_SAMPLE: u32 = 5;

/// So many failures in a row are hardly ever loss: it was not there yet, or is no more.
pub const HARDLY_LOSS: u32 = 3;

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

/// How many attempts on a flow were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// All attempts.
    pub attempts: u32,
    /// Those of them that did not get through.
    pub failed: u32,
}

impl Loss {
    /// The share that was lost.
    pub fn share(self) -> f64 {
        f64::from(self.failed) / f64::from(self.attempts.max(1))
    }

    /// Whether so much was lost that the flow proves nothing.
    pub fn is_too_much(self) -> bool {
        self.share() > MAX_LOSS
    }
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
        let Loss { attempts, failed } = baseline.loss();
        let loss = (f64::from(failed) + 1.0) / (f64::from(attempts) + 2.0);
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
        total(self.streaks)
    }

    /// How many of them did not get through.
    pub fn failed(self) -> u32 {
        total(self.streaks.iter().filter(|streak| streak.outcome.signal() != Signal::Through))
    }

    /// What was lost since the flow came up. Failures that began before its first success are no loss where they were more
    /// than loss explains, or where nothing was lost since: it was not there yet.
    pub fn loss(self) -> Loss {
        let up_us = self.through().map(|streak| streak.first_us).min().unwrap_or(0);
        let failed = |streak: &&Streak| streak.outcome.signal() != Signal::Through && streak.last_us < up_us;
        let before = total(self.streaks.iter().filter(failed));
        let since = Loss { attempts: self.count() - before, failed: self.failed() - before };
        let was_not_there = before >= HARDLY_LOSS || (since.failed == 0 && since.attempts >= LOSS_SAMPLE);
        if was_not_there { since } else { Loss { attempts: self.count(), failed: self.failed() } }
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

    /// When the last attempt that ended began.
    pub fn last_us(self) -> Option<u64> {
        self.streaks.iter().map(|streak| streak.last_us).max()
    }

    /// The unbroken run of stopped attempts since traffic last got through.
    pub fn stopped(self) -> Stopped {
        let since = self.last_through_us();
        let answered = total(self.through());
        let unanswered = self.arrived.map_or(0, |arrived| arrived.count.saturating_sub(answered));
        let mut run = Stopped::default();
        for streak in self.streaks.iter().filter(|streak| streak.outcome.signal() == Signal::Stopped) {
            let (first_us, count) = match since {
                Some(since) if streak.last_us <= since => continue,
                Some(since) if streak.first_us <= since => (since, later_part(streak, since, unanswered)),
                Some(_) | None => (streak.first_us, streak.count),
            };
            run.first_us = if run.count == 0 { first_us } else { run.first_us.min(first_us) };
            run.last_us = run.last_us.max(streak.last_us);
            run.count = run.count.saturating_add(count);
        }
        run
    }

    /// Every unbroken run of stopped attempts, as the sender saw them.
    pub fn stops(self) -> Vec<Stopped> {
        let signal = |streak: &Streak| streak.outcome.signal();
        let runs =
            self.streaks.chunk_by(|one, next| (signal(one) == Signal::Stopped) == (signal(next) == Signal::Stopped));
        runs.filter(|run| signal(&run[0]) == Signal::Stopped)
            .map(|run| Stopped {
                count: total(run),
                first_us: run.iter().map(|streak| streak.first_us).min().unwrap_or(0),
                last_us: run.iter().map(|streak| streak.last_us).max().unwrap_or(0),
            })
            .collect()
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

/// How many attempts these streaks are; no fewer than any of them, whoever has counted.
pub(super) fn total<'a>(streaks: impl IntoIterator<Item = &'a Streak>) -> u32 {
    streaks.into_iter().fold(0, |total, streak| total.saturating_add(streak.count))
}

/// How many attempts of a streak began after `since`, when the last of `arrived` that were not answered came in: its share
/// of the time, rounded down, but none of those.
fn later_part(streak: &Streak, since: u64, arrived: u32) -> u32 {
    let span = streak.last_us.saturating_sub(streak.first_us);
    let later = streak.last_us.saturating_sub(since);
    if span == 0 {
        return 0;
    }
    // The share is at most 1, so that the cast cannot lose anything.
    let share = (u128::from(streak.count) * u128::from(later) / u128::from(span)) as u32;
    // Pauses grow, so that the attempts of a streak are denser at its beginning.
    share.min(streak.count.saturating_sub(arrived))
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
        Answer::Allow | Answer::Undefined(_) => held_since_us.unwrap_or(0),
        Answer::Deny => 0,
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
    let loss = attempts.loss();
    (loss.attempts >= LOSS_SAMPLE && loss.is_too_much())
        .then(|| format!("{flow} lost {:.0} % of its attempts before any policy", loss.share() * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::flow::{Flow, Protocol};
    use crate::core::oracle::Undefined;
    use Answer::{Allow, Deny};

    const MS: u64 = 1_000;
    const OPEN: Answer = Answer::Undefined(Undefined::IpBlockContainsPod);

    fn streak(outcome: Outcome, count: u32, first_ms: u64, last_ms: u64) -> Streak {
        Streak { outcome, count, first_us: first_ms * MS, last_us: last_ms * MS }
    }

    fn connected(count: u32, first_ms: u64, last_ms: u64) -> Streak {
        let source = std::net::Ipv4Addr::LOCALHOST.into();
        streak(Outcome::Connected { source }, count, first_ms, last_ms)
    }

    fn timed_out(count: u32, first_ms: u64, last_ms: u64) -> Streak {
        streak(Outcome::TimedOut, count, first_ms, last_ms)
    }

    fn cell(expected: Answer, streaks: Vec<Streak>) -> Cell {
        let flow = Flow { protocol: Protocol::Udp, ..Flow::sample() };
        Cell { flow, expected, streaks, arrived: None, alone: None }
    }

    fn settings() -> RunSettings {
        RunSettings {
            profile: "standard".to_owned(),
            settle_ms: 60_000,
            hold_ms: 1_000,
            hold_attempts: 20,
            canary_ms: 0,
            budget_ms: None,
            timeout_ms: 900_000,
            lanes: 1,
            seed: 1,
            faults: Vec::new(),
        }
    }

    fn word(seen: &Seen) -> &'static str {
        match seen {
            Seen::Through => "through",
            Seen::Blocked => "blocked",
            Seen::Unclear { .. } => "unclear",
        }
    }

    #[test]
    fn what_was_not_there_yet_was_not_lost() {
        let loss = |streaks: Vec<Streak>| {
            let Loss { attempts, failed } = Attempts::of(&cell(Allow, streaks)).loss();
            (attempts, failed)
        };
        // Attempts overlap: one that began before the first success may be heard of after it.
        assert_eq!(loss(vec![timed_out(3, 0, 100), connected(2, 400, 500), timed_out(2, 200, 300)]), (2, 0));
        assert_eq!(loss(vec![timed_out(3, 0, 100), connected(2, 400, 500), timed_out(2, 600, 700)]), (4, 2));
        assert_eq!(loss(vec![timed_out(2, 0, 100), connected(3, 400, 500)]), (5, 2), "that may be loss");
        assert_eq!(loss(vec![timed_out(2, 0, 100), connected(5, 400, 900)]), (5, 0), "five in a row since");
        assert_eq!(loss(vec![timed_out(2, 0, 100), connected(9, 400, 900), timed_out(1, 600, 600)]), (12, 3));
        assert_eq!(loss(vec![timed_out(9, 0, 900)]), (9, 9));
    }

    #[test]
    fn datagrams_that_came_in_are_not_among_those_that_were_stopped_after_them() {
        // Attempts are denser at the beginning of a streak than at its end: a share of the time would say 23.
        let mut cell = cell(Deny, vec![timed_out(30, 0, 9_000)]);
        cell.arrived = Some(Arrived { count: 20, first_us: 0, last_us: 2_000 * MS });
        assert_eq!(Attempts::of(&cell).stopped(), Stopped { count: 10, first_us: 2_000 * MS, last_us: 9_000 * MS });
    }

    #[test]
    fn what_attempts_come_to() {
        let clean = [connected(1, 0, 0)];
        let lossy = [connected(8, 0, 900), timed_out(2, 300, 600)];
        let refused = streak(Outcome::Refused, 10, 500, 1_000);
        let stranger = streak(Outcome::WrongIdentity { answered: "z/b".to_owned() }, 5, 0, 500);
        let silent = streak(Outcome::NoEcho, 1, 900, 900);
        type Row<'a> = (&'a str, Answer, Vec<Streak>, Option<u64>, &'a [Streak], &'a str);
        let rows: Vec<Row<'_>> = vec![
            // "Deny: no success in the whole hold", of at least 20 attempts over at least 1 s.
            ("held", Deny, vec![timed_out(21, 0, 1_000)], Some(0), &clean, "blocked"),
            ("too few", Deny, vec![timed_out(19, 0, 1_000)], None, &clean, "unclear"),
            ("too short", Deny, vec![timed_out(40, 0, 900)], None, &clean, "unclear"),
            // "Never infer the engine from refused or timed out": both are blocked.
            ("mixed", Deny, vec![timed_out(11, 0, 500), refused], Some(0), &clean, "blocked"),
            // "One answered probe proves a leak."
            ("one answer", Deny, vec![timed_out(30, 0, 1_500), connected(1, 1_550, 1_550)], None, &clean, "through"),
            (
                "leak, then blocked",
                Deny,
                vec![connected(3, 0, 200), timed_out(21, 250, 1_250)],
                Some(200_000),
                &clean,
                "blocked",
            ),
            // "TCP connected without the echo is an observation of its own", and another receiver's answer too.
            ("stranger", Deny, vec![stranger], None, &clean, "unclear"),
            ("no echo", Deny, vec![timed_out(21, 0, 1_000), silent], None, &clean, "unclear"),
            // "Allow: at least one success in each hold window."
            ("open", Allow, vec![connected(2, 0, 700)], Some(100_000), &clean, "through"),
            ("open only before", Allow, vec![connected(1, 0, 0)], Some(100_000), &clean, "unclear"),
            (
                "lossy but open",
                Allow,
                vec![timed_out(5, 0, 300), connected(1, 400, 400)],
                Some(400_000),
                &clean,
                "through",
            ),
            // "OVERBLOCKED: n failures in a row over at least 3 s, n from the flow's own measured baseline loss."
            ("blocked for long", Allow, vec![timed_out(61, 0, 3_000)], None, &clean, "blocked"),
            ("blocked for 2 s", Allow, vec![timed_out(41, 0, 2_000)], None, &clean, "unclear"),
            ("13 failures are chance on a lossy flow", Allow, vec![timed_out(13, 0, 3_000)], None, &lossy, "unclear"),
            ("nothing at all", Allow, vec![], None, &clean, "unclear"),
            // "What the spec leaves open is observed": after the change took effect, not before.
            ("left open, and open", OPEN, vec![connected(4, 0, 1_500)], Some(100_000), &clean, "through"),
            ("left open, and blocked", OPEN, vec![timed_out(21, 50, 1_050)], Some(100_000), &clean, "blocked"),
            (
                "left open, and connected only while the change was on its way",
                OPEN,
                vec![connected(1, 0, 0), timed_out(14, 700, 1_400)],
                Some(100_000),
                &clean,
                "unclear",
            ),
        ];
        for (name, expected, streaks, held_since_us, baseline, want) in rows {
            let baseline = Attempts { streaks: baseline, arrived: None };
            let seen = of_cell(&cell(expected, streaks), baseline, held_since_us, &settings());
            assert_eq!(word(&seen), want, "{name}: {seen:?}");
        }
    }

    #[test]
    fn a_datagram_that_came_in_is_through_even_when_its_answer_was_lost() {
        let mut leak = cell(Deny, vec![timed_out(40, 0, 2_000)]);
        leak.arrived = Some(Arrived { count: 1, first_us: 1_900 * MS, last_us: 1_900 * MS });
        let baseline = Attempts { streaks: &[], arrived: None };
        assert_eq!(of_cell(&leak, baseline, None, &settings()), Seen::Through);
    }

    #[test]
    fn what_was_seen_alone_decides() {
        let mut red = cell(Allow, vec![timed_out(61, 0, 3_000)]);
        let streaks = vec![connected(1, 4_000, 4_000)];
        red.alone = Some(crate::core::event::Alone { streaks, arrived: None });
        let baseline = Attempts { streaks: &[], arrived: None };
        assert_eq!(of_cell(&red, baseline, None, &settings()), Seen::Through);
    }

    #[test]
    fn a_baseline_must_connect_well() {
        assert_eq!(unproven(&cell(Allow, vec![connected(1, 0, 0)])), None);
        // A Service that is reachable only after a while loses nothing from then on.
        let late = vec![timed_out(160, 0, 8_000), connected(5, 8_050, 9_000)];
        assert_eq!(unproven(&cell(Allow, late)), None);
        for (streaks, why) in [
            (vec![timed_out(50, 0, 5_000)], "never connected"),
            (vec![], "never connected"),
            (vec![connected(3, 0, 100), timed_out(2, 150, 200)], "lost 40 %"),
            (vec![timed_out(2, 0, 100), connected(3, 150, 300)], "lost 40 %"),
            (vec![timed_out(160, 0, 8_000), connected(3, 8_050, 9_000), timed_out(2, 9_100, 9_150)], "lost 40 %"),
            (vec![connected(1, 0, 0), streak(Outcome::NoEcho, 1, 50, 50)], "unsound"),
        ] {
            let reason = unproven(&cell(Allow, streaks)).unwrap();
            assert!(reason.contains(why), "{reason}");
        }
    }

    #[test]
    fn a_whole_run_hardly_ever_calls_loss_a_block() {
        // "so that a whole run errs less than once in 10,000": over 10,000 cells, each with the loss that it showed.
        for (lost, all) in [(0, 1), (0, 5), (1, 10), (2, 10)] {
            let streaks = [connected(all - lost, 0, 100), timed_out(lost.max(1), 100, 200)];
            let baseline = Attempts { streaks: &streaks[..if lost == 0 { 1 } else { 2 }], arrived: None };
            let loss = (f64::from(lost) + 1.0) / (f64::from(all) + 2.0);
            let chance = loss.powi(i32::try_from(Quorum::overblock(baseline).attempts).unwrap()) * 10_000.0;
            assert!(chance <= 1e-4, "{lost} of {all} lost: {chance}");
        }
    }
}
