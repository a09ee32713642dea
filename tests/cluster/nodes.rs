//! Every node by itself: two pods on each.

use crate::common::{Cluster, Kind, PATIENCE, verify};
use crate::obstacles::PaperNode;
use serde_json::{Value, json};

const EVERY_NODE: [&str; 2] = ["--case", "every-node"];

fn nodes(report: &Value) -> Vec<&Value> {
    report["nodes"].as_array().unwrap().iter().collect()
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn every_node_is_judged_by_its_own_pods() {
    let cluster = Cluster::connect();
    let (code, verdict) = match cluster.kind {
        Kind::Enforces => (0, "enforced"),
        Kind::Ignores => (1, "ignored"),
    };
    let report = verify(&[&EVERY_NODE[..], &["--settle", "20s"]].concat()).assert_code(code).report();
    for node in nodes(&report) {
        assert_eq!([&node["server"], &node["client"]], [&json!(verdict); 2], "{node}");
    }
    cluster.wait_until_clean(PATIENCE);
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG) that enforces policies, to which nodes without machines may be added"]
fn a_node_that_takes_no_pod_is_left_out_with_the_schedulers_reason() {
    let cluster = Cluster::enforcing();
    // Nothing says that it runs Linux but itself, and the scheduler goes by its label.
    let paper = PaperNode::new(&cluster, "papertiger-test-paper", "amd64", "110");
    let report = verify(&EVERY_NODE).assert_code(0).report();
    let (left_out, others): (Vec<_>, Vec<_>) = nodes(&report).into_iter().partition(|node| node["name"] == *paper.name);
    let reason = left_out[0]["reason"].as_str().unwrap();
    assert_eq!(left_out[0]["verdict"], "skipped");
    assert!(reason.starts_with("finding a place for the probe pod x/") && reason.contains("didn't match"), "{reason}");
    assert!(!others.is_empty() && others.iter().all(|node| node["verdict"] == "enforced"), "{others:#?}");
    assert!(report["headline"].as_str().unwrap().contains("1 not tested"), "{}", report["headline"]);
    cluster.wait_until_clean(PATIENCE);
}
