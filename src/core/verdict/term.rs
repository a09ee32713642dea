//! A term's verdict: what its witnesses showed, and which fault explains it.

use super::case::{Evidence, contradicts, ends};
use super::diagnosis::{Diagnosis, any_of};
use super::fold::{over_scopes, worst};
use super::foreign::Doubt;
use super::latency::last_wrong_us;
use super::relapse::Relapse;
use super::{Scope, ScopeResult, TermResult, Verdict, Witness};
use crate::core::event::Phase;
use crate::core::fault::reading::Reach;
use crate::core::fault::{ChangeKind, Fault, FaultAt, Part, Place, Term};
use crate::core::model::change::Change;
use crate::core::model::manifest;
use crate::core::model::policy::Direction;
use crate::core::oracle::Answer;
use std::collections::{BTreeMap, BTreeSet};

/// What a witness showed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// What the specification says, beside what makes it prove something.
    Right,
    /// The opposite.
    Wrong,
    /// What the specification says, for a whole hold, and then the opposite: when.
    Flapped(String),
    /// It connects as it should, and nothing shows that it could have been otherwise.
    Vacuous,
    /// Nothing, for this reason.
    Unknown(String),
}

/// A witness of a term: flow and phase, by index, and the fault that would show on it.
struct Sight {
    fault: Fault,
    phase: usize,
    flow: usize,
    state: State,
    /// By how much it was right later than the budget allows, in microseconds.
    late_us: Option<u64>,
}

/// What a node makes of a term.
pub(super) struct OnNode {
    pub(super) node: String,
    /// Of what it decides there: ingress for the pods that it serves, egress for its clients. `None` for what concerns both.
    pub(super) direction: Option<Direction>,
    pub(super) verdict: Verdict,
}

/// The verdict of a term, and of each node that decides on one of its witnesses.
pub(super) struct Judged {
    pub(super) result: TermResult,
    pub(super) nodes: Vec<OnNode>,
    /// Whether it looks wrong, and somebody else's policy may be the reason.
    pub(super) excused: bool,
}

impl Judged {
    /// What looks wrong beside somebody else's policy may be that policy's doing; what looks right is the work of ours.
    fn beside(mut self, bystander: &Doubt) -> Self {
        self.excused = self.result.verdict.is_failure();
        let scopes = self.result.scopes.iter_mut().map(|scope| &mut scope.verdict);
        let nodes = self.nodes.iter_mut().map(|on_node| &mut on_node.verdict);
        for verdict in scopes.chain(nodes).chain([&mut self.result.verdict]) {
            if verdict.is_failure() {
                *verdict = Verdict::Inconclusive;
            }
        }
        if self.excused {
            self.result.faults.clear();
            self.result.explanation = format!("{} and may be the reason; {}", bystander.why, self.result.explanation);
        }
        self
    }
}

