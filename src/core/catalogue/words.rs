//! The fixed words of case files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much a run proves. Each profile holds all cases of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The few cases that find an engine that is missing, half there or asleep.
    Quick,
    /// Every feature that policies in use rely on.
    Standard,
    /// All.
    Full,
}

impl Profile {
    /// All of them, from the smallest to the largest.
    pub const ALL: [Self; 3] = [Self::Quick, Self::Standard, Self::Full];
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        })
    }
}

/// What the specification leaves open and a run observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Property {
    /// An `ipBlock` that contains a pod's address admits that pod.
    IpBlockMatchesPods,
    /// A policy applies to a pod that reaches itself through its own Service.
    Hairpin,
    /// A named port towards an `ipBlock` means the port of that name of the pod at the address.
    NamedPortToIpBlock,
    /// A connection that stood before a policy which denies it is cut.
    StandingConnections,
    /// A pod on its node's network counts as a pod, not as its node.
    HostNetwork,
    /// A policy keeps a node's kubelet from probing its own pods.
    Kubelet,
}

impl Property {
    /// Whether other cases rely on it: the oracle can be told what was observed.
    pub fn can_be_assumed(self) -> bool {
        match self {
            Self::IpBlockMatchesPods => true,
            Self::Hairpin
            | Self::NamedPortToIpBlock
            | Self::StandingConnections
            | Self::HostNetwork
            | Self::Kubelet => false,
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IpBlockMatchesPods => "ip-block-matches-pods",
            Self::Hairpin => "hairpin",
            Self::NamedPortToIpBlock => "named-port-to-ip-block",
            Self::StandingConnections => "standing-connections",
            Self::HostNetwork => "host-network",
            Self::Kubelet => "kubelet",
        })
    }
}

/// Declares [`Feature`] with the word that files and reports use for each.
macro_rules! features {
    ($($(#[$doc:meta])+ $variant:ident = $word:literal,)+) => {
        /// A group of terms that users speak of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Feature {
            $($(#[$doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl Feature {
            /// All of them, in the order in which reports show them.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

features! {
    /// Policies that isolate against incoming traffic.
    Ingress = "ingress",
    /// Policies that isolate against outgoing traffic.
    Egress = "egress",
    /// An isolation without any rule.
    DefaultDeny = "default-deny",
    /// A rule without ports and peers.
    AllowAll = "allow-all",
    /// `podSelector`, of a policy or of a peer.
    PodSelector = "pod-selector",
    /// `namespaceSelector`.
    NamespaceSelector = "namespace-selector",
    /// `kubernetes.io/metadata.name`, the label that names a namespace.
    NamespaceName = "namespace-name",
    /// `matchExpressions`.
    MatchExpressions = "match-expressions",
    /// `ipBlock`.
    IpBlock = "ip-block",
    /// `ipBlock.except`.
    Except = "except",
    /// `ports`.
    Ports = "ports",
    /// Ports by name.
    NamedPort = "named-port",
    /// `endPort`.
    EndPort = "end-port",
    /// `protocol`.
    Protocol = "protocol",
    /// UDP traffic.
    Udp = "udp",
    /// SCTP traffic.
    Sctp = "sctp",
    /// Several rules or policies on one pod: what any of them allows is allowed.
    Union = "union",
    /// A policy that is replaced.
    Update = "update",
    /// Labels that change while a policy is in force.
    LabelChange = "label-change",
    /// A policy that is deleted.
    Deletion = "deletion",
    /// Pods and namespaces that are deleted and made again while a policy is in force.
    NewPods = "new-pods",
    /// Pods that no controller owns.
    BarePods = "bare-pods",
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
