//! The `from` or `to` of a rule: OR'ed.

use super::end::End;
use super::fit::Fit;
use super::selector;
use super::side::Guard;
use super::undefined::Undefined;
use crate::core::model::flow::{Family, Path};
use crate::core::model::policy::{LabelSelector, Peer, Policy};
use crate::core::model::world::{Phase, Pod};
use ipnet::IpNet;

/// Whether one item of `from` or `to` in `policy` admits the other end.
pub(super) fn fit(peer: &Peer, policy: &Policy, guard: &Guard<'_>) -> Fit {
    match (peer, guard.peer) {
        (Peer::Pods { namespace_selector, pod_selector }, End::Pod(pod, namespace)) => {
            let in_namespace = match namespace_selector {
                Some(selector) => selector::selects_namespace(selector, namespace),
                None => policy.namespace == namespace.id,
            };
            by_label(in_namespace && selects(pod_selector.as_ref(), pod), pod, guard)
        }
        // A node and a host outside are no pods: no selector ever matches them.
        (Peer::Pods { .. }, End::Node(_) | End::External(_)) => Fit::No,
        (Peer::IpBlock { cidr, except }, _) => by_address(cidr, except, guard),
    }
}

fn selects(selector: Option<&LabelSelector>, pod: &Pod) -> bool {
    selector.is_none_or(|selector| selector::selects_pod(selector, pod))
}

fn by_label(matches: bool, pod: &Pod, guard: &Guard<'_>) -> Fit {
    Fit::of_pod(matches, pod.phase).and(|| {
        Fit::yes_unless(if guard.is_hairpin() {
            Some(Undefined::Hairpin)
        } else if pod.host_network {
            Some(Undefined::HostNetwork)
        } else if rewritten(guard) {
            Some(Undefined::AfterNat)
        } else {
            None
        })
    })
}

/// An ipBlock speaks of its own family only. An exception takes addresses from this one peer, not from others.
fn by_address(cidr: &IpNet, except: &[IpNet], guard: &Guard<'_>) -> Fit {
    if Family::of(cidr.addr()) != guard.flow.family {
        return Fit::No;
    }
    if rewritten(guard) {
        return Fit::Open(Undefined::AfterNat);
    }
    let Some(address) = guard.peer.address(guard.flow.family) else {
        return Fit::Open(Undefined::UnknownEnd);
    };
    if !cidr.contains(&address) || except.iter().any(|block| block.contains(&address)) {
        return Fit::No;
    }
    match guard.peer {
        End::Pod(pod, _) => Fit::yes_unless(doubt_about_block(pod, guard)),
        End::Node(_) | End::External(_) => Fit::Yes,
    }
}

/// What speaks against a match where an ipBlock contains a pod's address.
fn doubt_about_block(pod: &Pod, guard: &Guard<'_>) -> Option<Undefined> {
    if pod.phase != Phase::Running {
        Some(Undefined::NotRunning)
    } else if guard.is_hairpin() {
        Some(Undefined::Hairpin)
    } else if guard.assumptions.ip_block_matches_pods {
        // A pod on its node's network is matched too, whether it counts as a pod or as its node.
        None
    } else if pod.host_network {
        Some(Undefined::HostNetwork)
    } else {
        Some(Undefined::IpBlockContainsPod)
    }
}

/// Whether the address that the policy meets may be another than the peer's own. A ClusterIP's backend pod is no such
/// case: policies speak of what stands behind it.
fn rewritten(guard: &Guard<'_>) -> bool {
    match guard.flow.path {
        Path::PodIp => false,
        Path::ClusterIp => matches!(guard.peer, End::External(_)),
        Path::NodePort | Path::LoadBalancer => true,
    }
}
