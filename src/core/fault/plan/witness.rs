//! The flows on which ignoring a term shows, and what has to stand beside them.

use super::cover::Needs;
use super::pair::by_pair;
use super::share::Way;
use super::{Answers, candidates, differ};
use crate::core::fault::reading::{Reach, Reading};
use crate::core::fault::{ChangeKind, Experiment, Fault, Place, Term};
use crate::core::model::flow::{Endpoint, Family, Flow, Path};
use crate::core::model::policy::Direction;
use crate::core::oracle::Answer;
use std::collections::BTreeSet;

/// The ends of flows, sender first.
pub type Ends = (Endpoint, Endpoint);

/// Between whom each way of ignoring each term shows.
pub fn shown_between(experiment: &Experiment) -> Vec<(Way, BTreeSet<Ends>)> {
    // It shows by a Service as it does without.
    let mut candidates = candidates(&experiment.world);
    candidates.retain(|flow| flow.path == Path::PodIp);
    let answers = Answers::of(experiment, &candidates);
    let ends = |flow: usize| (candidates[flow].from.clone(), candidates[flow].to.clone());
    let of_way =
        |Shown { term, fault, flows, .. }: Shown| ((fault, term.direction()), flows.into_iter().map(ends).collect());
    shown(experiment, &candidates, &answers).into_iter().map(of_way).collect()
}

/// Every way of ignoring a term needs a witness for each pair of a scope's parts that is the case's share: over IPv6 by
/// ClusterIP, by ClusterIP between two nodes, and so on. All four parts at once would need three times the connections, and
/// no network is known that fails only there.
pub(super) fn witness_needs(experiment: &Experiment, candidates: &[Flow], ways: &[Shown], needs: &mut Needs) {
    for Shown { term, fault, flows, .. } in ways {
        let witnesses = by_pair(experiment, candidates, flows.iter().copied());
        // A deletion shows on every flow that was denied before it; the other terms' witnesses are among them.
        let wanted = if term.place == Place::Removal { 1 } else { usize::MAX };
        let mine = experiment.share.of((*fault, term.direction()), witnesses.keys());
        let mine = witnesses.into_iter().filter(|(pair, _)| mine.contains(pair));
        mine.take(wanted).for_each(|(_, flows)| needs.add(flows));
    }
}

/// An allowed flow that proves something needs one beside it that must be blocked, by the same pod's isolation.
pub(super) fn proof_needs(candidates: &[Flow], answers: &Answers, ways: &[Shown], chosen: &[usize], needs: &mut Needs) {
    let proofs: BTreeSet<&Proof> = ways.iter().flat_map(|way| &way.proofs).collect();
    for Proof { flow, phase, beside } in proofs.into_iter().filter(|proof| chosen.contains(&proof.flow)) {
        let allowed = &candidates[*flow];
        let phases = match beside {
            Beside::Itself => continue,
            Beside::EitherEnd => *phase..=*phase,
            Beside::Receiver | Beside::Sender | Beside::Anything => 1..=*phase,
        };
        let is_beside = |flow: &Flow| match beside {
            Beside::EitherEnd => flow.to == allowed.to || flow.from == allowed.from,
            Beside::Receiver => flow.to == allowed.to,
            Beside::Sender => flow.from == allowed.from,
            Beside::Itself | Beside::Anything => true,
        };
        needs.add((0..candidates.len()).filter(|other| {
            let flow = &candidates[*other];
            flow.family == allowed.family
                && is_beside(flow)
                && phases.clone().any(|phase| answers.right[phase][*other] == Answer::Deny)
        }));
    }
}

/// A way of ignoring a term, and where it shows.
pub(super) struct Shown {
    term: Term,
    fault: Fault,
    /// Those of the candidates on which it shows.
    flows: Vec<usize>,
    /// Where that is because they are allowed.
    proofs: Vec<Proof>,
}

