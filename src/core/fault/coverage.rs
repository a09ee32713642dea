//! The catalogue held against its own faults, offline.

use super::reading::Reading;
use super::{Experiment, Explanation, Fault, Ignored, Term, plan};
use crate::core::catalogue::{Case, Catalogue, Foretold, Profile, foretold};
use crate::core::model::flow::{Endpoint, Flow};
use crate::core::oracle::{Answer, Assumptions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const SEED: u64 = 1;

fn experiment(case: &Case) -> Experiment {
    case.experiment(&case.furnished("test-0", &["n1", "n2"]), "test-0", case.assumptions(Assumptions::SETTLED))
}

fn of_profile(profile: Profile) -> Vec<Case> {
    Catalogue::embedded().select(&[] as &[&str], Some(profile)).unwrap().into_iter().cloned().collect()
}

/// What a run of these cases will do.
fn run(cases: Vec<Case>) -> Vec<Foretold> {
    foretold(cases, "test-0", &["n1", "n2"], SEED, Assumptions::SETTLED)
}

/// Every case, and what it can tell.
fn explained() -> &'static [(Case, Explanation)] {
    static EXPLAINED: LazyLock<Vec<(Case, Explanation)>> = LazyLock::new(|| {
        let explain = |case: &Case| {
            let experiment = experiment(case);
            (case.clone(), Explanation::of(&experiment, plan::choose(&experiment, SEED)))
        };
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
    is_told_apart(&scored().map(|(_, explanation)| explanation.clone()).collect::<Vec<_>>());
}

/// Where cases share what they show and take place beside others, together they tell as much.
#[test]
fn every_misreading_is_told_from_every_other_by_the_cases_of_a_run() {
    for profile in [Profile::Standard, Profile::Full] {
        let scored = run(of_profile(profile)).into_iter().filter(|foretold| foretold.case.property.is_none());
        is_told_apart(&scored.map(|told| Explanation::of(&told.experiment, told.flows)).collect::<Vec<_>>());
    }
}

#[track_caller]
fn is_told_apart(scored: &[Explanation]) {
    let misreadings: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| fault.is_misreading()).collect();
    // In a case: the number of the class that a fault is in; none for those that change nothing there.
    let class = |explanation: &Explanation, fault: Fault| {
        explanation.noticed.iter().position(|noticed| noticed.faults.contains(&fault))
    };
    let unnoticed = misreadings.iter().filter(|fault| scored.iter().all(|case| class(case, **fault).is_none()));
    assert_eq!(unnoticed.collect::<Vec<_>>(), Vec::<&Fault>::new());
    let mut alike = Vec::new();
    for (index, one) in misreadings.iter().enumerate() {
        for other in &misreadings[index + 1..] {
            if scored.iter().all(|case| class(case, *one) == class(case, *other)) {
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

/// What bounds a run is the room that nodes have for blocked attempts from other nodes.
#[test]
fn the_cases_of_a_run_have_few_flows_each_and_few_that_are_blocked_between_nodes() {
    let cases = of_profile(Profile::Standard);
    let (mut flows, mut steps, mut blocked) = (0, 0, 0);
    let count = cases.len();
    for Foretold { experiment, flows: mut chosen, .. } in run(cases) {
        // As on a cluster.
        chosen.retain(|flow| !matches!(flow.to, Endpoint::External(_)));
        let right = Reading::faithful(&experiment);
        let between = |flow: &Flow| experiment.world.node_of(&flow.from) != experiment.world.node_of(&flow.to);
        for phase in 0..experiment.phases().len() {
            let denied = |flow: &&Flow| right.answer(phase, flow) == Answer::Deny && between(flow);
            blocked += chosen.iter().filter(denied).count();
        }
        flows += chosen.len();
        steps += experiment.steps.len();
    }
    let figures = format!("{count} cases, {steps} steps, {flows} flows, {blocked} blocked between nodes");
    assert!(flows < 18 * count && blocked < 2 * steps, "{figures}");
}

/// Who takes place beside others loses nothing by it. A masked term, of which nobody judges, may show there.
#[test]
fn every_term_shows_in_company_as_it_does_alone() {
    let cases: Vec<Case> = scored().map(|(case, _)| case.clone()).collect();
    let ways = |experiment: &Experiment, flows: Vec<Flow>| -> BTreeMap<String, Vec<Fault>> {
        let Explanation { terms, .. } = Explanation::of(experiment, flows);
        let of_term = |(term, ways): (Term, Vec<Ignored>)| {
            (experiment.id(&term), ways.into_iter().map(|way| way.fault).collect())
        };
        terms.into_iter().map(of_term).collect()
    };
    let mut lost = Vec::new();
    for Foretold { case, experiment: in_company, flows } in run(cases) {
        let alone = Experiment { share: in_company.share.clone(), ..experiment(&case) };
        let (alone, in_company) = (ways(&alone, plan::choose(&alone, SEED)), ways(&in_company, flows));
        let judged = alone.iter().filter(|(term, _)| case.mask(term).is_none());
        lost.extend(judged.filter(|(term, ways)| in_company.get(*term) != Some(*ways)).map(|(term, ways)| {
            format!("{}: {term} shows {ways:?} alone, and {:?} in company", case.id, in_company.get(term))
        }));
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}
