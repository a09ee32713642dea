//! Runs in namespaces that somebody else has made, by an account that has rights in these alone.

use crate::common::{Cluster, Ended, Kind, PATIENCE, RUN, papertiger, verify};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::ObjectList;
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};
use std::time::Instant;

const HOME: &str = "papertiger-test-home";
const GIVEN: &str = "papertiger-test-x,papertiger-test-y,papertiger-test-z";

/// The account of the printed manifests.
const ACCOUNT: &str = "system:serviceaccount:papertiger-test-home:papertiger";

/// What `papertiger manifests` prints for given namespaces, in the cluster as long as it is held.
struct Given<'a> {
    cluster: &'a Cluster,
    objects: Vec<Value>,
}

impl<'a> Given<'a> {
    fn apply(cluster: &'a Cluster) -> Self {
        let output = papertiger().args(["manifests", "--namespace", HOME, "--namespaces", GIVEN]).output().unwrap();
        let objects: Vec<Value> = serde_saphyr::from_multiple(str::from_utf8(&output.stdout).unwrap()).unwrap();
        let given = Self { cluster, objects };
        for object in &given.objects {
            given.request(object, |api, object| async move {
                let parameters = PatchParams::apply("papertiger-test");
                api.patch(object["metadata"]["name"].as_str().unwrap(), &parameters, &Patch::Apply(&object))
                    .await
                    .map(drop)
            });
        }
        given
    }

    fn request<F: Future<Output = kube::Result<()>>>(
        &self,
        object: &Value,
        request: impl FnOnce(Api<DynamicObject>, Value) -> F,
    ) {
        let types =
            serde_json::from_value(json!({ "apiVersion": object["apiVersion"], "kind": object["kind"] })).unwrap();
        let kind =
            kube::core::GroupVersionKind::try_from(&types).map(|kind| kube::api::ApiResource::from_gvk(&kind)).unwrap();
        let client = self.cluster.client.clone();
        let api = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(client, namespace, &kind),
            None => Api::all_with(client, &kind),
        };
        self.cluster.runtime.block_on(request(api, object.clone())).unwrap();
    }

    /// Everything that carries the label of a run, whoever made it.
    fn remains(&self) -> Vec<String> {
        async fn names<K>(client: &Client) -> Vec<String>
        where
            K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
        {
            let list: ObjectList<K> = Api::all(client.clone()).list(&ListParams::default().labels(RUN)).await.unwrap();
            list.iter().map(|object| format!("{} {}", K::kind(&()), object.name_any())).collect()
        }
        let client = &self.cluster.client;
        self.cluster.runtime.block_on(async {
            [
                names::<Pod>(client).await,
                names::<Service>(client).await,
                names::<ConfigMap>(client).await,
                names::<NetworkPolicy>(client).await,
                names::<Namespace>(client).await,
            ]
            .concat()
        })
    }

    fn namespaces(&self) -> Vec<Namespace> {
        let api = Api::<Namespace>::all(self.cluster.client.clone());
        GIVEN.split(',').map(|name| self.cluster.runtime.block_on(api.get(name)).unwrap()).collect()
    }
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        for object in &self.objects {
            if object["metadata"].get("namespace").is_none() {
                self.request(object, |api, object| async move {
                    let name = object["metadata"]["name"].as_str().unwrap();
                    api.delete(name, &DeleteParams::background()).await.map(drop)
                });
            }
        }
        let api = Api::<Namespace>::all(self.cluster.client.clone());
        let deadline = Instant::now() + PATIENCE;
        let left = || {
            GIVEN
                .split(',')
                .chain([HOME])
                .any(|name| self.cluster.runtime.block_on(api.get_opt(name)).unwrap().is_some())
        };
        while left() {
            assert!(Instant::now() < deadline, "the namespaces of the test do not go");
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }
}

