//! The way back: a policy as a manifest that says everything explicitly and nothing twice.

use super::{
    API_VERSION, EgressRule, IngressRule, IpBlock, KIND, LabelSelector, Metadata, NetworkPolicy, PolicyPeer,
    PolicyPort, Port, Requirement, Spec,
};
use crate::core::model::policy::{self, Direction, Operator, Peer, Policy, PortMatch, PortRef, Rule};

/// The policy as YAML: explicit `policyTypes` and protocols, no nulls and no empty lists.
pub fn to_yaml(policy: &Policy) -> String {
    serde_saphyr::to_string(&NetworkPolicy::from(policy)).expect("strings, numbers, lists and maps serialise")
}

/// A policy that concerns no direction cannot be written: its empty `policyTypes` would be read as Ingress.
impl From<&Policy> for NetworkPolicy {
    fn from(policy: &Policy) -> Self {
        let policy_types = Direction::ALL
            .into_iter()
            .filter(|direction| policy.rules(*direction).is_some())
            .map(|direction| match direction {
                Direction::Ingress => "Ingress".to_owned(),
                Direction::Egress => "Egress".to_owned(),
            })
            .collect();
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            metadata: Metadata {
                name: policy.name.clone(),
                namespace: policy.namespace.clone(),
                labels: None,
                annotations: None,
            },
            spec: Some(Spec {
                pod_selector: Some(LabelSelector::from(&policy.pod_selector)),
                policy_types: Some(policy_types),
                ingress: policy.ingress.as_deref().and_then(mapped),
                egress: policy.egress.as_deref().and_then(mapped),
            }),
        }
    }
}

impl From<&Rule> for IngressRule {
    fn from(rule: &Rule) -> Self {
        Self { ports: mapped(&rule.ports), from: mapped(&rule.peers) }
    }
}

impl From<&Rule> for EgressRule {
    fn from(rule: &Rule) -> Self {
        Self { ports: mapped(&rule.ports), to: mapped(&rule.peers) }
    }
}

impl From<&PortMatch> for PolicyPort {
    fn from(port: &PortMatch) -> Self {
        Self {
            protocol: Some(port.protocol.to_string()),
            port: port.port.as_ref().map(|port| match port {
                PortRef::Number(number) => Port::Number((*number).into()),
                PortRef::Name(name) => Port::Name(name.clone()),
            }),
            end_port: port.end_port.map(i64::from),
        }
    }
}

impl From<&Peer> for PolicyPeer {
    fn from(peer: &Peer) -> Self {
        match peer {
            Peer::Pods { namespace_selector, pod_selector } => Self {
                pod_selector: pod_selector.as_ref().map(LabelSelector::from),
                namespace_selector: namespace_selector.as_ref().map(LabelSelector::from),
                ip_block: None,
            },
            Peer::IpBlock { cidr, except } => Self {
                pod_selector: None,
                namespace_selector: None,
                ip_block: Some(IpBlock {
                    cidr: cidr.to_string(),
                    except: some_of(except.iter().map(ToString::to_string).collect()),
                }),
            },
        }
    }
}

impl From<&policy::LabelSelector> for LabelSelector {
    fn from(selector: &policy::LabelSelector) -> Self {
        Self {
            match_labels: (!selector.match_labels.is_empty()).then(|| selector.match_labels.clone()),
            match_expressions: mapped(&selector.match_expressions),
        }
    }
}

impl From<&policy::Requirement> for Requirement {
    fn from(requirement: &policy::Requirement) -> Self {
        let operator = match requirement.operator {
            Operator::In => "In",
            Operator::NotIn => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
        };
        Self {
            key: requirement.key.clone(),
            operator: operator.to_owned(),
            values: some_of(requirement.values.clone()),
        }
    }
}

fn mapped<'a, T, U: From<&'a T>>(items: &'a [T]) -> Option<Vec<U>> {
    some_of(items.iter().map(U::from).collect())
}

/// An empty list is left out.
fn some_of<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}
