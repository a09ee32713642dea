//! The specification a second time, for tests: in two values, as an optimist or as a pessimist reads it.
//!
//! Slow and flat on purpose, and sharing no code with the oracle: wherever the text leaves something open, the optimist
//! takes what lets the flow through and the pessimist what does not. The oracle must answer where they agree, and
//! answer "undefined" exactly where they differ.

use crate::core::model::flow::{Endpoint, Flow, Path};
use crate::core::model::policy::{Direction, LabelSelector, Operator, Peer, Policy, PortRef};
use crate::core::model::world::{Labels, World};

pub(super) fn allows(policies: &[Policy], world: &World, flow: &Flow, optimist: bool) -> bool {
    side(policies, world, flow, Direction::Egress, optimist)
        && side(policies, world, flow, Direction::Ingress, optimist)
}

fn side(policies: &[Policy], world: &World, flow: &Flow, direction: Direction, optimist: bool) -> bool {
    let ingress = direction == Direction::Ingress;
    let (me, other) = if ingress { (&flow.to, &flow.from) } else { (&flow.from, &flow.to) };
    let Endpoint::Pod(id) = me else { return true };
    let pod = world.pod(id).unwrap();
    let my_node = Endpoint::Node(pod.node.clone());
    let other_on_host = other.pod().is_some_and(|id| world.pod(id).unwrap().host_network);

    if me == other && flow.path == Path::PodIp || ingress && *other == my_node {
        return true;
    }
    let spared = me == other
        || pod.host_network
        || *other == my_node
        || other_on_host && world.node_of(other) == Some(pod.node.as_str());
    if optimist && spared {
        return true;
    }

    let mut isolated = false;
    for policy in policies {
        let Some(rules) = policy.rules(direction) else { continue };
        if policy.namespace != id.namespace || !matches(&policy.pod_selector, &pod.labels) {
            continue;
        }
        isolated = true;
        for rule in rules {
            // Every pair of a peer and a port; nobody stands for "anyone" and for "any port".
            let peers: Vec<Option<&Peer>> =
                if rule.peers.is_empty() { vec![None] } else { rule.peers.iter().map(Some).collect() };
            for peer in peers {
                let peer_matches = match peer {
                    None => true,
                    Some(Peer::Pods { namespace_selector, pod_selector }) => other.pod().is_some_and(|id| {
                        let namespace = world.namespace(&id.namespace).unwrap();
                        let doubtful = me == other || other_on_host || flow.path == Path::NodePort;
                        namespace_selector
                            .as_ref()
                            .map_or(id.namespace == policy.namespace, |s| matches(s, &namespace.labels))
                            && pod_selector.as_ref().is_none_or(|s| matches(s, &world.pod(id).unwrap().labels))
                            && (optimist || !doubtful)
                    }),
                    Some(Peer::IpBlock { cidr, except }) => {
                        let address = world.address(other, flow.family).unwrap();
                        let inside = cidr.contains(&address) && !except.iter().any(|block| block.contains(&address));
                        let rewritten = flow.path == Path::NodePort
                            || flow.path == Path::ClusterIp && matches!(other, Endpoint::External(_));
                        let same_family = cidr.addr().is_ipv4() == address.is_ipv4();
                        if rewritten { optimist && same_family } else { inside && (optimist || other.pod().is_none()) }
                    }
                };
                let by_address = matches!(peer, Some(Peer::IpBlock { .. }));
                let port_matches = rule.ports.is_empty()
                    || rule.ports.iter().any(|port| {
                        port.protocol == flow.protocol
                            && match &port.port {
                                None => true,
                                Some(PortRef::Number(n)) => *n <= flow.port && flow.port <= port.end_port.unwrap_or(*n),
                                Some(PortRef::Name(_)) if !ingress && (by_address || other.pod().is_none()) => optimist,
                                Some(PortRef::Name(name)) => world
                                    .ports(&flow.to)
                                    .iter()
                                    .any(|p| p.name == *name && p.port == flow.port && p.protocol == flow.protocol),
                            }
                    });
                if peer_matches && port_matches {
                    return true;
                }
            }
        }
    }
    !isolated
}

fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    let mut all = true;
    for (key, value) in &selector.match_labels {
        all &= labels.get(key) == Some(value);
    }
    for requirement in &selector.match_expressions {
        let value = labels.get(&requirement.key);
        all &= match (requirement.operator, value) {
            (Operator::In, Some(value)) => requirement.values.contains(value),
            (Operator::NotIn, Some(value)) => !requirement.values.contains(value),
            (Operator::Exists, Some(_)) | (Operator::NotIn | Operator::DoesNotExist, None) => true,
            (Operator::DoesNotExist, Some(_)) | (Operator::In | Operator::Exists, None) => false,
        };
    }
    all
}
