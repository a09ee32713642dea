//! The ways to misread a policy, by name. One enum names them for the oracle's models, the lab and the documentation alike.

#[cfg(test)]
mod coverage;
mod experiment;
mod explain;
pub mod plan;
pub mod reading;
mod term;
mod touch;

pub use experiment::Experiment;
pub use explain::{Explanation, Ignored, Noticed, Shown};
pub use term::{ChangeKind, Part, Place, RulePart, Term};
pub use touch::touched;

use crate::core::model::flow::{Family, Path, Protocol};
use crate::core::model::nearest::nearest;
use crate::core::verdict::Placement;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A way in which a network fails to do what its policies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Policies have no effect at all.
    NoEngine,
    /// A policy's ingress section counts as absent.
    IgnoreIngress,
    /// A policy's egress section counts as absent.
    IgnoreEgress,
    /// A rule's `ports` list counts as absent.
    IgnorePorts,
    /// A port item matches its port on every protocol.
    IgnoreProtocol,
    /// A rule's `from` or `to` list counts as absent.
    IgnorePeers,
    /// A peer's `namespaceSelector` counts as `{}`.
    IgnoreNamespaceSelector,
    /// A peer's `podSelector` counts as `{}`.
    IgnorePodSelector,
    /// A peer with both selectors counts as two peers.
    AndAsOr,
    /// A peer's `matchExpressions` count as absent.
    IgnoreExpressions,
    /// `NotIn` does not hold where the label is absent.
    NotInNeedsKey,
    /// An `ipBlock`'s `except` counts as absent.
    IgnoreExcept,
    /// An `ipBlock` matches no address.
    IgnoreIpBlocks,
    /// An `ipBlock` matches every address outside its `except`.
    AnyIpBlock,
    /// `endPort` counts as absent: the first port of the range alone.
    IgnoreEndPort,
    /// A port item with a name matches no port.
    IgnoreNamedPorts,
    /// A port item with a name matches every port of its protocol.
    AnyNamedPort,
    /// A port's name means in every pod the number that it has in the first pod that gives it.
    OneNumberPerName,
    /// Of several policies that select a pod for a direction, only the first by name counts.
    FirstPolicyOnly,
    /// Only the first rule of a list counts.
    FirstRuleOnly,
    /// Only the first peer of a rule counts.
    FirstPeerOnly,
    /// Only the first port item of a rule counts.
    FirstPortOnly,
    /// Pods are isolated, and no rule allows anything.
    IgnoreRules,
    /// `spec.podSelector` counts as `{}`.
    IgnoreTargetSelector,
    /// Deleted policies stay in force until one of the same name is created.
    StaleDelete,
    /// A replaced policy keeps its first version.
    StaleUpdate,
    /// Labels stay as they were when the first policy came.
    IgnoreLabelChange,
    /// A pod that is created while policies are in force is neither their subject nor their peer.
    IgnoreNewPods,
    /// A pod without a controller is no policy's subject.
    IgnoreBarePods,
    /// Every change takes effect 2 s late.
    Slow,
    /// One pod receives no new connections, whatever the policies say.
    DeadReceiver,
    /// Another pod answers at one pod's own addresses.
    WrongIdentity,
    /// 2 % of the packets that a node forwards are lost.
    PacketLoss,
    /// 10 % of the packets that a node forwards are lost, ten in a row.
    BurstLoss,
}

