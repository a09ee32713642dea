//! Which terms a fault makes fail, as its model says: what the lab and the simulation are examined against.
//!
//! These do something where the specification leaves it open, also in a run that could not settle what: both admit pods by
//! their addresses.

use super::FaultAt;
use super::experiment::Experiment;
use super::plan::{differ, scope};
use super::reading::{Reach, Reading};
use super::term::Term;
use crate::core::model::flow::Flow;
use crate::core::model::policy::Direction;
use crate::core::oracle::{Assumptions, both};

/// The terms that a network with `fault` is seen to ignore when `flows` are probed.
pub fn touched(experiment: &Experiment, fault: &FaultAt, flows: &[Flow]) -> Vec<Term> {
    let settled = Experiment { assumptions: Assumptions::SETTLED, ..experiment.clone() };
    let Some(faulty) = settled.reading(fault.fault, Reach::Everywhere) else { return Vec::new() };
    let (sound, faithful) = (Reading::faithful(&settled), Reading::faithful(experiment));
    let world = &experiment.world;
    let does = |phase: usize, flow: &Flow| {
        let side = |direction| {
            let place = scope(world, flow);
            let bears = fault.scope.as_ref().is_none_or(|scope| scope.reaches(world, flow, place, direction));
            if bears { faulty.side(phase, flow, direction) } else { sound.side(phase, flow, direction) }
        };
        both([Direction::Egress, Direction::Ingress].map(side))
    };
    let phases = experiment.phases().len();
    experiment
        .terms()
        .into_iter()
        .filter(|term| {
            experiment.reading(fault.fault, Reach::Term(term)).is_some_and(|ignoring| {
                flows.iter().any(|flow| {
                    (0..phases).any(|phase| {
                        let right = faithful.answer(phase, flow);
                        differ(right, ignoring.answer(phase, flow)) && differ(right, does(phase, flow))
                    })
                })
            })
        })
        .collect()
}
