//! From what core says to what reports say.

use super::{v1, words};
use crate::core::event::{Phase, RunEnd, RunSettings};
use crate::core::model::flow::{Connection, Endpoint, Family, Flow, Path, Protocol};
use crate::core::model::observation::Streak;
use crate::core::model::policy::Direction;
use crate::core::model::world::World;
use crate::core::oracle::Answer;
use crate::core::verdict::latency::by_group;
use crate::core::verdict::{
    Behaviour, CaseResult, CellResult, Diagnosis, Lapse, Latency, Placement, Quantiles, RunResult, Seen, Spread,
    StartUp, StepResult, TermResult, Turn, Verdict, Way,
};
use crate::report::phrases::{Flows, at};
use std::collections::BTreeMap;

/// How many witnesses of a term are shown.
const EXAMPLES: usize = 10;

impl From<&RunResult> for v1::Report {
    fn from(result: &RunResult) -> Self {
        let RunResult {
            run,
            duration_us,
            verdict_us,
            end,
            verdict,
            headline,
            diagnoses,
            features,
            cases,
            nodes,
            lapses,
            startups,
            behaviours,
            notes,
        } = result;
        let (end, end_detail) = end_of(end.as_ref());
        Self {
            schema: v1::SCHEMA,
            run: v1::Run {
                id: run.run.clone(),
                started_at: run.started_at.clone(),
                duration_ms: ms(*duration_us),
                verdict_ms: ms(*verdict_us),
                end,
                end_detail,
                tool_version: run.tool_version.clone(),
                target: run.target.clone(),
                settings: settings(&run.settings),
            },
            verdict: (*verdict).into(),
            headline: headline.clone(),
            behaves_like: diagnoses.iter().map(Diagnosis::describe).collect(),
            diagnoses: diagnoses
                .iter()
                .map(|Diagnosis { faults }| v1::Diagnosis { faults: faults.iter().map(ToString::to_string).collect() })
                .collect(),
            summary: v1::Summary {
                cases: tally(cases.iter().map(|case| case.verdict)),
                terms: tally(cases.iter().flat_map(|case| &case.terms).map(|term| term.verdict)),
                nodes: tally(nodes.iter().map(|node| node.verdict)),
                flows: Flows::of_run(result).into(),
            },
            features: features
                .iter()
                .map(|feature| v1::Feature { feature: feature.feature.clone(), verdict: feature.verdict.into() })
                .collect(),
            cases: cases.iter().map(case).collect(),
            nodes: nodes
                .iter()
                .map(|node| v1::Node {
                    name: node.name.clone(),
                    verdict: node.verdict.into(),
                    server: node.server.map(Into::into),
                    client: node.client.map(Into::into),
                    reason: node.reason.clone(),
                })
                .collect(),
            latency: latency(&result.latencies()),
            lapses: lapses.iter().map(|one| lapse(one, result)).collect(),
            startup: startups.iter().map(startup).collect(),
            behaviours: behaviours
                .iter()
                .map(|Behaviour { id, text }| v1::Behaviour { id: id.clone(), text: text.clone() })
                .collect(),
            notes: notes.clone(),
        }
    }
}

fn end_of(end: Option<&RunEnd>) -> (words::End, Option<String>) {
    match end {
        Some(RunEnd::Completed) => (words::End::Completed, None),
        Some(RunEnd::Interrupted { signal }) => (words::End::Interrupted, Some(signal.clone())),
        Some(RunEnd::TimedOut) => (words::End::TimedOut, None),
        Some(RunEnd::Failed { message }) => (words::End::Failed, Some(message.clone())),
        None => (words::End::Unknown, None),
    }
}

fn settings(settings: &RunSettings) -> v1::Settings {
    let RunSettings {
        profile,
        settle_ms,
        hold_ms,
        hold_attempts,
        canary_ms,
        budget_ms,
        timeout_ms,
        lanes,
        seed,
        faults,
    } = settings;
    v1::Settings {
        profile: profile.clone(),
        settle_ms: *settle_ms,
        hold_ms: *hold_ms,
        hold_attempts: *hold_attempts,
        canary_ms: *canary_ms,
        budget_ms: *budget_ms,
        timeout_ms: *timeout_ms,
        lanes: *lanes,
        seed: *seed,
        faults: faults.clone(),
    }
}

