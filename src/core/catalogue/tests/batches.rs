//! Which cases take place beside others.

use super::world;
use crate::core::catalogue::{Batch, Blueprint, Case, Catalogue, Member, Profile, batches};
use crate::core::fault::plan::shown_between;
use crate::core::model::change::{Change, Subject};
use crate::core::model::flow::{Family, PodId};
use crate::core::model::policy::{Direction, Peer, Policy};
use crate::core::oracle::Assumptions;
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
            "several-excepts at x/a",
            "ip-block-except-pods at y/a",
            "egress-to-address at x/b",
            "egress-to-block-with-except at y/a",
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

#[test]
fn one_case_guards_what_a_pod_receives_and_another_what_it_sends() {
    let both = ["deny-ingress-to-one-pod", "deny-egress-of-one-pod"];
    assert_eq!(members(&some(&both)), [["deny-ingress-to-one-pod at x/a", "deny-egress-of-one-pod at x/a"]]);
    let [batch] = &some(&["default-deny-both", "deny-egress-of-one-pod"])[..] else { panic!("they go together") };
    assert_ne!(batch.members[0].seat, batch.members[1].seat, "both ways are taken there");
}

#[test]
fn a_namespace_is_made_again_once_for_all_who_need_that() {
    let both = ["new-namespace-is-let-in", "new-namespace-uses-a-named-port"];
    let batches = some(&both);
    assert_eq!(members(&batches), [["new-namespace-is-let-in at x/a", "new-namespace-uses-a-named-port at z/a"]]);
    let world = world();
    let instances = batches[0].instances(&world, "k3f9");
    let again = Change::Recreate { subject: Subject::Namespace("y".to_owned()), bare: false };
    assert!(instances.iter().all(|instance| instance.steps[1] == again));
    for experiment in batches[0].experiments(&world, "k3f9", Assumptions::SETTLED) {
        assert!(!experiment.beside[1].contains(&again), "it is its own change");
    }
}

#[test]
fn whoever_makes_pods_again_has_company() {
    for (host, guest, together) in [
        // One of them is to be watched when it starts.
        ("start-under-policies", "new-target-is-isolated", true),
        ("new-target-is-isolated", "bare-pods-are-isolated", true),
        // One pod is guarded where none is made again.
        ("new-namespace-is-let-in", "update-opens", true),
        // Beside the namespace that is made again and the one that is closed there is not room enough for two.
        ("new-namespace-is-let-in", "same-name-in-two-namespaces", false),
    ] {
        assert_eq!(some(&[host, guest]).len() == 1, together, "{host} and {guest}");
    }
}

#[test]
fn nobody_has_anything_in_a_namespace_that_another_makes_again() {
    let world = world();
    let host = "new-namespace-is-let-in";
    let again = Change::Recreate { subject: Subject::Namespace("y".to_owned()), bare: false };
    let is_there = |change: &Change| match change {
        Change::Relabel { subject: Subject::Namespace(namespace), .. } => namespace == "y",
        Change::Relabel { subject: Subject::Pod(pod), .. } => pod.namespace == "y",
        change => change.policies().iter().any(|policy| policy.namespace == "y"),
    };
    let mut company = 0;
    for other in of_profile(Profile::Full).iter().filter(|case| case.id != host) {
        // Whoever has more steps comes first, and is joined.
        let [batch] = &some(&[host, &other.id])[..] else { continue };
        let place = batch.members.iter().position(|member| member.case.id == other.id).unwrap();
        let instance = &batch.instances(&world, "k3f9")[place];
        let own = instance.steps.contains(&again);
        assert!(own || !instance.setup.iter().chain(&instance.steps).any(is_there), "{}", other.id);
        company += 1;
    }
    assert!(company > 20, "{company} cases keep it company");
}

#[test]
fn what_shows_towards_pods_shows_by_a_service_somewhere_in_a_run() {
    let blueprint = Blueprint::embedded();
    for profile in [Profile::Quick, Profile::Standard, Profile::Full] {
        let mut ways = BTreeSet::new();
        let mut by_service = BTreeSet::new();
        for Member { case, seat, .. } in batches(of_profile(profile)).iter().flat_map(|batch| &batch.members) {
            if !case.shares() {
                continue;
            }
            let experiment = case.experiment(&case.furnished("k3f9", &["n1", "n2"]), "k3f9", Assumptions::SETTLED);
            for (way, between) in shown_between(&experiment) {
                let of = (case.requires, case.protocols.clone(), way);
                let to: BTreeSet<PodId> =
                    between.iter().filter_map(|(_, to)| seat.endpoint(to).pod().cloned()).collect();
                if !to.is_empty() {
                    ways.insert(of.clone());
                }
                if to.into_iter().any(|pod| blueprint.has_service(&pod.into())) {
                    by_service.insert(of);
                }
            }
        }
        assert!(ways.len() > 20, "{} ways", ways.len());
        assert_eq!(ways.difference(&by_service).collect::<Vec<_>>(), Vec::<&_>::new(), "{profile:?}");
    }
}
