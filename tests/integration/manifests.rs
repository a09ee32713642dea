//! `papertiger manifests`, and the directory that it is made of.

use crate::common::papertiger;
use crate::rights::{asked, granted};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use papertiger::target::cluster::RIGHTS;
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

/// The objects of the base, in the order of its kustomization.
fn base() -> Vec<Value> {
    let [kustomization] = objects(&read("manifests/base/kustomization.yaml")).try_into().unwrap();
    let files = kustomization["resources"].as_array().unwrap().iter();
    files.flat_map(|file| objects(&read(&format!("manifests/base/{}", file.as_str().unwrap())))).collect()
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
fn what_is_said_is_filled_in() {
    let args = ["--image=r.example/team/papertiger:1", "--namespace=checks", "--schedule=0 * * * *"];
    let more = ["--push=http://gateway:9091", "--", "--profile", "quick"];
    let objects = printed(&[&args[..], &more].concat());
    assert_eq!(of_kind(&objects, "Namespace")["metadata"]["name"], "checks");
    assert_eq!(of_kind(&objects, "ServiceAccount")["metadata"]["namespace"], "checks");
    assert_eq!(of_kind(&objects, "ClusterRoleBinding")["subjects"][0]["namespace"], "checks");
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
    for (arg, words) in [("--namespace=My_Checks", "--namespace"), ("--push=gateway", "--push"), ("--now", "--now")] {
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
    for object in base() {
        let survives = match object["kind"].as_str().unwrap() {
            "Namespace" => survives::<Namespace>(&object),
            "ServiceAccount" => survives::<ServiceAccount>(&object),
            "ClusterRole" => survives::<ClusterRole>(&object),
            "ClusterRoleBinding" => survives::<ClusterRoleBinding>(&object),
            "CronJob" => survives::<CronJob>(&object),
            other => panic!("{other}: compare it with its type here"),
        };
        assert!(survives, "{object:#}");
    }
}

#[test]
fn the_account_may_do_what_a_run_asks_for_and_nothing_else() {
    assert_eq!(granted(of_kind(&base(), "ClusterRole")), asked(&RIGHTS));
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
