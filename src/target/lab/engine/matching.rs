//! Which pods a selector means. A reading of the specification of its own: the oracle has another, and each checks the other.

use super::view::Faults;
use crate::core::fault::Fault;
use crate::core::model::policy::{LabelSelector, Operator, Peer, Policy, Requirement};
use crate::core::model::world::{Labels, Phase, Pod, World};

/// Whether a selector matches a set of labels.
pub(super) fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    let wanted = selector.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
    wanted && selector.match_expressions.iter().all(|requirement| holds(requirement, labels))
}

fn holds(requirement: &Requirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let listed = value.is_some_and(|value| requirement.values.contains(value));
    match requirement.operator {
        Operator::In => listed,
        Operator::NotIn => !listed,
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
    }
}

/// Whether a policy isolates a pod, in the directions that it concerns.
pub(super) fn isolates(policy: &Policy, pod: &Pod, faults: &Faults) -> bool {
    let passed_over = pod.bare && faults.contains(&Fault::IgnoreBarePods);
    pod.phase == Phase::Running
        && !passed_over
        && policy.namespace == pod.id.namespace
        && matches(&policy.pod_selector, &pod.labels)
}

/// The pods that a peer means. Address blocks mean none: they are about addresses, whosever these are.
pub(super) fn peers<'a>(peer: &Peer, policy_namespace: &str, world: &'a World) -> Vec<&'a Pod> {
    let Peer::Pods { namespace_selector, pod_selector } = peer else { return Vec::new() };
    let meant = |pod: &&Pod| {
        let in_namespace = match namespace_selector {
            None => pod.id.namespace == policy_namespace,
            Some(selector) => {
                world.namespace(&pod.id.namespace).is_some_and(|namespace| matches(selector, &namespace.labels))
            }
        };
        in_namespace && pod_selector.as_ref().is_none_or(|selector| matches(selector, &pod.labels))
    };
    running(world).filter(meant).collect()
}

/// The pods that can be peers at all. One on its node's network is no pod to this engine: it is its node.
pub(super) fn running(world: &World) -> impl Iterator<Item = &Pod> {
    world.pods.iter().filter(|pod| pod.phase == Phase::Running && !pod.host_network)
}