/// Judges a term. Each of `diagnoses` explains everything that was seen in the case.
pub(super) fn judge(evidence: &Evidence<'_>, term: &Term, diagnoses: &[Diagnosis]) -> Judged {
    let sights = sights(evidence, term);
    let shows = |at: &FaultAt| sights.iter().any(|sight| sight.fault == at.fault && sight.state == State::Wrong);
    // Of each diagnosis, what concerns this term.
    let mut here: Vec<Diagnosis> = Vec::new();
    for Diagnosis { faults } in diagnoses {
        let diagnosis = Diagnosis { faults: faults.iter().filter(|at| shows(at)).cloned().collect() };
        if !diagnosis.faults.is_empty() && !here.contains(&diagnosis) {
            here.push(diagnosis);
        }
    }
    let touching: Vec<&FaultAt> = here.iter().flat_map(|diagnosis| &diagnosis.faults).collect();
    let failing = failure(evidence, &sights, &touching, diagnoses);

    let mut by_scope: BTreeMap<Scope, Vec<&Sight>> = BTreeMap::new();
    // A witness that proves nothing leaves its scope untested.
    for sight in sights.iter().filter(|sight| sight.state != State::Vacuous) {
        by_scope.entry(evidence.flows[sight.flow].scope).or_default().push(sight);
    }
    // Where a fault explains what was seen, only its own witnesses tell where it holds.
    if !touching.is_empty() {
        by_scope.values_mut().for_each(|sights| {
            sights.retain(|sight| touching.iter().any(|at| at.fault == sight.fault));
        });
        by_scope.retain(|_, sights| !sights.is_empty());
    }
    let scopes: Vec<ScopeResult> = by_scope
        .iter()
        .map(|(scope, sights)| ScopeResult { scope: *scope, verdict: in_one_place(sights, failing) })
        .collect();

    let unrefuted: Vec<Fault> = Fault::ALL
        .into_iter()
        .filter(|fault| sights.iter().any(|sight| sight.fault == *fault))
        .filter(|fault| !sights.iter().any(|sight| sight.fault == *fault && sight.state == State::Right))
        .collect();
    let mut verdict = match failing {
        // What a fault does everywhere is no partial enforcement, whichever scopes its witnesses were found in.
        Some(failing) if touching.iter().any(|at| at.scope.is_none()) => failing,
        Some(_) if !touching.is_empty() => Verdict::Partial,
        Some(_) | None => {
            over_scopes(&scopes.iter().map(|scope| scope.verdict).collect::<Vec<_>>()).unwrap_or(Verdict::Inconclusive)
        }
    };
    if matches!(verdict, Verdict::Enforced | Verdict::Late) && !unrefuted.is_empty() {
        verdict = Verdict::Inconclusive;
    }

    let mut faults: Vec<String> = Vec::new();
    for at in touching.iter().filter(|_| verdict.is_failure()).map(ToString::to_string) {
        if !faults.contains(&at) {
            faults.push(at);
        }
    }
    let explanation = explain(evidence, &sights, verdict, &here, diagnoses, &unrefuted);
    let result = TermResult {
        id: evidence.experiment.id(term),
        feature: term.feature().to_owned(),
        isolation: term.is_isolation(),
        verdict,
        explanation,
        faults,
        witnesses: witnesses(evidence, &sights),
        scopes,
        latency_ms: latency_ms(evidence, &sights),
        policy: fragment(evidence, term),
    };
    let judged = Judged { nodes: nodes(evidence, term, &sights, failing), result, excused: false };
    match &evidence.run.bystander {
        Some(bystander) => judged.beside(bystander),
        None => judged,
    }
}

/// Every flow and phase on which ignoring the term would show, for each way of ignoring it.
fn sights(evidence: &Evidence<'_>, term: &Term) -> Vec<Sight> {
    let mut sights = Vec::new();
    for fault in Fault::ALL {
        let Some(reading) = evidence.experiment.reading(fault, Reach::Term(term)) else { continue };
        for (flow, sighting) in evidence.flows.iter().enumerate() {
            for phase in 0..sighting.right.len() {
                let shows = match (sighting.right[phase], reading.answer(phase, sighting.flow)) {
                    (Answer::Allow, Answer::Deny) | (Answer::Deny, Answer::Allow) => true,
                    (Answer::Allow, Answer::Allow)
                    | (Answer::Deny, Answer::Deny)
                    | (Answer::Undefined(_), _)
                    | (_, Answer::Undefined(_)) => false,
                };
                if shows {
                    let (state, late_us) = (state(evidence, term, phase, flow), evidence.late_us(phase, flow));
                    sights.push(Sight { fault, phase, flow, state, late_us });
                }
            }
        }
    }
    sights
}