fn case(case: &CaseResult) -> v1::Case {
    let CaseResult { id, title, verdict, reason, world, steps, terms, latencies } = case;
    v1::Case {
        id: id.clone(),
        title: title.clone(),
        verdict: (*verdict).into(),
        reason: reason.clone(),
        steps: steps.iter().map(|one| step(one, world.as_ref())).collect(),
        terms: terms.iter().map(|one| term(one, steps)).collect(),
        latency: latency(latencies),
    }
}

fn latency(latencies: &[Latency]) -> Vec<v1::Latency> {
    let group = |(turn, alone, quantiles): (Turn, bool, Quantiles)| {
        let Quantiles { changes, p50_ms, p90_ms, p99_ms, max_ms, resolution_ms, request_ms } = quantiles;
        let turn = match turn {
            Turn::Deny => words::Turn::Deny,
            Turn::Allow => words::Turn::Allow,
        };
        v1::Latency { turn, alone, changes, p50_ms, p90_ms, p99_ms, max_ms, resolution_ms, request_ms }
    };
    by_group(latencies).into_iter().map(group).collect()
}

fn lapse(lapse: &Lapse, result: &RunResult) -> v1::Lapse {
    let Lapse { case, way, from_us, to_us, flows, example, nodes } = lapse;
    v1::Lapse {
        case: case.clone(),
        way: match way {
            Way::Open => words::Way::Open,
            Way::Closed => words::Way::Closed,
            Way::Dead => words::Way::Dead,
        },
        at: at(result, *from_us),
        from_ms: ms(*from_us),
        lasted_ms: to_us.map(|to_us| ms(to_us - from_us)),
        flows: *flows,
        example: example.to_string(),
        nodes: nodes.iter().cloned().collect(),
    }
}

fn startup(startup: &StartUp) -> v1::Startup {
    let StartUp {
        case,
        pod,
        node,
        direction,
        starts,
        unsettled,
        open,
        open_ms,
        leaks,
        opened,
        kept,
        ready_ms,
        ready_without_ms,
        resolution_ms,
    } = startup;
    let spread = |Spread { p50_ms, p90_ms, max_ms }: Spread| v1::Spread { p50_ms, p90_ms, max_ms };
    v1::Startup {
        case: case.clone(),
        pod: pod.to_string(),
        node: node.clone(),
        direction: match direction {
            Direction::Ingress => words::Direction::Ingress,
            Direction::Egress => words::Direction::Egress,
        },
        starts: *starts,
        unsettled: *unsettled,
        open: *open,
        open_ms: open_ms.max_ms,
        open_spread: spread(*open_ms),
        leaks: *leaks,
        opened: *opened,
        kept: *kept,
        ready_spread: ready_ms.map(spread),
        ready_without_spread: ready_without_ms.map(spread),
        resolution_ms: *resolution_ms,
    }
}

fn step(step: &StepResult, world: Option<&World>) -> v1::Step {
    let StepResult { phase, change, requested_us: _, converged_ms, held_ms, patience_ms, duration_ms, pods, cells } =
        step;
    let world = world.map(|world| world.clone().with_pods(pods));
    v1::Step {
        phase: phase.to_string(),
        change: change.clone(),
        converged_ms: *converged_ms,
        held_ms: *held_ms,
        patience_ms: *patience_ms,
        duration_ms: *duration_ms,
        flows: Flows::of(cells).into(),
        wrong_cells: cells.iter().filter(|cell| cell.wrong).map(|one| cell(one, world.as_ref())).collect(),
    }
}

fn cell(result: &CellResult, world: Option<&World>) -> v1::Cell {
    let CellResult { cell, seen, wrong: _ } = result;
    let flow = &cell.flow;
    let node = |end: &Endpoint| world.and_then(|world| world.node_of(end)).map(str::to_owned);
    v1::Cell {
        flow: flow.into(),
        from_node: node(&flow.from),
        to_node: node(&flow.to),
        from_address: world.and_then(|world| world.address(&flow.from, flow.family)).map(|address| address.to_string()),
        dialled: world.and_then(|world| world.dial(flow)).map(|address| address.to_string()),
        expected: cell.expected.into(),
        seen: seen.into(),
        unclear: match seen {
            Seen::Unclear { why } => Some(why.clone()),
            Seen::Through | Seen::Blocked => None,
        },
        attempts: cell.streaks.iter().map(attempts).collect(),
        datagrams_arrived: cell.arrived.as_ref().map(|arrived| arrived.count),
        tried_alone: cell.alone.is_some(),
    }
}

