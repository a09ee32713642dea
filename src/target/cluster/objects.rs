//! Everything that a run creates, from one place: what `--dry-run` prints is what is created.
//!
//! Probe pods pass Pod Security `restricted`, mount no service account token, ask for little and get little more, are
//! owned by a controller (some engines pass bare pods over) unless a case wants to see just that, stay out of meshes and ask
//! not to be evicted.

use super::names::{self, CONTROL_PORT, Tag};
use crate::agent::TOKEN_VARIABLE;
use crate::core::catalogue::{HOSTS, control_port};
use crate::core::model::manifest;
use crate::core::model::policy::Policy;
use crate::core::model::world::{Labels, NAMESPACE_NAME_LABEL, Namespace, Pod, World};
use crate::core::wire::ToAgent;
use crate::target::identity;
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::json;
use std::collections::BTreeMap;

/// What a probe pod asks for, and what it may use: ten times what it needs.
pub(super) const REQUEST: Amount = Amount { millicores: 10, mebibytes: 16 };
const LIMIT: Amount = Amount { millicores: 1_000, mebibytes: 64 };

/// Where the carried agent is mounted.
const AGENT_DIRECTORY: &str = "/papertiger";
const AGENT_FILE: &str = "agent";

/// An amount of a node's resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) millicores: u32,
    pub(super) mebibytes: u32,
}

impl Amount {
    fn quantities(self) -> BTreeMap<String, Quantity> {
        BTreeMap::from([
            ("cpu".to_owned(), Quantity(format!("{}m", self.millicores))),
            ("memory".to_owned(), Quantity(format!("{}Mi", self.mebibytes))),
        ])
    }
}

/// What probe pods run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// The agent that papertiger carries, in an image that the nodes have.
    Carried {
        /// The image, of which nothing is used.
        image: String,
        /// A user id, where neither the image nor the platform is known to give one that is not root.
        user: Option<i64>,
    },
    /// An image whose entry point is the agent.
    Image(String),
}

/// How probe pods are made.
#[derive(Clone, Debug)]
pub(super) struct PodStyle {
    pub(super) program: Program,
    pub(super) tolerations: Vec<core::Toleration>,
    pub(super) pull_secret: Option<String>,
}

/// The namespace object.
pub(super) fn namespace(tag: &Tag, namespace: &Namespace) -> core::Namespace {
    let mut meta = tag.meta(&namespace.name, None);
    let labels = meta.labels.get_or_insert_default();
    labels.extend(namespace.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    labels.remove(NAMESPACE_NAME_LABEL);
    labels.extend(owned(&names::NAMESPACE_LABELS));
    if namespace.id == HOSTS {
        labels.extend(owned(&names::HOST_NAMESPACE_LABELS));
    }
    meta.annotations.get_or_insert_default().extend(owned(&names::NAMESPACE_ANNOTATIONS));
    core::Namespace { metadata: meta, ..core::Namespace::default() }
}

/// The ConfigMap that carries the agent of one architecture.
pub(super) fn agent(tag: &Tag, namespace: &Namespace, arch: &str, executable: &[u8]) -> core::ConfigMap {
    core::ConfigMap {
        metadata: tag.meta(&agent_name(arch), Some(&namespace.name)),
        immutable: Some(true),
        binary_data: Some(BTreeMap::from([(AGENT_FILE.to_owned(), ByteString(executable.to_vec()))])),
        ..core::ConfigMap::default()
    }
}

fn agent_name(arch: &str) -> String {
    format!("agent-{arch}")
}

/// The copy of a pull secret.
pub(super) fn pull_secret(tag: &Tag, namespace: &Namespace, original: &core::Secret) -> core::Secret {
    let name = original.metadata.name.as_deref().unwrap_or_default();
    core::Secret {
        metadata: tag.meta(name, Some(&namespace.name)),
        type_: original.type_.clone(),
        data: original.data.clone(),
        ..core::Secret::default()
    }
}

/// The Service in front of one pod. It offers other ports than the pod has, and offers them whether or not the pod is
/// ready: readiness must not look like policy.
pub(super) fn service(tag: &Tag, namespace: &Namespace, pod: &Pod) -> core::Service {
    let port = |port: &crate::core::model::world::ContainerPort| {
        Some(core::ServicePort {
            name: Some(port.name.clone()),
            protocol: Some(port.protocol.to_string()),
            port: port.service_port?.into(),
            target_port: Some(IntOrString::Int(port.port.into())),
            ..core::ServicePort::default()
        })
    };
    core::Service {
        metadata: tag.meta(&pod.id.pod, Some(&namespace.name)),
        spec: Some(core::ServiceSpec {
            selector: Some(selector(tag, pod)),
            ports: Some(pod.ports.iter().filter_map(port).collect()),
            ip_family_policy: Some("PreferDualStack".to_owned()),
            publish_not_ready_addresses: Some(true),
            ..core::ServiceSpec::default()
        }),
        ..core::Service::default()
    }
}

/// The controller of one pod, on the node that the world names.
pub(super) fn replica_set(
    tag: &Tag,
    style: &PodStyle,
    world: &World,
    pod: &Pod,
    arch: &str,
    suffix: &str,
    token: &str,
) -> ReplicaSet {
    let namespace = world.namespace(&pod.id.namespace).map(|namespace| namespace.name.as_str());
    let mut own = selector(tag, pod);
    own.extend(owned(&[names::CONTROLLED]));
    let mut labels = own.clone();
    labels.extend(owned(&[names::MANAGED_BY]));
    labels.extend(owned(&names::POD_LABELS));
    labels.extend(pod.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    let mut meta = tag.meta(&pod.id.pod, namespace);
    meta.labels.get_or_insert_default().insert(names::POD.to_owned(), pod.id.pod.clone());
    let mut annotations = tag.annotations();
    annotations.extend(owned(&names::POD_ANNOTATIONS));
    ReplicaSet {
        metadata: meta,
        spec: Some(ReplicaSetSpec {
            replicas: Some(1),
            selector: LabelSelector { match_labels: Some(own), ..LabelSelector::default() },
            template: Some(core::PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod_spec(style, pod, arch, suffix, token)),
            }),
            ..ReplicaSetSpec::default()
        }),
        ..ReplicaSet::default()
    }
}

