//! `papertiger manifests`.

use crate::cli::ManifestsSettings;
use crate::exit::ExitStatus;
use crate::report::write_stdout;
use anyhow::Context;
use serde_json::{Value, json};

/// What is printed: the files of manifests/base, in the order in which the API server must have them.
const BASE: [&str; 3] = [
    include_str!("../../manifests/base/namespace.yaml"),
    include_str!("../../manifests/base/rights.yaml"),
    include_str!("../../manifests/base/cron-job.yaml"),
];

pub(super) fn run(settings: ManifestsSettings) -> anyhow::Result<ExitStatus> {
    let mut text = String::new();
    for mut object in
        BASE.into_iter().map(serde_saphyr::from_multiple::<Value>).collect::<Result<Vec<_>, _>>()?.concat()
    {
        fill_in(&mut object, &settings);
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&object).context("cannot write an object as YAML")?);
    }
    write_stdout(&text)?;
    Ok(ExitStatus::Enforced)
}

fn fill_in(object: &mut Value, ManifestsSettings { image, namespace, schedule, push, flags }: &ManifestsSettings) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    match kind.as_str() {
        "Namespace" => object["metadata"]["name"] = json!(namespace),
        "ClusterRoleBinding" => object["subjects"][0]["namespace"] = json!(namespace),
        _ => {}
    }
    if object["metadata"].get("namespace").is_some() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    if kind == "CronJob" {
        object["spec"]["schedule"] = json!(schedule);
        let container = &mut object["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
        container["image"] = json!(image);
        if let Some(args) = container["args"].as_array_mut() {
            args.extend(flags.iter().map(|flag| json!(flag)));
        }
        if let Some(url) = push {
            container["env"] = json!([{ "name": "PAPERTIGER_PUSH", "value": url }]);
        }
    }
}
