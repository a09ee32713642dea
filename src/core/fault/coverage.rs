//! The catalogue held against its own faults, offline.

use super::reading::{Reach, Reading};
use super::{Experiment, Fault, plan};
use crate::core::catalogue::{Blueprint, Case, Catalogue};
use crate::core::model::world::World;
use crate::core::model::state::State;
use crate::core::oracle::Assumptions;
use crate::target::sim::place;
use std::collections::BTreeSet;

/// A world as a target would fill it: two nodes, both families, a Service for each pod.
fn world(suffix: &str) -> World {
    let mut world = Blueprint::embedded().world(suffix);
    place(&mut world, &["n1".to_owned(), "n2".to_owned()]);
    world
}

fn experiment(case: &Case) -> Experiment {
    let world = world("test-0");
    let instance = case.instantiate(&world, "test-0");
    let start = State { policies: Vec::new(), world };
    let world = instance.setup.iter().fold(start, State::after).world;
    let assumptions = Assumptions { ip_block_matches_pods: case.property.is_none() };
    Experiment { world, steps: instance.steps, removal: instance.removal, assumptions }
}

/// The faults that a term's witnesses among the chosen flows would show.
fn shown(experiment: &Experiment, term: &super::Term, flows: &[crate::core::model::flow::Flow]) -> Vec<Fault> {
    let faithful = Reading::faithful(experiment);
    Fault::ALL
        .into_iter()
        .filter(|fault| {
            experiment.reading(*fault, Reach::Term(term)).is_some_and(|reading| {
                (0..experiment.phases().len()).any(|phase| {
                    flows.iter().any(|flow| plan::differ(faithful.answer(phase, flow), reading.answer(phase, flow)))
                })
            })
        })
        .collect()
}

#[test]
fn every_term_of_every_case_has_a_witness_or_is_masked_for_a_reason() {
    let mut wrong = Vec::new();
    for case in Catalogue::embedded().cases().iter().filter(|case| case.property.is_none()) {
        let experiment = experiment(case);
        let flows = plan::choose(&experiment, 1);
        let terms: BTreeSet<String> = experiment.terms().iter().map(super::Term::id).collect();
        for masked in &case.masked {
            if !terms.contains(&masked.term) {
                wrong.push(format!("{}: masks `{}`, which is none of {terms:#?}", case.id, masked.term));
            }
        }
        for term in experiment.terms() {
            let masked = case.masked.iter().any(|masked| masked.term == term.id());
            let shown = shown(&experiment, &term, &flows);
            match (masked, shown.is_empty()) {
                (false, true) => wrong.push(format!("{}: nothing shows whether `{term}` is ignored", case.id)),
                (true, false) => wrong.push(format!("{}: `{term}` is masked, and {shown:?} would show", case.id)),
                (true, true) | (false, false) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn flows_are_few() {
    for case in Catalogue::embedded().cases() {
        let flows = plan::choose(&experiment(case), 1);
        eprintln!("{}: {} flows", case.id, flows.len());
        assert!(flows.len() < 200, "{}: {} flows", case.id, flows.len());
    }
}
