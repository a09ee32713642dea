//! One case as its events tell it, prepared for judgement: which cells are known, and what each fault predicts for them.

use super::foreign::Doubt;
use super::relapse::{Relapse, relapse};
use super::seen::{Attempts, of_cell, unproven};
use super::{Scope, Seen};
use crate::core::event::{CaseStarted, Cell, Phase, PhaseEnded, RunSettings};
use crate::core::fault::plan::scope;
use crate::core::fault::reading::{Reach, Reading};
use crate::core::fault::{Experiment, Fault, FaultAt};
use crate::core::model::flow::Flow;
use crate::core::model::policy::Direction;
use crate::core::model::world::World;
use crate::core::oracle::{Answer, both};

/// A case as far as it was run.
pub(super) struct CaseRun<'a> {
    pub(super) started: &'a CaseStarted,
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
}

impl<'a> CaseRun<'a> {
    /// A case that has just begun.
    pub(super) fn began(started: &'a CaseStarted, began_us: u64) -> Self {
        Self {
            started,
            phases: Vec::new(),
            abandoned: None,
            began_us,
            ended_us: None,
            intrusion: None,
            bystander: None,
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
    pub(super) flows: Vec<Sighting<'a>>,
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

/// Both sides' answers, by phase and flow.
struct Sides(Vec<Vec<(Answer, Answer)>>);

/// What every fault predicts for the flows of a case.
pub(super) struct Predictions {
    right: Sides,
    faults: Vec<(Fault, Sides)>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(run: &'a CaseRun<'a>, settings: &RunSettings) -> Self {
        let started = run.started;
        let experiment = Experiment {
            world: started.world.clone(),
            steps: started.steps.clone(),
            removal: started.removal.clone(),
            assumptions: started.assumptions,
        };
        let faithful = Reading::faithful(&experiment);
        let phases = experiment.phases();
        let baseline = run.phases.iter().find(|phase| phase.phase == Phase::Baseline);
        let flows = baseline
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
        Self { run, experiment, flows }
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

    /// Whether anything at all contradicts what must happen.
    pub(super) fn any_wrong(&self) -> bool {
        (0..self.flows.len()).any(|flow| (0..self.flows[flow].right.len()).any(|phase| self.wrong(phase, flow)))
    }

    /// What every fault predicts.
    pub(super) fn predictions(&self) -> Predictions {
        let sides = |reading: &Reading| {
            let of_phase = |phase: usize| {
                let of_flow = |sighting: &Sighting<'_>| {
                    let flow = sighting.flow;
                    (reading.side(phase, flow, Direction::Egress), reading.side(phase, flow, Direction::Ingress))
                };
                self.flows.iter().map(of_flow).collect()
            };
            Sides((0..self.experiment.phases().len()).map(of_phase).collect())
        };
        let faults = Fault::ALL
            .into_iter()
            .filter_map(|fault| Some((fault, sides(&self.experiment.reading(fault, Reach::Everywhere)?))))
            .collect();
        Predictions { right: sides(&Reading::faithful(&self.experiment)), faults }
    }

    /// Whether a network with this fault would have shown exactly what was seen.
    pub(super) fn consistent(&self, predictions: &Predictions, fault: &FaultAt) -> bool {
        (0..self.experiment.phases().len()).all(|phase| {
            (0..self.flows.len()).all(|flow| {
                self.through(phase, flow)
                    .is_none_or(|through| !contradicts(predictions.answer(fault, phase, flow, self), through))
            })
        })
    }
}

impl Predictions {
    fn answer(&self, fault: &FaultAt, phase: usize, flow: usize, evidence: &Evidence<'_>) -> Answer {
        let (right_egress, right_ingress) = self.right.0[phase][flow];
        let Some((_, sides)) = self.faults.iter().find(|(known, _)| *known == fault.fault) else {
            return both([right_egress, right_ingress]);
        };
        let (egress, ingress) = sides.0[phase][flow];
        let world = &evidence.experiment.world;
        let sighting = &evidence.flows[flow];
        let reaches = |direction| {
            fault.scope.as_ref().is_none_or(|scope| scope.reaches(world, sighting.flow, sighting.scope, direction))
        };
        both([
            if reaches(Direction::Egress) { egress } else { right_egress },
            if reaches(Direction::Ingress) { ingress } else { right_ingress },
        ])
    }
}

/// Whether two flows have an end in common, or both nodes.
fn beside(world: &World, one: &Flow, other: &Flow) -> bool {
    let same_nodes =
        world.node_of(&one.from) == world.node_of(&other.from) && world.node_of(&one.to) == world.node_of(&other.to);
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
