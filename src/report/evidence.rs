//! What is told of the flows that are wrong, in enough detail for a bug report: the same in every report for people.

use super::page::{count, duration_ms};
use crate::core::event::Phase;
use crate::core::fault::plan::scope;
use crate::core::model::flow::{Endpoint, Flow};
use crate::core::model::observation::{Outcome, Streak};
use crate::core::model::world::World;
use crate::core::oracle::Answer;
use crate::core::verdict::{CaseResult, CellResult, Seen, StepResult};
use std::collections::{BTreeMap, BTreeSet};

/// How many changes of outcome are told of one flow.
const STREAKS: usize = 4;

/// What is told of a flow in a phase.
pub(super) struct Facts {
    /// Who sends to whom, by address and node.
    pub(super) places: Option<String>,
    /// What was seen before any policy.
    pub(super) before: Option<String>,
    /// What must happen.
    pub(super) expected: String,
    /// What did.
    pub(super) seen: String,
    /// What did when nothing else was probed.
    pub(super) alone: Option<String>,
    /// Why nothing can be said.
    pub(super) unclear: Option<String>,
}

impl Facts {
    /// Of a flow in a step, in which the world was `now`.
    pub(super) fn of(case: &CaseResult, step: &StepResult, now: Option<&World>, result: &CellResult) -> Self {
        let flow = &result.cell.flow;
        let sender_in = |world: Option<&World>| world.and_then(|world| world.address(&flow.from, flow.family));
        let baseline = case.steps.iter().find(|other| other.phase == Phase::Baseline && step.phase != Phase::Baseline);
        let before = baseline.and_then(|baseline| baseline.cells.iter().find(|cell| cell.cell.flow == *flow));
        let mut seen = attempts(&result.cell.streaks, sender_in(now));
        if let Some(arrived) = &result.cell.arrived {
            seen.push_str(&format!("; {} arrived", count(arrived.count as usize, "datagram")));
        }
        Self {
            places: now.and_then(|world| places(world, flow)),
            before: before.map(|before| attempts(&before.cell.streaks, sender_in(case.world.as_ref()))),
            expected: match result.cell.expected {
                Answer::Allow => "must connect".to_owned(),
                Answer::Deny => "must be blocked".to_owned(),
                Answer::Undefined(why) => format!("may do either: {why}"),
            },
            seen,
            alone: result.cell.alone.as_ref().map(|alone| attempts(&alone.streaks, sender_in(now))),
            unclear: match &result.seen {
                Seen::Unclear { why } => Some(why.clone()),
                Seen::Through | Seen::Blocked => None,
            },
        }
    }
}

/// "10.0.0.5 on n1 → 10.0.1.7:80 on n2"
fn places(world: &World, flow: &Flow) -> Option<String> {
    let on = |end: &Endpoint| world.node_of(end).map_or_else(|| " outside".to_owned(), |node| format!(" on {node}"));
    let from = world.address(&flow.from, flow.family)?;
    let to = world.dial(flow)?;
    Some(format!("{from}{} → {to}{}", on(&flow.from), on(&flow.to)))
}

/// "timed out 20 times, then connected 41 times over 60 s". The address that a receiver saw is told where it is not the
/// sender's.
pub(super) fn attempts(streaks: &[Streak], sender: Option<std::net::IpAddr>) -> String {
    let (Some(first), Some(last)) = (streaks.first(), streaks.last()) else { return "no attempt ended".to_owned() };
    let mut parts: Vec<(String, u32)> = Vec::new();
    for streak in streaks {
        let outcome = match &streak.outcome {
            Outcome::Connected { source } if sender.is_none_or(|sender| sender == *source) => "connected".to_owned(),
            other => other.to_string(),
        };
        match parts.last_mut() {
            Some((known, times)) if *known == outcome => *times += streak.count,
            Some(_) | None => parts.push((outcome, streak.count)),
        }
    }
    let hidden = parts.len().saturating_sub(STREAKS);
    let times = |n: u32| match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    };
    // The end says what the flow was like when it was judged.
    let shown: Vec<String> = parts.iter().skip(hidden).map(|(outcome, n)| format!("{outcome} {}", times(*n))).collect();
    let mut text = shown.join(", then ");
    if hidden > 0 {
        text = format!("{} of outcome, then {text}", count(hidden, "change"));
    }
    let span_us = last.last_us.saturating_sub(first.first_us);
    if span_us > 0 {
        text.push_str(&format!(" over {}", duration_ms(span_us as f64 / 1_000.0)));
    }
    text
}

/// One flow of each pair of ends first, so that a few flows show as much as they can.
pub(super) fn diverse<'a>(cells: &[&'a CellResult]) -> Vec<&'a CellResult> {
    let mut pairs = BTreeSet::new();
    let (first, rest): (Vec<&CellResult>, Vec<&CellResult>) =
        cells.iter().partition(|cell| pairs.insert((&cell.cell.flow.from, &cell.cell.flow.to)));
    first.into_iter().chain(rest).collect()
}

/// A dimension of flows, and how many are wrong at each of its values.
struct Split {
    name: &'static str,
    values: BTreeMap<String, (usize, usize)>,
}

impl Split {
    /// Whether every value is wrong throughout or not at all, and both happen.
    fn is_clean(&self) -> bool {
        self.tells_apart(1) && self.values.values().all(|(wrong, all)| *wrong == 0 || wrong == all)
    }

    /// Whether some value is wrong and another, of which enough was seen, is not.
    fn tells_apart(&self, enough: usize) -> bool {
        let mut values = self.values.values();
        values.clone().any(|(wrong, _)| *wrong > 0) && values.any(|(wrong, all)| *wrong == 0 && *all >= enough)
    }
}

/// So many flows without a fault are hardly chance.
const ENOUGH: usize = 5;

/// Which family, protocol, path, placement or port the wrong flows have in common: a reader sees at once what is not
/// enforced.
pub(super) fn by_dimension(cells: &[CellResult], world: Option<&World>) -> Vec<String> {
    let mut lines = Vec::new();
    for (expected, what) in [(Answer::Deny, "leaks"), (Answer::Allow, "blocked by mistake")] {
        let cells: Vec<&CellResult> = cells.iter().filter(|cell| cell.cell.expected == expected).collect();
        let split = |name, of: &dyn Fn(&Flow) -> String| {
            let mut values: BTreeMap<String, (usize, usize)> = BTreeMap::new();
            for cell in &cells {
                let (wrong, all) = values.entry(of(&cell.cell.flow)).or_default();
                *wrong += usize::from(cell.wrong);
                *all += 1;
            }
            Split { name, values }
        };
        let mut splits = vec![
            split("family", &|flow| flow.family.to_string()),
            split("protocol", &|flow| flow.protocol.to_string()),
            split("path", &|flow| flow.path.to_string()),
        ];
        if let Some(world) = world {
            splits.push(split("placement", &|flow| scope(world, flow).placement.to_string()));
        }
        if !splits[1].is_clean() {
            splits.push(split("port", &|flow| format!("{} {}", flow.protocol, flow.port)));
        }
        let any_clean = splits.iter().any(Split::is_clean);
        for Split { name, values } in
            splits.into_iter().filter(|split| if any_clean { split.is_clean() } else { split.tells_apart(ENOUGH) })
        {
            let shares = values.iter().map(|(value, (wrong, all))| format!("{value} {wrong} of {all}"));
            lines.push(format!("{what} by {name}: {}", shares.collect::<Vec<_>>().join(", ")));
        }
    }
    lines
}
