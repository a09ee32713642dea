//! One case as its events tell it, prepared for judgement: which cells are known, and what they should be.

use super::foreign::Doubt;
use super::latency::last_wrong_us;
use super::relapse::{Relapse, relapse};
use super::seen::{Attempts, of_cell, unproven};
use super::{Scope, Seen};
use crate::core::event::{CaseStarted, Cell, Phase, PhaseEnded, PodStarted, RunSettings};
use crate::core::fault::Experiment;
use crate::core::fault::plan::{Share, differ, scope};
use crate::core::fault::reading::Reading;
use crate::core::model::change::Change;
use crate::core::model::flow::Flow;
use crate::core::model::policy::Direction;
use crate::core::model::world::World;
use crate::core::oracle::Answer;
use std::collections::BTreeSet;

/// A case as far as it was run.
pub(super) struct CaseRun<'a> {
    pub(super) started: &'a CaseStarted,
    /// What the cases before it have changed and undone in its lane.
    pub(super) earlier: Vec<&'a Change>,
    pub(super) phases: Vec<&'a PhaseEnded>,
    /// Why it could not be finished.
    pub(super) abandoned: Option<&'a str>,
    /// When it began.
    pub(super) began_us: u64,
    /// When it ended; `None` where that was not recorded.
    pub(super) ended_us: Option<u64>,
    /// What makes everything that was seen in it worthless.
    pub(super) intrusion: Option<Doubt>,
    /// What may be the reason for whatever looks wrong in it.
    pub(super) bystander: Option<Doubt>,
    /// The starts of pods that were watched in it.
    pub(super) starts: Vec<&'a PodStarted>,
    /// Whether a kubelet's probe got through under its policies, where that was seen.
    pub(super) kubelet: Option<bool>,
}

impl<'a> CaseRun<'a> {
    /// A case that has just begun.
    pub(super) fn began(started: &'a CaseStarted, began_us: u64) -> Self {
        Self {
            started,
            earlier: Vec::new(),
            phases: Vec::new(),
            abandoned: None,
            began_us,
            ended_us: None,
            intrusion: None,
            bystander: None,
            starts: Vec::new(),
            kubelet: None,
        }
    }

    /// A case with these phases, by itself.
    pub(super) fn of(started: &'a CaseStarted, phases: &'a [PhaseEnded]) -> Self {
        Self { phases: phases.iter().collect(), ..Self::began(started, 0) }
    }
}

/// A case with everything that judgement asks for, computed once.
pub(super) struct Evidence<'a> {
    pub(super) run: &'a CaseRun<'a>,
    pub(super) experiment: Experiment,
    /// What the specification says of it.
    faithful: Reading,
    pub(super) flows: Vec<Sighting<'a>>,
    /// Nodes that nothing in the run connected from or to before any policy, while others did: what is unknown there is
    /// unknown because of them.
    pub(super) mute: BTreeSet<String>,
    /// How late a change may take effect.
    budget_us: Option<u64>,
}

