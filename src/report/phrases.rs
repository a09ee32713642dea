//! What several reports say in the same words.

use super::page::{count, duration_ms};
use crate::core::event::{Phase, RunEnd};
use crate::core::verdict::latency::by_group;
use crate::core::verdict::{
    CaseResult, CellResult, Lapse, NodeResult, Quantiles, RunResult, ScopeResult, Seen, StartUp, Turn, Verdict, Way,
    any_of,
};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

/// The headline without the verdict that it begins with, for where that stands beside it.
pub(super) fn headline(result: &RunResult) -> &str {
    let verdict = result.verdict.to_string();
    result.headline.strip_prefix(&verdict).unwrap_or(&result.headline).trim_start_matches([':', ' '])
}

/// What the network behaves like, where the headline does not say so already.
pub(super) fn behaves_like(result: &RunResult) -> Option<String> {
    let as_if = any_of(&result.diagnoses).filter(|as_if| !result.headline.contains(as_if))?;
    Some(format!("The network behaves as if {as_if}."))
}

/// Why a run did not complete; `None` of one that did.
pub(super) fn incomplete(result: &RunResult) -> Option<String> {
    let why = match &result.end {
        Some(RunEnd::Completed) => return None,
        Some(RunEnd::Interrupted { signal }) => format!("The run was interrupted ({signal})"),
        Some(RunEnd::TimedOut) => {
            let timeout = duration_ms(result.run.settings.timeout_ms as f64);
            format!("The run took longer than --timeout ({timeout})")
        }
        Some(RunEnd::Failed { message }) => format!("The run failed: {message}"),
        None => "The event log breaks off".to_owned(),
    };
    Some(format!("{why}. It did not complete: what follows is what was seen until then."))
}

/// How the run was done, in parts.
pub(super) fn setup(result: &RunResult) -> [String; 8] {
    let run = &result.run;
    let settings = &run.settings;
    [
        format!("{} {}", run.target, run.run),
        format!("profile {}", settings.profile),
        count(run.nodes.len(), "node"),
        count(settings.lanes, "lane"),
        format!("settle {}", duration_ms(settings.settle_ms as f64)),
        format!("hold {}", duration_ms(settings.hold_ms as f64)),
        format!("seed {}", settings.seed),
        format!("took {}", took(result)),
    ]
}

/// Cleaning up that is shorter is not worth a word.
const WORTH_TELLING_US: u64 = 1_000_000;

/// How long the run took, and how much of that it was cleaning up.
pub(super) fn took(result: &RunResult) -> String {
    let say = |us: u64| duration_ms(us as f64 / 1_000.0);
    let cleaning_us = result.duration_us.saturating_sub(result.verdict_us);
    if cleaning_us < WORTH_TELLING_US {
        return say(result.duration_us);
    }
    format!("{} and {} to clean up", say(result.verdict_us), say(cleaning_us))
}

/// The faults that were asked for.
pub(super) fn on_purpose(result: &RunResult) -> Option<String> {
    let faults = &result.run.settings.faults;
    (!faults.is_empty()).then(|| format!("faults on purpose: {}", faults.join(", ")))
}

/// Whether a case says anything about the verdict.
pub(super) fn is_scored(case: &CaseResult) -> bool {
    !matches!(case.verdict, Verdict::Skipped | Verdict::Undefined)
}

/// Cases of which the same is said, with what is said of them.
pub(super) struct Unscored<'a> {
    pub(super) verdict: Verdict,
    pub(super) reason: &'a str,
    pub(super) cases: Vec<&'a CaseResult>,
}

/// Cases that say nothing about the verdict, by why.
pub(super) fn unscored(cases: &[CaseResult]) -> Vec<Unscored<'_>> {
    let mut groups: Vec<Unscored<'_>> = Vec::new();
    for case in cases.iter().filter(|case| !is_scored(case)) {
        let reason = case.reason.as_deref().unwrap_or("no reason was given");
        match groups.iter_mut().find(|group| group.verdict == case.verdict && group.reason == reason) {
            Some(group) => group.cases.push(case),
            None => groups.push(Unscored { verdict: case.verdict, reason, cases: vec![case] }),
        }
    }
    groups
}

/// Things by verdict, worst first; a verdict without any is left out.
pub(super) fn by_verdict<T: Copy>(judged: impl Iterator<Item = (Verdict, T)>) -> Vec<(Verdict, Vec<T>)> {
    let judged: Vec<(Verdict, T)> = judged.collect();
    let of = |verdict: Verdict| -> Vec<T> {
        judged.iter().filter(|(of, _)| *of == verdict).map(|(_, thing)| *thing).collect()
    };
    let groups = Verdict::WORST_FIRST.map(|verdict| (verdict, of(verdict)));
    groups.into_iter().filter(|(_, things)| !things.is_empty()).collect()
}

/// Flows, by what was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flows {
    pub(super) all: usize,
    /// Those that contradict what must happen.
    pub(super) wrong: usize,
    /// Those of which nothing can be said.
    pub(super) unclear: usize,
}

