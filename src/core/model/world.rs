//! The pods that a run probes between. Data: nothing else in the program knows how many there are or what they are called.

use super::flow::{Endpoint, Family, Path, PodId, Protocol};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Not;

/// Labels of a pod or a namespace.
pub type Labels = BTreeMap<String, String>;

/// The label that the API server puts on every namespace: its own name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Everything that sends or receives in one lane, with its labels, places and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// The nodes that the pods stand on.
    pub nodes: Vec<Node>,
    /// The namespaces.
    pub namespaces: Vec<Namespace>,
    /// The pods, in the order in which reports show them.
    pub pods: Vec<Pod>,
    /// Hosts outside the pod network.
    pub externals: Vec<External>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// The short name that cases and reports use.
    pub id: String,
    /// The object's name.
    pub name: String,
    /// Its labels, `kubernetes.io/metadata.name` among them.
    pub labels: Labels,
}

/// Where a pod is in its life. Only a running pod is a peer or a subject of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It runs and has an address.
    #[default]
    Running,
    /// It is being deleted.
    Terminating,
    /// Its containers have ended; its address may already be another's.
    Completed,
}

/// A probe pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pod {
    /// The short name that cases and reports use.
    pub id: PodId,
    /// The object's name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// The node that it stands on.
    pub node: String,
    /// Its addresses, at most one of each family.
    pub addresses: Vec<IpAddr>,
    /// Whether it shares its node's network.
    pub host_network: bool,
    /// Whether no controller owns it.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub bare: bool,
    /// Where it is in its life.
    pub phase: Phase,
    /// The ports that it listens on.
    pub ports: Vec<ContainerPort>,
    /// The Service that has this pod as its only backend.
    pub service: Option<Service>,
}

/// A port that a pod listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerPort {
    /// Its name, unique within the pod together with its protocol.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// The number that the pod listens on.
    pub port: u16,
    /// The number under which the pod's Service offers it, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_port: Option<u16>,
}

/// A Service in front of one pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The object's name.
    pub name: String,
    /// Its cluster addresses, at most one of each family.
    pub addresses: Vec<IpAddr>,
}

impl Service {
    /// One of that name that has no addresses yet.
    pub fn planned(name: impl Into<String>) -> Self {
        Self { name: name.into(), addresses: Vec::new() }
    }
}

/// A host outside the pod network that echoes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// The short name that cases and reports use.
    pub id: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The ports that it listens on.
    pub ports: Vec<ContainerPort>,
}

impl World {
    /// The pod of that short name.
    pub fn pod(&self, id: &PodId) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.id == *id)
    }

    /// The namespace of that short name.
    pub fn namespace(&self, id: &str) -> Option<&Namespace> {
        self.namespaces.iter().find(|namespace| namespace.id == id)
    }

    /// The host outside of that short name.
    pub fn external(&self, id: &str) -> Option<&External> {
        self.externals.iter().find(|external| external.id == id)
    }

    /// Everybody that has an agent: the pods, then the hosts outside.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        let pods = self.pods.iter().map(|pod| Endpoint::Pod(pod.id.clone()));
        pods.chain(self.externals.iter().map(|external| Endpoint::External(external.id.clone())))
    }

    /// This world with these pods in the place of those of the same short names.
    #[must_use]
    pub fn with_pods(mut self, pods: &[Pod]) -> Self {
        for pod in pods {
            if let Some(former) = self.pods.iter_mut().find(|former| former.id == pod.id) {
                former.clone_from(pod);
            }
        }
        self
    }

    /// Forgets the nodes that no pod stands on: a lane must not be as large as its cluster.
    pub fn forget_idle_nodes(&mut self) {
        let used: BTreeSet<&str> = self.pods.iter().map(|pod| pod.node.as_str()).collect();
        self.nodes.retain(|node| used.contains(node.name.as_str()));
    }

    /// All addresses of an endpoint itself, Services not among them.
    pub fn addresses(&self, endpoint: &Endpoint) -> &[IpAddr] {
        match endpoint {
            Endpoint::Pod(id) => self.pod(id).map_or(&[], |pod| &pod.addresses),
            Endpoint::Node(name) => {
                self.nodes.iter().find(|node| node.name == *name).map_or(&[], |node| &node.addresses)
            }
            Endpoint::External(id) => self.external(id).map_or(&[], |external| &external.addresses),
        }
    }

    /// The address of an endpoint itself in one family.
    pub fn address(&self, endpoint: &Endpoint, family: Family) -> Option<IpAddr> {
        self.addresses(endpoint).iter().copied().find(|address| Family::of(*address) == family)
    }

    /// Whether anything in this world has an address of a family.
    pub fn has_family(&self, family: Family) -> bool {
        let pods = self.pods.iter().flat_map(|pod| &pod.addresses);
        let externals = self.externals.iter().flat_map(|external| &external.addresses);
        pods.chain(externals).any(|address| Family::of(*address) == family)
    }

    /// Whether anything in this world listens on a protocol.
    pub fn has_protocol(&self, protocol: Protocol) -> bool {
        self.pods.iter().flat_map(|pod| &pod.ports).any(|port| port.protocol == protocol)
    }

    /// Takes away every port that `keep` does not want.
    pub fn retain_ports(&mut self, keep: impl Fn(&ContainerPort) -> bool) {
        let pods = self.pods.iter_mut().map(|pod| &mut pod.ports);
        let externals = self.externals.iter_mut().map(|external| &mut external.ports);
        pods.chain(externals).for_each(|ports| ports.retain(&keep));
    }

    /// The ports that an endpoint listens on.
    pub fn ports(&self, endpoint: &Endpoint) -> &[ContainerPort] {
        match endpoint {
            Endpoint::Pod(id) => self.pod(id).map_or(&[], |pod| &pod.ports),
            Endpoint::Node(_) => &[],
            Endpoint::External(id) => self.external(id).map_or(&[], |external| &external.ports),
        }
    }

    /// Whether an endpoint is a pod on its node's network.
    pub fn is_on_host(&self, endpoint: &Endpoint) -> bool {
        endpoint.pod().and_then(|id| self.pod(id)).is_some_and(|pod| pod.host_network)
    }

    /// The node that an endpoint stands on; a host outside stands on none.
    pub fn node_of<'a>(&'a self, endpoint: &'a Endpoint) -> Option<&'a str> {
        match endpoint {
            Endpoint::Pod(id) => self.pod(id).map(|pod| pod.node.as_str()),
            Endpoint::Node(name) => Some(name),
            Endpoint::External(_) => None,
        }
    }

    /// The address and port to dial for a flow, or `None` where the flow has no such address.
    pub fn dial(&self, flow: &super::flow::Flow) -> Option<std::net::SocketAddr> {
        match flow.path {
            Path::PodIp => Some(std::net::SocketAddr::new(self.address(&flow.to, flow.family)?, flow.port)),
            Path::ClusterIp => {
                let pod = self.pod(flow.to.pod()?)?;
                let address = *pod.service.as_ref()?.addresses.iter().find(|a| Family::of(**a) == flow.family)?;
                let port = pod.ports.iter().find(|p| p.port == flow.port && p.protocol == flow.protocol)?;
                Some(std::net::SocketAddr::new(address, port.service_port?))
            }
            Path::NodePort | Path::LoadBalancer => None,
        }
    }
}
