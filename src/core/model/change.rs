//! What a step does to a lane.

use super::flow::PodId;
use super::policy::Policy;
use super::world::Labels;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Not;

/// One change, in the short names of cases. A policy's `namespace` is the namespace's short name here; the target maps
/// it to its object's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// Creates policies that do not exist yet.
    Apply {
        /// The policies.
        policies: Vec<Policy>,
    },
    /// Replaces policies that exist under the same namespace and name.
    Replace {
        /// The policies as they shall be.
        policies: Vec<Policy>,
    },
    /// Deletes policies.
    Delete {
        /// Which ones.
        policies: Vec<PolicyName>,
    },
    /// Gives a pod or a namespace exactly these labels (those that Kubernetes sets itself stay).
    Relabel {
        /// Whose labels.
        subject: Subject,
        /// All its labels from now on.
        labels: Labels,
    },
    /// Deletes a pod, or a namespace with all that is in it, and makes it again: a pod on the same node, a namespace with
    /// its pods and without its policies, everything with the labels that it had before any case.
    Recreate {
        /// What is made again.
        subject: Subject,
        /// Whether the pod is made without a controller.
        #[serde(default, skip_serializing_if = "Not::not")]
        bare: bool,
    },
}

impl Change {
    /// Takes another change in where both can be one, made at once; gives it back where they cannot.
    pub fn join(&mut self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Apply { policies }, Self::Apply { policies: others })
            | (Self::Replace { policies }, Self::Replace { policies: others }) => {
                policies.extend(others);
                None
            }
            (Self::Delete { policies }, Self::Delete { policies: others }) => {
                policies.extend(others);
                None
            }
            (Self::Recreate { subject, bare }, Self::Recreate { subject: same, bare: as_bare })
                if *subject == same && *bare == as_bare =>
            {
                None
            }
            (_, other) => Some(other),
        }
    }

    /// What it makes again.
    fn remade(&self) -> Option<&Subject> {
        match self {
            Self::Recreate { subject, .. } => Some(subject),
            Self::Apply { .. } | Self::Replace { .. } | Self::Delete { .. } | Self::Relabel { .. } => None,
        }
    }

    /// Whether it makes pods again.
    pub fn makes_pods(&self) -> bool {
        self.remade().is_some()
    }

    /// Whether it makes this pod again.
    pub fn makes(&self, pod: &PodId) -> bool {
        self.remade().is_some_and(|subject| subject.holds(pod))
    }

    /// The policies that it brings, as they shall be.
    pub fn policies(&self) -> &[Policy] {
        match self {
            Self::Apply { policies } | Self::Replace { policies } => policies,
            Self::Delete { .. } | Self::Relabel { .. } | Self::Recreate { .. } => &[],
        }
    }
}

/// The namespace, by its short name, that the first policy of some steps is in.
pub fn guarded(steps: &[Change]) -> Option<&str> {
    steps.iter().flat_map(Change::policies).next().map(|policy| policy.namespace.as_str())
}

/// Namespace (short name) and name of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyName {
    /// The namespace's short name.
    pub namespace: String,
    /// The policy's name.
    pub name: String,
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What can be relabelled and recreated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Subject {
    /// A pod.
    Pod(PodId),
    /// A namespace, by its short name.
    Namespace(String),
}

impl Subject {
    /// Whether a pod is this one, or in this namespace.
    pub fn holds(&self, pod: &PodId) -> bool {
        match self {
            Self::Pod(id) => id == pod,
            Self::Namespace(namespace) => pod.namespace == *namespace,
        }
    }

    /// Whether a policy goes when this is deleted.
    pub fn takes_along(&self, policy: &PolicyName) -> bool {
        matches!(self, Self::Namespace(namespace) if policy.namespace == *namespace)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(id) => write!(f, "pod {id}"),
            Self::Namespace(id) => write!(f, "namespace {id}"),
        }
    }
}