impl Fault {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 34] = [
        Self::NoEngine,
        Self::IgnoreIngress,
        Self::IgnoreEgress,
        Self::IgnorePorts,
        Self::IgnoreProtocol,
        Self::IgnorePeers,
        Self::IgnoreNamespaceSelector,
        Self::IgnorePodSelector,
        Self::AndAsOr,
        Self::IgnoreExpressions,
        Self::NotInNeedsKey,
        Self::IgnoreExcept,
        Self::IgnoreIpBlocks,
        Self::AnyIpBlock,
        Self::IgnoreEndPort,
        Self::IgnoreNamedPorts,
        Self::AnyNamedPort,
        Self::OneNumberPerName,
        Self::FirstPolicyOnly,
        Self::FirstRuleOnly,
        Self::FirstPeerOnly,
        Self::FirstPortOnly,
        Self::IgnoreRules,
        Self::IgnoreTargetSelector,
        Self::StaleDelete,
        Self::StaleUpdate,
        Self::IgnoreLabelChange,
        Self::IgnoreNewPods,
        Self::IgnoreBarePods,
        Self::Slow,
        Self::DeadReceiver,
        Self::WrongIdentity,
        Self::PacketLoss,
        Self::BurstLoss,
    ];

    /// Its name, as users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoEngine => "no-engine",
            Self::IgnoreIngress => "ignore-ingress",
            Self::IgnoreEgress => "ignore-egress",
            Self::IgnorePorts => "ignore-ports",
            Self::IgnoreProtocol => "ignore-protocol",
            Self::IgnorePeers => "ignore-peers",
            Self::IgnoreNamespaceSelector => "ignore-namespace-selector",
            Self::IgnorePodSelector => "ignore-pod-selector",
            Self::AndAsOr => "and-as-or",
            Self::IgnoreExpressions => "ignore-expressions",
            Self::NotInNeedsKey => "not-in-needs-key",
            Self::IgnoreExcept => "ignore-except",
            Self::IgnoreIpBlocks => "ignore-ip-blocks",
            Self::AnyIpBlock => "any-ip-block",
            Self::IgnoreEndPort => "ignore-end-port",
            Self::IgnoreNamedPorts => "ignore-named-ports",
            Self::AnyNamedPort => "any-named-port",
            Self::OneNumberPerName => "one-number-per-name",
            Self::FirstPolicyOnly => "first-policy-only",
            Self::FirstRuleOnly => "first-rule-only",
            Self::FirstPeerOnly => "first-peer-only",
            Self::FirstPortOnly => "first-port-only",
            Self::IgnoreRules => "ignore-rules",
            Self::IgnoreTargetSelector => "ignore-target-selector",
            Self::StaleDelete => "stale-delete",
            Self::StaleUpdate => "stale-update",
            Self::IgnoreLabelChange => "ignore-label-change",
            Self::IgnoreNewPods => "ignore-new-pods",
            Self::IgnoreBarePods => "ignore-bare-pods",
            Self::Slow => "slow",
            Self::DeadReceiver => "dead-receiver",
            Self::WrongIdentity => "wrong-identity",
            Self::PacketLoss => "packet-loss",
            Self::BurstLoss => "burst-loss",
        }
    }

    /// What it does, in one line.
    pub fn description(self) -> &'static str {
        match self {
            Self::NoEngine => "policies have no effect at all",
            Self::IgnoreIngress => "a policy's ingress section counts as absent",
            Self::IgnoreEgress => "a policy's egress section counts as absent",
            Self::IgnorePorts => "a rule's `ports` list counts as absent",
            Self::IgnoreProtocol => "a port item matches its port on every protocol",
            Self::IgnorePeers => "a rule's `from` or `to` list counts as absent: everyone",
            Self::IgnoreNamespaceSelector => "a peer's `namespaceSelector` counts as `{}`: every namespace",
            Self::IgnorePodSelector => "a peer's `podSelector` counts as `{}`: every pod",
            Self::AndAsOr => "a peer with both selectors counts as two peers, one with each",
            Self::IgnoreExpressions => "a peer's `matchExpressions` count as absent",
            Self::NotInNeedsKey => "`NotIn` does not hold of what lacks the label",
            Self::IgnoreExcept => "an `ipBlock`'s `except` counts as absent",
            Self::IgnoreIpBlocks => "an `ipBlock` matches no address",
            Self::AnyIpBlock => "an `ipBlock` matches every address that its `except` does not",
            Self::IgnoreEndPort => "`endPort` counts as absent: the first port of a range alone is opened",
            Self::IgnoreNamedPorts => "a port item with a name matches no port",
            Self::AnyNamedPort => "a port item with a name matches every port of its protocol",
            Self::OneNumberPerName => {
                "a port's name means the same number in every pod: that of the first which gives it"
            }
            Self::FirstPolicyOnly => "of several policies on a pod, only the first by name counts, in each direction",
            Self::FirstRuleOnly => "only the first rule of a list counts",
            Self::FirstPeerOnly => "only the first peer of a rule counts",
            Self::FirstPortOnly => "only the first port item of a rule counts",
            Self::IgnoreRules => "pods are isolated and no rule allows anything",
            Self::IgnoreTargetSelector => "`spec.podSelector` counts as `{}`: every pod of the namespace",
            Self::StaleDelete => "deleted policies stay in force until one of the same name is created",
            Self::StaleUpdate => "a replaced policy keeps its first version",
            Self::IgnoreLabelChange => "labels stay as they were when the first policy came",
            Self::IgnoreNewPods => "a pod that is created while policies are in force is unknown to them",
            Self::IgnoreBarePods => "a pod without a controller is no policy's subject",
            Self::Slow => "every change takes effect 2 s late",
            Self::DeadReceiver => "pod y/b receives no new connections, whatever the policies say",
            Self::WrongIdentity => "z/b answers at the addresses of y/b",
            Self::PacketLoss => "2 % of the packets that a node forwards are lost",
            Self::BurstLoss => "10 % of the packets that a node forwards are lost, ten in a row",
        }
    }

    /// Whether it is a policy engine's; the others are the network's or a pod's, and no policy is to blame for them.
    pub fn is_engines(self) -> bool {
        !matches!(self, Self::DeadReceiver | Self::WrongIdentity | Self::PacketLoss | Self::BurstLoss)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|fault| fault.name() == text).ok_or_else(|| ParseFaultError::Name {
            text: text.to_owned(),
            meant: nearest(text, Self::ALL.iter().map(|fault| fault.name())),
        })
    }
}