fn attempts(streak: &Streak) -> v1::Attempts {
    let Streak { outcome, count, first_us, last_us } = streak;
    v1::Attempts { outcome: outcome.to_string(), count: *count, first_ms: ms(*first_us), last_ms: ms(*last_us) }
}

fn term(term: &TermResult, steps: &[StepResult]) -> v1::Term {
    let TermResult { id, feature, isolation, verdict, explanation, faults, witnesses, scopes, latency_ms, policy } =
        term;
    let mut seen: Vec<(Phase, &CellResult)> = witnesses
        .iter()
        .filter_map(|witness| {
            let step = steps.iter().find(|step| step.phase == witness.phase)?;
            Some((witness.phase, step.cells.get(witness.cell)?))
        })
        .collect();
    let count = Flows::of(seen.iter().map(|(_, cell)| *cell)).into();
    seen.sort_by_key(|(_, cell)| match (cell.wrong, &cell.seen) {
        (true, _) => 0,
        (false, Seen::Unclear { .. }) => 1,
        (false, Seen::Through | Seen::Blocked) => 2,
    });
    let examples = seen.iter().take(EXAMPLES).map(|(phase, result)| v1::WitnessExample {
        phase: phase.to_string(),
        flow: (&result.cell.flow).into(),
        expected: result.cell.expected.into(),
        seen: (&result.seen).into(),
    });
    v1::Term {
        id: id.clone(),
        feature: feature.clone(),
        isolation: *isolation,
        verdict: (*verdict).into(),
        explanation: explanation.clone(),
        faults: faults.clone(),
        witnesses: v1::Witnesses { count, examples: examples.collect() },
        scopes: scopes
            .iter()
            .map(|result| v1::Scope {
                family: result.scope.family.into(),
                path: result.scope.path.into(),
                protocol: result.scope.protocol.into(),
                placement: result.scope.placement.into(),
                verdict: result.verdict.into(),
            })
            .collect(),
        latency_ms: *latency_ms,
        policy: policy.clone(),
    }
}

fn tally(verdicts: impl Iterator<Item = Verdict>) -> BTreeMap<words::Verdict, usize> {
    let mut tally = BTreeMap::new();
    for verdict in verdicts {
        *tally.entry(verdict.into()).or_default() += 1;
    }
    tally
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

impl From<Flows> for v1::Flows {
    fn from(Flows { all, wrong, unclear }: Flows) -> Self {
        Self { total: all, wrong, unclear }
    }
}

impl From<Verdict> for words::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Enforced => Self::Enforced,
            Verdict::Ignored => Self::Ignored,
            Verdict::Partial => Self::Partial,
            Verdict::Overblocked => Self::Overblocked,
            Verdict::Stale => Self::Stale,
            Verdict::Flapping => Self::Flapping,
            Verdict::Late => Self::Late,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Skipped => Self::Skipped,
            Verdict::Undefined => Self::Undefined,
        }
    }
}

impl From<&Flow> for v1::Flow {
    fn from(flow: &Flow) -> Self {
        let Flow { from, to, path, family, protocol, port, connection } = flow;
        Self {
            from: from.to_string(),
            to: to.to_string(),
            path: (*path).into(),
            family: (*family).into(),
            protocol: (*protocol).into(),
            port: *port,
            standing: *connection == Connection::Standing,
        }
    }
}

impl From<Path> for words::Path {
    fn from(path: Path) -> Self {
        match path {
            Path::PodIp => Self::PodIp,
            Path::ClusterIp => Self::ClusterIp,
            Path::NodePort => Self::NodePort,
            Path::LoadBalancer => Self::LoadBalancer,
        }
    }
}

impl From<Family> for words::Family {
    fn from(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::Ipv4,
            Family::Ipv6 => Self::Ipv6,
        }
    }
}

impl From<Protocol> for words::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
            Protocol::Sctp => Self::Sctp,
        }
    }
}

impl From<Placement> for words::Placement {
    fn from(placement: Placement) -> Self {
        match placement {
            Placement::SameNode => Self::SameNode,
            Placement::CrossNode => Self::CrossNode,
            Placement::Outside => Self::Outside,
        }
    }
}

impl From<Answer> for words::Expected {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Allow => Self::Allow,
            Answer::Deny => Self::Deny,
            Answer::Undefined(_) => Self::Undefined,
        }
    }
}

impl From<&Seen> for words::Seen {
    fn from(seen: &Seen) -> Self {
        match seen {
            Seen::Through => Self::Through,
            Seen::Blocked => Self::Blocked,
            Seen::Unclear { .. } => Self::Unclear,
        }
    }
}
