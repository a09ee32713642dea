//! Somebody else's hand in the scratch namespaces: named, and never taken for the cluster's doing.

use crate::common::{Cluster, PATIENCE, RUN, Running, cases, verify};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use std::pin::pin;

/// A policy of somebody else's comes into the namespace in which a run has just applied its own.
fn intrude(spec: Value) -> Value {
    let cluster = Cluster::enforcing();
    let running = Running::start(&["--case", "default-deny-ingress", "--lanes", "1", "--hold", "5s"], &[]);
    let namespace =
        cluster.wait_for_namespace("of the run", |namespace| namespace.metadata.deletion_timestamp.is_none());
    let policy = cluster.wait_for_policy(&namespace.labels()[RUN]);
    let policies = Api::<NetworkPolicy>::namespaced(cluster.client.clone(), &policy.namespace().unwrap());
    let foreign: NetworkPolicy =
        serde_json::from_value(json!({"metadata": {"name": "papertiger-test-foreign"}, "spec": spec})).unwrap();
    cluster.runtime.block_on(policies.create(&PostParams::default(), &foreign)).unwrap();
    let ended = running.end();
    ended.assert_code(3);
    cluster.wait_until_clean(PATIENCE);
    ended.report()
}

fn named(report: &Value) {
    assert_eq!(report["verdict"], "inconclusive");
    let reason = cases(report, "inconclusive")[0]["reason"].as_str().unwrap();
    assert!(reason.contains("papertiger-test-foreign"), "{reason}");
}

#[test]
#[ignore = "needs a cluster that enforces policies (KUBECONFIG)"]
fn a_policy_that_allows_in_mid_run_is_named() {
    named(&intrude(json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]})));
}

#[test]
#[ignore = "needs a cluster that enforces policies (KUBECONFIG)"]
fn a_policy_that_denies_in_mid_run_is_named() {
    named(&intrude(json!({"podSelector": {}, "policyTypes": ["Egress"]})));
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn a_receiver_that_is_dead_proves_nothing() {
    let cluster = Cluster::connect();
    let saboteur = cluster.runtime.spawn(misdirect(cluster.client.clone()));
    let ended = verify(&["--case", "default-deny-ingress", "--lanes", "1", "--settle", "10s"]);
    saboteur.abort();
    // Where nothing is enforced that is still found, on the flows that work.
    let report = ended.report();
    let case = &report["cases"][0];
    if cluster.kind == crate::common::Kind::Enforces {
        ended.assert_code(3);
        assert_eq!(case["verdict"], "inconclusive");
        let reason = case["reason"].as_str().unwrap();
        assert!(reason.contains("→ x/") && reason.contains("never connected before any policy"), "{reason}");
    }
    let unclear = &case["steps"][0]["flows"]["unclear"];
    assert!(unclear.as_u64().unwrap() > 0, "{}", case["steps"][0]);
    cluster.wait_until_clean(PATIENCE);
}

/// Lets the Services of the namespace x lead to ports that nobody listens on.
async fn misdirect(client: Client) {
    let services = Api::<Service>::all(client.clone());
    let mut new = pin!(watcher(services, Config::default().labels(RUN)).default_backoff().applied_objects());
    while let Some(Ok(service)) = new.next().await {
        let ports = service.spec.as_ref().and_then(|spec| spec.ports.clone()).unwrap_or_default();
        let misled = ports.iter().all(|port| port.target_port == Some(IntOrString::Int(9)));
        let namespace = service.namespace().unwrap();
        if misled || !namespace.ends_with("-x") {
            continue;
        }
        let ports: Vec<Value> = ports
            .iter()
            .map(|port| json!({"name": port.name, "protocol": port.protocol, "port": port.port, "targetPort": 9}))
            .collect();
        let services = Api::<Service>::namespaced(client.clone(), &namespace);
        let patch = json!({"spec": {"ports": ports}});
        // The run may have removed it meanwhile.
        let _ = services.patch(&service.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await;
    }
}
