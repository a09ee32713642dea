//! Cases in the names and addresses of a lane.

use super::{CASES, world};
use crate::core::catalogue::{Blueprint, Case, Instance};
use crate::core::model::change::{Change, Subject};
use crate::core::model::flow::{Endpoint, Family, PodId};
use crate::core::model::policy::{LabelSelector, Peer, Policy};
use crate::core::model::state::State;
use crate::core::model::world::World;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;

fn case(id: &str) -> Case {
    CASES.case(id).unwrap().clone()
}

/// All label values that a lane uses, on objects and in selectors.
fn values(world: &World, instance: &Instance) -> BTreeSet<String> {
    let mut values = BTreeSet::new();
    for State { policies, world } in instance.states(world) {
        values.extend(world.pods.iter().flat_map(|pod| pod.labels.values().cloned()));
        values.extend(world.namespaces.iter().flat_map(|namespace| namespace.labels.values().cloned()));
        for selector in policies.iter().flat_map(selectors) {
            values.extend(selector.match_labels.values().cloned());
            values.extend(selector.match_expressions.iter().flat_map(|requirement| requirement.values.clone()));
        }
    }
    values
}

fn selectors(policy: &Policy) -> Vec<&LabelSelector> {
    let rules = policy.ingress.iter().chain(&policy.egress).flatten();
    let peers = rules.flat_map(|rule| &rule.peers).flat_map(|peer| match peer {
        Peer::Pods { namespace_selector, pod_selector } => namespace_selector.iter().chain(pod_selector).collect(),
        Peer::IpBlock { .. } => Vec::new(),
    });
    std::iter::once(&policy.pod_selector).chain(peers).collect()
}

proptest! {
    #[test]
    fn lanes_share_no_label_value(one in "[a-z0-9]{1,8}", other in "[a-z0-9]{1,8}") {
        prop_assume!(one != other);
        let blueprint = Blueprint::embedded();
        let [a, b] = [&one, &other].map(|suffix| {
            let world = blueprint.world(suffix);
            let lane: BTreeSet<String> = CASES
                .cases()
                .iter()
                .flat_map(|case| values(&world, &case.instantiate(&world, suffix)))
                .collect();
            lane
        });
        prop_assert!(a.is_disjoint(&b), "{:?}", a.intersection(&b).collect::<Vec<_>>());
        prop_assert!(a.iter().all(|value| value.len() <= 63));
    }

    #[test]
    fn no_addresses_make_a_policy_that_the_api_server_refuses(
        addresses in proptest::collection::vec(proptest::option::of(any::<IpAddr>().prop_map(|a| a.to_canonical())), 11),
    ) {
        let mut world = Blueprint::embedded().world("k3f9");
        let ends = world.pods.iter_mut().map(|pod| &mut pod.addresses);
        let ends = ends.chain(world.externals.iter_mut().map(|external| &mut external.addresses));
        for (end, address) in ends.zip(addresses) {
            end.extend(address);
        }
        for case in CASES.cases() {
            for policy in case.instantiate(&world, "k3f9").states(&world).into_iter().flat_map(|state| state.policies) {
                let manifest = crate::core::model::manifest::NetworkPolicy::from(&policy);
                prop_assert_eq!(manifest.validate(), Ok(policy), "{}", &case.id);
            }
        }
    }
}

#[test]
fn every_case_ends_as_it_began() {
    let world = world();
    for case in CASES.cases() {
        let instance = case.instantiate(&world, "k3f9");
        let states = instance.states(&world);
        assert_eq!(states.len(), case.steps.len() + 2, "{}", case.id);
        let end = instance.restore.iter().fold(states[states.len() - 1].clone(), State::after);
        assert_eq!(end, State { policies: Vec::new(), world: world.clone().into() }, "{}", case.id);
    }
}

#[test]
fn a_relabelling_carries_the_complete_set() {
    let world = world();
    let instance = case("client-loses-label").instantiate(&world, "k3f9");
    let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let relabel = |pairs| Change::Relabel { subject: Subject::Pod(PodId::new("y", "b")), labels: labels(pairs) };
    assert_eq!(instance.setup[1], relabel(&[("pod", "b-k3f9"), ("role", "frontend-k3f9")]));
    assert_eq!(instance.steps[1], relabel(&[("pod", "b-k3f9")]));
    assert_eq!(instance.restore[1], relabel(&[("pod", "b-k3f9")]));
}