/// The pod that a controller would make, without it. The controller, which is to want none meanwhile, must not take it for
/// its own.
pub(super) fn bare_pod(set: ReplicaSet) -> core::Pod {
    let template = set.spec.and_then(|spec| spec.template).unwrap_or_default();
    let mut meta = ObjectMeta {
        name: set.metadata.name,
        namespace: set.metadata.namespace,
        ..template.metadata.unwrap_or_default()
    };
    meta.labels.get_or_insert_default().remove(names::CONTROLLED.0);
    core::Pod { metadata: meta, spec: template.spec, ..core::Pod::default() }
}

/// Never changed after creation, unlike the labels that cases see.
fn selector(tag: &Tag, pod: &Pod) -> Labels {
    Labels::from([(names::RUN.to_owned(), tag.run.clone()), (names::POD.to_owned(), pod.id.pod.clone())])
}

fn pod_spec(style: &PodStyle, pod: &Pod, arch: &str, suffix: &str, token: &str) -> core::PodSpec {
    let (image, command, user) = match &style.program {
        Program::Carried { image, user } => (image, Some(vec![format!("{AGENT_DIRECTORY}/{AGENT_FILE}")]), *user),
        Program::Image(image) => (image, None, None),
    };
    let carried = command.is_some();
    let container = core::Container {
        name: names::CONTAINER.to_owned(),
        image: Some(image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command,
        args: Some(arguments(pod, suffix)),
        env: Some(vec![core::EnvVar {
            name: TOKEN_VARIABLE.to_owned(),
            value: Some(token.to_owned()),
            ..core::EnvVar::default()
        }]),
        // Ports that are named on a node's own network count as taken there, and are not to be.
        ports: (!pod.host_network).then(|| pod.ports.iter().map(container_port).collect()),
        resources: Some(core::ResourceRequirements {
            requests: Some(REQUEST.quantities()),
            limits: Some(LIMIT.quantities()),
            ..core::ResourceRequirements::default()
        }),
        security_context: Some(core::SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(core::Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                ..core::Capabilities::default()
            }),
            read_only_root_filesystem: Some(true),
            ..core::SecurityContext::default()
        }),
        volume_mounts: carried.then(|| {
            vec![core::VolumeMount {
                name: AGENT_FILE.to_owned(),
                mount_path: AGENT_DIRECTORY.to_owned(),
                read_only: Some(true),
                ..core::VolumeMount::default()
            }]
        }),
        ..core::Container::default()
    };
    core::PodSpec {
        containers: vec![container],
        affinity: Some(on_node(&pod.node)),
        automount_service_account_token: Some(false),
        dns_policy: Some("Default".to_owned()),
        enable_service_links: Some(false),
        host_network: pod.host_network.then_some(true),
        image_pull_secrets: style
            .pull_secret
            .as_ref()
            .map(|name| vec![core::LocalObjectReference { name: name.clone() }]),
        node_selector: Some(Labels::from([("kubernetes.io/os".to_owned(), "linux".to_owned())])),
        security_context: Some(core::PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: user,
            seccomp_profile: Some(core::SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..core::SeccompProfile::default()
            }),
            ..core::PodSecurityContext::default()
        }),
        // The agent ends at once when it is told to.
        termination_grace_period_seconds: Some(1),
        tolerations: (!style.tolerations.is_empty()).then(|| style.tolerations.clone()),
        volumes: carried.then(|| {
            vec![core::Volume {
                name: AGENT_FILE.to_owned(),
                config_map: Some(core::ConfigMapVolumeSource {
                    name: agent_name(arch),
                    default_mode: Some(0o555),
                    ..core::ConfigMapVolumeSource::default()
                }),
                ..core::Volume::default()
            }]
        }),
        ..core::PodSpec::default()
    }
}

