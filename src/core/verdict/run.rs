//! From a run's events to its result.

use super::behaviour;
use super::case::{CaseRun, Evidence, ends};
use super::diagnosis::{self, Diagnoses, Diagnosis};
use super::fold::{over_scopes, worst};
use super::foreign::Foreign;
use super::relapse::Relapse;
use super::term::OnNode;
use super::{
    CaseResult, CellResult, FeatureResult, NodeResult, Placement, RunResult, Seen, StartUp, StepResult, Verdict, lapse,
    latency, startup, term,
};
use crate::core::event::{CaseStarted, Event, Phase, PhaseEnded, RunEnd, RunEvent, RunSettings, RunStarted, Untested};
use crate::core::model::change::Change;
use crate::core::model::flow::{Connection, PodId};
use crate::core::model::policy::Direction;
use crate::core::model::world::Pod;
use crate::core::oracle::{Answer, Assumptions};
use std::collections::{BTreeMap, BTreeSet};

/// A log that does not begin with the start of a run.
#[derive(Debug, thiserror::Error)]
#[error("the event log does not begin with `run-started`")]
pub struct NoRunError;

/// What a run's events prove.
pub fn judge(events: &[RunEvent]) -> Result<RunResult, NoRunError> {
    let Some(RunEvent { event: Event::RunStarted(run), .. }) = events.first() else { return Err(NoRunError) };
    let mut log = Log::read(events);
    // Whichever lane was ready first, a run tells of its cases in the same order.
    log.cases.sort_by_key(|case| run.cases.iter().position(|id| *id == case.started.case));
    let run = &log.without_left_out(run);
    let mut evidence: Vec<Evidence<'_>> = log.cases.iter().map(|case| Evidence::new(case, &run.settings)).collect();
    let mute = mute(&evidence, &run.nodes);
    evidence.iter_mut().for_each(|evidence| evidence.mute.clone_from(&mute));
    let diagnoses = Diagnoses::find(&evidence, &run.nodes);

    let mut on_nodes: BTreeMap<String, Vec<OnNode>> = BTreeMap::new();
    let mut doubted: Vec<&str> = Vec::new();
    let mut cases: Vec<CaseResult> = evidence
        .iter()
        .enumerate()
        .map(|(index, evidence)| {
            let judged = judge_case(evidence, diagnoses.of_case(index));
            for on_node in judged.nodes {
                on_nodes.entry(on_node.node.clone()).or_default().push(on_node);
            }
            doubted.extend(judged.doubted);
            judged.result
        })
        .collect();
    let unstarted: Vec<CaseResult> = run
        .cases
        .iter()
        .filter(|id| !cases.iter().any(|case| case.id == **id))
        .map(|id| skipped(id, log.skipped.get(id.as_str()).copied().unwrap_or(unreached(log.end.as_ref()))))
        .collect();
    cases.extend(unstarted);

    let verdict = worst(cases.iter().map(|case| case.verdict))
        .filter(|verdict| *verdict != Verdict::Skipped && *verdict != Verdict::Undefined)
        .unwrap_or(Verdict::Inconclusive);
    let features = features(&cases);
    let startups = startup::observed(&log.cases);
    let nodes = nodes(run, &on_nodes, &evidence, &mute);
    Ok(RunResult {
        headline: headline(run, verdict, &cases, &diagnoses.of_run, &doubted, &startups),
        duration_us: events.last().map_or(0, |event| event.at_us),
        verdict_us: verdict_us(events),
        end: log.end,
        run: run.clone(),
        verdict,
        diagnoses: diagnoses.of_run,
        features,
        lapses: lapse::observed(&evidence),
        startups,
        behaviours: behaviour::observed(&cases, &evidence, log.settled),
        cases,
        nodes,
        notes: log.notes,
    })
}

