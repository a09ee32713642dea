//! Our validation and defaulting of policies, and a real API server's: both are held against `tests/data/policies.yaml`.

use crate::common::Cluster;
use k8s_openapi::api::networking::v1::NetworkPolicy as Object;
use kube::Api;
use kube::api::PostParams;
use papertiger::core::model::manifest::{self, NetworkPolicy};
use papertiger::core::model::policy::Policy;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A row of the table.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    spec: Value,
    /// The fields that an error names; none where the policy is taken.
    #[serde(default)]
    refused: BTreeSet<String>,
    /// Why ours refuses what older API servers take.
    #[serde(default)]
    stricter: Option<String>,
}

fn table() -> Vec<Row> {
    let rows: Vec<Row> = serde_saphyr::from_str(include_str!("../data/policies.yaml")).unwrap();
    assert!(rows.len() >= 60, "only {} policies", rows.len());
    rows
}

/// A policy of the namespace `default`, where nothing is ever created.
fn object(spec: &Value) -> Value {
    json!({
        "apiVersion": manifest::API_VERSION,
        "kind": manifest::KIND,
        "metadata": { "name": "papertiger-dry-run", "namespace": "default" },
        "spec": spec,
    })
}

fn ours(object: Value) -> Result<Policy, BTreeSet<String>> {
    let policy: NetworkPolicy = serde_json::from_value(object).unwrap();
    policy.validate().map_err(|errors| errors.into_iter().map(|error| error.path).collect())
}

#[test]
fn ours_says_what_the_table_says() {
    for row in table() {
        let refused = ours(object(&row.spec)).err().unwrap_or_default();
        assert_eq!(refused, row.refused, "{}", row.spec);
        assert!(row.stricter.is_none() || !refused.is_empty(), "stricter, and takes it: {}", row.spec);
    }
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn the_api_server_says_what_the_table_says() {
    let cluster = Cluster::connect();
    let api = Api::<Object>::namespaced(cluster.client.clone(), "default");
    let dry_run = PostParams { dry_run: true, field_manager: None };
    let mut wrong = Vec::new();
    for row in table() {
        let sent: Object = serde_json::from_value(object(&row.spec)).unwrap();
        let refused = match cluster.runtime.block_on(api.create(&dry_run, &sent)) {
            Ok(stored) => {
                let stored = ours(object(&serde_json::to_value(&stored.spec).unwrap()));
                if row.refused.is_empty() && stored != ours(object(&row.spec)) {
                    wrong.push(format!("{}: stored as {stored:?}", row.spec));
                }
                BTreeSet::new()
            }
            Err(kube::Error::Api(status)) => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                let fields: BTreeSet<String> = causes.map(|cause| cause.field.clone()).collect();
                if fields.is_empty() { BTreeSet::from([status.message.clone()]) } else { fields }
            }
            Err(error) => panic!("{}: {error}", row.spec),
        };
        let older = row.stricter.is_some() && refused.is_empty();
        if refused != row.refused && !older {
            wrong.push(format!("{}: refused for {refused:?}, not {:?}", row.spec, row.refused));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
