//! What the specification leaves open.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why the specification leaves a flow open: observed and reported, never scored.
///
/// Some of what it leaves open cannot be asked here, because a [`Flow`](crate::core::model::flow::Flow) cannot say it:
/// ICMP and other traffic above or below TCP, UDP and SCTP; destinations by DNS name; and whether a denial drops or rejects: [`Answer::Deny`](super::Answer::Deny) covers both.
///
/// Where several leave the same side of a flow open, the first in this order is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undefined {
    /// An `ipBlock` that contains a pod's address would decide. The documentation says of ipBlocks that they "should
    /// be cluster-external IPs"; engines differ (cilium #9209, #35212).
    IpBlockContainsPod,
    /// A named port towards an `ipBlock`, or towards an address behind which no pod stands, would decide. A name is
    /// looked up in the destination pod's container ports (types.go), and here there is none.
    NamedPortWithoutPod,
    /// A peer would decide that the flow meets before or after its addresses are rewritten: by a NodePort, a load
    /// balancer, or a Service with an external backend. The documentation leaves the order open (k8s #114369).
    AfterNat,
    /// A pod reaches itself through its own Service. Engines differ (k8s #95879, antrea #5687, ovn-kubernetes #3178).
    Hairpin,
    /// A pod on its node's network is subject or peer. The documentation gives two legal behaviours: treated as a pod,
    /// or ignored, so that its traffic is its node's.
    HostNetwork,
    /// A pod reaches the node that it stands on. types.go exempts only the way from the node to the pod, the
    /// documentation's introduction both (kube-network-policies #283).
    OwnNode,
    /// One end is terminating or has completed. Policies speak of pods that run; whether a pod that ends still is a
    /// subject or a peer, and whose its address is, depends on the moment.
    NotRunning,
    /// A policy denies a connection that stood before it. Whether it is cut is the engine's choice (website #43438, k8s
    /// #120525).
    StandingConnection,
    /// The world does not hold one end of the flow, or not its address.
    UnknownEnd,
}

impl Undefined {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::IpBlockContainsPod,
        Self::NamedPortWithoutPod,
        Self::AfterNat,
        Self::Hairpin,
        Self::HostNetwork,
        Self::OwnNode,
        Self::NotRunning,
        Self::StandingConnection,
        Self::UnknownEnd,
    ];
}

impl fmt::Display for Undefined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IpBlockContainsPod => "whether an ipBlock admits a pod whose address it contains is left open",
            Self::NamedPortWithoutPod => {
                "what a named port means towards an ipBlock or an address without a pod is left open"
            }
            Self::AfterNat => "whether a peer is matched before or after its address is rewritten is left open",
            Self::Hairpin => "whether policies apply to a pod that reaches itself through its Service is left open",
            Self::HostNetwork => "whether a pod on its node's network counts as a pod or as its node is left open",
            Self::OwnNode => "whether egress policies apply from a pod to its own node is left open",
            Self::NotRunning => "whether policies apply to a pod that is terminating or has completed is left open",
            Self::StandingConnection => "whether a policy cuts connections that stood before it is left open",
            Self::UnknownEnd => "one end of the flow, or its address, is not known",
        })
    }
}
