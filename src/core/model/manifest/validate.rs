//! Defaulting and validation, as the API server does them.
//!
//! Every function reads one part, reports what is wrong with it under its path, and returns the part in the model's
//! form as far as it has one. The result counts only when nothing was reported.
//!
//! Two liberties: host bits of a cidr are cleared (older API servers accept them, newer ones refuse), and a cidr that
//! parsers read differently (leading zeros, IPv4 within IPv6) is always refused.

use super::errors::{Errors, list};
use super::peers::check_labels;
use super::{
    API_VERSION, EgressRule, FieldError, IngressRule, KIND, Metadata, NetworkPolicy, PolicyPeer, PolicyPort, Port,
    Spec, syntax,
};
use crate::core::model::flow::Protocol;
use crate::core::model::policy::{Peer, Policy, PortMatch, PortRef, Rule};
use crate::core::model::world::Labels;

impl NetworkPolicy {
    /// The policy that the API server would store, or everything that it would refuse.
    pub fn validate(&self) -> Result<Policy, Vec<FieldError>> {
        let mut errors = Errors::default();
        self.type_meta(&mut errors);
        self.metadata.check(&mut errors);
        let empty = Spec::default();
        let spec = self.spec.as_ref().unwrap_or(&empty);

        let pod_selector = spec.pod_selector.as_ref().map(|s| s.check("spec.podSelector", &mut errors));
        let ingress: Vec<Rule> = list(&spec.ingress)
            .enumerate()
            .map(|(i, rule)| rule.check(&format!("spec.ingress[{i}]"), &mut errors))
            .collect();
        let egress: Vec<Rule> = list(&spec.egress)
            .enumerate()
            .map(|(i, rule)| rule.check(&format!("spec.egress[{i}]"), &mut errors))
            .collect();
        let types = spec.types(&mut errors);

        errors.into_result(Policy {
            namespace: self.metadata.namespace.clone(),
            name: self.metadata.name.clone(),
            pod_selector: pod_selector.unwrap_or_default(),
            ingress: types.ingress.then_some(ingress),
            egress: types.egress.then_some(egress),
        })
    }

    fn type_meta(&self, errors: &mut Errors) {
        if self.api_version != API_VERSION {
            errors.report("apiVersion", format!("unsupported value `{}`; expected `{API_VERSION}`", self.api_version));
        }
        if self.kind != KIND {
            errors.report("kind", format!("unsupported value `{}`; expected `{KIND}`", self.kind));
        }
    }
}

impl Metadata {
    fn check(&self, errors: &mut Errors) {
        errors.note("metadata.name", syntax::dns_subdomain(&self.name));
        errors.note("metadata.namespace", syntax::dns_label(&self.namespace));
        if let Some(labels) = &self.labels {
            check_labels(labels, "metadata.labels", errors);
        }
        for key in self.annotations.iter().flat_map(Labels::keys) {
            // The API server holds annotation keys against the rule for label keys, but in lower case.
            errors.note("metadata.annotations", syntax::label_key(&key.to_lowercase()));
        }
    }
}

/// The directions that a policy concerns.
struct Types {
    ingress: bool,
    egress: bool,
}

impl Spec {
    fn types(&self, errors: &mut Errors) -> Types {
        let written: Vec<&str> = list(&self.policy_types).map(String::as_str).collect();
        if written.is_empty() {
            return Types { ingress: true, egress: list(&self.egress).next().is_some() };
        }
        if written.len() > 2 {
            errors.report("spec.policyTypes", format!("{} entries; expected at most two", written.len()));
        }
        for (i, name) in written.iter().enumerate() {
            if !matches!(*name, "Ingress" | "Egress") {
                errors.report(
                    format!("spec.policyTypes[{i}]"),
                    format!("unsupported value `{name}`; expected Ingress or Egress"),
                );
            }
        }
        Types { ingress: written.contains(&"Ingress"), egress: written.contains(&"Egress") }
    }
}

impl IngressRule {
    fn check(&self, path: &str, errors: &mut Errors) -> Rule {
        Rule { ports: check_ports(&self.ports, path, errors), peers: check_peers(&self.from, path, "from", errors) }
    }
}

impl EgressRule {
    fn check(&self, path: &str, errors: &mut Errors) -> Rule {
        Rule { ports: check_ports(&self.ports, path, errors), peers: check_peers(&self.to, path, "to", errors) }
    }
}

fn check_ports(ports: &Option<Vec<PolicyPort>>, path: &str, errors: &mut Errors) -> Vec<PortMatch> {
    list(ports).enumerate().filter_map(|(i, port)| port.check(&format!("{path}.ports[{i}]"), errors)).collect()
}

fn check_peers(peers: &Option<Vec<PolicyPeer>>, path: &str, key: &str, errors: &mut Errors) -> Vec<Peer> {
    list(peers).enumerate().filter_map(|(i, peer)| peer.check(&format!("{path}.{key}[{i}]"), errors)).collect()
}

impl PolicyPort {
    fn check(&self, path: &str, errors: &mut Errors) -> Option<PortMatch> {
        let protocol = match self.protocol.as_deref() {
            None | Some("TCP") => Some(Protocol::Tcp),
            Some("UDP") => Some(Protocol::Udp),
            Some("SCTP") => Some(Protocol::Sctp),
            Some(other) => {
                let message = format!("unsupported value `{other}`; expected TCP, UDP or SCTP");
                errors.report(format!("{path}.protocol"), message);
                None
            }
        };
        let port = self.port.as_ref().map(|port| port.check(&format!("{path}.port"), errors));
        let end_port = self.end_port.map(|end| self.check_end(end, &format!("{path}.endPort"), errors));
        Some(PortMatch { protocol: protocol?, port: transpose(port)?, end_port: transpose(end_port)? })
    }

    fn check_end(&self, end: i64, path: &str, errors: &mut Errors) -> Option<u16> {
        match &self.port {
            None => errors.report(path, "a range without a beginning; expected `port` beside it"),
            Some(Port::Name(name)) => {
                errors.report(path, format!("a range from the name `{name}`; expected a number as `port`"));
            }
            Some(Port::Number(first)) if end < *first => {
                errors.report(path, format!("{end} is below `port`; expected at least {first}"));
            }
            Some(Port::Number(_)) => return number(end, path, errors),
        }
        None
    }
}

impl Port {
    fn check(&self, path: &str, errors: &mut Errors) -> Option<PortRef> {
        match self {
            Self::Number(value) => number(*value, path, errors).map(PortRef::Number),
            Self::Name(name) => {
                errors.note(path, syntax::port_name(name));
                Some(PortRef::Name(name.clone()))
            }
        }
    }
}

fn number(value: i64, path: &str, errors: &mut Errors) -> Option<u16> {
    let port = u16::try_from(value).ok().filter(|port| *port != 0);
    if port.is_none() {
        errors.report(path, format!("{value} is no port; expected a number from 1 to 65535"));
    }
    port
}

/// Absent is fine; there and wrong is not.
#[expect(clippy::option_option, reason = "absent, wrong and right are three things")]
fn transpose<T>(checked: Option<Option<T>>) -> Option<Option<T>> {
    match checked {
        None => Some(None),
        Some(None) => None,
        Some(right) => Some(right),
    }
}