/// What each node enforces.
fn nodes(
    run: &RunStarted,
    on_nodes: &BTreeMap<String, Vec<OnNode>>,
    evidence: &[Evidence<'_>],
    mute: &BTreeSet<String>,
) -> Vec<NodeResult> {
    let alone = alone(evidence);
    let folded = |name: &String, wanted: &dyn Fn(&OnNode) -> bool| {
        let verdicts = on_nodes.get(name)?.iter().filter(|on_node| wanted(on_node)).map(|on_node| on_node.verdict);
        over_scopes(&verdicts.collect::<Vec<_>>())
    };
    let probed = run.nodes.iter().map(|name| {
        let as_one = |direction| folded(name, &move |on_node: &OnNode| on_node.direction == Some(direction));
        let verdict = folded(name, &|_| true).unwrap_or(Verdict::Skipped);
        let (verdict, reason) = if mute.contains(name) {
            (verdict, Some("nothing connected from or to it before any policy"))
        } else if verdict == Verdict::Enforced && !alone.contains(name.as_str()) {
            let doubt = "what is blocked there was seen between it and other nodes alone, and these may have done it";
            (Verdict::Inconclusive, Some(doubt))
        } else {
            (verdict, None)
        };
        NodeResult {
            name: name.clone(),
            verdict,
            server: as_one(Direction::Ingress),
            client: as_one(Direction::Egress),
            reason: reason.map(str::to_owned),
        }
    });
    let untested = run.untested.iter().map(|Untested { node, reason }| NodeResult {
        name: node.clone(),
        verdict: Verdict::Skipped,
        server: None,
        client: None,
        reason: Some(reason.clone()),
    });
    probed.chain(untested).collect()
}

/// The nodes that blocked something that no other node could have blocked: an engine that decides at both ends hides a node
/// without it behind every other.
fn alone<'a>(evidence: &'a [Evidence<'_>]) -> BTreeSet<&'a str> {
    let mut alone = BTreeSet::new();
    for evidence in evidence {
        for (flow, sighting) in evidence.flows.iter().enumerate() {
            let by_itself = sighting.scope.placement != Placement::CrossNode;
            let blocked =
                |phase: usize| sighting.right[phase] == Answer::Deny && evidence.through(phase, flow) == Some(false);
            if by_itself && (0..sighting.right.len()).any(blocked) {
                alone.extend(ends(&evidence.experiment.world, sighting.flow).into_iter().flatten());
            }
        }
    }
    alone
}

/// The nodes that nothing connected from or to before any policy, while others did.
fn mute(evidence: &[Evidence<'_>], nodes: &[String]) -> BTreeSet<String> {
    let (mut heard, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for evidence in evidence {
        for sighting in &evidence.flows {
            let group = if sighting.unproven.is_none() { &mut heard } else { &mut silent };
            group.extend(ends(&evidence.experiment.world, sighting.flow).into_iter().flatten());
        }
    }
    let is_mute =
        |node: &&String| !heard.is_empty() && silent.contains(node.as_str()) && !heard.contains(node.as_str());
    nodes.iter().filter(is_mute).cloned().collect()
}

/// When there was nothing more to find out.
fn verdict_us(events: &[RunEvent]) -> u64 {
    let last_case = events.iter().rfind(|event| matches!(event.event, Event::CaseEnded { .. }));
    last_case.or(events.last()).map_or(0, |event| event.at_us)
}

/// The events, sorted by case.
struct Log<'a> {
    cases: Vec<CaseRun<'a>>,
    /// Why cases were not run, by id.
    skipped: BTreeMap<&'a str, &'a str>,
    /// What a property case has settled.
    settled: Option<Assumptions>,
    notes: Vec<String>,
    /// Nodes that turned out to take no pod.
    left_out: Vec<&'a Untested>,
    end: Option<RunEnd>,
}

impl<'a> Log<'a> {
    fn read(events: &'a [RunEvent]) -> Self {
        let mut log = Self {
            cases: Vec::new(),
            skipped: BTreeMap::new(),
            settled: None,
            notes: Vec::new(),
            left_out: Vec::new(),
            end: None,
        };
        for RunEvent { at_us, event } in events {
            match event {
                Event::RunStarted(_)
                | Event::LaneOpened { .. }
                | Event::PhaseStarted { .. }
                | Event::PhaseProgress { .. }
                | Event::ForeignPolicy(_)
                | Event::Progress { .. } => {}
                Event::NodeLeftOut(node) => log.left_out.push(node),
                Event::PropertyObserved { assumptions } => log.settled = Some(*assumptions),
                Event::KubeletObserved { lane, case, through } => {
                    if let Some(case) = log.open(*lane, case) {
                        case.kubelet = Some(*through);
                    }
                }
                Event::CaseStarted(started) => {
                    log.cases.retain(|case| case.started.case != started.case || case.abandoned.is_none());
                    // Those that go on are beside it.
                    let ended = log.cases.iter().filter(|case| case.ended_us.is_some()).map(|case| case.started);
                    let earlier = ended.filter(|case| case.lane == started.lane);
                    let earlier = earlier.flat_map(|case| case.steps.iter().chain([&case.removal])).collect();
                    log.cases.push(CaseRun { earlier, ..CaseRun::began(started, *at_us) });
                }
                Event::PhaseEnded(ended) => {
                    if let Some(case) = log.open(ended.lane, &ended.case).filter(|case| case.started.has(ended.phase)) {
                        case.phases.push(ended);
                    }
                }
                Event::PodStarted(started) => {
                    if let Some(case) = log.open(started.lane, &started.case) {
                        case.starts.push(started);
                    }
                }
                Event::CaseEnded { lane, case, abandoned } => {
                    if let Some(case) = log.open(*lane, case) {
                        case.ended_us = Some(*at_us);
                        case.abandoned = abandoned.as_deref();
                    }
                }
                Event::CaseSkipped { case, reason } => drop(log.skipped.insert(case, reason)),
                Event::Note { text } => log.notes.push(text.clone()),
                Event::RunEnded { end } => log.end = Some(end.clone()),
            }
        }
        let foreign = Foreign::read(events);
        for case in &mut log.cases {
            let ended_us = case.ended_us.unwrap_or(u64::MAX);
            case.intrusion = foreign.intrusion(case.started.lane, case.began_us, ended_us);
            case.bystander = foreign.bystander(case.began_us, ended_us);
        }
        log.notes.extend(foreign.notes());
        log
    }

    /// How the run was set up, with the nodes among the untested that took no pod in any lane.
    fn without_left_out(&self, run: &RunStarted) -> RunStarted {
        let mut run = run.clone();
        let probed: BTreeSet<&str> =
            self.cases.iter().flat_map(|case| &case.started.world.pods).map(|pod| pod.node.as_str()).collect();
        for node in self.left_out.iter().filter(|node| !probed.contains(node.node.as_str())) {
            run.nodes.retain(|name| *name != node.node);
            if !run.untested.iter().any(|known| known.node == node.node) {
                run.untested.push((*node).clone());
            }
        }
        run
    }

    fn open(&mut self, lane: u32, case: &str) -> Option<&mut CaseRun<'a>> {
        self.cases
            .iter_mut()
            .rfind(|run| run.started.lane == lane && run.started.case == case && run.ended_us.is_none())
    }
}

/// A case's verdict and what follows from it for others.
struct Judged<'a> {
    result: CaseResult,
    /// What the nodes that decide on its witnesses make of each term.
    nodes: Vec<OnNode>,
    /// Somebody else's policy because of which it proves nothing.
    doubted: Option<&'a str>,
}

fn judge_case<'a>(evidence: &'a Evidence<'_>, diagnoses: &[Diagnosis]) -> Judged<'a> {
    let started = evidence.run.started;
    let mut nodes = Vec::new();
    let mut doubt = evidence.run.intrusion.as_ref().filter(|_| started.property.is_none());
    let terms: Vec<_> = if started.property.is_some() {
        Vec::new()
    } else {
        evidence
            .experiment
            .terms()
            .iter()
            .filter(|term| !started.masked.iter().any(|masked| masked.term == evidence.experiment.id(term)))
            .map(|term| {
                let judged = term::judge(evidence, term, diagnoses);
                nodes.extend(judged.nodes);
                doubt = doubt.or(evidence.run.bystander.as_ref().filter(|_| judged.excused));
                judged.result
            })
            .collect()
    };
    let disturbed = evidence.run.intrusion.as_ref().map(|doubt| doubt.why.clone());
    let (verdict, reason) = if started.property.is_some() {
        let open = "the specification leaves this open: observed, not scored".to_owned();
        (Verdict::Undefined, Some(disturbed.unwrap_or(open)))
    } else if started.requires_property && started.assumptions == Assumptions::default() {
        (Verdict::Undefined, Some("what this cluster does here is left open by the specification".to_owned()))
    } else {
        let verdict = worst(terms.iter().map(|term| term.verdict)).unwrap_or(Verdict::Inconclusive);
        let reason = disturbed.or_else(|| evidence.run.abandoned.map(str::to_owned)).or_else(|| {
            (verdict != Verdict::Enforced)
                .then(|| terms.iter().find(|term| term.verdict == verdict))
                .flatten()
                .map(|term| format!("{}: {}", term.id, term.explanation))
        });
        (verdict, reason)
    };
    let terms = if verdict == Verdict::Undefined { Vec::new() } else { terms };
    let result = CaseResult {
        id: started.case.clone(),
        title: started.title.clone(),
        verdict,
        reason,
        world: Some(started.world.clone()),
        steps: steps(evidence),
        terms,
        latencies: evidence.run.phases.iter().flat_map(|ended| latency::of_phase(evidence, ended)).collect(),
    };
    Judged { result, nodes, doubted: doubt.map(|doubt| doubt.object.as_str()) }
}

fn steps(evidence: &Evidence<'_>) -> Vec<StepResult> {
    let mut made_again: BTreeMap<&PodId, &Pod> = BTreeMap::new();
    evidence
        .run
        .phases
        .iter()
        .map(|ended| {
            let phase = evidence.experiment.index(ended.phase);
            made_again.extend(ended.pods.iter().map(|pod| (&pod.id, pod)));
            let cells = ended
                .cells
                .iter()
                .map(|cell| {
                    let flow = evidence.flows.iter().position(|sighting| *sighting.flow == cell.flow);
                    let seen = flow.and_then(|flow| match &evidence.flows[flow].unproven {
                        Some(why) => Some(Seen::Unclear { why: why.clone() }),
                        None => evidence.flows[flow].seen[phase].clone(),
                    });
                    CellResult {
                        cell: cell.clone(),
                        seen: seen.unwrap_or_else(|| Seen::Unclear { why: "it has no baseline".to_owned() }),
                        wrong: flow.is_some_and(|flow| {
                            let flapped = matches!(evidence.flows[flow].relapses[phase], Some(Relapse::Flapped(_)));
                            evidence.wrong(phase, flow) || flapped
                        }),
                    }
                })
                .collect();
            let since = |us: u64| us.saturating_sub(ended.requested_us) as f64 / 1_000.0;
            StepResult {
                phase: ended.phase,
                change: describe(ended.phase, evidence.experiment.change(ended.phase)),
                requested_us: ended.requested_us,
                converged_ms: ended.converged_us.map(since),
                held_ms: ended.held_us.map(since),
                patience_ms: ended.patience_us.map(|us| us as f64 / 1_000.0),
                duration_ms: since(ended.ended_us),
                pods: made_again.values().copied().cloned().collect(),
                cells,
            }
        })
        .collect()
}

/// What a phase changes, for a reader.
pub fn describe(phase: Phase, change: Option<&Change>) -> String {
    let list = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(", ");
    match (phase, change) {
        (Phase::Baseline, _) | (_, None) => "no policy yet".to_owned(),
        (Phase::Removal, Some(_)) => "everything deleted".to_owned(),
        (Phase::Step(_), Some(change)) => match change {
            Change::Apply { policies } => format!("apply {}", list(&mut policies.iter().map(|p| p.key().to_string()))),
            Change::Replace { policies } => {
                format!("replace {}", list(&mut policies.iter().map(|p| p.key().to_string())))
            }
            Change::Delete { policies } => format!("delete {}", list(&mut policies.iter().map(ToString::to_string))),
            Change::Relabel { subject, .. } => format!("relabel {subject}"),
            Change::Recreate { subject, bare: false } => format!("recreate {subject}"),
            Change::Recreate { subject, bare: true } => format!("recreate {subject} without a controller"),
        },
    }
}

/// Why a case did not get its turn.
fn unreached(end: Option<&RunEnd>) -> &'static str {
    match end {
        Some(RunEnd::Completed) => "no lane was left to run it",
        Some(RunEnd::Interrupted { .. }) => "the run was interrupted before it",
        Some(RunEnd::TimedOut) => "the run's time was over before it",
        Some(RunEnd::Failed { .. }) => "the run failed before it",
        None => "the log breaks off before it",
    }
}