fn state(evidence: &Evidence<'_>, term: &Term, phase: usize, flow: usize) -> State {
    if let Some(doubt) = &evidence.run.intrusion {
        return State::Unknown(doubt.why.clone());
    }
    let sighting = &evidence.flows[flow];
    if let Some(why) = &sighting.unproven {
        return State::Unknown(why.clone());
    }
    match &sighting.relapses[phase] {
        Some(Relapse::Flapped(how)) => return State::Flapped(how.clone()),
        Some(Relapse::Dead(how)) => return State::Unknown(how.clone()),
        None => {}
    }
    let Some(through) = evidence.through(phase, flow) else {
        return State::Unknown(match &sighting.seen[phase] {
            Some(super::Seen::Unclear { why }) => format!("{}: {why}", sighting.flow),
            Some(super::Seen::Through | super::Seen::Blocked) | None => {
                evidence.run.abandoned.unwrap_or("the run ended before this was observed").to_owned()
            }
        });
    };
    if contradicts(sighting.right[phase], through) {
        return State::Wrong;
    }
    match through {
        true if effective_deny(evidence, term, phase, flow) => State::Right,
        true => State::Vacuous,
        false if controlled(evidence, phase, flow) => State::Right,
        false => State::Unknown(format!(
            "{}: nothing beside it connected, and it did not connect again after removal",
            sighting.flow
        )),
    }
}

/// A block counts only beside something that connects: in the same phase from the same sender, to the same receiver or
/// between the same nodes, over the same family and path; or, where the case leaves none, before and after on the flow
/// itself.
fn controlled(evidence: &Evidence<'_>, phase: usize, flow: usize) -> bool {
    let denied = evidence.flows[flow].flow;
    let world = &evidence.experiment.world;
    let beside = (0..evidence.flows.len()).any(|other| {
        let control = evidence.flows[other].flow;
        evidence.flows[other].right[phase] == Answer::Allow
            && evidence.through(phase, other) == Some(true)
            && control.family == denied.family
            && control.path == denied.path
            && (control.from == denied.from || control.to == denied.to || ends(world, control) == ends(world, denied))
    });
    let removal = evidence.experiment.index(Phase::Removal);
    beside || evidence.through(removal, flow) == Some(true)
}

/// An allow counts only beside an effective deny: without an engine every allow "works".
fn effective_deny(evidence: &Evidence<'_>, term: &Term, phase: usize, flow: usize) -> bool {
    let allowed = evidence.flows[flow].flow;
    let blocked = |at: usize, other: usize| {
        evidence.flows[other].right[at] == Answer::Deny && evidence.through(at, other) == Some(false)
    };
    match &term.place {
        // What is made again changes nothing about the policies: somebody must be blocked now.
        Place::Change { kind: ChangeKind::Recreate | ChangeKind::RecreateBare, .. } => {
            (0..evidence.flows.len()).any(|other| {
                let candidate = evidence.flows[other].flow;
                candidate.family == allowed.family
                    && (candidate.to == allowed.to || candidate.from == allowed.from)
                    && blocked(phase, other)
            })
        }
        // What a change opens must have been closed before.
        Place::Change { .. } | Place::Removal => (0..phase).any(|earlier| blocked(earlier, flow)),
        Place::Policy { part, .. } => {
            let same_subject = |other: &crate::core::model::flow::Flow| match part {
                Part::Isolation(Direction::Ingress) | Part::Rule { direction: Direction::Ingress, .. } => {
                    other.to == allowed.to
                }
                Part::Isolation(Direction::Egress) | Part::Rule { direction: Direction::Egress, .. } => {
                    other.from == allowed.from
                }
                // An unselected pod stays open while the selected ones are isolated.
                Part::Target => true,
            };
            (0..evidence.flows.len()).any(|other| {
                let candidate = evidence.flows[other].flow;
                candidate.family == allowed.family
                    && same_subject(candidate)
                    && (1..=phase).any(|at| blocked(at, other))
            })
        }
    }
}

