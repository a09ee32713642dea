//! Which cases take place beside others.

use crate::core::catalogue::{Batch, Case, Catalogue, Member, Profile, batches};
use std::collections::BTreeSet;

fn of_profile(profile: Profile) -> Vec<Case> {
    Catalogue::embedded().select(&[] as &[&str], Some(profile)).unwrap().into_iter().cloned().collect()
}

fn some(ids: &[&str]) -> Vec<Batch> {
    batches(ids.iter().map(|id| Catalogue::embedded().case(id).unwrap().clone()).collect())
}

/// The cases of each batch, each with what stands for its `x/a`.
fn members(batches: &[Batch]) -> Vec<Vec<String>> {
    let of_batch = |batch: &Batch| {
        let member = |member: &Member| {
            let at = member.seat.pod(&"x/a".parse().unwrap());
            format!("{} at {at}", member.case.id)
        };
        batch.members.iter().map(member).collect()
    };
    batches.iter().map(of_batch).collect()
}

#[test]
fn every_case_takes_place_once() {
    for profile in [Profile::Quick, Profile::Standard, Profile::Full] {
        let cases = of_profile(profile);
        let batches = batches(cases.clone());
        let placed: BTreeSet<&str> =
            batches.iter().flat_map(|batch| &batch.members).map(|member| member.case.id.as_str()).collect();
        assert_eq!(placed.len(), cases.len());
        assert_eq!(batches.iter().map(|batch| batch.members.len()).sum::<usize>(), cases.len());
    }
}

#[test]
fn what_does_not_touch_takes_place_together() {
    // Two pods of each namespace at most, so that a `podSelector` that is not heeded shows on the third.
    let pod = ["allow-by-pod", "allow-by-namespace", "allow-one-port", "allow-two-ports", "udp-rule-is-not-tcp"];
    assert_eq!(
        members(&some(&pod)),
        [[
            "allow-by-pod at x/a",
            "allow-by-namespace at x/b",
            "allow-one-port at y/a",
            "allow-two-ports at y/b",
            "udp-rule-is-not-tcp at z/a",
        ]]
    );
}