fn skipped(id: &str, reason: &str) -> CaseResult {
    CaseResult {
        id: id.to_owned(),
        title: String::new(),
        verdict: Verdict::Skipped,
        reason: Some(reason.to_owned()),
        world: None,
        steps: Vec::new(),
        terms: Vec::new(),
        latencies: Vec::new(),
    }
}

fn features(cases: &[CaseResult]) -> Vec<FeatureResult> {
    let mut features: Vec<FeatureResult> = Vec::new();
    for term in cases.iter().flat_map(|case| &case.terms) {
        match features.iter_mut().find(|known| known.feature == term.feature) {
            Some(known) => known.verdict = worst([known.verdict, term.verdict]).unwrap_or(term.verdict),
            None => features.push(FeatureResult { feature: term.feature.clone(), verdict: term.verdict }),
        }
    }
    features
}

fn headline(
    run: &RunStarted,
    verdict: Verdict,
    cases: &[CaseResult],
    diagnoses: &[Diagnosis],
    doubted: &[&str],
    startups: &[StartUp],
) -> String {
    let terms: Vec<Verdict> = cases.iter().flat_map(|case| &case.terms).map(|term| term.verdict).collect();
    let skipped = cases.iter().filter(|case| case.verdict == Verdict::Skipped).count();
    let enforced = terms.iter().filter(|verdict| **verdict == Verdict::Enforced).count();
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let nodes = match run.untested.as_slice() {
        [] => count(run.nodes.len(), "node"),
        [Untested { node, reason }] => {
            format!("{} of {} nodes; 1 not tested ({node}: {reason})", run.nodes.len(), run.nodes.len() + 1)
        }
        many => {
            let all = run.nodes.len() + many.len();
            format!("{} of {all} nodes; {} not tested", run.nodes.len(), many.len())
        }
    };
    let mut text = format!(
        "{verdict}: {enforced} of {} enforced in {} on {nodes}",
        count(terms.len(), "term"),
        count(cases.len(), "case")
    );
    if skipped > 0 {
        text.push_str(&format!("; {} skipped", count(skipped, "case")));
    }
    let late = terms.iter().filter(|verdict| **verdict == Verdict::Late).count();
    if let Some(budget_ms) = run.settings.budget_ms.filter(|_| late > 0) {
        text.push_str(&format!("; {} later than {} ms", count(late, "term"), budget_ms));
    }
    let windows = startups.iter().filter(|startup| startup.has_window());
    if let Some(longest_ms) = windows.map(|startup| startup.open_ms.max_ms).max_by(f64::total_cmp) {
        text.push_str(&format!("; new pods without their policies for up to {longest_ms:.0} ms"));
    }
    if let Some(first) = doubted.first() {
        let others = doubted.iter().filter(|object| *object != first).collect::<BTreeSet<_>>().len();
        let others = if others > 0 { format!(", and {others} more") } else { String::new() };
        text.push_str(&format!("; {} in doubt because of {first}{others}", count(doubted.len(), "case")));
    }
    if let Some(as_if) = diagnosis::any_of(diagnoses) {
        text.push_str(&format!("; behaves as if {as_if}"));
    }
    text
}

