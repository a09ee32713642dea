//! Clusters on which a run cannot be done, or not everywhere: the cause in one sentence, and nothing left.

use crate::common::{Cluster, PATIENCE, RUN, Running, papertiger, verify};
use futures_util::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, Node, ResourceQuota};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};
use kube::{Client, Resource, ResourceExt};
use papertiger::target::cluster::RIGHTS;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::Write;
use std::pin::pin;
use std::time::Instant;

/// One case is enough to get as far as an obstacle.
const ONE_CASE: [&str; 2] = ["--case", "default-deny-ingress"];

fn stops_with(arguments: &[&str], parts: &[&str]) {
    let mut all = ONE_CASE.to_vec();
    all.extend(arguments);
    let ended = verify(&all);
    ended.assert_code(4);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn without_rights_every_missing_one_is_listed_and_nothing_created() {
    let cluster = Cluster::connect();
    let rights: Vec<String> = RIGHTS.iter().map(ToString::to_string).collect();
    let mut parts: Vec<&str> = rights.iter().map(String::as_str).collect();
    parts.push("nothing was created");
    stops_with(&["--as", "papertiger-test-nobody"], &parts);
    assert_eq!(cluster.namespaces(), BTreeSet::new());
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn an_image_that_cannot_be_pulled_is_named() {
    let cluster = Cluster::connect();
    stops_with(&["--image", "papertiger.invalid/none:1"], &["starting the probe pod", "papertiger.invalid/none:1"]);
    cluster.wait_until_clean(PATIENCE);
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn an_api_server_that_is_not_there_is_named() {
    let mut kubeconfig = tempfile::NamedTempFile::new().unwrap();
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "none",
        "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "none", "user": {"token": "none"}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    });
    kubeconfig.write_all(text.to_string().as_bytes()).unwrap();
    stops_with(
        &["--kubeconfig", kubeconfig.path().to_str().unwrap()],
        &["https://127.0.0.1:1", "refused", "kubectl get --raw /readyz"],
    );
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn a_quota_that_forbids_pods_is_named() {
    let quota = json!({"metadata": {"name": "papertiger-test-no-pods"}, "spec": {"hard": {"pods": "0"}}});
    stops_under::<ResourceQuota>(quota, &["exceeded quota", "papertiger-test-no-pods"]);
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn a_limit_range_that_the_probe_pods_exceed_is_named() {
    let limits = json!({
        "metadata": {"name": "papertiger-test-small-pods"},
        "spec": {"limits": [{"type": "Pod", "max": {"memory": "1Mi"}}]},
    });
    stops_under::<LimitRange>(limits, &["maximum memory usage per Pod is 1Mi"]);
}

/// A run whose namespaces get this object at once stops, and says these words.
fn stops_under<K>(object: Value, parts: &[&str])
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let cluster = Cluster::connect();
    let template = cluster.runtime.spawn(template::<K>(cluster.client.clone(), object));
    stops_with(&[], parts);
    template.abort();
    cluster.wait_until_clean(PATIENCE);
}

/// As a project template does: every new namespace of a run gets this object at once.
async fn template<K>(client: Client, object: Value)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let object: K = serde_json::from_value(object).unwrap();
    let namespaces = Api::<Namespace>::all(client.clone());
    let mut new = pin!(watcher(namespaces, Config::default().labels(RUN)).default_backoff().applied_objects());
    while let Some(Ok(namespace)) = new.next().await {
        // It is there already when the namespace has only been changed.
        let _ =
            Api::<K>::namespaced(client.clone(), &namespace.name_any()).create(&PostParams::default(), &object).await;
    }
}

/// A node without a machine, as long as it is held.
pub(crate) struct PaperNode<'a> {
    cluster: &'a Cluster,
    pub(crate) name: String,
}

impl<'a> PaperNode<'a> {
    pub(crate) fn new(cluster: &'a Cluster, name: &str, arch: &str, pods: &str) -> Self {
        let nodes = Api::<Node>::all(cluster.client.clone());
        // What probe pods run in must be an image that all nodes have.
        let others = cluster.runtime.block_on(nodes.list(&ListParams::default())).unwrap().items;
        let images = others.into_iter().find_map(|node| node.status?.images);
        let node = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let status = json!({"status": {
            "allocatable": {"pods": pods, "cpu": "4", "memory": "8Gi"},
            "images": images,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Paper", "message": "",
                "lastHeartbeatTime": "2020-01-01T00:00:00Z", "lastTransitionTime": "2020-01-01T00:00:00Z",
            }],
            "nodeInfo": {
                "architecture": arch, "operatingSystem": "linux", "bootID": "", "containerRuntimeVersion": "",
                "kernelVersion": "", "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "osImage": "",
                "systemUUID": "",
            },
        }});
        cluster.runtime.block_on(async {
            nodes.create(&PostParams::default(), &node).await.unwrap();
            nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
        });
        // The API server taints every new node until somebody has seen that it is ready.
        let deadline = Instant::now() + PATIENCE;
        while cluster.runtime.block_on(nodes.get(name)).unwrap().spec.unwrap_or_default().taints.is_some() {
            assert!(Instant::now() < deadline, "the node {name} keeps its taint");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        Self { cluster, name: name.to_owned() }
    }
}

impl Drop for PaperNode<'_> {
    fn drop(&mut self) {
        let nodes = Api::<Node>::all(self.cluster.client.clone());
        // A test that fails must not fail twice.
        let _ = self.cluster.runtime.block_on(nodes.delete(&self.name, &DeleteParams::default()));
    }
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG) to which nodes without machines may be added"]
fn nodes_that_cannot_be_probed_are_named_with_the_reason() {
    let cluster = Cluster::connect();
    for (name, arch, pods, reason) in [
        ("papertiger-test-s390x", "s390x", "110", "no agent for s390x"),
        ("papertiger-test-full", "amd64", "0", "no room for another pod"),
    ] {
        let node = PaperNode::new(&cluster, name, arch, pods);
        let output = papertiger().args(["verify", "--dry-run", "--nodes", &node.name]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(&format!("{name}: ")) && said.contains(reason), "{said}");

        let ended = Running::start(&ONE_CASE, &[]).end();
        let report = ended.report();
        let nodes = report["nodes"].as_array().unwrap();
        let found = nodes.iter().find(|node| node["name"] == name).unwrap_or_else(|| panic!("{nodes:?}"));
        assert_eq!(found["verdict"], "skipped");
        assert!(found["reason"].as_str().unwrap().contains(reason), "{found}");
        assert!(report["headline"].as_str().unwrap().contains("1 not tested"), "{}", report["headline"]);
    }
}
