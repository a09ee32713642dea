//! What was right for a whole hold and then wrong again, without any change.

use super::foreign::seconds;
use super::seen::{Attempts, HARDLY_LOSS, Quorum, Stopped, total};
use crate::core::event::Cell;
use crate::core::model::observation::{Signal, Streak};
use crate::core::oracle::Answer;

/// How a cell was wrong after everything had held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Relapse {
    /// By what the network does with policies.
    Flapped(String),
    /// Together with everything beside it, which no policy needs to be the reason for.
    Dead(String),
}

/// How a cell was wrong after everything had held at `held_us`; `None` where it was not. `others` are the cells of the same
/// observation; those that are `beside` this one are its controls.
pub(super) fn relapse(
    cell: &Cell,
    baseline: Attempts<'_>,
    held_us: u64,
    others: &[Cell],
    beside: impl Fn(&Cell) -> bool,
) -> Option<Relapse> {
    match cell.expected {
        Answer::Deny => leak(cell, held_us).map(Relapse::Flapped),
        Answer::Allow => {
            let (how, out) = outage(cell, baseline, held_us)?;
            let connects = |other: &Cell| beside(other) && through(other).any(|streak| falls_into(streak, out));
            Some(if others.iter().any(connects) {
                Relapse::Flapped(how)
            } else {
                Relapse::Dead(format!("{how}, and nothing else connected beside it meanwhile"))
            })
        }
        Answer::Undefined(_) => None,
    }
}

/// Whether one of the attempts of a streak was made during an outage for certain.
fn falls_into(streak: &Streak, out: Stopped) -> bool {
    let within = |us: u64| (out.first_us..=out.last_us).contains(&us);
    let spans = streak.first_us < out.first_us && out.last_us < streak.last_us;
    let pause_us = (streak.last_us - streak.first_us) / u64::from(streak.count.saturating_sub(1).max(1));
    within(streak.first_us) || within(streak.last_us) || (spans && 2 * pause_us <= out.last_us - out.first_us)
}

/// One attempt that got through is enough: nothing but a lapse of the policy lets it.
fn leak(cell: &Cell, held_us: u64) -> Option<String> {
    let attempts = Attempts::of(cell);
    let last_us = attempts.last_through_us().filter(|us| *us > held_us)?;
    let answered = through(cell).filter(|streak| streak.last_us > held_us).map(|streak| streak.first_us);
    let arrived = cell.arrived.iter().map(|arrived| arrived.first_us);
    // A receiver tells of its first and its last datagram only; where the first is older, the last must do.
    let first_us = answered.chain(arrived).filter(|us| *us > held_us).min().unwrap_or(last_us);
    let stopped = attempts.stopped();
    let flow = &cell.flow;
    Some(if stopped.count >= HARDLY_LOSS {
        let (from, to) = (seconds(first_us), seconds(stopped.first_us.max(last_us)));
        format!("{flow} was blocked for a whole hold, then got through without any change from {from} to {to}")
    } else {
        let from = seconds(first_us);
        format!("{flow} was blocked for a whole hold, then got through without any change from {from} to the end")
    })
}

/// The first of the outages, and a sentence about it.
fn outage(cell: &Cell, baseline: Attempts<'_>, held_us: u64) -> Option<(String, Stopped)> {
    let out = *outages(cell, baseline, held_us).first()?;
    let Stopped { count, first_us, last_us } = out;
    let back = Attempts::of(cell).last_through_us().is_some_and(|us| us > last_us);
    let (flow, from) = (&cell.flow, seconds(first_us));
    let to = if back { seconds(last_us) } else { "the end".to_owned() };
    let how = format!(
        "{flow} connected for a whole hold, then {count} attempts in a row failed without any change from {from} to {to}"
    );
    Some((how, out))
}

/// Every run of failures after everything had held at `held_us` that loss alone would hardly ever produce.
pub(super) fn outages(cell: &Cell, baseline: Attempts<'_>, held_us: u64) -> Vec<Stopped> {
    let quorum = Quorum::overblock(baseline);
    // A datagram that came in was not blocked, though its answer was lost. When it came is not known, so each such
    // takes one failure away.
    let answered = total(through(cell));
    let unanswered = cell.arrived.as_ref().map_or(0, |arrived| arrived.count.saturating_sub(answered));
    let mut stops = Attempts::of(cell).stops();
    stops.retain(|stop| {
        stop.first_us > held_us && quorum.met_by(Stopped { count: stop.count.saturating_sub(unanswered), ..*stop })
    });
    stops
}