/// Every way of ignoring each term.
pub(super) fn shown(experiment: &Experiment, candidates: &[Flow], answers: &Answers) -> Vec<Shown> {
    let (denied, faithful) = (Denied::of(candidates, answers), Reading::faithful(experiment));
    let mut ways = Vec::new();
    for term in experiment.terms() {
        let beside = Beside::of(&term);
        for fault in Fault::ALL {
            let Some(reading) = experiment.reading(fault, Reach::Term(&term)) else { continue };
            let phases: Vec<usize> =
                (0..answers.right.len()).filter(|phase| reading.can_differ(&faithful, *phase)).collect();
            let mut way = Shown { term: term.clone(), fault, flows: Vec::new(), proofs: Vec::new() };
            for (flow, of) in candidates.iter().enumerate().filter(|(_, flow)| term.can_touch(flow)) {
                let mut shows = false;
                for phase in phases.iter().copied() {
                    let right = answers.right[phase][flow];
                    if !differ(right, reading.answer(phase, of)) {
                        continue;
                    }
                    if right == Answer::Deny {
                        shows = true;
                    } else if denied.beside(beside, phase, flow, of) {
                        shows = true;
                        way.proofs.push(Proof { flow, phase, beside });
                    }
                }
                way.flows.extend(shows.then_some(flow));
            }
            ways.push(way);
        }
    }
    ways
}

/// What is denied where an allowed flow proves something: an allow that nothing denied stands beside proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Beside {
    /// The flow itself, before a change that opens it.
    Itself,
    /// A flow to the same pod, or from it, now: what is made again changes nothing about the policies.
    EitherEnd,
    /// A flow to the same pod, for what restricts who gets in.
    Receiver,
    /// A flow of the same pod, for what restricts where it gets.
    Sender,
    /// Any flow, for a `podSelector`: who is not selected stays open while others are isolated.
    Anything,
}

impl Beside {
    fn of(term: &Term) -> Self {
        match (&term.place, term.direction()) {
            (Place::Change { kind: ChangeKind::Recreate | ChangeKind::RecreateBare, .. }, _) => Self::EitherEnd,
            (Place::Change { .. } | Place::Removal, _) => Self::Itself,
            (Place::Policy { .. }, Some(Direction::Ingress)) => Self::Receiver,
            (Place::Policy { .. }, Some(Direction::Egress)) => Self::Sender,
            (Place::Policy { .. }, None) => Self::Anything,
        }
    }
}

/// An allowed flow that proves something in a phase, if something denied stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Proof {
    flow: usize,
    phase: usize,
    beside: Beside,
}

/// What is denied up to each phase.
struct Denied<'a> {
    flows: Vec<BTreeSet<usize>>,
    to: Vec<BTreeSet<(Family, &'a Endpoint)>>,
    from: Vec<BTreeSet<(Family, &'a Endpoint)>>,
}

impl<'a> Denied<'a> {
    fn of(candidates: &'a [Flow], answers: &Answers) -> Self {
        let mut denied = Self { flows: Vec::new(), to: Vec::new(), from: Vec::new() };
        for right in &answers.right {
            let mut flows = denied.flows.last().cloned().unwrap_or_default();
            flows.extend((0..candidates.len()).filter(|flow| right[*flow] == Answer::Deny));
            denied.to.push(flows.iter().map(|flow| (candidates[*flow].family, &candidates[*flow].to)).collect());
            denied.from.push(flows.iter().map(|flow| (candidates[*flow].family, &candidates[*flow].from)).collect());
            denied.flows.push(flows);
        }
        denied
    }

    /// Whether something stands beside an allowed flow that makes it a proof.
    fn beside(&self, beside: Beside, phase: usize, flow: usize, of: &Flow) -> bool {
        let to = || self.to[phase].contains(&(of.family, &of.to));
        let from = || self.from[phase].contains(&(of.family, &of.from));
        match beside {
            Beside::Itself => phase > 0 && self.flows[phase - 1].contains(&flow),
            Beside::EitherEnd => to() || from(),
            Beside::Receiver => to(),
            Beside::Sender => from(),
            Beside::Anything => self.to[phase].iter().any(|(family, _)| *family == of.family),
        }
    }
}
