//! What holds only for a moment, or does not: a pod's first instructions, and a watch.

use crate::common::{Cluster, verify};
use std::collections::BTreeSet;

#[test]
#[ignore = "needs a cluster (KUBECONFIG) that enforces policies, makes a pod again and again"]
fn starts_are_watched_each_way() {
    let cluster = Cluster::enforcing();
    let report = verify(&["--case", "start-under-policies"]).assert_code(0).report();
    let startups = report["startup"].as_array().unwrap();
    let ways: Vec<&str> = startups.iter().map(|startup| startup["direction"].as_str().unwrap()).collect();
    assert_eq!(ways, ["ingress", "egress"], "{report:#}");
    // Whether there is a window is the engine's affair; that each start was seen to its end is ours.
    for startup in startups {
        assert_eq!((startup["starts"].as_u64(), startup["unsettled"].as_u64()), (Some(3), Some(0)), "{startup}");
        assert!(startup["ready_spread"].is_object() && startup["ready_without_spread"].is_object(), "{startup}");
    }
    assert_eq!(cluster.namespaces(), BTreeSet::new(), "a run has left namespaces behind");
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG) that enforces policies, watches for a while"]
fn a_watch_of_a_sound_engine_has_no_lapse() {
    let cluster = Cluster::enforcing();
    let arguments = ["--profile", "quick", "--case", "default-deny-ingress", "--watch", "20s", "--lanes", "2"];
    let report = verify(&arguments).assert_code(0).report();
    assert!(report["run"]["duration_ms"].as_f64().unwrap() >= 20_000.0, "{report:#}");
    assert_eq!(report["lapses"], serde_json::json!([]));
    let notes: Vec<&str> = report["notes"].as_array().unwrap().iter().filter_map(|note| note.as_str()).collect();
    assert!(notes.iter().any(|note| note.starts_with("beside the canary ")), "{notes:?}");
    assert_eq!(cluster.namespaces(), BTreeSet::new(), "a run has left namespaces behind");
}
