//! `papertiger manifests`.

use crate::cli::ManifestsSettings;
use crate::exit::ExitStatus;
use crate::report::write_stdout;
use anyhow::Context;
use serde_json::{Value, json};
use std::iter::once;

/// What is printed, in the order in which the API server must have it. Where namespaces are given, their overlay stands in
/// the place of the base's rights in the whole cluster.
const NAMESPACE: &str = include_str!("../../manifests/base/namespace.yaml");
const RIGHTS: &str = include_str!("../../manifests/base/rights.yaml");
const CRON_JOB: &str = include_str!("../../manifests/base/cron-job.yaml");
const GIVEN: [&str; 2] = [
    include_str!("../../manifests/given-namespaces/namespaces.yaml"),
    include_str!("../../manifests/given-namespaces/rights.yaml"),
];

/// The namespaces as the files call them: that of the CronJob, and those of the overlay.
const OWN: &str = "papertiger";
const OVERLAY: [&str; 3] = ["papertiger-x", "papertiger-y", "papertiger-z"];

pub(super) fn run(settings: ManifestsSettings) -> anyhow::Result<ExitStatus> {
    let mut text = String::new();
    for mut object in objects(settings.namespaces.is_some())? {
        fill_in(&mut object, &settings);
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&object).context("cannot write an object as YAML")?);
    }
    write_stdout(&text)?;
    Ok(ExitStatus::Enforced)
}

fn objects(given: bool) -> anyhow::Result<Vec<Value>> {
    let read =
        |text: &str| serde_saphyr::from_multiple::<Value>(text).context("cannot read a manifest that is carried");
    let mut rights = read(RIGHTS)?;
    if given {
        rights.retain(|object| !is_of_the_cluster(object));
        for text in GIVEN {
            rights.extend(read(text)?);
        }
    }
    Ok([read(NAMESPACE)?, rights, read(CRON_JOB)?].concat())
}

/// Whether an object is a right in the whole cluster.
fn is_of_the_cluster(object: &Value) -> bool {
    ["ClusterRole", "ClusterRoleBinding"].iter().any(|kind| object["kind"] == *kind)
}

fn fill_in(object: &mut Value, settings: &ManifestsSettings) {
    let ManifestsSettings { image, namespace, namespaces, schedule, push, flags } = settings;
    let given = namespaces.iter().flat_map(|given| given.names());
    let renamed: Vec<(&str, &str)> = once((OWN, namespace.as_str())).chain(OVERLAY.into_iter().zip(given)).collect();
    let rename = |value: Option<&mut Value>| {
        if let Some(value) = value
            && let Some((_, name)) = renamed.iter().find(|(before, _)| *value == *before)
        {
            *value = json!(name);
        }
    };
    rename(object.pointer_mut("/metadata/namespace"));
    rename(object.pointer_mut("/subjects/0/namespace"));
    if object["kind"] == "Namespace" {
        rename(object.pointer_mut("/metadata/name"));
    }
    if is_of_the_cluster(object) && namespace != OWN {
        // Another one in another namespace has rights of its own.
        let name = json!(format!("{}-{namespace}", object["metadata"]["name"].as_str().unwrap_or_default()));
        if object.get("roleRef").is_some() {
            object["roleRef"]["name"] = name.clone();
        }
        object["metadata"]["name"] = name;
    }
    if object["kind"] == "CronJob" {
        object["spec"]["schedule"] = json!(schedule);
        let container = &mut object["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
        container["image"] = json!(image);
        if let Some(args) = container["args"].as_array_mut() {
            args.extend(flags.iter().map(|flag| json!(flag)));
        }
        let namespaces = namespaces.as_ref().map(|given| ("PAPERTIGER_NAMESPACES", given.to_string()));
        let push = push.as_ref().map(|url| ("PAPERTIGER_PUSH", url.clone()));
        let variables: Vec<Value> =
            namespaces.into_iter().chain(push).map(|(name, value)| json!({ "name": name, "value": value })).collect();
        if !variables.is_empty() {
            container["env"] = json!(variables);
        }
    }
}
