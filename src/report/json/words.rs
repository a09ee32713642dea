//! The words that `papertiger.dev/report/v1` has for a fixed set of things. A word is only ever added.

use schemars::JsonSchema;
use serde::Serialize;

/// Why a run was over. Only a completed run can have proved everything that it set out to prove.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Every case was run.
    Completed,
    /// A signal ended it.
    Interrupted,
    /// It took longer than its timeout.
    TimedOut,
    /// It could not go on.
    Failed,
    /// The event log breaks off.
    Unknown,
}

/// What is said of a term, and folded to case, feature, node and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Its witnesses were observed as written, beside controls.
    Enforced,
    /// Traffic that it forbids gets through.
    Ignored,
    /// Enforced in some scopes and not in others.
    Partial,
    /// Traffic that it allows is blocked.
    Overblocked,
    /// The network still acts as before a change.
    Stale,
    /// It was right, and then wrong again without any change.
    Flapping,
    /// It was right in the end, but later than the budget allows.
    Late,
    /// What was seen proves nothing.
    Inconclusive,
    /// It was not run.
    Skipped,
    /// The specification leaves it open: observed, never scored.
    Undefined,
}

/// What flows had to turn to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// From open to blocked.
    Deny,
    /// From blocked to open.
    Allow,
}

/// Which way a flow goes, as seen from a pod.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the pod.
    Ingress,
    /// From the pod.
    Egress,
}

/// What was wrong with policies.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// What they forbid got through.
    Open,
    /// What they allow did not, while other things did.
    Closed,
    /// Nothing did.
    Dead,
}

/// What must happen to a flow.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// It gets through.
    Allow,
    /// It does not.
    Deny,
    /// The specification leaves it open.
    Undefined,
}

/// What happened to a flow.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// It got through.
    Through,
    /// It did not.
    Blocked,
    /// Neither can be said.
    Unclear,
}

/// How the sender addresses the receiver.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// The receiver's own address.
    PodIp,
    /// A Service's cluster address.
    ClusterIp,
    /// A port of a node.
    NodePort,
    /// An address outside the cluster.
    LoadBalancer,
}

/// An IP family.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// A transport protocol.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
    /// Stream Control Transmission Protocol.
    Sctp,
}

/// Where the two ends of a flow stand.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// On the same node.
    SameNode,
    /// On two nodes.
    CrossNode,
    /// One of them outside the cluster.
    Outside,
}