fn arguments(pod: &Pod, suffix: &str) -> Vec<String> {
    let identity = identity(suffix, &pod.id.clone().into());
    let port = control_port(pod, CONTROL_PORT).to_string();
    ["agent", "--identity", &identity, "--control", &port].map(str::to_owned).to_vec()
}

/// What makes a pod's controller give the next pod these orders (strategic merge patch).
pub(super) fn instruction(pod: &Pod, suffix: &str, plan: &[ToAgent]) -> serde_json::Result<serde_json::Value> {
    let mut arguments = arguments(pod, suffix);
    if !plan.is_empty() {
        arguments.extend(["--plan".to_owned(), serde_json::to_string(plan)?]);
    }
    let container = json!({ "name": names::CONTAINER, "args": arguments });
    Ok(json!({ "spec": { "template": { "spec": { "containers": [container] } } } }))
}

fn container_port(port: &crate::core::model::world::ContainerPort) -> core::ContainerPort {
    core::ContainerPort {
        name: Some(port.name.clone()),
        protocol: Some(port.protocol.to_string()),
        container_port: port.port.into(),
        ..core::ContainerPort::default()
    }
}

/// By the scheduler's own means, so that taints and room are respected.
fn on_node(node: &str) -> core::Affinity {
    let this_node = core::NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    core::Affinity {
        node_affinity: Some(core::NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(core::NodeSelector {
                node_selector_terms: vec![core::NodeSelectorTerm {
                    match_fields: Some(vec![this_node]),
                    ..core::NodeSelectorTerm::default()
                }],
            }),
            ..core::NodeAffinity::default()
        }),
        ..core::Affinity::default()
    }
}

/// The policy object. `namespace` is the object's name of the policy's namespace.
pub(super) fn network_policy(tag: &Tag, policy: &Policy, namespace: &str) -> serde_json::Result<NetworkPolicy> {
    let mut written = serde_json::to_value(manifest::NetworkPolicy::from(policy))?;
    written["metadata"] = serde_json::to_value(tag.meta(&policy.name, Some(namespace)))?;
    serde_json::from_value(written)
}

/// A policy as the API server holds it, in the short names of cases; an error says why it cannot be read.
pub(super) fn read_policy(object: &NetworkPolicy, namespace: &str) -> Result<Policy, String> {
    let spec = serde_json::to_value(&object.spec).and_then(serde_json::from_value).map_err(|e| e.to_string())?;
    let metadata = manifest::Metadata {
        name: object.metadata.name.clone().unwrap_or_default(),
        namespace: namespace.to_owned(),
        ..manifest::Metadata::default()
    };
    let written = manifest::NetworkPolicy {
        api_version: manifest::API_VERSION.to_owned(),
        kind: manifest::KIND.to_owned(),
        metadata,
        spec,
    };
    written.validate().map_err(|errors| errors.first().map(ToString::to_string).unwrap_or_default())
}

fn owned<'a>(pairs: &'a [(&str, &str)]) -> impl Iterator<Item = (String, String)> + 'a {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalogue::furnished;

    #[test]
    fn a_controller_knows_its_own_pod_and_no_bare_one() {
        let tag = Tag { run: "k3f9ab".to_owned(), expires: jiff::Timestamp::UNIX_EPOCH };
        let program = Program::Image("papertiger".to_owned());
        let style = PodStyle { program, tolerations: Vec::new(), pull_secret: None };
        let mut world = furnished("k3f9ab0", &["n1", "n2"]);
        let made = |world: &World| {
            let pod = &world.pods[0];
            let set = replica_set(&tag, &style, world, pod, "amd64", "k3f9ab0", "token");
            let bare = bare_pod(set.clone());
            let set = set.spec.unwrap();
            let selector = set.selector.match_labels.unwrap();
            let own = set.template.unwrap().metadata.unwrap().labels.unwrap();
            assert_eq!(bare.metadata.owner_references, None);
            (selector, own, bare.metadata.labels.unwrap())
        };
        let holds = |selector: &Labels, of: &Labels| selector.iter().all(|(key, value)| of.get(key) == Some(value));
        let (selector, own, bare) = made(&world);
        assert!(holds(&selector, &own) && !holds(&selector, &bare));
        // Its Service leads to either.
        let offered = service(&tag, &world.namespaces[0], &world.pods[0]).spec.unwrap().selector.unwrap();
        assert!(holds(&offered, &own) && holds(&offered, &bare));
        // What was read back from a pod with a controller is no reason to belong to one.
        world.pods[0].labels = own;
        let (selector, _, bare) = made(&world);
        assert!(!holds(&selector, &bare));
    }
}
