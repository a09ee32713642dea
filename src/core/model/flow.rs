//! What can be sent: a flow is source, destination, path, IP family, protocol and port.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The transport protocols a NetworkPolicy can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// Transmission Control Protocol, the default of a port item.
    Tcp,
    /// User Datagram Protocol.
    Udp,
    /// Stream Control Transmission Protocol.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// An IP family. A policy is evaluated for each family pair on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// How the sender addresses the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// The receiver's own address.
    PodIp,
    /// A Service's cluster address, rewritten to the pod's by the sender's node.
    ClusterIp,
    /// A port of a node, rewritten to the pod's.
    NodePort,
    /// An address outside the cluster, rewritten to the pod's.
    LoadBalancer,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PodIp => "pod IP",
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        })
    }
}

/// Over which connections a flow is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// Over a new one each time: what policies speak of.
    #[default]
    New,
    /// Over one that stands since before the first policy.
    Standing,
}

/// One end of a flow, by the name that cases and reports use: `x/a`, `node:n1` or `external:echo`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Endpoint {
    /// A probe pod.
    Pod(PodId),
    /// A node itself, as a kubelet would send.
    Node(String),
    /// A host outside the pod network.
    External(String),
}

/// A probe pod's place in the world: namespace and pod as the catalogue calls them, `x/a`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PodId {
    /// The namespace's short name.
    pub namespace: String,
    /// The pod's short name.
    pub pod: String,
}

impl PodId {
    /// The pod `pod` of namespace `namespace`.
    pub fn new(namespace: impl Into<String>, pod: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), pod: pod.into() }
    }
}

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.pod)
    }
}

impl FromStr for PodId {
    type Err = ParseEndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, pod)) if !namespace.is_empty() && !pod.is_empty() && !pod.contains('/') => {
                Ok(Self::new(namespace, pod))
            }
            _ => Err(ParseEndpointError { text: text.to_owned() }),
        }
    }
}

impl From<PodId> for String {
    fn from(id: PodId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for PodId {
    type Error = ParseEndpointError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Endpoint {
    /// The pod, when this end is one.
    pub fn pod(&self) -> Option<&PodId> {
        match self {
            Self::Pod(id) => Some(id),
            Self::Node(_) | Self::External(_) => None,
        }
    }
}

impl From<PodId> for Endpoint {
    fn from(id: PodId) -> Self {
        Self::Pod(id)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(id) => id.fmt(f),
            Self::Node(name) => write!(f, "node:{name}"),
            Self::External(name) => write!(f, "external:{name}"),
        }
    }
}

impl FromStr for Endpoint {
    type Err = ParseEndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("node", name)) if !name.is_empty() => Ok(Self::Node(name.to_owned())),
            Some(("external", name)) if !name.is_empty() => Ok(Self::External(name.to_owned())),
            Some(_) => Err(ParseEndpointError { text: text.to_owned() }),
            None => text.parse().map(Self::Pod),
        }
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = ParseEndpointError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A text that names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no endpoint; write NAMESPACE/POD, node:NAME or external:NAME")]
pub struct ParseEndpointError {
    /// The text.
    pub text: String,
}

/// One directed way through the network that is either open or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Who opens the connection.
    pub from: Endpoint,
    /// Who shall answer.
    pub to: Endpoint,
    /// How `from` addresses `to`.
    pub path: Path,
    /// The IP family of both ends.
    pub family: Family,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The receiver's own port, that is after any Service has rewritten it (1 to 65535).
    pub port: u16,
    /// Over which connections it is tried.
    #[serde(default, skip_serializing_if = "Flow::is_usual")]
    pub connection: Connection,
}

impl Flow {
    fn is_usual(connection: &Connection) -> bool {
        *connection == Connection::New
    }
}

#[cfg(test)]
impl Flow {
    /// A flow like any other, for tests to which only what is seen on it matters.
    pub(crate) fn sample() -> Self {
        Self {
            from: PodId::new("x", "a").into(),
            to: PodId::new("y", "b").into(),
            path: Path::PodIp,
            family: Family::Ipv4,
            protocol: Protocol::Tcp,
            port: 8080,
            connection: Connection::New,
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, path, family, protocol, port, connection } = self;
        write!(f, "{from} → {to} {protocol} {port} over {family} by {path}")?;
        match connection {
            Connection::New => Ok(()),
            Connection::Standing => f.write_str(" on a standing connection"),
        }
    }
}
