//! What the specification leaves open, as the cluster does it.

use crate::common::{Cluster, verify};
use std::collections::BTreeSet;

#[test]
#[ignore = "needs a cluster (KUBECONFIG) that enforces policies"]
fn what_is_left_open_is_told_and_not_scored() {
    let cluster = Cluster::enforcing();
    // Nothing of it is scored, so that it proves nothing.
    let report =
        verify(&["--host-probes", "--case", "standing-connections", "--case", "kubelet"]).assert_code(3).report();
    let verdicts: BTreeSet<&str> =
        report["cases"].as_array().unwrap().iter().filter_map(|case| case["verdict"].as_str()).collect();
    assert_eq!(verdicts, BTreeSet::from(["undefined"]), "{report:#}");
    let told: BTreeSet<&str> =
        report["behaviours"].as_array().unwrap().iter().filter_map(|told| told["id"].as_str()).collect();
    // Which way it goes is the engine's choice; that it is seen is not.
    for protocol in ["tcp", "udp"] {
        for subject in ["standing-connections", "host-network-from", "host-network-to"] {
            let id = format!("{subject}-{protocol}");
            assert!(told.contains(id.as_str()), "{id} is not among {told:?}");
        }
    }
    assert!(told.contains("kubelet-tcp"), "kubelet-tcp is not among {told:?}");
    assert_eq!(cluster.namespaces(), BTreeSet::new(), "the run has left namespaces behind");
}