/// Where a fault holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// What this node decides: egress of its pods and ingress to its pods.
    Node(String),
    /// Flows between two pods of this node.
    Within(String),
    /// Flows of one IP family.
    Family(Family),
    /// Flows of one transport protocol.
    Protocol(Protocol),
    /// Flows to a pod's own address, or through its Service.
    Path(Path),
    /// Flows within a node, or between two.
    Placement(Placement),
    /// What is in the one and in the other.
    Both(Box<Self>, Box<Self>),
}

impl Scope {
    /// Every scope that does not name a node.
    pub const CLOSED: [Self; 10] = [
        Self::Family(Family::Ipv4),
        Self::Family(Family::Ipv6),
        Self::Protocol(Protocol::Tcp),
        Self::Protocol(Protocol::Udp),
        Self::Protocol(Protocol::Sctp),
        Self::Path(Path::PodIp),
        Self::Path(Path::ClusterIp),
        Self::Placement(Placement::SameNode),
        Self::Placement(Placement::CrossNode),
        Self::Placement(Placement::Outside),
    ];

    /// Every part of a network of these nodes that is no part of another.
    pub fn parts<N: Into<String>>(nodes: impl IntoIterator<Item = N>) -> impl Iterator<Item = Self> {
        Self::CLOSED.into_iter().chain(nodes.into_iter().map(|node| Self::Node(node.into())))
    }

    /// The scopes that this one is the overlap of; itself where it is none.
    pub fn overlapping(&self) -> Vec<&Self> {
        match self {
            Self::Both(one, other) => [one.overlapping(), other.overlapping()].concat(),
            Self::Node(_)
            | Self::Within(_)
            | Self::Family(_)
            | Self::Protocol(_)
            | Self::Path(_)
            | Self::Placement(_) => vec![self],
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node={name}"),
            Self::Within(name) => write!(f, "within={name}"),
            Self::Family(Family::Ipv4) => f.write_str("family=ipv4"),
            Self::Family(Family::Ipv6) => f.write_str("family=ipv6"),
            Self::Protocol(Protocol::Tcp) => f.write_str("protocol=tcp"),
            Self::Protocol(Protocol::Udp) => f.write_str("protocol=udp"),
            Self::Protocol(Protocol::Sctp) => f.write_str("protocol=sctp"),
            Self::Path(Path::PodIp) => f.write_str("path=pod-ip"),
            Self::Path(Path::ClusterIp) => f.write_str("path=cluster-ip"),
            Self::Path(Path::NodePort) => f.write_str("path=node-port"),
            Self::Path(Path::LoadBalancer) => f.write_str("path=load-balancer"),
            Self::Placement(Placement::SameNode) => f.write_str("placement=same-node"),
            Self::Placement(Placement::CrossNode) => f.write_str("placement=cross-node"),
            Self::Placement(Placement::Outside) => f.write_str("placement=outside"),
            Self::Both(one, other) => write!(f, "{one}+{other}"),
        }
    }
}

