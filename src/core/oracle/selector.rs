//! Label selectors.

use crate::core::model::policy::{LabelSelector, Operator, Policy, Requirement};
use crate::core::model::world::{NAMESPACE_NAME_LABEL, Namespace, Pod};

/// Whether a policy selects a pod as its subject: only pods of its own namespace.
pub(super) fn subject(policy: &Policy, pod: &Pod) -> bool {
    policy.namespace == pod.id.namespace && selects_pod(&policy.pod_selector, pod)
}

/// Whether a selector holds of a pod's labels.
pub(super) fn selects_pod(selector: &LabelSelector, pod: &Pod) -> bool {
    holds(selector, |key| pod.labels.get(key).map(String::as_str))
}

/// Whether a selector holds of a namespace's labels. The API server gives every namespace its own name as a label,
/// and nobody can take it away.
pub(super) fn selects_namespace(selector: &LabelSelector, namespace: &Namespace) -> bool {
    holds(selector, |key| match namespace.labels.get(key) {
        Some(value) => Some(value),
        None => (key == NAMESPACE_NAME_LABEL).then_some(&namespace.name),
    })
}

/// All of matchLabels and all of matchExpressions.
fn holds<'a>(selector: &LabelSelector, label: impl Fn(&str) -> Option<&'a str>) -> bool {
    selector.match_labels.iter().all(|(key, value)| label(key) == Some(value))
        && selector.match_expressions.iter().all(|requirement| required(requirement, label(&requirement.key)))
}

/// In and Exists need the key; NotIn and DoesNotExist hold without it.
fn required(requirement: &Requirement, label: Option<&str>) -> bool {
    let listed = |value: &str| requirement.values.iter().any(|listed| listed == value);
    match requirement.operator {
        Operator::In => label.is_some_and(listed),
        Operator::NotIn => !label.is_some_and(listed),
        Operator::Exists => label.is_some(),
        Operator::DoesNotExist => label.is_none(),
    }
}
