//! What is said of the cluster, over and over.

use crate::common::{Cluster, Kind, cases, verify};
use papertiger::core::event::{Event, RunEvent};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Patience for a cluster that is known to enforce nothing: whatever does not come in so long never does.
const SHORT: [&str; 2] = ["--settle", "10s"];

#[test]
#[ignore = "needs a cluster (KUBECONFIG), runs profile standard"]
fn standard_is_right() {
    let cluster = Cluster::connect();
    let mut arguments = vec!["--profile", "standard"];
    let report = match cluster.kind {
        Kind::Enforces => verify(&arguments).assert_code(0).report(),
        Kind::Ignores => {
            arguments.extend(SHORT);
            verify(&arguments).assert_code(1).report()
        }
    };
    match cluster.kind {
        Kind::Enforces => {
            assert_eq!(report["verdict"], "enforced");
            assert!(cases(&report, "ignored").is_empty());
        }
        Kind::Ignores => {
            assert_eq!(report["verdict"], "ignored");
            assert!(cases(&report, "enforced").is_empty(), "an enforced case where nothing is enforced");
        }
    }
    every_scope_is_seen(&report);
    assert_eq!(cluster.namespaces(), BTreeSet::new(), "a run has left namespaces behind");
}

/// Ingress and egress, TCP and UDP, pod IP and ClusterIP, both families, within a node and between nodes.
fn every_scope_is_seen(report: &Value) {
    for feature in ["ingress", "egress"] {
        let all = report["cases"].as_array().unwrap().iter();
        let terms = all.flat_map(|case| case["terms"].as_array().unwrap()).filter(|term| term["feature"] == feature);
        let scopes: Vec<&Value> = terms.flat_map(|term| term["scopes"].as_array().unwrap()).collect();
        for (part, values) in [
            ("protocol", ["TCP", "UDP"]),
            ("path", ["pod-ip", "cluster-ip"]),
            ("family", ["ipv4", "ipv6"]),
            ("placement", ["same-node", "cross-node"]),
        ] {
            let seen: BTreeSet<&str> = scopes.iter().filter_map(|scope| scope[part].as_str()).collect();
            assert!(values.iter().all(|value| seen.contains(value)), "{feature}: {part} only {seen:?}");
        }
    }
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG), makes pods and namespaces again"]
fn what_is_made_again_is_known() {
    let cluster = Cluster::connect();
    let mut arguments = vec!["--case", "new-*"];
    let code = match cluster.kind {
        Kind::Enforces => 0,
        Kind::Ignores => {
            arguments.extend(SHORT);
            1
        }
    };
    let report = verify(&arguments).assert_code(code).report();
    let right = cases(&report, if code == 0 { "enforced" } else { "ignored" });
    assert_eq!(right.len(), report["cases"].as_array().unwrap().len(), "{report:#}");
    assert_eq!(cluster.namespaces(), BTreeSet::new(), "a run has left namespaces behind");
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG), makes a pod without a controller"]
fn a_pod_without_a_controller_is_probed_beside_those_with_one() {
    let cluster = Cluster::connect();
    let log = tempfile::NamedTempFile::new().unwrap();
    let log = log.path().to_str().unwrap();
    // The second case on the same lane is about the same pod, which has a controller again, and stays where it is.
    let mut arguments = vec![
        "--lanes",
        "1",
        "--case",
        "bare-pods-are-isolated",
        "--case",
        "port-name-of-another-protocol",
        "--record",
        log,
    ];
    let (code, verdict) = match cluster.kind {
        Kind::Enforces => (0, "enforced"),
        Kind::Ignores => {
            arguments.extend(SHORT);
            (1, "ignored")
        }
    };
    let report = verify(&arguments).assert_code(code).report();
    assert_eq!(cases(&report, verdict).len(), 2, "{report:#}");
    let events = std::fs::read_to_string(log).unwrap();
    let events = events.lines().skip(1).map(|line| serde_json::from_str::<RunEvent>(line).expect("an event"));
    let (mut made, mut began) = (Vec::new(), BTreeMap::new());
    for RunEvent { event, .. } in events {
        match event {
            Event::PhaseEnded(ended) => made.extend(ended.pods.iter().map(|pod| pod.bare)),
            Event::CaseStarted(started) => {
                began.insert(started.case.clone(), started.world.pods.iter().filter(|pod| pod.bare).count());
            }
            _ => {}
        }
    }
    // As the API server has their owners.
    assert_eq!(made, [true]);
    assert_eq!(
        began,
        [("bare-pods-are-isolated", 0), ("port-name-of-another-protocol", 0)]
            .map(|(id, bare)| (id.into(), bare))
            .into()
    );
    assert_eq!(cluster.namespaces(), BTreeSet::new(), "a run has left namespaces behind");
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG), runs the negative control"]
fn the_negative_control_tells_one_from_the_other() {
    let cluster = Cluster::connect();
    let mut arguments = vec!["--expect", "ignored", "--case", "default-deny-*"];
    let code = match cluster.kind {
        Kind::Enforces => 1,
        Kind::Ignores => {
            arguments.extend(SHORT);
            0
        }
    };
    verify(&arguments).assert_code(code);
}
