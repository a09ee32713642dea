//! The `ports` of a rule: OR'ed, and always the receiver's own ports, after a Service has rewritten them.

use super::end::End;
use super::fit::Fit;
use super::side::Guard;
use super::undefined::Undefined;
use crate::core::model::flow::Flow;
use crate::core::model::policy::{Direction, Peer, PortMatch, PortRef, Rule};
use crate::core::model::world::Pod;

/// Whether the flow's port is one of the rule's, for the peer by which the rule admits the other end (`None` where the
/// rule admits anyone). No item means every port of every protocol.
pub(super) fn fit(rule: &Rule, peer: Option<&Peer>, guard: &Guard<'_>) -> Fit {
    if rule.ports.is_empty() { Fit::Yes } else { Fit::any(rule.ports.iter().map(|port| item(port, peer, guard))) }
}

fn item(port: &PortMatch, peer: Option<&Peer>, guard: &Guard<'_>) -> Fit {
    if port.protocol != guard.flow.protocol {
        return Fit::No;
    }
    match &port.port {
        None => Fit::Yes,
        Some(PortRef::Number(first)) => (*first..=port.end_port.unwrap_or(*first)).contains(&guard.flow.port).into(),
        Some(PortRef::Name(name)) => named(name, peer, guard),
    }
}

/// A name is looked up on the destination pod: for ingress the selected pod, for egress each peer pod.
fn named(name: &str, peer: Option<&Peer>, guard: &Guard<'_>) -> Fit {
    match (guard.direction, guard.peer, peer) {
        (Direction::Ingress, _, _) => resolved(name, guard.subject, guard),
        (Direction::Egress, End::Pod(pod, _), None | Some(Peer::Pods { .. })) => resolved(name, pod, guard),
        (Direction::Egress, End::Pod(..), Some(Peer::IpBlock { .. }))
        | (Direction::Egress, End::Node(_) | End::External(_), _) => Fit::Open(Undefined::NamedPortWithoutPod),
    }
}

/// By name and protocol; the number may differ from pod to pod, and a pod without that name does not match.
fn resolved(name: &str, pod: &Pod, guard: &Guard<'_>) -> Fit {
    let Flow { protocol, port, .. } = guard.flow;
    let listens = pod.ports.iter().any(|p| p.name == name && p.protocol == *protocol && p.port == *port);
    Fit::of_pod(listens, pod.phase)
}
