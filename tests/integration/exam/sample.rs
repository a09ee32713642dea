//! Faults in a part of the network, and two at once: a few of very many, drawn by a seed. The simulation tries them all.

use super::{Report, SEED, experiments_on, failing, lab, program, text};
use papertiger::core::fault::{Fault, FaultAt, Scope};
use papertiger::core::model::flow::Protocol;
use papertiger::core::oracle::Assumptions;
use std::collections::BTreeSet;

const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// How many of each kind.
const FEW: usize = 2;

/// Every misreading in every part of the network that shows somewhere, in an order that the seed gives.
fn in_parts() -> Vec<FaultAt> {
    let misreadings = Fault::ALL.into_iter().filter(|fault| fault.is_misreading());
    let mut all: Vec<FaultAt> = misreadings
        .flat_map(|fault| Scope::parts(NODES).map(move |scope| FaultAt { fault, scope: Some(scope) }))
        .collect();
    fastrand::Rng::with_seed(SEED).shuffle(&mut all);
    all
}

fn pairs() -> Vec<[FaultAt; 2]> {
    let misreadings: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| fault.is_misreading()).collect();
    let others = |index: usize| misreadings[index + 1..].iter();
    let mut all: Vec<[FaultAt; 2]> = (0..misreadings.len())
        .flat_map(|index| others(index).map(move |other| (index, *other)))
        .map(|(index, other)| [misreadings[index].into(), other.into()])
        .collect();
    fastrand::Rng::with_seed(SEED).shuffle(&mut all);
    all
}

fn on_three_nodes(faults: &[FaultAt]) -> Report {
    let mut command = lab(program(), SEED, faults);
    command.args(["--size", "3"]);
    Report::of(command)
}

/// The sets of faults that explain all that was seen, each by its faults' names.
fn diagnoses(report: &Report) -> Vec<BTreeSet<&str>> {
    let sets = report.json["diagnoses"].as_array().unwrap().iter();
    sets.map(|set| set["faults"].as_array().unwrap().iter().map(text).collect()).collect()
}

#[test]
fn a_fault_in_a_part_of_the_network_is_named_there() {
    let scored = experiments_on(&NODES);
    let touches = |at: &FaultAt| {
        let assumptions = Assumptions { ip_block_matches_pods: true };
        scored
            .iter()
            .filter(|scored| scored.case.requires.is_none() && !scored.case.protocols.contains(&Protocol::Sctp))
            .any(|one| !one.touched(at, assumptions).is_empty())
    };
    for at in in_parts().into_iter().filter(touches).take(FEW) {
        let report = on_three_nodes(std::slice::from_ref(&at));
        assert_eq!(report.code, Some(1), "{at}: {}", report.story());
        // A part that decides all that was probed is not told from everywhere.
        let named = [at.to_string(), at.fault.to_string()];
        let named = |set: &BTreeSet<&str>| named.iter().any(|name| *set == BTreeSet::from([name.as_str()]));
        assert!(diagnoses(&report).iter().any(named), "{at}: {:?}\n{}", diagnoses(&report), report.story());
    }
}

#[test]
fn two_faults_at_once_are_explained() {
    for pair in pairs().iter().take(FEW) {
        let report = on_three_nodes(pair);
        assert_eq!(report.code, Some(1), "{pair:?}: {}", report.story());
        assert!(!report.terms(failing).is_empty(), "{pair:?}: {}", report.story());
        // What predicts everything that was seen: the two, or the one that hides the other.
        let ours = |set: &BTreeSet<&str>| set.iter().any(|name| pair.iter().any(|at| *name == at.to_string()));
        assert!(diagnoses(&report).iter().any(ours), "{pair:?}: {:?}\n{}", diagnoses(&report), report.story());
    }
}
