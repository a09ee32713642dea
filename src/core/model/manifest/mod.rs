//! A NetworkPolicy as users write it, and its way to a [`Policy`](super::policy::Policy) and back.
//!
//! The types refuse unknown keys and keep absent (or null) apart from empty, because `podSelector:` and
//! `podSelector: {}` say different things. Reading them yields what was written; [`NetworkPolicy::validate`] then does
//! what the API server does: defaulting and validation.

mod canonical;
mod errors;
mod peers;
mod port;
mod syntax;
mod validate;

#[cfg(test)]
mod tests;

pub use canonical::to_yaml;
pub use port::Port;

use super::world::Labels;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The only `apiVersion` that is read.
pub const API_VERSION: &str = "networking.k8s.io/v1";
/// The only `kind` that is read.
pub const KIND: &str = "NetworkPolicy";

/// A `networking.k8s.io/v1` NetworkPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// `networking.k8s.io/v1`.
    #[schemars(extend("const" = API_VERSION))]
    pub api_version: String,
    /// `NetworkPolicy`.
    #[schemars(extend("const" = KIND))]
    pub kind: String,
    /// Its name and namespace.
    pub metadata: Metadata,
    /// What it says; absent means an empty spec, which denies all ingress to the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
}

/// The object's metadata, as far as a user writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    /// The policy's name.
    pub name: String,
    /// The namespace whose pods it can select.
    pub namespace: String,
    /// Labels of the policy itself; they have no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// Annotations of the policy itself; they have no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Labels>,
}

/// What a policy says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    /// The pods that it isolates; absent and `{}` both mean all pods of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// The directions that it isolates; absent or empty means Ingress, and Egress too when `egress` has a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2), extend("items" = { "type": "string", "enum": ["Ingress", "Egress"] }))]
    pub policy_types: Option<Vec<String>>,
    /// What may reach the selected pods; absent or empty allows nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Vec<IngressRule>>,
    /// What the selected pods may reach; absent or empty allows nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<EgressRule>>,
}

/// One item of `ingress`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IngressRule {
    /// Absent or empty means every port of every protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<PolicyPort>>,
    /// Absent or empty means anyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Vec<PolicyPeer>>,
}

/// One item of `egress`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EgressRule {
    /// Absent or empty means every port of every protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<PolicyPort>>,
    /// Absent or empty means anyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<PolicyPeer>>,
}

/// One item of `ports`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicyPort {
    /// TCP, UDP or SCTP; absent means TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["TCP", "UDP", "SCTP", null]))]
    pub protocol: Option<String>,
    /// A number, or the name of a container port; absent means every port of the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// The inclusive upper end of a range that starts at a numbered `port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub end_port: Option<i64>,
}

/// One item of `from` or `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicyPeer {
    /// Pods by label: of the policy's own namespace, or of those that `namespaceSelector` selects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Namespaces by label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Addresses; excludes the other two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_block: Option<IpBlock>,
}

/// Addresses outside the pod network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IpBlock {
    /// The block, such as `192.0.2.0/24` or `2001:db8::/64`.
    pub cidr: String,
    /// Smaller blocks within `cidr` that this peer does not allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Vec<String>>,
}

/// A label selector: all of it must hold; the empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LabelSelector {
    /// Keys and the value that each must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_labels: Option<Labels>,
    /// Further requirements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_expressions: Option<Vec<Requirement>>,
}

/// One item of `matchExpressions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// In, NotIn, Exists or DoesNotExist.
    #[schemars(extend("enum" = ["In", "NotIn", "Exists", "DoesNotExist"]))]
    pub operator: String,
    /// One value or more for In and NotIn; none for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
}

/// What is wrong with one field of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{path}: {message}")]
pub struct FieldError {
    /// The field, as the API server writes it: `spec.ingress[0].from[1].ipBlock.except[0]`.
    pub path: String,
    /// What is wrong, and what is expected instead.
    pub message: String,
}