/// What the term is called where its witnesses are wrong.
fn failure(
    evidence: &Evidence<'_>,
    sights: &[Sight],
    touching: &[&FaultAt],
    diagnoses: &[Diagnosis],
) -> Option<Verdict> {
    let wrong: Vec<&Sight> = sights.iter().filter(|sight| sight.state == State::Wrong).collect();
    if wrong.is_empty() {
        return None;
    }
    if !diagnoses.is_empty() {
        return worst(touching.iter().filter_map(|at| at.fault.verdict()));
    }
    let leaks = wrong.iter().any(|sight| evidence.flows[sight.flow].right[sight.phase] == Answer::Deny);
    Some(if leaks { Verdict::Ignored } else { Verdict::Overblocked })
}

/// The verdict of witnesses that stand in one place.
fn in_one_place(sights: &[&Sight], failing: Option<Verdict>) -> Verdict {
    let any = |state: fn(&State) -> bool| sights.iter().any(|sight| state(&sight.state));
    if any(|state| *state == State::Wrong) {
        let failing = failing.unwrap_or(Verdict::Inconclusive);
        let mixed = failing.is_failure() && any(|state| *state == State::Right);
        if mixed { Verdict::Partial } else { failing }
    } else if any(|state| matches!(state, State::Flapped(_))) {
        Verdict::Flapping
    } else if any(|state| matches!(state, State::Unknown(_))) {
        Verdict::Inconclusive
    } else if sights.iter().any(|sight| sight.late_us.is_some()) {
        Verdict::Late
    } else {
        Verdict::Enforced
    }
}

/// The nodes that decide on the term's witnesses, each with its verdict.
fn nodes(evidence: &Evidence<'_>, term: &Term, sights: &[Sight], failing: Option<Verdict>) -> Vec<OnNode> {
    let world = &evidence.experiment.world;
    let mut by_node: BTreeMap<&str, Vec<&Sight>> = BTreeMap::new();
    for sight in sights.iter().filter(|sight| sight.state != State::Vacuous) {
        let flow = evidence.flows[sight.flow].flow;
        let [from, to] = ends(world, flow);
        let deciders = match (term.direction(), &sight.state) {
            (Some(Direction::Ingress), _) => vec![to],
            (Some(Direction::Egress), _) => vec![from],
            // What lapsed is known to have been in force: at the end that denies, and nowhere else.
            (None, State::Flapped(_)) => evidence.deciding(sight.phase, flow).into_iter().map(Some).collect(),
            (None, State::Right | State::Wrong | State::Unknown(_) | State::Vacuous) => {
                evidence.turning(sight.phase, flow).into_iter().map(Some).collect()
            }
        };
        // What never connected because of the node at one end says nothing about the other.
        let mute: Vec<&str> = [from, to].into_iter().flatten().filter(|node| evidence.mute.contains(*node)).collect();
        let answerable = |node: &&str| mute.is_empty() || mute.contains(node);
        for node in deciders.into_iter().flatten().filter(answerable).collect::<BTreeSet<_>>() {
            by_node.entry(node).or_default().push(sight);
        }
    }
    let direction = term.direction();
    let on_node = |(node, sights): (&str, Vec<&Sight>)| OnNode {
        node: node.to_owned(),
        direction,
        verdict: in_one_place(&sights, failing),
    };
    by_node.into_iter().map(on_node).collect()
}

