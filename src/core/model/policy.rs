//! A NetworkPolicy after defaulting and validation: what the API server would store, in a form without "absent or empty".
//!
//! How users write policies, and how they become these, is in `manifest`.

use super::change::PolicyName;
use super::flow::Protocol;
use super::world::Labels;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A valid `networking.k8s.io/v1` NetworkPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The namespace whose pods it can select, by its short name.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The pods that it isolates (`spec.podSelector`).
    pub pod_selector: LabelSelector,
    /// The ingress rules; `None` when the policy does not concern ingress (rule list null, absent or `[]` is `Some` of none).
    pub ingress: Option<Vec<Rule>>,
    /// The egress rules; `None` when the policy does not concern egress.
    pub egress: Option<Vec<Rule>>,
}

/// A direction, as seen from the pods that a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Towards the selected pods.
    Ingress,
    /// From the selected pods.
    Egress,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}

impl Policy {
    /// Its namespace and name.
    pub fn key(&self) -> PolicyName {
        PolicyName { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// The rules of a direction, `None` when the policy does not concern it.
    pub fn rules(&self, direction: Direction) -> Option<&Vec<Rule>> {
        match direction {
            Direction::Ingress => self.ingress.as_ref(),
            Direction::Egress => self.egress.as_ref(),
        }
    }

    /// The rules of a direction, to be changed.
    pub fn rules_mut(&mut self, direction: Direction) -> &mut Option<Vec<Rule>> {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }
}

/// One item of `ingress` or `egress`: allows what matches one of the ports and one of the peers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The ports; none means every port of every protocol.
    pub ports: Vec<PortMatch>,
    /// The peers (`from` or `to`); none means anyone, hosts outside the cluster included.
    pub peers: Vec<Peer>,
}

/// One item of `ports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortMatch {
    /// Its protocol (TCP where the user wrote none).
    pub protocol: Protocol,
    /// Its port; `None` means every port of that protocol.
    pub port: Option<PortRef>,
    /// The inclusive upper end of a range that starts at a numbered port.
    pub end_port: Option<u16>,
}

/// A port by number, or by a name that each destination pod resolves for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortRef {
    /// A number (1 to 65535).
    Number(u16),
    /// A name of a container port (IANA service name).
    Name(String),
}

/// One item of `from` or `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Peer {
    /// Pods by label. Both selectors present are AND'ed.
    Pods {
        /// The namespaces; `None` means the policy's own.
        namespace_selector: Option<LabelSelector>,
        /// The pods within them; `None` means all.
        pod_selector: Option<LabelSelector>,
    },
    /// Addresses.
    IpBlock {
        /// The block, host bits cleared.
        cidr: IpNet,
        /// Blocks within `cidr` that this peer does not allow.
        except: Vec<IpNet>,
    },
}

/// A label selector: all of it must hold. The empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelSelector {
    /// Keys and the value that each must have.
    pub match_labels: Labels,
    /// Further requirements.
    pub match_expressions: Vec<Requirement>,
}

/// One item of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What must hold of it.
    pub operator: Operator,
    /// The values of `In` and `NotIn`; empty for the others.
    pub values: Vec<String>,
}

/// An operator of `matchExpressions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// The label is there and has one of the values.
    In,
    /// The label is absent, or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }
}
