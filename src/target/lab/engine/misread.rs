//! How a faulty engine reads one policy: as another policy.

use super::view::Faults;
use crate::core::fault::Fault;
use crate::core::model::policy::{Direction, LabelSelector, Peer, Policy, Rule};

/// The policy that an engine with these faults takes `policy` for.
pub(super) fn misread(policy: &Policy, faults: &Faults) -> Policy {
    let mut policy = policy.clone();
    if faults.contains(&Fault::IgnoreTargetSelector) {
        policy.pod_selector = LabelSelector::default();
    }
    if faults.contains(&Fault::IgnoreIngress) {
        policy.ingress = None;
    }
    if faults.contains(&Fault::IgnoreEgress) {
        policy.egress = None;
    }
    for direction in Direction::ALL {
        if let Some(rules) = policy.rules_mut(direction) {
            misread_rules(rules, faults);
        }
    }
    policy
}

fn misread_rules(rules: &mut Vec<Rule>, faults: &Faults) {
    if faults.contains(&Fault::IgnoreRules) {
        rules.clear();
    }
    if faults.contains(&Fault::FirstRuleOnly) {
        rules.truncate(1);
    }
    for rule in rules {
        if faults.contains(&Fault::IgnorePorts) {
            rule.ports.clear();
        }
        if faults.contains(&Fault::IgnorePeers) {
            rule.peers.clear();
        }
        if faults.contains(&Fault::FirstPortOnly) {
            rule.ports.truncate(1);
        }
        if faults.contains(&Fault::FirstPeerOnly) {
            rule.peers.truncate(1);
        }
        rule.peers = std::mem::take(&mut rule.peers).into_iter().flat_map(|peer| misread_peer(peer, faults)).collect();
    }
}

fn misread_peer(peer: Peer, faults: &Faults) -> Vec<Peer> {
    match peer {
        Peer::IpBlock { cidr, except } => {
            let except = if faults.contains(&Fault::IgnoreExcept) { Vec::new() } else { except };
            vec![Peer::IpBlock { cidr, except }]
        }
        Peer::Pods { namespace_selector, pod_selector } => {
            let read = |selector: Option<LabelSelector>, fault| {
                selector.map(|selector| if faults.contains(&fault) { LabelSelector::default() } else { selector })
            };
            let namespace_selector = read(namespace_selector, Fault::IgnoreNamespaceSelector);
            let pod_selector = read(pod_selector, Fault::IgnorePodSelector);
            if faults.contains(&Fault::AndAsOr) && namespace_selector.is_some() && pod_selector.is_some() {
                return vec![
                    Peer::Pods { namespace_selector, pod_selector: None },
                    Peer::Pods { namespace_selector: None, pod_selector },
                ];
            }
            vec![Peer::Pods { namespace_selector, pod_selector }]
        }
    }
}
