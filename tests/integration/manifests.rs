//! `papertiger manifests`, and the directory that it is made of.

use crate::common::papertiger;
use crate::rights::{asked, granted};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use papertiger::target::cluster::{GIVEN_RIGHTS, NODE_RIGHTS, RIGHTS};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn objects(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

fn kustomization(directory: &str) -> Value {
    let [kustomization] = objects(&read(&format!("manifests/{directory}/kustomization.yaml"))).try_into().unwrap();
    kustomization
}

/// The objects of a directory's own files, in the order of its kustomization.
fn own(directory: &str) -> Vec<Value> {
    let kustomization = kustomization(directory);
    let files = kustomization["resources"].as_array().unwrap().iter().map(|file| file.as_str().unwrap());
    let files = files.filter(|file| file.ends_with(".yaml"));
    files.flat_map(|file| objects(&read(&format!("manifests/{directory}/{file}")))).collect()
}

fn base() -> Vec<Value> {
    own("base")
}

/// What stands for an object in a cluster.
fn key(object: &Value) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&object["kind"]), text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
}

/// The objects of the overlay for given namespaces: those of the base, as its patches leave them, and its own.
fn overlay() -> Vec<Value> {
    let mut found = base();
    for patch in kustomization("given-namespaces")["patches"].as_array().unwrap() {
        let [patch] = objects(patch["patch"].as_str().unwrap()).try_into().unwrap();
        let at = found.iter().position(|object| key(object) == key(&patch)).unwrap();
        if patch["$patch"] == "delete" {
            found.remove(at);
        } else {
            let container = "/spec/jobTemplate/spec/template/spec/containers/0";
            let variables = patch.pointer(&format!("{container}/env")).unwrap().clone();
            found[at].pointer_mut(container).unwrap()["env"] = variables;
        }
    }
    found.extend(own("given-namespaces"));
    found
}

fn printed(args: &[&str]) -> Vec<Value> {
    let output = papertiger().arg("manifests").args(args).output().unwrap();
    assert_eq!((output.status.code(), str::from_utf8(&output.stderr).unwrap()), (Some(0), ""));
    objects(str::from_utf8(&output.stdout).unwrap())
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap()
}

#[test]
fn what_is_printed_is_the_base() {
    assert_eq!(printed(&[]), base());
}

#[test]
fn what_is_printed_for_given_namespaces_is_their_overlay() {
    let sorted = |mut objects: Vec<Value>| {
        objects.sort_by_key(key);
        objects
    };
    let printed = printed(&["--namespaces=papertiger-x,papertiger-y,papertiger-z"]);
    assert_eq!(sorted(printed), sorted(overlay()));
}

#[test]
fn given_namespaces_are_filled_in() {
    let objects = printed(&["--namespace=checks", "--namespaces=one,two,three", "--push=http://gateway:9091"]);
    let named: Vec<_> = objects.iter().map(key).map(|(kind, place, name)| format!("{kind} {place}/{name}")).collect();
    let wanted = [
        "Namespace /checks",
        "ServiceAccount checks/papertiger",
        "Namespace /one",
        "Namespace /two",
        "Namespace /three",
        "ClusterRole /papertiger-nodes-checks",
        "ClusterRoleBinding /papertiger-nodes-checks",
        "Role one/papertiger",
        "RoleBinding one/papertiger",
        "Role two/papertiger",
        "RoleBinding two/papertiger",
        "Role three/papertiger",
        "RoleBinding three/papertiger",
        "CronJob checks/papertiger",
    ];
    assert_eq!(named, wanted);
    for object in objects.iter().filter(|object| object.get("subjects").is_some()) {
        assert_eq!(object["subjects"][0]["namespace"], "checks", "{object:#}");
        let named = if object["kind"] == "RoleBinding" { "papertiger" } else { "papertiger-nodes-checks" };
        assert_eq!(object["roleRef"]["name"], named);
    }
    let labels: Vec<&Value> = objects.iter().filter_map(|object| object["metadata"]["labels"].get("ns")).collect();
    assert_eq!(labels, ["x-papertiger", "y-papertiger", "z-papertiger"]);
    let container = &of_kind(&objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    let variables = json!([
        { "name": "PAPERTIGER_NAMESPACES", "value": "one,two,three" },
        { "name": "PAPERTIGER_PUSH", "value": "http://gateway:9091" },
    ]);
    assert_eq!(container["env"], variables);
}

#[test]
fn what_is_said_is_filled_in() {
    let args = ["--image=r.example/team/papertiger:1", "--namespace=checks", "--schedule=0 * * * *"];
    let more = ["--push=http://gateway:9091", "--", "--profile", "quick"];
    let objects = printed(&[&args[..], &more].concat());
    assert_eq!(of_kind(&objects, "Namespace")["metadata"]["name"], "checks");
    assert_eq!(of_kind(&objects, "ServiceAccount")["metadata"]["namespace"], "checks");
    let binding = of_kind(&objects, "ClusterRoleBinding");
    assert_eq!(binding["subjects"][0]["namespace"], "checks");
    // Two in one cluster do not take each other's rights.
    let role = &of_kind(&objects, "ClusterRole")["metadata"]["name"];
    assert_eq!((&binding["metadata"]["name"], &binding["roleRef"]["name"]), (role, role));
    assert_eq!(role, "papertiger-checks");
    let cron_job = of_kind(&objects, "CronJob");
    assert_eq!(cron_job["metadata"]["namespace"], "checks");
    assert_eq!(cron_job["spec"]["schedule"], "0 * * * *");
    let container = &cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "r.example/team/papertiger:1");
    let args = ["verify", "--report", "message=/dev/termination-log", "--profile", "quick"];
    assert_eq!(container["args"], json!(args));
    assert_eq!(container["env"], json!([{ "name": "PAPERTIGER_PUSH", "value": "http://gateway:9091" }]));
}

