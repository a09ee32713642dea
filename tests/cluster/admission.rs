//! What admission makes of a run's objects: the right verdict all the same, or the cause.

use crate::common::{Cluster, PATIENCE, RUN, cases, verify};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams};
use serde_json::{Value, json};
use std::time::Instant;

/// The name of everything that these tests make.
const NAME: &str = "papertiger-test-admission";

/// An admission policy for the objects of runs, with its binding, as long as it is held.
struct Admission<'a> {
    cluster: &'a Cluster,
    /// Its own kind, and that of its binding.
    kinds: [String; 2],
}

impl<'a> Admission<'a> {
    fn new(cluster: &'a Cluster, kind: &str, resource: &Value, rule: &Value, actions: &Value) -> Self {
        let admission = Self { cluster, kinds: [kind.to_owned(), format!("{kind}Binding")] };
        let mut policy = json!({"metadata": {"name": NAME}, "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "objectSelector": {"matchExpressions": [{"key": RUN, "operator": "Exists"}]},
                "resourceRules": [resource],
            },
        }});
        let mut binding = json!({"metadata": {"name": NAME}, "spec": {"policyName": NAME}});
        for (object, more) in [(&mut policy, rule), (&mut binding, actions)] {
            object["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        for (kind, object) in admission.kinds.iter().zip([policy, binding]) {
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            cluster.runtime.block_on(admission.api(kind).create(&PostParams::default(), &object)).unwrap();
        }
        admission
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        Api::all_with(self.cluster.client.clone(), &ApiResource::from_gvk(&kind))
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        for kind in &self.kinds {
            // A test that fails must not fail twice.
            let _ = self.cluster.runtime.block_on(self.api(kind).delete(NAME, &DeleteParams::default()));
        }
    }
}

/// Waits until the API server goes by a policy that it has taken.
fn wait_until(what: &str, in_force: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !in_force() {
        assert!(Instant::now() < deadline, "{what}: not in force");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// What does not create anything.
fn dry_run() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG) that enforces policies and has ValidatingAdmissionPolicy"]
fn a_policy_that_admission_refuses_is_inconclusive_and_no_other() {
    let cluster = Cluster::enforcing();
    let _refusing = Admission::new(
        &cluster,
        "ValidatingAdmissionPolicy",
        &json!({"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"],
            "resources": ["networkpolicies"]}),
        &json!({"validations": [
            {"expression": "!object.metadata.name.startsWith('to-y-b')", "message": "egress is the platform team's"},
        ]}),
        &json!({"validationActions": ["Deny"]}),
    );
    let policy: NetworkPolicy = serde_json::from_value(json!({
        "metadata": {"name": "to-y-b", "labels": {RUN: "none"}}, "spec": {"podSelector": {}},
    }))
    .unwrap();
    let policies = Api::<NetworkPolicy>::namespaced(cluster.client.clone(), "default");
    wait_until(NAME, || cluster.runtime.block_on(policies.create(&dry_run(), &policy)).is_err());

    // They take place together, so that each is run again.
    let together = ["egress-to-pod-and-port", "allow-by-namespace", "allow-one-port"].map(|case| ["--case", case]);
    let report = verify(together.as_flattened()).assert_code(3).report();
    let inconclusive = cases(&report, "inconclusive");
    assert_eq!((inconclusive.len(), cases(&report, "enforced").len()), (1, 2), "{report}");
    let reason = inconclusive[0]["reason"].as_str().unwrap();
    assert!(reason.contains(NAME) && reason.contains("egress is the platform team's"), "{reason}");
    assert!(report["notes"].to_string().contains("abandoned and run again, one by one"), "{}", report["notes"]);
    cluster.wait_until_clean(PATIENCE);
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG) that enforces policies and has MutatingAdmissionPolicy"]
fn a_container_that_admission_adds_to_the_probe_pods_changes_nothing() {
    let cluster = Cluster::enforcing();
    let nodes =
        cluster.runtime.block_on(Api::<Node>::all(cluster.client.clone()).list(&ListParams::default())).unwrap();
    let images = nodes.items.into_iter().find_map(|node| node.status?.images).unwrap();
    let paused = |name: &&String| name.contains("pause") && !name.contains('@');
    let image = images.iter().filter_map(|image| image.names.as_ref()).flatten().find(paused).unwrap();
    let container = format!(
        "Object.spec.containers{{name: 'mesh', image: '{image}', \
         securityContext: Object.spec.containers.securityContext{{allowPrivilegeEscalation: false, runAsNonRoot: true, \
         capabilities: Object.spec.containers.securityContext.capabilities{{drop: ['ALL']}}}}}}"
    );
    let _adding = Admission::new(
        &cluster,
        "MutatingAdmissionPolicy",
        &json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}),
        &json!({"reinvocationPolicy": "Never", "mutations": [{"patchType": "JSONPatch", "jsonPatch": {
            "expression": format!("[JSONPatch{{op: 'add', path: '/spec/containers/-', value: {container}}}]"),
        }}]}),
        &json!({}),
    );
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": NAME, "labels": {RUN: "none"}}, "spec": {"containers": [{"name": "one", "image": image}]},
    }))
    .unwrap();
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), "default");
    let containers = |pod: Pod| pod.spec.map_or(0, |spec| spec.containers.len());
    wait_until(NAME, || {
        cluster.runtime.block_on(pods.create(&dry_run(), &pod)).map(containers).is_ok_and(|many| many == 2)
    });

    let report = verify(&["--case", "default-deny-*"]).assert_code(0).report();
    assert_eq!(cases(&report, "enforced").len(), 3, "{report}");
    cluster.wait_until_clean(PATIENCE);
}