impl Flows {
    /// How many of these are of which kind.
    pub(super) fn of<'a>(cells: impl IntoIterator<Item = &'a CellResult>) -> Self {
        let mut flows = Self::default();
        for cell in cells {
            flows.add(cell);
        }
        flows
    }

    /// One more.
    pub(super) fn add(&mut self, cell: &CellResult) {
        self.all += 1;
        self.wrong += usize::from(cell.wrong);
        self.unclear += usize::from(!cell.wrong && matches!(cell.seen, Seen::Unclear { .. }));
    }

    /// Over all steps of all cases.
    pub(super) fn of_run(result: &RunResult) -> Self {
        Self::of(result.cases.iter().flat_map(|case| &case.steps).flat_map(|step| &step.cells))
    }
}

/// How late changes took effect: for each way in which flows turned, under load and alone, what it is about, how many
/// changes there were, p50, p90, p99 and max, and how far they may be off.
pub(super) fn latencies(result: &RunResult) -> Vec<[String; 7]> {
    let row = |(turn, alone, quantiles): (Turn, bool, Quantiles)| {
        let Quantiles { changes, p50_ms, p90_ms, p99_ms, max_ms, resolution_ms, request_ms } = quantiles;
        let word = match turn {
            Turn::Deny => "to block",
            Turn::Allow => "to open",
        };
        let [p50, p90, p99, max, within] =
            [p50_ms, p90_ms, p99_ms, max_ms, resolution_ms.max(request_ms)].map(duration_ms);
        [format!("{word}{}", if alone { ", alone" } else { "" }), changes.to_string(), p50, p90, p99, max, within]
    };
    by_group(&result.latencies()).into_iter().map(row).collect()
}

/// What the columns of [`lapses`] are called.
pub(super) const LAPSE_HEADS: [&str; 5] = ["From", "Lasted", "What happened", "Flows", "Nodes"];

/// The moments in which what had held did not: when (UTC), for how long, what happened, on how many flows, and the nodes that
/// were to decide.
pub(super) fn lapses(result: &RunResult) -> Vec<[String; 5]> {
    let row = |lapse: &Lapse| {
        let Lapse { case: _, way, from_us, to_us, flows, example: _, nodes } = lapse;
        let lasted =
            to_us.map_or_else(|| "to the end".to_owned(), |to_us| duration_ms((to_us - from_us) as f64 / 1_000.0));
        let what = match way {
            Way::Open => "what is forbidden got through",
            Way::Closed => "what is allowed did not get through",
            Way::Dead => "nothing got through",
        };
        let nodes = nodes.iter().cloned().collect::<Vec<_>>().join(", ");
        [at(result, *from_us), lasted, what.to_owned(), flows.to_string(), nodes]
    };
    result.lapses.iter().map(row).collect()
}

/// A time of a run by the wall clock; `None` where the log does not say when that began.
pub(super) fn moment(result: &RunResult, us: u64) -> Option<Timestamp> {
    result.run.started_at.parse::<Timestamp>().ok()?.checked_add(Duration::from_micros(us)).ok()
}

/// The same to the second, in words; seconds since the run began where the clock is not known.
pub(super) fn at(result: &RunResult, us: u64) -> String {
    let at = moment(result, us).and_then(|at| at.round(jiff::Unit::Second).ok());
    at.map_or_else(|| format!("{:.1} s", us as f64 / 1e6), |at| at.to_string())
}

/// What the figures of [`startups`] are called.
pub(super) const STARTUP_HEADS: [&str; 6] = ["Starts", "Open in", "p50", "max", "Ready", "± up to"];

/// How long pods that start are without their policies: for each pod and direction what it is about, how many starts there
/// were, in how many something got through that must not, for how long (p50 and max), until when everything had got through
/// that may, and how far the times may be off.
pub(super) fn startups(result: &RunResult) -> Vec<[String; 7]> {
    let row = |startup: &StartUp| {
        let StartUp { pod, node, direction, starts, open, open_ms, ready_ms, resolution_ms, .. } = startup;
        let ready = ready_ms.map_or_else(|| "–".to_owned(), |ready| duration_ms(ready.max_ms));
        [
            format!("{direction} of {pod} on {node}"),
            starts.to_string(),
            open.to_string(),
            duration_ms(open_ms.p50_ms),
            duration_ms(open_ms.max_ms),
            ready,
            duration_ms(*resolution_ms),
        ]
    };
    result.startups.iter().map(row).collect()
}

/// What is to be said of starts besides their times.
pub(super) fn startup_remarks(result: &RunResult) -> Vec<String> {
    let mut remarks = Vec::new();
    for startup in &result.startups {
        let StartUp { pod, direction, leaks, opened, kept, .. } = startup;
        if startup.has_window() {
            let connections = count(*leaks as usize, "connection");
            let stayed = match opened {
                0 => String::new(),
                opened => format!("; of {opened} kept in use, {kept} stayed open"),
            };
            remarks.push(format!("{connections} of {pod} got through that must not ({direction}){stayed}."));
        }
        if startup.unsettled > 0 {
            let starts = count(startup.unsettled, "more start");
            remarks.push(format!("{starts} of {pod} never came right ({direction}): see the case {}.", startup.case));
        }
    }
    let without = result.startups.iter().filter_map(|startup| startup.ready_without_ms);
    if let Some(longest_ms) = without.map(|ready| ready.max_ms).max_by(f64::total_cmp) {
        remarks.push(format!("Without any policy everything had got through after {}.", duration_ms(longest_ms)));
    }
    remarks
}

