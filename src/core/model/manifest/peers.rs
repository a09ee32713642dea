//! Validation of peers and selectors.

use super::errors::{Errors, list};
use super::{IpBlock, LabelSelector, PolicyPeer, Requirement, syntax};
use crate::core::model::policy::{self, Operator, Peer};
use crate::core::model::world::Labels;
use ipnet::IpNet;

impl PolicyPeer {
    pub(super) fn check(&self, path: &str, errors: &mut Errors) -> Option<Peer> {
        let mut selector = |key: &str, selector: &Option<LabelSelector>| {
            selector.as_ref().map(|selector| selector.check(&format!("{path}.{key}"), errors))
        };
        let pod_selector = selector("podSelector", &self.pod_selector);
        let namespace_selector = selector("namespaceSelector", &self.namespace_selector);
        let by_label = pod_selector.is_some() || namespace_selector.is_some();
        match &self.ip_block {
            None if by_label => Some(Peer::Pods { namespace_selector, pod_selector }),
            None => {
                errors
                    .report(path, "must specify a peer; expected podSelector, namespaceSelector or ipBlock, not null");
                None
            }
            Some(block) => {
                if by_label {
                    errors.report(path, "may not specify both ipBlock and another peer; expected one peer for each");
                }
                block.check(&format!("{path}.ipBlock"), errors)
            }
        }
    }
}

impl IpBlock {
    fn check(&self, path: &str, errors: &mut Errors) -> Option<Peer> {
        let cidr = check_cidr(&self.cidr, &format!("{path}.cidr"), errors)?;
        let mut except = Vec::new();
        for (i, text) in list(&self.except).enumerate() {
            let path = format!("{path}.except[{i}]");
            let Some(block) = check_cidr(text, &path, errors) else { continue };
            if cidr.contains(&block) && cidr.prefix_len() < block.prefix_len() {
                except.push(block);
            } else {
                errors
                    .report(path, format!("`{text}` lies not strictly within cidr; expected a smaller part of {cidr}"));
            }
        }
        Some(Peer::IpBlock { cidr, except })
    }
}

fn check_cidr(text: &str, path: &str, errors: &mut Errors) -> Option<IpNet> {
    match parse_cidr(text) {
        Some(IpNet::V6(block)) if block.addr().to_ipv4_mapped().is_some() => {
            errors.report(path, format!("`{text}` is IPv4 within IPv6; expected it in IPv4 notation"));
            None
        }
        Some(block) => Some(block.trunc()),
        None => {
            let message = format!("`{text}` is no cidr; expected such as 192.0.2.0/24 or 2001:db8::/64");
            errors.report(path, message);
            None
        }
    }
}

/// Stricter than `IpNet`'s own parser, which takes leading zeros: some parsers read `010.0.0.0/8` as octal.
fn parse_cidr(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let block = IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()?;
    (block.prefix_len().to_string() == length).then_some(block)
}

impl LabelSelector {
    pub(super) fn check(&self, path: &str, errors: &mut Errors) -> policy::LabelSelector {
        let match_labels = self.match_labels.clone().unwrap_or_default();
        check_labels(&match_labels, &format!("{path}.matchLabels"), errors);
        let match_expressions = list(&self.match_expressions)
            .enumerate()
            .filter_map(|(i, requirement)| requirement.check(&format!("{path}.matchExpressions[{i}]"), errors))
            .collect();
        policy::LabelSelector { match_labels, match_expressions }
    }
}

impl Requirement {
    fn check(&self, path: &str, errors: &mut Errors) -> Option<policy::Requirement> {
        let values: Vec<String> = list(&self.values).cloned().collect();
        let operator = match self.operator.as_str() {
            "In" => Some(Operator::In),
            "NotIn" => Some(Operator::NotIn),
            "Exists" => Some(Operator::Exists),
            "DoesNotExist" => Some(Operator::DoesNotExist),
            other => {
                let message = format!("unsupported value `{other}`; expected In, NotIn, Exists or DoesNotExist");
                errors.report(format!("{path}.operator"), message);
                None
            }
        };
        match operator {
            Some(Operator::In | Operator::NotIn) if values.is_empty() => errors
                .report(format!("{path}.values"), format!("must be specified; {} expects one or more", self.operator)),
            Some(Operator::Exists | Operator::DoesNotExist) if !values.is_empty() => {
                errors
                    .report(format!("{path}.values"), format!("may not be specified; {} expects none", self.operator));
            }
            Some(Operator::In | Operator::NotIn | Operator::Exists | Operator::DoesNotExist) | None => {}
        }
        errors.note(format!("{path}.key"), syntax::label_key(&self.key));
        for (i, value) in values.iter().enumerate() {
            errors.note(format!("{path}.values[{i}]"), syntax::label_value(value));
        }
        Some(policy::Requirement { key: self.key.clone(), operator: operator?, values })
    }
}

pub(super) fn check_labels(labels: &Labels, path: &str, errors: &mut Errors) {
    for (key, value) in labels {
        errors.note(path, syntax::label_key(key));
        errors.note(path, syntax::label_value(value).map_err(|message| format!("value of `{key}`: {message}")));
    }
}
