//! Cases that cannot be run everywhere.

use super::{CASES, world};
use crate::core::catalogue::{add_host_probes, furnished};
use crate::core::model::flow::{PodId, Protocol};

#[test]
fn a_whole_world_is_in_nobodys_way() {
    let mut world = furnished("k3f9", &["n1"]);
    add_host_probes(&mut world, "k3f9", 0);
    for case in CASES.cases() {
        assert_eq!(case.obstacle(&world, "k3f9"), None, "{}", case.id);
    }
}

#[test]
fn a_case_about_pods_on_the_nodes_network_needs_some() {
    let obstacle = CASES.case("host-network").unwrap().obstacle(&world(), "k3f9");
    insta::assert_snapshot!(obstacle.unwrap(), @"it needs pods on the nodes' own network, which --host-probes makes");
}

#[test]
fn a_case_that_names_a_host_outside_needs_it() {
    let obstacle = |case: &str, there: &[&str]| {
        let mut world = world();
        world.externals.retain(|external| there.contains(&external.id.as_str()));
        CASES.case(case).unwrap().obstacle(&world, "k3f9")
    };
    insta::assert_snapshot!(obstacle("ip-block-outside", &[]).unwrap(), @"it needs a host outside the pod network (external:echo), and this target has none");
    insta::assert_snapshot!(obstacle("ip-block-except-outside", &["echo"]).unwrap(), @"it needs the host external:echo-2 outside the pod network, which this target does not have");
    assert_eq!(obstacle("ip-block-outside", &["echo"]), None);
    // Its policies speak of everybody, hosts outside or not.
    assert_eq!(obstacle("allow-all-egress", &[]), None);
}

#[test]
fn a_case_that_probes_sctp_needs_kernels_that_have_it() {
    let mut world = world();
    world.retain_ports(|port| port.protocol != Protocol::Sctp);
    let case = CASES.case("sctp-default-deny-ingress").unwrap();
    insta::assert_snapshot!(case.obstacle(&world, "k3f9").unwrap(), @"it needs SCTP, which the kernel of at least one node does not have");
}

#[test]
fn a_case_whose_policies_nothing_can_show_is_not_run() {
    let mut world = world();
    world.externals.clear();
    world.pods.retain(|pod| pod.id == PodId::new("x", "a"));
    let obstacle = CASES.case("default-deny-ingress").unwrap().obstacle(&world, "k3f9");
    assert_eq!(obstacle.as_deref(), Some("no traffic on this target can show whether its policies are enforced"));
}
