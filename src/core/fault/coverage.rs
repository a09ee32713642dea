//! The catalogue held against its own faults, offline.

use super::{Experiment, plan, shown};
use crate::core::catalogue::{Blueprint, Case, Catalogue, furnish};
use crate::core::model::state::State;
use crate::core::model::world::World;
use crate::core::oracle::Assumptions;
use std::collections::BTreeSet;

/// A world as a target would fill it: two nodes, both families, a Service for each pod.
fn world(suffix: &str) -> World {
    let mut world = Blueprint::embedded().world(suffix);
    furnish(&mut world, &["n1".to_owned(), "n2".to_owned()]);
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
