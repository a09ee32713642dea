//! The names, labels and annotations by which a run's objects are known.

use crate::core::model::world::Labels;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The label that carries the run's id, on everything that a run creates.
pub(super) const RUN: &str = "papertiger.dev/run";

/// The label by which a Service and a controller know their pod. Cases never touch it.
pub(super) const POD: &str = "papertiger.dev/pod";

/// The label by which a controller knows its own pod from one without a controller.
pub(super) const CONTROLLED: (&str, &str) = ("papertiger.dev/controlled", "true");

/// The annotation that says until when a run may be using an object (RFC 3339).
pub(super) const EXPIRES: &str = "papertiger.dev/expires";

pub(super) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "papertiger");

/// The container of a probe pod.
pub(super) const CONTAINER: &str = "agent";

/// The loopback port on which an agent waits for its controller.
pub(super) const CONTROL_PORT: u16 = 8470;

/// Pod Security, and words by which meshes let a namespace alone.
pub(super) const NAMESPACE_LABELS: [(&str, &str); 6] = [
    ("pod-security.kubernetes.io/enforce", "restricted"),
    ("pod-security.kubernetes.io/warn", "restricted"),
    ("pod-security.kubernetes.io/audit", "restricted"),
    ("istio-injection", "disabled"),
    ("istio.io/dataplane-mode", "none"),
    ("kuma.io/sidecar-injection", "disabled"),
];

/// Pod Security for the namespace of the pods on the nodes' own network, which no other level admits.
pub(super) const HOST_NAMESPACE_LABELS: [(&str, &str); 3] = [
    ("pod-security.kubernetes.io/enforce", "privileged"),
    ("pod-security.kubernetes.io/warn", "privileged"),
    ("pod-security.kubernetes.io/audit", "privileged"),
];

pub(super) const NAMESPACE_ANNOTATIONS: [(&str, &str); 1] = [("linkerd.io/inject", "disabled")];

pub(super) const POD_LABELS: [(&str, &str); 3] = [
    ("sidecar.istio.io/inject", "false"),
    ("istio.io/dataplane-mode", "none"),
    ("kuma.io/sidecar-injection", "disabled"),
];

/// Meshes again, and those who move pods to save nodes.
pub(super) const POD_ANNOTATIONS: [(&str, &str); 4] = [
    ("linkerd.io/inject", "disabled"),
    ("consul.hashicorp.com/connect-inject", "false"),
    ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
    ("karpenter.sh/do-not-disrupt", "true"),
];

/// What every object of a run carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) run: String,
    pub(super) expires: Timestamp,
}

impl Tag {
    pub(super) fn labels(&self) -> Labels {
        Labels::from([(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned()), (RUN.to_owned(), self.run.clone())])
    }

    pub(super) fn annotations(&self) -> Labels {
        Labels::from([(EXPIRES.to_owned(), self.expires.to_string())])
    }

    pub(super) fn meta(&self, name: &str, namespace: Option<&str>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: namespace.map(str::to_owned),
            labels: Some(self.labels()),
            annotations: Some(self.annotations()),
            ..ObjectMeta::default()
        }
    }

    /// The selector of this run's objects.
    pub(super) fn selector(&self) -> String {
        selector_of(&self.run)
    }
}

/// The selector of a run's objects.
pub(super) fn selector_of(run: &str) -> String {
    format!("{RUN}={run}")
}

/// The lane whose namespace has this name, where it is one of this run's: `papertiger-RUNLANE-x`.
pub(super) fn lane_of(namespace: &str, run: &str) -> Option<u32> {
    let (lane, _) = namespace.strip_prefix("papertiger-")?.strip_prefix(run)?.split_once('-')?;
    lane.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalogue::Blueprint;
    use crate::target::LaneNames;

    #[test]
    fn a_lane_is_known_by_its_namespaces() {
        let names = LaneNames { run: "ab12cd".to_owned(), lane: 17, token: String::new() };
        let world = Blueprint::embedded().world(&names.suffix());
        assert!(world.namespaces.iter().all(|namespace| lane_of(&namespace.name, &names.run) == Some(17)));
        assert_eq!(lane_of("papertiger-other10-x", &names.run), None);
        assert_eq!(lane_of("default", &names.run), None);
    }
}
