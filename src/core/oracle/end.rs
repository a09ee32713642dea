//! The two ends of a flow, looked up in the world once.

use crate::core::model::flow::{Endpoint, Family, Flow};
use crate::core::model::world::{External, Namespace, Node, Pod, World};
use std::net::IpAddr;

/// One end.
#[derive(Clone, Copy)]
pub(super) enum End<'a> {
    /// A pod and the namespace that it is in.
    Pod(&'a Pod, &'a Namespace),
    /// A node itself.
    Node(&'a Node),
    /// A host outside the pod network.
    External(&'a External),
}

/// Both ends.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    /// Who opens the connection.
    pub(super) from: End<'a>,
    /// Who shall answer.
    pub(super) to: End<'a>,
}

impl<'a> Ends<'a> {
    /// The ends of a flow, or `None` where the world lacks one.
    pub(super) fn of(world: &'a World, flow: &Flow) -> Option<Self> {
        Some(Self { from: End::of(world, &flow.from)?, to: End::of(world, &flow.to)? })
    }
}

impl<'a> End<'a> {
    fn of(world: &'a World, endpoint: &Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::Pod(id) => Some(Self::Pod(world.pod(id)?, world.namespace(&id.namespace)?)),
            Endpoint::Node(name) => world.nodes.iter().find(|node| node.name == *name).map(Self::Node),
            Endpoint::External(id) => world.external(id).map(Self::External),
        }
    }

    /// Its own address in one family.
    pub(super) fn address(self, family: Family) -> Option<IpAddr> {
        let addresses = match self {
            Self::Pod(pod, _) => &pod.addresses,
            Self::Node(node) => &node.addresses,
            Self::External(external) => &external.addresses,
        };
        addresses.iter().copied().find(|address| Family::of(*address) == family)
    }
}