/// What a property case has settled: whether every flow that the specification leaves open did what it does where the
/// property holds, beside an effective deny.
pub fn observe_property(started: &CaseStarted, ended: &[PhaseEnded], settings: &RunSettings) -> Assumptions {
    let held = Assumptions::SETTLED;
    let supposed = CaseStarted { assumptions: held, ..started.clone() };
    let run = CaseRun::of(&supposed, ended);
    let evidence = Evidence::new(&run, settings);
    let mut blocked = false;
    let mut admitted = false;
    for (flow, sighting) in evidence.flows.iter().enumerate() {
        for (phase, right) in sighting.right.iter().enumerate() {
            match (right, evidence.through(phase, flow)) {
                (Answer::Allow, Some(true)) => admitted = true,
                (Answer::Deny, Some(false)) => blocked = true,
                (Answer::Allow, Some(false)) | (Answer::Deny, Some(true)) => return Assumptions::default(),
                (Answer::Allow | Answer::Deny, None) | (Answer::Undefined(_), _) => {}
            }
        }
    }
    if blocked && admitted { held } else { Assumptions::default() }
}

/// Whether everything connects again after a case, so that its lane can serve another one.
pub fn is_clean(started: &CaseStarted, ended: &[PhaseEnded], settings: &RunSettings) -> bool {
    let run = CaseRun::of(started, ended);
    let evidence = Evidence::new(&run, settings);
    let removal = evidence.experiment.index(Phase::Removal);
    (0..evidence.flows.len())
        .filter(|flow| evidence.flows[*flow].unproven.is_none())
        .filter(|flow| evidence.flows[*flow].flow.connection == Connection::New)
        .all(|flow| evidence.through(removal, flow) == Some(true))
}
