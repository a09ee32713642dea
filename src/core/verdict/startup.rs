//! How long a pod that starts is without the policies that were in force before it: open where they forbid something, cut off
//! where they allow it. A pod is to be under them from its first instruction on ("no new pod runs without its policies").

use super::Turn;
use super::case::CaseRun;
use super::latency::{bound, rank};
use super::seen::{Attempts, total};
use crate::core::event::{Cell, PodStarted};
use crate::core::model::flow::{Connection, Endpoint, PodId};
use crate::core::model::observation::Signal;
use crate::core::model::policy::Direction;
use crate::core::oracle::Answer;
use std::collections::BTreeMap;

/// What the starts of one pod in one case have shown in one direction. Times are in milliseconds, from the first instruction
/// of the pod's agent.
#[derive(Clone, Debug, PartialEq)]
pub struct StartUp {
    /// The case.
    pub case: String,
    /// The pod.
    pub pod: PodId,
    /// Its node.
    pub node: String,
    /// Which way its flows went.
    pub direction: Direction,
    /// How many starts under policies that forbid something in this direction came right in the end.
    pub starts: usize,
    /// How many more never did: what is wrong with these is no matter of their start.
    pub unsettled: usize,
    /// In how many of `starts` something got through that must not.
    pub open: usize,
    /// Until the last attempt that got through and must not; 0 in a start in which none did.
    pub open_ms: Spread,
    /// How many connections got through that must not.
    pub leaks: u32,
    /// How many connections were opened in such a window and used again and again.
    pub opened: usize,
    /// How many of these were still good when new ones were blocked.
    pub kept: usize,
    /// Until everything had got through that may; `None` where nothing may.
    pub ready_ms: Option<Spread>,
    /// The same in starts without any policy.
    pub ready_without_ms: Option<Spread>,
    /// How much longer each may have been open than it was seen to be, by the time between two attempts and the clocks of the
    /// agents. The most of any.
    pub resolution_ms: f64,
}

/// How times are spread, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median.
    pub p50_ms: f64,
    /// Nine of ten were not longer.
    pub p90_ms: f64,
    /// None was longer.
    pub max_ms: f64,
}

impl Spread {
    fn of(mut times_us: Vec<u64>) -> Option<Self> {
        times_us.sort_unstable();
        let at = |percent| times_us.get(rank(times_us.len(), percent)).map(|us| *us as f64 / 1_000.0);
        Some(Self { p50_ms: at(50)?, p90_ms: at(90)?, max_ms: at(100)? })
    }
}

impl StartUp {
    /// Whether the pod was open for a while.
    pub fn has_window(&self) -> bool {
        self.open > 0
    }
}

/// One start, in one direction.
#[derive(Debug, Default)]
struct Start {
    /// Whether anything must be blocked.
    guarded: bool,
    open_us: Option<u64>,
    /// How much longer it may have been.
    doubt_us: u64,
    leaks: u32,
    opened: usize,
    kept: usize,
    ready_us: Option<u64>,
}

/// What the starts in these cases have shown. Those beside somebody else's policy show nothing.
pub(super) fn observed(cases: &[CaseRun<'_>]) -> Vec<StartUp> {
    let mut starts: BTreeMap<(&str, &PodId, Direction), Vec<&PodStarted>> = BTreeMap::new();
    for started in cases.iter().filter(|case| case.intrusion.is_none()).flat_map(|case| &case.starts) {
        for direction in [Direction::Egress, Direction::Ingress] {
            starts.entry((&started.case, &started.pod.id, direction)).or_default().push(started);
        }
    }
    starts.into_iter().filter_map(|((case, pod, direction), starts)| summary(case, pod, direction, &starts)).collect()
}

fn summary(case: &str, pod: &PodId, direction: Direction, starts: &[&PodStarted]) -> Option<StartUp> {
    let node = starts.first()?.pod.node.clone();
    let is_guarded = |started: &&PodStarted| started.cells.iter().any(|cell| cell.expected == Answer::Deny);
    let (guarded, free): (Vec<&PodStarted>, Vec<&PodStarted>) = starts.iter().copied().partition(is_guarded);
    let (settled, unsettled): (Vec<&PodStarted>, Vec<&PodStarted>) =
        guarded.iter().partition(|started| started.held_us.is_some());
    let of = |started: &&PodStarted| Start::of(started, direction);
    let ready = |starts: &[Start]| Spread::of(starts.iter().filter_map(|start| start.ready_us).collect());
    let free: Vec<Start> = free.iter().filter(|started| started.held_us.is_some()).map(of).collect();
    let starts: Vec<Start> = settled.iter().map(of).filter(|start| start.guarded).collect();
    Some(StartUp {
        case: case.to_owned(),
        pod: pod.clone(),
        node,
        direction,
        starts: starts.len(),
        unsettled: unsettled.len(),
        open: starts.iter().filter(|start| start.open_us.is_some()).count(),
        open_ms: Spread::of(starts.iter().map(|start| start.open_us.unwrap_or(0)).collect())?,
        leaks: starts.iter().fold(0, |leaks, start| leaks.saturating_add(start.leaks)),
        opened: starts.iter().map(|start| start.opened).sum(),
        kept: starts.iter().map(|start| start.kept).sum(),
        ready_ms: ready(&starts),
        ready_without_ms: ready(&free),
        resolution_ms: starts.iter().map(|start| start.doubt_us).max().unwrap_or(0) as f64 / 1_000.0,
    })
}

impl Start {
    fn of(started: &PodStarted, direction: Direction) -> Self {
        let pod = Endpoint::from(started.pod.id.clone());
        let since = |us: u64| us.saturating_sub(started.began_us);
        let mut start = Self { doubt_us: started.clock_us, ..Self::default() };
        let is_its = |cell: &&Cell| match direction {
            Direction::Egress => cell.flow.from == pod,
            Direction::Ingress => cell.flow.to == pod,
        };
        for cell in started.cells.iter().filter(is_its) {
            match (cell.flow.connection, cell.expected) {
                (Connection::New, Answer::Deny) => {
                    start.guarded = true;
                    start.leaks = start.leaks.saturating_add(through(cell));
                    let Some(bound) = bound(cell, Turn::Deny) else { continue };
                    if let Some(last_us) = bound.last_wrong_us.map(since) {
                        start.open_us = start.open_us.max(Some(last_us));
                        let doubt_us = since(bound.right_us).saturating_sub(last_us) + started.clock_us;
                        start.doubt_us = start.doubt_us.max(doubt_us);
                    }
                }
                (Connection::New, Answer::Allow) => {
                    let ready_us = Attempts::of(cell).first_through_us().map(since);
                    start.ready_us = start.ready_us.max(ready_us);
                }
                (Connection::Standing, _) => {
                    let last = cell.streaks.last().map(|streak| streak.outcome.signal());
                    start.opened += usize::from(through(cell) > 0);
                    start.kept += usize::from(last == Some(Signal::Through));
                }
                (Connection::New, Answer::Undefined(_)) => {}
            }
        }
        start
    }
}

/// How many attempts got through.
fn through(cell: &Cell) -> u32 {
    total(cell.streaks.iter().filter(|streak| streak.outcome.signal() == Signal::Through))
}

#[cfg(test)]
mod tests;
