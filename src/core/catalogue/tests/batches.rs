//! Which cases take place beside others.

use super::world;
use crate::core::catalogue::{Batch, Case, Catalogue, Member, Profile, batches};
use crate::core::model::flow::Family;
use crate::core::model::policy::{Direction, Peer, Policy};
use ipnet::IpNet;
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

#[test]
fn an_address_is_that_of_whoever_stands_in() {
    let batches = some(&[
        "several-excepts",
        "ip-block-except-pods",
        "egress-to-address",
        "egress-to-block-with-except",
        "except-then-address",
    ]);
    assert_eq!(
        members(&batches),
        [[
            "except-then-address at x/a",
            "several-excepts at x/c",
            "ip-block-except-pods at y/a",
            "egress-to-address at y/b",
            "egress-to-block-with-except at z/a",
        ]]
    );

    let [batch] = &batches[..] else { unreachable!() };
    let world = world();
    let address = |member: &Member| {
        let stands_in = member.seat.pod(&"y/b".parse().unwrap()).into();
        IpNet::from(world.address(&stands_in, Family::Ipv4).unwrap())
    };
    let instances = batch.instances(&world, "k3f9");
    let peers = |place: usize, direction| {
        let policy: &Policy = &instances[place].steps[0].policies()[0];
        policy.rules(direction).unwrap()[0].peers[0].clone()
    };
    let itself = Peer::IpBlock { cidr: address(&batch.members[3]), except: Vec::new() };
    assert_eq!(peers(3, Direction::Egress), itself, "a block");
    let Peer::IpBlock { except, .. } = peers(1, Direction::Ingress) else { panic!("no block") };
    assert!(except.contains(&address(&batch.members[1])), "an except: {except:?}");
}
