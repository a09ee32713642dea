//! What the specification leaves open, as the lab does it.

use crate::common::papertiger;
use serde_json::Value;

/// The lab's engine lets go on what it has let through once, looks at no packet that a node sends or receives itself, and has
/// no exception for hairpins.
const BEHAVIOURS: [(&str, &str); 11] = [
    ("blocked-udp", "blocked UDP is dropped without an answer"),
    ("standing-connections-tcp", "a TCP connection that stood before a policy which denies it goes on"),
    (
        "standing-connections-udp",
        "a UDP conversation between two ports that stood before a policy which denies it goes on",
    ),
    ("hairpin-tcp", "TCP of a pod to itself, by its own Service and under a policy that allows nothing, is blocked"),
    ("hairpin-udp", "UDP of a pod to itself, by its own Service and under a policy that allows nothing, is blocked"),
    (
        "named-port-to-ip-block-tcp",
        "a named TCP port towards an `ipBlock` that holds a pod's address opens the port of that name of that pod",
    ),
    (
        "named-port-to-ip-block-udp",
        "a named UDP port towards an `ipBlock` that holds a pod's address opens the port of that name of that pod",
    ),
    ("host-network-from-tcp", "TCP of a pod on the network of a node to an isolated pod on that node gets through"),
    ("host-network-from-udp", "UDP of a pod on the network of a node to an isolated pod on that node gets through"),
    ("host-network-to-tcp", "TCP of an isolated pod to a pod on the network of its own node gets through"),
    ("host-network-to-udp", "UDP of an isolated pod to a pod on the network of its own node gets through"),
];

fn told(arguments: &[&str]) -> Value {
    let cases = ["standing-connections", "hairpin", "named-port-to-ip-block"].map(|case| format!("--case={case}"));
    let output = papertiger().args(["lab", "-o", "json", "--quiet"]).args(cases).args(arguments).output().unwrap();
    // Nothing of it is scored, so that it proves nothing.
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_lab_tells_what_it_does() {
    let report = told(&["--host-probes"]);
    let behaviours = report["behaviours"].as_array().unwrap();
    let behaviours: Vec<(&str, &str)> = behaviours
        .iter()
        .map(|behaviour| (behaviour["id"].as_str().unwrap(), behaviour["text"].as_str().unwrap()))
        .collect();
    assert_eq!(behaviours, BEHAVIOURS);
    for case in report["cases"].as_array().unwrap() {
        assert_eq!(case["verdict"], "undefined", "{case:#}");
        assert!(case["steps"].as_array().unwrap().iter().all(|step| step["flows"]["unclear"] == 0), "{case:#}");
    }
}

#[test]
fn where_nothing_is_denied_nothing_is_told() {
    let report = told(&["--fault", "no-engine", "--settle", "2s"]);
    assert_eq!(report["behaviours"], Value::Array(Vec::new()));
}