#[test]
fn what_cannot_be_filled_in_is_code_2() {
    for (arg, words) in [
        ("--namespace=My_Checks", "--namespace"),
        ("--namespaces=one,two", "3 names"),
        ("--push=gateway", "--push"),
        ("--now", "--now"),
    ] {
        let output = papertiger().args(["manifests", arg]).output().unwrap();
        let stderr = str::from_utf8(&output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && output.stdout.is_empty() && stderr.contains(words), "{stderr}");
    }
}

/// What the API server would not know gets lost on the way through its types.
fn survives<T: DeserializeOwned + Serialize>(object: &Value) -> bool {
    serde_json::to_value(serde_json::from_value::<T>(object.clone()).unwrap()).unwrap() == *object
}

#[test]
fn every_field_is_one_of_the_api() {
    for object in base().into_iter().chain(overlay()) {
        let survives = match object["kind"].as_str().unwrap() {
            "Namespace" => survives::<Namespace>(&object),
            "ServiceAccount" => survives::<ServiceAccount>(&object),
            "ClusterRole" => survives::<ClusterRole>(&object),
            "ClusterRoleBinding" => survives::<ClusterRoleBinding>(&object),
            "Role" => survives::<Role>(&object),
            "RoleBinding" => survives::<RoleBinding>(&object),
            "CronJob" => survives::<CronJob>(&object),
            other => panic!("{other}: compare it with its type here"),
        };
        assert!(survives, "{object:#}");
    }
}

#[test]
fn the_account_may_do_what_a_run_asks_for_and_nothing_else() {
    assert_eq!(granted(of_kind(&base(), "ClusterRole")), asked(&RIGHTS));
    let overlay = overlay();
    assert_eq!(granted(of_kind(&overlay, "ClusterRole")), asked(&NODE_RIGHTS));
    let roles: Vec<&Value> = overlay.iter().filter(|object| object["kind"] == "Role").collect();
    assert_eq!(roles.len(), 3);
    for role in roles {
        assert_eq!(granted(role), asked(&GIVEN_RIGHTS), "{}", role["metadata"]["namespace"]);
    }
}

#[test]
fn alerts_are_those_of_the_docs() {
    let [rule] = objects(&read("manifests/alerts/prometheus-rule.yaml")).try_into().unwrap();
    let docs = read("docs/reports.md");
    let (_, yaml) = docs.split_once("```yaml\ngroups:").unwrap();
    let yaml = format!("groups:{}", yaml.split_once("```").unwrap().0);
    let [documented] = objects(&yaml).try_into().unwrap();
    let expressions = |groups: &Value| -> Vec<(Value, Value)> {
        let rules = groups[0]["rules"].as_array().unwrap().iter();
        rules.map(|rule| (rule["alert"].clone(), rule["expr"].clone())).collect()
    };
    assert_eq!(expressions(&rule["spec"]["groups"]), expressions(&documented["groups"]));
}