fn through(cell: &Cell) -> impl Iterator<Item = &Streak> {
    cell.streaks.iter().filter(|streak| streak.outcome.signal() == Signal::Through)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Arrived;
    use crate::core::model::flow::{Flow, Protocol};
    use crate::core::model::observation::Outcome;
    use Answer::{Allow, Deny};

    const MS: u64 = 1_000;

    fn blocked(count: u32, first_ms: u64, last_ms: u64) -> Streak {
        Streak { outcome: Outcome::TimedOut, count, first_us: first_ms * MS, last_us: last_ms * MS }
    }

    fn open(count: u32, first_ms: u64, last_ms: u64) -> Streak {
        let outcome = Outcome::Connected { source: std::net::Ipv4Addr::LOCALHOST.into() };
        Streak { outcome, count, first_us: first_ms * MS, last_us: last_ms * MS }
    }

    /// What is said of a cell that held from 1 to 2 s.
    fn said(expected: Answer, streaks: Vec<Streak>, arrived: Option<Arrived>) -> Option<String> {
        let flow = Flow { protocol: Protocol::Udp, ..Flow::sample() };
        let clean = [open(1, 0, 0)];
        let baseline = Attempts { streaks: &clean, arrived: None };
        let cell = Cell { flow, expected, streaks, arrived, alone: None };
        let beside = Cell { streaks: vec![open(100, 0, 50_000)], ..cell.clone() };
        match relapse(&cell, baseline, 2_000 * MS, &[beside], |_| true)? {
            Relapse::Flapped(said) => Some(said.split_once(", then ").unwrap().1.to_owned()),
            Relapse::Dead(said) => unreachable!("{said}"),
        }
    }

    #[test]
    fn one_leak_after_the_hold_is_a_relapse_and_one_before_is_none() {
        let before = vec![open(3, 0, 900), blocked(400, 950, 40_000)];
        assert_eq!(said(Deny, before, None), None);
        let lapse = vec![blocked(70, 900, 20_000), open(1, 20_200, 20_200), blocked(60, 20_450, 40_000)];
        assert_eq!(said(Deny, lapse, None).unwrap(), "got through without any change from 20.2 s to 20.4 s");
        let gone = vec![blocked(70, 900, 20_000), open(9, 20_200, 39_000)];
        assert_eq!(said(Deny, gone, None).unwrap(), "got through without any change from 20.2 s to the end");
        let arrived = Arrived { count: 4, first_us: 0, last_us: 20_200 * MS };
        let datagram = vec![open(3, 0, 900), blocked(400, 950, 40_000)];
        assert_eq!(
            said(Deny, datagram, Some(arrived)).unwrap(),
            "got through without any change from 20.2 s to 20.2 s"
        );
    }

    #[test]
    fn an_outage_takes_more_failures_than_loss_explains() {
        let failing = |count, for_ms: u64| {
            vec![open(9, 0, 19_000), blocked(count, 20_000, 20_000 + for_ms), open(3, 30_000, 40_000)]
        };
        assert_eq!(said(Allow, failing(16, 4_000), None), None, "too few");
        assert_eq!(said(Allow, failing(17, 2_900), None), None, "too short");
        let text = "17 attempts in a row failed without any change from 20.0 s to 24.0 s";
        assert_eq!(said(Allow, failing(17, 4_000), None).unwrap(), text);
        assert_eq!(said(Allow, vec![blocked(40, 0, 900), open(9, 1_000, 40_000)], None), None, "before the hold");
        let to_the_end = vec![open(9, 0, 19_000), blocked(40, 20_000, 40_000)];
        assert!(said(Allow, to_the_end, None).unwrap().ends_with("from 20.0 s to the end"));
        // The datagrams of five of these came in.
        let arrived = Arrived { count: 17, first_us: 0, last_us: 40_000 * MS };
        assert_eq!(said(Allow, failing(20, 5_000), Some(arrived.clone())), None);
        assert!(said(Allow, failing(22, 5_000), Some(arrived)).is_some());
    }

    #[test]
    fn an_attempt_falls_into_an_outage_only_for_certain() {
        let out = Stopped { count: 20, first_us: 10_000 * MS, last_us: 14_000 * MS };
        for (streak, expected) in [
            (open(1, 9_000, 9_000), false),
            (open(1, 12_000, 12_000), true),
            (open(3, 9_000, 11_000), true),
            (open(3, 13_000, 20_000), true),
            (open(11, 0, 20_000), true),
            (open(9, 0, 20_000), false),
            (open(2, 15_000, 20_000), false),
        ] {
            assert_eq!(falls_into(&streak, out), expected, "{streak:?}");
        }
    }
}