fn as_account(arguments: &[&str]) -> Ended {
    verify(&[&["--as", ACCOUNT, "--namespaces", GIVEN], arguments].concat())
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn given_namespaces_are_enough_and_stay_as_they_are() {
    let cluster = Cluster::connect();
    let given = Given::apply(&cluster);
    let before = given.namespaces();
    let ended = as_account(&[
        "--case",
        "default-deny-ingress",
        "--case",
        "allow-by-namespace",
        "--case",
        "namespace-gains-and-loses-label",
    ]);
    let code = match cluster.kind {
        Kind::Enforces => 0,
        Kind::Ignores => 1,
    };
    let report = ended.assert_code(code).report();
    assert!(ended.stderr.starts_with("note: in given namespaces 1 of 3 cases cannot run"), "{}", ended.stderr);
    let first = report["notes"][0].as_str().unwrap();
    assert!(first.starts_with("in given namespaces ") && first.contains("change a namespace"), "{:#}", report["notes"]);
    assert!(report["cases"].as_array().unwrap().iter().any(|case| case["verdict"] == "skipped"), "{report:#}");
    let unchanged = |namespaces: &[Namespace]| -> Vec<_> {
        namespaces.iter().map(|one| (one.uid(), one.labels().clone(), one.annotations().clone())).collect()
    };
    assert_eq!(unchanged(&given.namespaces()), unchanged(&before));
    assert_eq!(given.remains(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn what_a_killed_run_left_in_given_namespaces_stops_the_next_until_it_is_cleaned_up() {
    let cluster = Cluster::connect();
    let given = Given::apply(&cluster);
    let ended = as_account(&["--keep", "--case", "default-deny-ingress"]);
    let run = ended.report()["run"]["id"].as_str().unwrap().to_owned();
    assert!(!given.remains().is_empty());
    let next = as_account(&["--case", "default-deny-ingress"]);
    next.assert_code(4);
    assert!(next.stderr.contains(&format!("--namespaces {GIVEN} --run {run}")), "{}", next.stderr);
    let cleanup = ["cleanup", "--as", ACCOUNT, "--namespaces", GIVEN, "--run", &run];
    let cleaned = papertiger().args(cleanup).output().unwrap();
    assert_eq!(cleaned.status.code(), Some(0), "{}", String::from_utf8_lossy(&cleaned.stderr));
    assert_eq!(given.remains(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn a_given_namespace_with_somebody_elses_pod_is_refused() {
    let cluster = Cluster::connect();
    let given = Given::apply(&cluster);
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), "papertiger-test-y");
    let pod = serde_json::from_value(json!({
        "metadata": { "name": "shop" },
        "spec": {
            "nodeName": "papertiger-test-nowhere", "automountServiceAccountToken": false,
            "securityContext": { "runAsNonRoot": true, "runAsUser": 1, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "shop", "image": "shop:1",
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            }],
        },
    }))
    .unwrap();
    // Its service account comes a moment after the namespace.
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = cluster.runtime.block_on(pods.create(&PostParams::default(), &pod)) {
        assert!(Instant::now() < deadline && error.to_string().contains("service account"), "{error}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let ended = as_account(&["--case", "default-deny-ingress"]);
    ended.assert_code(4);
    assert!(ended.stderr.contains("papertiger-test-y") && ended.stderr.contains("shop"), "{}", ended.stderr);
    assert_eq!(given.remains(), Vec::<String>::new());
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn the_account_of_given_namespaces_may_do_nothing_else() {
    let cluster = Cluster::connect();
    let _given = Given::apply(&cluster);
    // In its own names nothing is refused, and everywhere else everything is.
    let ended = verify(&["--as", ACCOUNT, "--case", "default-deny-ingress"]);
    ended.assert_code(4);
    assert!(ended.stderr.contains("create namespaces"), "{}", ended.stderr);
    let elsewhere =
        ["--as", ACCOUNT, "--namespaces", "default,kube-system,kube-public", "--case", "default-deny-ingress"];
    let ended = verify(&elsewhere);
    ended.assert_code(4);
    for right in [
        "create networkpolicies.networking.k8s.io in default",
        "list pods in kube-system",
        "get namespaces in kube-public",
    ] {
        assert!(ended.stderr.contains(right), "{right} is not in: {}", ended.stderr);
    }
}