/// What a verdict is called where names stand behind it. What nobody looked at sounds like a choice when it is called
/// skipped.
pub(super) fn heading(verdict: Verdict) -> String {
    if verdict == Verdict::Skipped { "NOT TESTED".to_owned() } else { verdict.to_string() }
}

/// What there is to say of each node besides its verdict: why, or what it does for its servers and what for its clients, where
/// nodes differ.
pub(super) fn about_nodes(result: &RunResult) -> Vec<(&NodeResult, String)> {
    let probed = || result.nodes.iter().filter(|node| node.verdict != Verdict::Skipped);
    let roles = |node: &NodeResult| (node.server, node.client);
    let differ = probed().zip(probed().skip(1)).any(|(one, other)| roles(one) != roles(other));
    let about = |node: &NodeResult| match (&node.reason, roles(node)) {
        (Some(reason), _) => Some(reason.clone()),
        (None, (Some(server), Some(client))) if differ && node.verdict.is_failure() => {
            Some(format!("as server {}, as client {}", short(server), short(client)))
        }
        (None, _) => None,
    };
    result.nodes.iter().filter_map(|node| Some((node, about(node)?))).collect()
}

/// A verdict's word where there is little room: INCONCLUSIVE takes more than any other.
pub(super) fn short(verdict: Verdict) -> String {
    if verdict == Verdict::Inconclusive { "unclear".to_owned() } else { verdict.to_string().to_lowercase() }
}

/// "2 ignored, 1 enforced"
pub(super) fn terms(case: &CaseResult) -> String {
    if case.terms.is_empty() {
        return "none".to_owned();
    }
    let of = |verdict: Verdict| case.terms.iter().filter(|term| term.verdict == verdict).count();
    let counts = Verdict::WORST_FIRST.map(|verdict| (verdict, of(verdict)));
    let parts = counts.into_iter().filter(|(_, count)| *count > 0);
    parts.map(|(verdict, n)| format!("{n} {}", short(verdict))).collect::<Vec<_>>().join(", ")
}

/// In which scopes something fails, where it does not fail in all: by the dimension that tells them apart, if one does.
pub(super) fn fails_over(scopes: &[ScopeResult]) -> Option<String> {
    let failing: Vec<&ScopeResult> = scopes.iter().filter(|scope| scope.verdict.is_failure()).collect();
    let holds = |scope: &&ScopeResult| matches!(scope.verdict, Verdict::Enforced | Verdict::Late);
    let others: Vec<&ScopeResult> = scopes.iter().filter(holds).collect();
    if failing.is_empty() || others.is_empty() {
        return None;
    }
    fn apart<T: Ord + Copy + Display>(
        failing: &[&ScopeResult],
        others: &[&ScopeResult],
        of: impl Fn(&ScopeResult) -> T,
    ) -> Option<String> {
        let values = |scopes: &[&ScopeResult]| scopes.iter().map(|scope| of(scope)).collect::<BTreeSet<T>>();
        let (failing, others) = (values(failing), values(others));
        let list = |values: BTreeSet<T>| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        failing.is_disjoint(&others).then(|| format!("fails over {}, holds over {}", list(failing), list(others)))
    }
    apart(&failing, &others, |result| result.scope.family)
        .or_else(|| apart(&failing, &others, |result| result.scope.protocol))
        .or_else(|| apart(&failing, &others, |result| result.scope.path))
        .or_else(|| apart(&failing, &others, |result| result.scope.placement))
        .or_else(|| Some(format!("fails in {} of {}", failing.len(), count(failing.len() + others.len(), "scope"))))
}

/// How long the slowest step of a case took to become right.
pub(super) enum Converged {
    /// There was no step.
    NoStep,
    /// A step did not.
    Never,
    /// So many milliseconds.
    After(f64),
}

impl Converged {
    /// Of a case.
    pub(super) fn of(case: &CaseResult) -> Self {
        let mut steps = case.steps.iter().filter(|step| matches!(step.phase, Phase::Step(_))).peekable();
        if steps.peek().is_none() {
            return Self::NoStep;
        }
        match steps.map(|step| step.converged_ms).collect::<Option<Vec<f64>>>() {
            Some(times) => Self::After(times.into_iter().fold(0.0, f64::max)),
            None => Self::Never,
        }
    }
}

impl std::fmt::Display for Converged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoStep => f.write_str("-"),
            Self::Never => f.write_str("never"),
            Self::After(ms) => f.write_str(&duration_ms(*ms)),
        }
    }
}
