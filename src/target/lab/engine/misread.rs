//! How a faulty engine reads one policy: as another policy.

use super::rules::numbers;
use super::view::Faults;
use crate::core::fault::Fault;
use crate::core::model::policy::{Direction, LabelSelector, Operator, Peer, Policy, PortRef, Requirement, Rule};
use crate::core::model::world::World;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The policy that an engine with these faults takes `policy` for.
pub(super) fn misread(policy: &Policy, faults: &Faults, world: &World) -> Policy {
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
            misread_rules(rules, faults, world);
        }
    }
    policy
}

fn misread_rules(rules: &mut Vec<Rule>, faults: &Faults, world: &World) {
    if faults.contains(&Fault::IgnoreRules) {
        rules.clear();
    }
    if faults.contains(&Fault::FirstRuleOnly) {
        rules.truncate(1);
    }
    if faults.contains(&Fault::IgnoreNamedPorts) {
        rules.retain_mut(|rule| retain(&mut rule.ports, |port| !matches!(port.port, Some(PortRef::Name(_)))));
    }
    if faults.contains(&Fault::IgnoreIpBlocks) {
        rules.retain_mut(|rule| retain(&mut rule.peers, |peer| matches!(peer, Peer::Pods { .. })));
    }
    for rule in rules {
        for port in &mut rule.ports {
            if faults.contains(&Fault::IgnoreEndPort) {
                port.end_port = None;
            }
            if faults.contains(&Fault::AnyNamedPort) && matches!(port.port, Some(PortRef::Name(_))) {
                port.port = None;
            }
            if faults.contains(&Fault::OneNumberPerName)
                && let Some(PortRef::Name(name)) = &port.port
                && let Some(number) = world.pods.iter().find_map(|pod| numbers(pod, name, port.protocol).next())
            {
                port.port = Some(PortRef::Number(number));
            }
        }
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

/// Keeps of a list what `matches` anything, and says whether its rule still does: an empty list would mean everyone.
fn retain<T>(list: &mut Vec<T>, matches: impl Fn(&T) -> bool) -> bool {
    let meant_everyone = list.is_empty();
    list.retain(matches);
    meant_everyone || !list.is_empty()
}

fn misread_selector(selector: &mut LabelSelector, faults: &Faults) {
    if faults.contains(&Fault::IgnoreExpressions) {
        selector.match_expressions.clear();
    }
    if faults.contains(&Fault::NotInNeedsKey) {
        let needed = selector.match_expressions.iter().filter(|requirement| requirement.operator == Operator::NotIn);
        let needed: Vec<Requirement> = needed
            .map(|not_in| Requirement { operator: Operator::Exists, values: Vec::new(), ..not_in.clone() })
            .collect();
        selector.match_expressions.extend(needed);
    }
}

fn misread_peer(peer: Peer, faults: &Faults) -> Vec<Peer> {
    match peer {
        Peer::IpBlock { cidr, except } => {
            let cidr = match (faults.contains(&Fault::AnyIpBlock), cidr) {
                (false, cidr) => cidr,
                (true, IpNet::V4(_)) => Ipv4Net::default().into(),
                (true, IpNet::V6(_)) => Ipv6Net::default().into(),
            };
            let except = if faults.contains(&Fault::IgnoreExcept) { Vec::new() } else { except };
            vec![Peer::IpBlock { cidr, except }]
        }
        Peer::Pods { namespace_selector, pod_selector } => {
            let read = |selector: Option<LabelSelector>, fault| {
                selector.map(|mut selector| {
                    misread_selector(&mut selector, faults);
                    if faults.contains(&fault) { LabelSelector::default() } else { selector }
                })
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
