//! Case files as their authors write them.

use super::words::{Feature, Profile, Property};
use crate::core::model::flow::Protocol;
use crate::core::model::manifest::NetworkPolicy;
use crate::core::model::world::Labels;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A family of cases: one file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(title = "papertiger cases")]
pub(super) struct Family(pub(super) Vec<CaseFile>);

/// A named experiment: policies, and the steps that change them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Case")]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CaseFile {
    /// Its name: lower-case words joined by hyphens, unique in the catalogue. It never changes its meaning.
    #[schemars(regex(pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub(super) id: String,
    /// One sentence: what the case proves.
    pub(super) title: String,
    /// The smallest profile that it belongs to; larger ones hold it too.
    pub(super) profile: Profile,
    /// The features that it proves something about.
    #[schemars(length(min = 1))]
    pub(super) covers: Vec<Feature>,
    /// What other suites call it.
    #[serde(default)]
    pub(super) also_known_as: AlsoKnownAs,
    /// Why it exists: the misreading that it finds and others miss.
    #[serde(default)]
    pub(super) note: Option<String>,
    /// The protocols of the flows that it probes; TCP and UDP where nothing is said. It is skipped where a node's kernel
    /// lacks one of them.
    #[serde(default = "usual_protocols")]
    #[schemars(length(min = 1))]
    pub(super) protocols: Vec<Protocol>,
    /// Labels that pods (`x/b`) and namespaces (`y`) get before the baseline and lose again at the end.
    #[serde(default)]
    pub(super) labels: BTreeMap<String, Labels>,
    /// The changes, in order.
    #[schemars(length(min = 1))]
    pub(super) steps: Vec<StepFile>,
    /// Terms that no traffic can tell from their absence, with the reason.
    #[serde(default)]
    pub(super) masked: Vec<Masked>,
    /// What this case observes that the specification leaves open. Such a case is never scored.
    #[serde(default)]
    pub(super) property: Option<Property>,
    /// What must have been observed for this case to be scored on the addresses of pods.
    #[serde(default)]
    pub(super) requires: Option<Property>,
    /// Whether its policies stay in force, once all steps were taken, for as long as other cases run.
    #[serde(default)]
    pub(super) canary: bool,
    /// Whether it measures how late changes take effect: its flows, which are few, are tried closely, while no other case
    /// probes.
    #[serde(default)]
    pub(super) stopwatch: bool,
    /// Whether it is run by two pods on each node, which stand for `x/a` and `x/b`.
    #[serde(default)]
    pub(super) every_node: bool,
    /// Why no profile runs this case, but only who names it: an engine may not survive it.
    #[serde(default)]
    pub(super) on_request: Option<String>,
}

fn usual_protocols() -> Vec<Protocol> {
    vec![Protocol::Tcp, Protocol::Udp]
}

/// Names of a case in other suites.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlsoKnownAs {
    /// Cases of the Kubernetes end-to-end suite (`Netpol`).
    pub upstream: Vec<String>,
    /// Tags of cyclonus.
    pub cyclonus: Vec<String>,
}

/// A term that can have no witness.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Masked {
    /// The term's id. `[*]` in it stands for any index, so that it may be several terms.
    pub term: String,
    /// Why nothing can tell it from its absence.
    pub reason: String,
}

impl Masked {
    /// Whether it is about the term of this id.
    pub fn is_about(&self, id: &str) -> bool {
        let mut pieces = self.term.split("[*]");
        let first = pieces.next().and_then(|piece| id.strip_prefix(piece));
        let rest = pieces.try_fold(first, |rest, piece| {
            let (index, rest) = rest?.strip_prefix('[')?.split_once(']')?;
            let is_index = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
            Some(is_index.then(|| rest.strip_prefix(piece)).flatten())
        });
        rest.flatten() == Some("")
    }
}

/// One change: exactly one of `apply`, `replace`, `delete`, `relabel` and `recreate`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Step", transform = one_change)]
#[serde(deny_unknown_fields)]
pub(super) struct StepFile {
    /// What the step is there for.
    #[serde(default)]
    pub(super) note: Option<String>,
    /// Policies that do not exist yet.
    #[serde(default)]
    pub(super) apply: Option<Vec<NetworkPolicy>>,
    /// Policies that take the place of those of the same namespace and name.
    #[serde(default)]
    pub(super) replace: Option<Vec<NetworkPolicy>>,
    /// Policies to delete, each as NAMESPACE/NAME.
    #[serde(default)]
    pub(super) delete: Option<Vec<String>>,
    /// A pod or a namespace that gets other labels.
    #[serde(default)]
    pub(super) relabel: Option<RelabelFile>,
    /// A pod or a namespace that is deleted and made again.
    #[serde(default)]
    pub(super) recreate: Option<RecreateFile>,
}

/// A change of labels: of exactly one of `pod` and `namespace`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Relabel")]
#[serde(deny_unknown_fields)]
pub(super) struct RelabelFile {
    /// The pod, as NAMESPACE/POD.
    #[serde(default)]
    pub(super) pod: Option<String>,
    /// The namespace.
    #[serde(default)]
    pub(super) namespace: Option<String>,
    /// Labels to add or to change.
    #[serde(default)]
    pub(super) add: Labels,
    /// Keys of labels to remove.
    #[serde(default)]
    pub(super) remove: Vec<String>,
}

/// What is made again: exactly one of `pod` and `namespace`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Recreate")]
#[serde(deny_unknown_fields)]
pub(super) struct RecreateFile {
    /// The pod, as NAMESPACE/POD. Its node and its labels stay as they were before the case.
    #[serde(default)]
    pub(super) pod: Option<String>,
    /// The namespace, with its pods and without its policies.
    #[serde(default)]
    pub(super) namespace: Option<String>,
    /// How often the pod is made again to be watched from its first instruction on: how long it is without the policies that
    /// are in force. The step goes on with the last; where this is 0, the pod is made again once, and nobody watches.
    #[serde(default)]
    #[schemars(range(max = 100))]
    pub(super) starts: u32,
    /// Whether the pod is made without a controller, until the case is over.
    #[serde(default)]
    pub(super) bare: bool,
}

/// Says "exactly one of" in the schema.
fn one_change(schema: &mut schemars::Schema) {
    let one = ["apply", "replace", "delete", "relabel", "recreate"].map(|key| serde_json::json!({ "required": [key] }));
    schema.insert("oneOf".to_owned(), one.into_iter().collect());
}

/// The JSON Schema of case files.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Family).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asterisk_stands_for_any_index() {
        let table = [
            ("x/p ingress[0].ports[0].port", "x/p ingress[0].ports[0].port", true),
            ("x/p ingress[0].ports[0].port", "x/p ingress[0].ports[0]", false),
            ("x/p ingress[0].ports[0]", "x/p ingress[0].ports[0].port", false),
            ("x/p ingress[0].ports[*].port", "x/p ingress[0].ports[17].port", true),
            ("x/p ingress[*].ports[*].port", "x/p ingress[0].ports[17].port", true),
            ("x/p ingress[0].ports[*].port", "x/p ingress[1].ports[17].port", false),
            ("x/p ingress[0].ports[*]", "x/p ingress[0].ports[17]", true),
            ("x/p ingress[0].ports[*]", "x/p ingress[0].ports[17].port", false),
            ("x/p ingress[0].ports[*]", "x/p ingress[0].ports[]", false),
            ("[*]", "[x]", false),
        ];
        for (term, id, about) in table {
            let masked = Masked { term: term.to_owned(), reason: String::new() };
            assert_eq!(masked.is_about(id), about, "{term} {id}");
        }
    }
}