fn explain(
    evidence: &Evidence<'_>,
    sights: &[Sight],
    verdict: Verdict,
    here: &[Diagnosis],
    diagnoses: &[Diagnosis],
    unrefuted: &[Fault],
) -> String {
    if let Some(doubt) = &evidence.run.intrusion {
        return doubt.why.clone();
    }
    let wrong = sights.iter().filter(|sight| sight.state == State::Wrong).count();
    let right = sights.iter().filter(|sight| sight.state == State::Right).count();
    let unknown = sights.iter().find_map(|sight| match &sight.state {
        State::Unknown(why) => Some(why.as_str()),
        State::Right | State::Wrong | State::Flapped(_) | State::Vacuous => None,
    });
    let flapped = sights.iter().filter_map(|sight| match &sight.state {
        State::Flapped(how) => Some((sight.phase, sight.flow, how)),
        State::Right | State::Wrong | State::Vacuous | State::Unknown(_) => None,
    });
    let flapped: BTreeSet<(usize, usize, &String)> = flapped.collect();
    let vacuous = sights.iter().any(|sight| sight.state == State::Vacuous);
    if let (Verdict::Flapping, Some((_, _, how))) = (verdict, flapped.first()) {
        return match flapped.len() {
            1 => (*how).clone(),
            flapped => format!("{how}; so did {} more of its witnesses", flapped - 1),
        };
    }
    if verdict.is_failure() {
        return match any_of(here) {
            Some(as_if) => format!("the network behaves as if {as_if}"),
            None => format!(
                "{wrong} of {} witnesses contradict it; no known fault, and no two of them, explain all that was seen",
                sights.len()
            ),
        };
    }
    if verdict == Verdict::Enforced {
        return format!("{right} witnesses were as written");
    }
    if let (Verdict::Late, Some(late_us)) = (verdict, sights.iter().filter_map(|sight| sight.late_us).max()) {
        return format!(
            "{right} witnesses were as written, {} ms later than the budget allows",
            late_us.div_ceil(1_000)
        );
    }
    if sights.is_empty() {
        return "no flow that was probed would show whether it is ignored".to_owned();
    }
    if let Some(as_if) = any_of(diagnoses).filter(|_| wrong > 0) {
        return format!("not observable while the network behaves as if {as_if}");
    }
    match (unknown, unrefuted.first()) {
        (Some(why), _) => why.to_owned(),
        (None, _) if vacuous => "nothing that must be blocked was blocked beside what it allows".to_owned(),
        (None, Some(fault)) => format!("nothing showed that it is not as if {}", fault.as_if()),
        (None, None) => evidence.run.abandoned.unwrap_or("nothing was observed").to_owned(),
    }
}

fn witnesses(evidence: &Evidence<'_>, sights: &[Sight]) -> Vec<Witness> {
    let places: BTreeSet<(usize, usize)> = sights.iter().map(|sight| (sight.phase, sight.flow)).collect();
    let phases = evidence.experiment.phases();
    places
        .into_iter()
        .filter_map(|(phase, flow)| {
            let ended = evidence.run.phases.iter().find(|ended| ended.phase == phases[phase])?;
            let cell = ended.cells.iter().position(|cell| cell.flow == *evidence.flows[flow].flow)?;
            Some(Witness { phase: phases[phase], cell })
        })
        .collect()
}

/// From the request of a change to the last wrong observation after it, over the term's witnesses that came right.
fn latency_ms(evidence: &Evidence<'_>, sights: &[Sight]) -> Option<f64> {
    let phases = evidence.experiment.phases();
    sights
        .iter()
        .filter(|sight| sight.state == State::Right)
        .filter_map(|sight| {
            let ended = evidence.run.phases.iter().find(|ended| ended.phase == phases[sight.phase])?;
            let cell = ended.cells.iter().find(|cell| cell.flow == *evidence.flows[sight.flow].flow)?;
            Some(last_wrong_us(cell)?.saturating_sub(ended.requested_us))
        })
        .max()
        .map(|us| us as f64 / 1_000.0)
}

/// The policy that holds the term, as YAML.
fn fragment(evidence: &Evidence<'_>, term: &Term) -> Option<String> {
    let key = term.policy()?;
    let policies = evidence.run.started.steps.iter().rev().find_map(|step| match step {
        Change::Apply { policies } | Change::Replace { policies } => {
            policies.iter().find(|policy| policy.key() == *key)
        }
        Change::Delete { .. } | Change::Relabel { .. } | Change::Recreate { .. } => None,
    })?;
    Some(manifest::to_yaml(policies))
}