#[test]
fn the_removal_deletes_what_still_exists() {
    let world = world();
    let left = |id: &str| match case(id).instantiate(&world, "k3f9").removal {
        Change::Delete { policies } => policies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(left("egress-deny-beats-server-allow"), ["y/allow-x-a", "x/deny-egress-of-a"]);
    assert_eq!(left("same-name-in-two-namespaces"), ["y/deny"]);
    assert_eq!(left("deletion-reopens"), [""; 0]);
}

#[test]
fn a_namespace_is_named_as_its_object() {
    let mut world = world();
    world.namespaces[1].name = "given-by-the-user".to_owned();
    let Change::Apply { policies } = &case("allow-by-namespace-name").instantiate(&world, "k3f9").steps[0] else {
        panic!("the first step applies");
    };
    let values: Vec<&String> =
        selectors(&policies[0]).iter().flat_map(|selector| selector.match_labels.values()).collect();
    assert_eq!(values, ["a-k3f9", "given-by-the-user"]);
}

/// The blocks of the rules of the last step.
fn blocks(id: &str, world: &World) -> Vec<Vec<String>> {
    let instance = case(id).instantiate(world, "k3f9");
    let states = instance.states(world);
    let state = &states[states.len() - 2];
    let rules = state.policies.iter().flat_map(|policy| policy.ingress.iter().chain(&policy.egress).flatten());
    rules
        .map(|rule| {
            let block = |peer: &Peer| match peer {
                Peer::IpBlock { cidr, except } => format!("{cidr} but {except:?}"),
                Peer::Pods { .. } => panic!("the case has blocks alone"),
            };
            rule.peers.iter().map(block).collect()
        })
        .collect()
}

#[test]
fn blocks_surround_addresses_with_host_bits_cleared() {
    assert_eq!(
        blocks("ip-block-except-outside", &world()),
        [["203.0.113.0/24 but [203.0.113.11/32]", "2001:db8:ffff::/64 but [2001:db8:ffff::b/128]"]]
    );
}

#[test]
fn a_rule_without_its_addresses_is_gone_and_does_not_mean_everyone() {
    let mut world = world();
    world.externals[0].addresses.retain(|address| Family::of(*address) == Family::Ipv4);
    assert_eq!(blocks("ip-block-outside", &world), [["203.0.113.10/32 but []"]]);
    world.externals.clear();
    assert_eq!(blocks("ip-block-outside", &world), Vec::<Vec<String>>::new());
    let instance = case("ip-block-outside").instantiate(&world, "k3f9");
    let policy = &instance.states(&world)[1].policies[0];
    assert_eq!(policy.egress, Some(Vec::new()), "the pod stays isolated");
}

#[test]
fn an_except_that_is_not_within_its_block_is_gone() {
    let mut world = world();
    world.externals[1].addresses = vec!["198.51.100.7".parse().unwrap()];
    assert_eq!(blocks("ip-block-except-outside", &world), [["203.0.113.0/24 but []", "2001:db8:ffff::/64 but []"]]);
}

#[test]
fn every_endpoint_of_the_sample_world_has_both_families() {
    let world = world();
    for end in ["x/a", "z/c", "external:echo", "external:echo-2"] {
        let end: Endpoint = end.parse().unwrap();
        assert!([Family::Ipv4, Family::Ipv6].iter().all(|family| world.address(&end, *family).is_some()), "{end}");
    }
}

#[test]
fn a_block_of_a_family_that_nothing_has_is_gone() {
    let mut world = world();
    let pods = world.pods.iter_mut().map(|pod| &mut pod.addresses);
    let ends = pods.chain(world.externals.iter_mut().map(|external| &mut external.addresses));
    ends.for_each(|addresses| addresses.retain(IpAddr::is_ipv4));
    let kept = blocks("ip-block-except-pods", &world).concat();
    assert!(kept.len() == 1 && kept[0].starts_with("0.0.0.0/0"), "{kept:?}");
}