/// A flow through all phases of a case. The vectors go by phase index.
pub(super) struct Sighting<'a> {
    pub(super) flow: &'a Flow,
    pub(super) scope: Scope,
    /// Why its baseline proves nothing, if it does not.
    pub(super) unproven: Option<String>,
    pub(super) right: Vec<Answer>,
    pub(super) seen: Vec<Option<Seen>>,
    /// How it was wrong after it had held, if it was.
    pub(super) relapses: Vec<Option<Relapse>>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(run: &'a CaseRun<'a>, settings: &RunSettings) -> Self {
        let started = run.started;
        let experiment = Experiment {
            earlier: run.earlier.iter().copied().cloned().collect(),
            world: started.world.clone().into(),
            steps: started.steps.clone(),
            removal: started.removal.clone(),
            beside: started.beside.clone(),
            seat: started.seat.clone(),
            assumptions: started.assumptions,
            property: started.property,
            // Its flows have been chosen.
            every_node: false,
            share: Share::WHOLE,
        };
        let faithful = Reading::faithful(&experiment);
        let phases = experiment.phases();
        let baseline = run.phases.iter().find(|phase| phase.phase == Phase::Baseline);
        let flows: Vec<Sighting<'a>> = baseline
            .map(|phase| phase.cells.as_slice())
            .unwrap_or_default()
            .iter()
            .map(|cell| {
                let first = Attempts::of(cell);
                let cell_in = |phase: Phase| {
                    let ended = run.phases.iter().find(|ended| ended.phase == phase)?;
                    let cell = ended.cells.iter().find(|other| other.flow == cell.flow)?;
                    Some((*ended, cell))
                };
                Sighting {
                    flow: &cell.flow,
                    scope: scope(&experiment.world, &cell.flow),
                    unproven: unproven(cell),
                    right: (0..phases.len()).map(|phase| faithful.answer(phase, &cell.flow)).collect(),
                    seen: phases
                        .iter()
                        .map(|phase| {
                            let (ended, cell) = cell_in(*phase)?;
                            Some(of_cell(cell, first, ended.held_since_us(), settings))
                        })
                        .collect(),
                    relapses: phases
                        .iter()
                        .map(|phase| {
                            let (ended, cell) = cell_in(*phase)?;
                            let held_us = ended.held_us.filter(|_| matches!(phase, Phase::Step(_)))?;
                            let beside = |other: &Cell| beside(&experiment.world, &other.flow, &cell.flow);
                            relapse(cell, first, held_us, &ended.cells, beside)
                        })
                        .collect(),
                }
            })
            .collect();
        Self {
            run,
            experiment,
            faithful,
            flows,
            mute: BTreeSet::new(),
            budget_us: settings.budget_ms.map(|ms| ms * 1_000),
        }
    }

    /// The nodes whose engine decides on a flow in a phase: where it is denied, those of the sides that deny it.
    pub(super) fn deciding<'b>(&'b self, phase: usize, flow: &'b Flow) -> BTreeSet<&'b str> {
        let denied = self.faithful.answer(phase, flow) == Answer::Deny;
        let sides = [Direction::Egress, Direction::Ingress].into_iter().zip(ends(&self.experiment.world, flow));
        let decides = |direction| !denied || self.faithful.side(phase, flow, direction) == Answer::Deny;
        sides.filter(|(direction, _)| decides(*direction)).filter_map(|(_, node)| node).collect()
    }

    /// The nodes whose engine must have taken up the changes that turned a flow in a phase: those of the sides that denied it
    /// last; both where none ever did.
    pub(super) fn turning<'b>(&'b self, phase: usize, flow: &'b Flow) -> BTreeSet<&'b str> {
        let denied = |phase: &usize| self.faithful.answer(*phase, flow) == Answer::Deny;
        self.deciding((0..=phase).rev().find(denied).unwrap_or(phase), flow)
    }

    /// Whether traffic got through on a flow in a phase, where that can be said.
    pub(super) fn through(&self, phase: usize, flow: usize) -> Option<bool> {
        let sighting = &self.flows[flow];
        // What was right and then wrong is neither.
        if sighting.unproven.is_some() || self.run.intrusion.is_some() || sighting.relapses[phase].is_some() {
            return None;
        }
        match sighting.seen[phase].as_ref()? {
            Seen::Through => Some(true),
            Seen::Blocked => Some(false),
            Seen::Unclear { .. } => None,
        }
    }

    /// Whether what was seen on a flow in a phase contradicts what must happen.
    pub(super) fn wrong(&self, phase: usize, flow: usize) -> bool {
        self.through(phase, flow).is_some_and(|through| contradicts(self.flows[flow].right[phase], through))
    }

    /// How much later than it may a change took effect on a flow that it turned, for sure, in microseconds; `None` where it
    /// was not late. What a pod that was made again took to start is no lateness.
    pub(super) fn late_us(&self, phase: usize, flow: usize) -> Option<u64> {
        let right = &self.flows[flow].right;
        let turned = phase > 0 && differ(right[phase - 1], right[phase]);
        let ended = self.run.phases.iter().find(|ended| self.experiment.index(ended.phase) == phase)?;
        if !turned || self.experiment.change(ended.phase).is_some_and(Change::makes_pods) {
            return None;
        }
        let cell = ended.cells.iter().find(|cell| cell.flow == *self.flows[flow].flow)?;
        let took_us = last_wrong_us(cell)?.saturating_sub(ended.accepted_us).saturating_sub(ended.clock_us);
        took_us.checked_sub(self.budget_us?).filter(|late_us| *late_us > 0)
    }

    /// Whether anything at all contradicts what must happen.
    pub(super) fn any_wrong(&self) -> bool {
        (0..self.flows.len()).any(|flow| (0..self.flows[flow].right.len()).any(|phase| self.wrong(phase, flow)))
    }
}

/// The nodes that a flow's ends stand on.
pub(super) fn ends<'a>(world: &'a World, flow: &'a Flow) -> [Option<&'a str>; 2] {
    [world.node_of(&flow.from), world.node_of(&flow.to)]
}

/// Whether two flows have an end in common, or both nodes.
fn beside(world: &World, one: &Flow, other: &Flow) -> bool {
    let same_nodes = ends(world, one) == ends(world, other);
    one.from == other.from || one.to == other.to || same_nodes
}

/// Whether traffic that got through, or did not, cannot be what `answer` says.
pub(super) fn contradicts(answer: Answer, through: bool) -> bool {
    match answer {
        Answer::Allow => !through,
        Answer::Deny => through,
        Answer::Undefined(_) => false,
    }
}
