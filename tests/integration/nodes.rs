//! Every node by itself, with real packets: one without its engine is named, and what it does for whom.

use crate::common::papertiger;
use serde_json::{Value, json};

fn every_node(args: &[&str], code: i32) -> Value {
    let mut command = papertiger();
    command.args(["lab", "--size", "4", "--case", "every-node", "--settle", "5s"]);
    let output = command.args(["-o", "json", "--quiet"]).args(args).assert().code(code).get_output().stdout.clone();
    serde_json::from_slice(&output).unwrap()
}

/// What is said of each node: in all, as server and as client.
fn nodes(report: &Value) -> Vec<[&str; 3]> {
    let nodes = report["nodes"].as_array().unwrap();
    assert_eq!(nodes.iter().map(|node| &node["name"]).collect::<Vec<_>>(), ["n1", "n2", "n3", "n4"]);
    nodes.iter().map(|node| ["verdict", "server", "client"].map(|field| node[field].as_str().unwrap())).collect()
}

const ENFORCED: [&str; 3] = ["enforced"; 3];

#[test]
fn every_node_of_a_healthy_network_enforces() {
    let report = every_node(&[], 0);
    assert_eq!(nodes(&report), [ENFORCED; 4], "{report:#}");
}

#[test]
fn a_node_without_an_engine_is_named_as_server_and_as_client() {
    let report = every_node(&["--fault", "no-engine@node=n3"], 1);
    assert_eq!(report["verdict"], "partial");
    assert_eq!(nodes(&report), [ENFORCED, ENFORCED, ["partial", "ignored", "ignored"], ENFORCED], "{report:#}");
    assert_eq!(report["diagnoses"], json!([{"faults": ["no-engine@node=n3"]}]));
}

#[test]
fn a_direction_that_one_node_leaves_out_is_named() {
    let report = every_node(&["--fault", "ignore-egress@node=n2"], 1);
    assert_eq!(nodes(&report), [ENFORCED, ["partial", "enforced", "ignored"], ENFORCED, ENFORCED], "{report:#}");
}

#[test]
fn what_leaks_between_the_pods_of_one_node_alone_is_told_of_that_node() {
    let report = every_node(&["--fault", "no-engine@within=n4"], 1);
    let said = nodes(&report);
    assert_eq!(said[..3], [ENFORCED; 3], "{report:#}");
    assert_ne!(said[3], ENFORCED);
    assert_eq!(report["diagnoses"], json!([{"faults": ["no-engine@within=n4"]}]));
}
