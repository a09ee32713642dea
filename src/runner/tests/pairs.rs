//! Two things wrong at once: the report names both, or the one that hides the other.

use super::{Sim, named as named_by, of_profile, story};
use crate::core::catalogue::{Case, Profile};
use crate::core::fault::{Fault, FaultAt};
use crate::core::verdict::{Diagnosis, RunResult};
use crate::target::sim::SimOptions;

fn together(faults: &[FaultAt], cases: Vec<Case>) -> RunResult {
    Sim::new(SimOptions { faults: faults.to_vec(), ..SimOptions::default() }, cases).run().0
}

fn parsed(names: &[&str]) -> Vec<FaultAt> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn two_faults_at_once_are_both_named() {
    for names in [
        ["ignore-egress", "ignore-named-ports"],
        ["ignore-protocol", "stale-update"],
        ["ignore-namespace-selector", "first-rule-only"],
        ["ignore-ingress@family=ipv6", "ignore-except"],
        ["ignore-egress@node=n1", "ignore-ingress@node=n2"],
        ["ignore-rules@protocol=udp", "ignore-label-change@path=cluster-ip"],
    ] {
        let faults = parsed(&names);
        let result = together(&faults, of_profile(Profile::Standard));
        let sets: Vec<&Vec<FaultAt>> = result.diagnoses.iter().map(|Diagnosis { faults }| faults).collect();
        let both = |set: &&Vec<FaultAt>| set.len() == 2 && faults.iter().all(|fault| set.contains(fault));
        assert!(sets.iter().any(both), "{names:?}: {sets:?}\n{}", story(&result));
    }
}

/// What hides the other is named alone: nothing shows that the other is there.
#[test]
fn a_fault_that_hides_another_is_named_alone() {
    let result = together(&parsed(&["no-engine", "ignore-ports"]), of_profile(Profile::Quick));
    let alone = Diagnosis { faults: vec![Fault::NoEngine.into()] };
    assert_eq!(result.diagnoses, [alone], "{}", story(&result));
}

/// Every pair of misreadings: what share of them is explained, and what share by the very two.
#[test]
#[ignore = "takes minutes"]
fn every_two_faults_are_explained() {
    let faults: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| fault.is_misreading()).collect();
    let (mut pairs, mut explained, mut named) = (0, 0, 0);
    for (index, one) in faults.iter().enumerate() {
        for other in &faults[index + 1..] {
            let both: Vec<FaultAt> = vec![(*one).into(), (*other).into()];
            let result = together(&both, of_profile(Profile::Standard));
            let exact = result.diagnoses.iter().any(|set| both.iter().all(|fault| set.faults.contains(fault)));
            pairs += 1;
            explained += usize::from(!result.diagnoses.is_empty());
            named += usize::from(exact);
            eprintln!("{one} + {other}: {} {}", if exact { "named" } else { "" }, named_by(&result.diagnoses));
        }
    }
    eprintln!("{pairs} pairs, {explained} explained, {named} named as they are");
    assert!(explained * 10 >= pairs * 9, "{explained} of {pairs}");
}
