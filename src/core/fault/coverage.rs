//! The catalogue held against its own faults, offline.

use super::{Experiment, Explanation, Fault};
use crate::core::catalogue::{Case, Catalogue};
use crate::core::oracle::Assumptions;
use std::collections::BTreeSet;
use std::sync::LazyLock;

fn experiment(case: &Case) -> Experiment {
    let assumptions = Assumptions { ip_block_matches_pods: case.property.is_none() };
    case.experiment(&case.furnished("test-0", &["n1", "n2"]), "test-0", assumptions)
}

/// Every case, and what it can tell.
fn explained() -> &'static [(Case, Explanation)] {
    static EXPLAINED: LazyLock<Vec<(Case, Explanation)>> = LazyLock::new(|| {
        let explain = |case: &Case| (case.clone(), Explanation::of(&experiment(case), 1));
        Catalogue::embedded().cases().iter().map(explain).collect()
    });
    &EXPLAINED
}

fn scored() -> impl Iterator<Item = &'static (Case, Explanation)> {
    explained().iter().filter(|(case, _)| case.property.is_none())
}

#[test]
fn every_term_of_every_case_has_a_witness_or_is_masked_for_a_reason() {
    let mut wrong = Vec::new();
    for (case, Explanation { terms, .. }) in scored() {
        let ids: BTreeSet<String> = terms.iter().map(|(term, _)| term.id()).collect();
        for masked in case.masked.iter().filter(|masked| !ids.iter().any(|id| masked.is_about(id))) {
            wrong.push(format!("{}: masks `{}`, which is none of {ids:#?}", case.id, masked.term));
        }
        for (term, ways) in terms {
            let masked = case.mask(&term.id()).is_some();
            let shown: Vec<Fault> = ways.iter().map(|way| way.fault).collect();
            match (masked, shown.is_empty()) {
                (false, true) => wrong.push(format!("{}: nothing shows whether `{term}` is ignored", case.id)),
                (true, false) => wrong.push(format!("{}: `{term}` is masked, and {shown:?} would show", case.id)),
                (true, true) | (false, false) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The mutation score: a misreading that no case notices would never be found.
#[test]
fn every_misreading_is_noticed_and_told_from_every_other_by_some_case() {
    let misreadings: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| fault.is_misreading()).collect();
    // In a case: the number of the class that a fault is in; none for those that change nothing there.
    let class = |(_, explanation): &(Case, Explanation), fault: Fault| {
        explanation.noticed.iter().position(|noticed| noticed.faults.contains(&fault))
    };
    let unnoticed = misreadings.iter().filter(|fault| scored().all(|case| class(case, **fault).is_none()));
    assert_eq!(unnoticed.collect::<Vec<_>>(), Vec::<&Fault>::new());
    let mut alike = Vec::new();
    for (index, one) in misreadings.iter().enumerate() {
        for other in &misreadings[index + 1..] {
            if scored().all(|case| class(case, *one) == class(case, *other)) {
                alike.push((one.name(), other.name()));
            }
        }
    }
    assert_eq!(alike, []);
}

#[test]
fn flows_are_few() {
    for (case, Explanation { flows, .. }) in explained() {
        assert!(flows.len() < 200, "{}: {} flows", case.id, flows.len());
    }
}