impl FromStr for Scope {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((one, other)) = text.split_once('+') {
            return Ok(Self::Both(Box::new(one.parse()?), Box::new(other.parse()?)));
        }
        let named = |key: &str| text.strip_prefix(key).filter(|name| !name.is_empty()).map(str::to_owned);
        if let Some(name) = named("node=") {
            return Ok(Self::Node(name));
        }
        if let Some(name) = named("within=") {
            return Ok(Self::Within(name));
        }
        Self::CLOSED
            .into_iter()
            .find(|scope| scope.to_string() == text)
            .ok_or_else(|| ParseFaultError::Scope { text: text.to_owned() })
    }
}

/// A fault and where it holds: `NAME` or `NAME@KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FaultAt {
    /// The fault.
    pub fault: Fault,
    /// Where; `None` is everywhere.
    pub scope: Option<Scope>,
}

impl fmt::Display for FaultAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => write!(f, "{}@{scope}", self.fault),
            None => self.fault.fmt(f),
        }
    }
}

impl FromStr for FaultAt {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('@') {
            Some((fault, scope)) => Ok(Self { fault: fault.parse()?, scope: Some(scope.parse()?) }),
            None => Ok(Self { fault: text.parse()?, scope: None }),
        }
    }
}

impl From<Fault> for FaultAt {
    fn from(fault: Fault) -> Self {
        Self { fault, scope: None }
    }
}

impl From<FaultAt> for String {
    fn from(fault: FaultAt) -> Self {
        fault.to_string()
    }
}

impl TryFrom<String> for FaultAt {
    type Error = ParseFaultError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A text that names no fault, or no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseFaultError {
    /// Not a fault.
    #[error("no fault is called `{text}`{} (`--fault list` shows all)", meant.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default())]
    Name {
        /// The text.
        text: String,
        /// The fault that may have been meant.
        meant: Option<&'static str>,
    },
    /// Not a scope.
    #[error(
        "`{text}` is no scope; write node=NAME, within=NAME, family=ipv4|ipv6, protocol=tcp|udp|sctp, path=pod-ip|cluster-ip or placement=same-node|cross-node|outside, or several with + between them (`--fault list` shows the faults)"
    )]
    Scope {
        /// The text.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_scope_survives_the_way_through_text() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
        for text in [
            "slow",
            "no-engine@node=n2",
            "no-engine@within=n2",
            "no-engine@node=n2+family=ipv6",
            "ignore-ports@family=ipv6",
            "ignore-rules@placement=cross-node",
        ] {
            assert_eq!(text.parse::<FaultAt>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_list_holds_every_fault_once_in_order() {
        assert!(Fault::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn an_unknown_name_brings_the_nearest_one() {
        let error = "ignore-prots".parse::<FaultAt>().unwrap_err().to_string();
        assert!(error.contains("`ignore-ports`") && error.contains("--fault list"), "{error}");
        let error = "segmentation".parse::<FaultAt>().unwrap_err().to_string();
        assert_eq!(error, "no fault is called `segmentation` (`--fault list` shows all)");
    }

    #[test]
    fn an_unknown_scope_brings_the_ways_to_write_one() {
        for text in [
            "slow@",
            "slow@node=",
            "slow@within=",
            "slow@zone=a",
            "slow@protocol=icmp",
            "slow@node=n1+",
            "slow@+node=n1",
        ] {
            let error = text.parse::<FaultAt>().unwrap_err().to_string();
            assert!(error.contains("family=ipv4|ipv6"), "{error}");
        }
    }
}
