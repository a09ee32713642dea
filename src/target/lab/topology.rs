//! The nodes and the wire between them.

use super::addresses::{self, NodeNumber, single};
use super::failed;
use super::links::End;
use super::netns::Netns;
use crate::target::TargetError;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// The bridge that all nodes and all hosts outside are plugged into.
const BRIDGE: &str = "br0";

/// A node's link to the bridge.
pub(super) const UPLINK: &str = "fab";

/// The nodes and the fabric that joins them.
#[derive(Debug)]
pub(super) struct Topology {
    /// The namespace of the bridge.
    pub(super) fabric: Netns,
    /// The nodes: n1, n2, …
    pub(super) nodes: Vec<Node>,
}

/// A node: it routes between its pods, the other nodes and the hosts outside.
#[derive(Debug)]
pub(super) struct Node {
    /// Its name.
    pub(super) name: String,
    /// Its place in the list, from 1.
    pub(super) number: NodeNumber,
    /// Its own addresses.
    pub(super) addresses: [IpAddr; 2],
    /// Its network.
    pub(super) netns: Arc<Netns>,
    /// Held while rules are loaded: the kernel would make a second loader start again.
    pub(super) loading: Mutex<()>,
}

impl Topology {
    /// Builds a network of this many nodes.
    pub(super) fn build(size: usize) -> Result<Self, TargetError> {
        if size == 0 || size > addresses::MAX_NODES {
            let cause = format!("{size} nodes: expected 1 to {}", addresses::MAX_NODES);
            return Err(failed("building the lab", cause));
        }
        let fabric = Netns::host("the fabric")?;
        fabric.netlink(async |links| links.bridge(BRIDGE).await)?;
        let numbers = 1..=NodeNumber::try_from(size).unwrap_or(NodeNumber::MAX);
        let nodes: Vec<Node> = numbers.map(Node::new).collect::<Result<_, _>>()?;
        let topology = Self { fabric, nodes };
        for node in &topology.nodes {
            topology.plug_in(&node.name, 0, UPLINK, &node.netns)?;
            topology.configure(node)?;
        }
        Ok(topology)
    }

    /// Lays a cable from the bridge's socket `socket`, of that group, to the link `name` in a namespace.
    pub(super) fn plug_in(&self, socket: &str, group: u32, name: &str, netns: &Netns) -> Result<(), TargetError> {
        let far = netns.raw_fd();
        self.fabric.netlink(async |links| {
            let near = End { name: socket, mac: None, group };
            links.cable(near, Some(BRIDGE), End { name, mac: None, group: 0 }, far).await
        })?;
        netns.netlink(async |links| links.up(name).await)?;
        self.fabric.netlink(async |links| links.carries(socket).await)
    }

    /// Gives a host outside its addresses, and the ways to all pods and nodes.
    pub(super) fn configure_outside(&self, netns: &Netns, name: &str, own: [IpAddr; 2]) -> Result<(), TargetError> {
        netns.netlink(async |links| {
            for (family, address) in own.into_iter().enumerate() {
                links.address(name, single(address)).await?;
                links.route(addresses::fabric()[family], name, None).await?;
                for node in &self.nodes {
                    let pods = addresses::pods_of(node.number)[family];
                    links.route(pods, name, Some(node.addresses[family])).await?;
                }
            }
            Ok(())
        })
    }

    fn configure(&self, node: &Node) -> Result<(), TargetError> {
        node.netns.netlink(async |links| {
            for (family, address) in node.addresses.into_iter().enumerate() {
                let network = addresses::fabric()[family];
                links.address(UPLINK, IpNet::new_assert(address, network.prefix_len())).await?;
                links.route(addresses::outside()[family], UPLINK, None).await?;
                for other in self.nodes.iter().filter(|other| other.number != node.number) {
                    let pods = addresses::pods_of(other.number)[family];
                    links.route(pods, UPLINK, Some(other.addresses[family])).await?;
                }
            }
            Ok(())
        })
    }
}

impl Node {
    fn new(number: NodeNumber) -> Result<Self, TargetError> {
        let name = format!("n{number}");
        Ok(Self {
            netns: Arc::new(Netns::router(&name)?),
            name,
            number,
            addresses: addresses::node(number),
            loading: Mutex::new(()),
        })
    }

    /// Loads packet-filter rules into this node.
    pub(super) fn load(&self, rules: &str) -> Result<(), TargetError> {
        let _alone = super::lock(&self.loading);
        self.netns.run(|| super::nft::load(rules))?
    }
}
