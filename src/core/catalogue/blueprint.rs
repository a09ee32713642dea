//! The world as data: which namespaces, pods and ports there are, before anything of it exists.

use super::error::CatalogueError;
use super::scope::Scope;
use super::yaml;
use crate::core::model::flow::{Endpoint, PodId, Protocol};
use crate::core::model::world::{
    ContainerPort, External, Labels, NAMESPACE_NAME_LABEL, Namespace, Phase, Pod, Service, World,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What every lane's world is built after. Labels have their logical values here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blueprint {
    /// The namespaces with their pods.
    pub namespaces: Vec<NamespacePlan>,
    /// The short names of the hosts outside the pod network.
    pub externals: Vec<String>,
    /// The ports that every pod and every host outside listens on.
    pub ports: Vec<ContainerPort>,
}

/// A namespace of the blueprint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespacePlan {
    /// Its short name.
    pub id: String,
    /// Its labels.
    pub labels: Labels,
    /// Its pods.
    pub pods: Vec<PodPlan>,
}

/// A pod of the blueprint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodPlan {
    /// Its short name within the namespace.
    pub id: String,
    /// Its labels.
    pub labels: Labels,
    /// The numbers of its ports, by name, where they are not the usual ones. Two names that change places must both be
    /// there: a pod listens on the same numbers as all others.
    #[serde(default)]
    pub ports: BTreeMap<String, u16>,
    /// Whether a Service leads to it. Each costs every node rules, and the engine the time to look them through.
    #[serde(default)]
    pub service: bool,
}

impl Blueprint {
    /// The one that the program carries.
    pub fn embedded() -> Self {
        Self::parse("world.yaml", super::embedded::WORLD).expect("a test parses the embedded world")
    }

    /// Reads one.
    pub fn parse(file: &str, text: &str) -> Result<Self, CatalogueError> {
        let blueprint: Self = yaml::from_str(file, text)?;
        match blueprint.flaw() {
            None => Ok(blueprint),
            Some((path, message)) => Err(yaml::problem(file, text, &path, message).into()),
        }
    }

    /// The world of one lane. Object names and label values carry `suffix` (lower-case letters and digits), so that no
    /// selector of one lane ever matches another's pods. Nodes, addresses and Services are left to the target.
    pub fn world(&self, suffix: &str) -> World {
        let scope = Scope::new(suffix);
        let namespaces = self.namespaces.iter().map(|plan| {
            let name = scope.namespace_name(&plan.id);
            let mut labels = scope.labels(&plan.labels);
            labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.clone());
            Namespace { id: plan.id.clone(), name, labels }
        });
        let pods = self.namespaces.iter().flat_map(|namespace| {
            let pod = |plan: &PodPlan| Pod {
                id: PodId::new(&namespace.id, &plan.id),
                name: plan.id.clone(),
                labels: scope.labels(&plan.labels),
                node: String::new(),
                addresses: Vec::new(),
                host_network: false,
                bare: false,
                phase: Phase::Running,
                ports: self.ports_of(plan),
                service: plan.service.then(|| Service::planned(&plan.id)),
            };
            namespace.pods.iter().map(pod)
        });
        let external = |id: &String| External { id: id.clone(), addresses: Vec::new(), ports: self.ports.clone() };
        World {
            nodes: Vec::new(),
            namespaces: namespaces.collect(),
            pods: pods.collect(),
            externals: self.externals.iter().map(external).collect(),
        }
    }

    /// The ports of a pod. What a Service offers hangs on the number, not on the name.
    fn ports_of(&self, plan: &PodPlan) -> Vec<ContainerPort> {
        let number = |port: &ContainerPort| plan.ports.get(&port.name).copied().unwrap_or(port.port);
        let of_number =
            |protocol, number| self.ports.iter().find(|port| port.protocol == protocol && port.port == number);
        let port = |port: &ContainerPort| {
            let number = number(port);
            let service_port = of_number(port.protocol, number).and_then(|port| port.service_port);
            ContainerPort { name: port.name.clone(), protocol: port.protocol, port: number, service_port }
        };
        self.ports.iter().map(port).collect()
    }

    /// Whether a port's name means another number in some pod.
    pub(super) fn renumbers(&self, name: &str) -> bool {
        self.namespaces.iter().flat_map(|namespace| &namespace.pods).any(|pod| pod.ports.contains_key(name))
    }

    /// Whether a Service leads to that end.
    pub(super) fn has_service(&self, end: &Endpoint) -> bool {
        end.pod().and_then(|pod| self.pod(pod)).is_some_and(|pod| pod.service)
    }

    /// The namespace of that short name.
    pub fn namespace(&self, id: &str) -> Option<&NamespacePlan> {
        self.namespaces.iter().find(|namespace| namespace.id == id)
    }

    /// The pod of that short name.
    pub fn pod(&self, id: &PodId) -> Option<&PodPlan> {
        self.namespace(&id.namespace)?.pods.iter().find(|pod| pod.id == id.pod)
    }

    /// All pods, in the order of the file.
    pub fn pod_ids(&self) -> impl Iterator<Item = PodId> + '_ {
        self.namespaces.iter().flat_map(|namespace| namespace.pods.iter().map(|pod| PodId::new(&namespace.id, &pod.id)))
    }

    /// The first thing that the types alone do not rule out, with the path to it.
    fn flaw(&self) -> Option<(String, String)> {
        let mut ports = Vec::new();
        for (i, port) in self.ports.iter().enumerate() {
            if port.port < 1024 {
                let message = format!("pods cannot bind port {}: expected 1024 or above", port.port);
                return Some((format!("ports[{i}].port"), message));
            }
            if ports.contains(&(port.protocol, port.port)) {
                return Some((format!("ports[{i}].port"), format!("{} {} is there twice", port.protocol, port.port)));
            }
            ports.push((port.protocol, port.port));
        }
        for (i, namespace) in self.namespaces.iter().enumerate() {
            if self.namespaces[..i].iter().any(|earlier| earlier.id == namespace.id) {
                return Some((format!("namespaces[{i}].id"), format!("namespace `{}` is there twice", namespace.id)));
            }
            for (j, pod) in namespace.pods.iter().enumerate() {
                if namespace.pods[..j].iter().any(|earlier| earlier.id == pod.id) {
                    return Some((format!("namespaces[{i}].pods[{j}].id"), format!("pod `{}` is there twice", pod.id)));
                }
                if let Some(message) = self.flaw_in_ports(pod) {
                    return Some((format!("namespaces[{i}].pods[{j}].ports"), message));
                }
            }
        }
        None
    }

    fn flaw_in_ports(&self, pod: &PodPlan) -> Option<String> {
        if let Some(name) = pod.ports.keys().find(|name| !self.ports.iter().any(|port| port.name == **name)) {
            return Some(format!("there is no port `{name}`"));
        }
        let numbers = |ports: &[ContainerPort]| -> BTreeSet<(Protocol, u16)> {
            ports.iter().map(|port| (port.protocol, port.port)).collect()
        };
        let usual = numbers(&self.ports);
        (numbers(&self.ports_of(pod)) != usual)
            .then(|| format!("pod `{}` must listen on the same numbers as all others", pod.id))
    }
}
