//! What stands in the network: pods on their nodes, and hosts outside. Each is a namespace with an agent in it.

use super::addresses::{GATEWAYS, anywhere, single};
use super::agent::Agent;
use super::failed;
use super::links::{End, Mac};
use super::netns::Netns;
use super::topology::{Node, Topology};
use crate::core::model::flow::Endpoint;
use crate::target::TargetError;
use std::net::IpAddr;
use std::sync::Arc;

/// Every host's link.
const LINK: &str = "eth0";

/// What the names of all pods' links on a node begin with.
pub(super) const POD_LINKS: &str = "pod";

/// The hardware addresses at the two ends of every pod's cable. Cables have no third end, so they are all alike.
const NODE_MAC: Mac = [0x02, 0, 0, 0, 0, 0x01];
const POD_MAC: Mac = [0x02, 0, 0, 0, 0, 0x02];

/// A pod or a host outside.
#[derive(Debug)]
pub(super) struct Host {
    /// Who it is.
    pub(super) endpoint: Endpoint,
    /// Its network.
    pub(super) netns: Arc<Netns>,
    /// What speaks for it.
    pub(super) agent: Option<Agent>,
}

/// A pod that is to be made.
#[derive(Clone, Debug)]
pub(super) struct PodPlan {
    /// Its node's end of its cable.
    pub(super) link: String,
    /// Its addresses.
    pub(super) addresses: [IpAddr; 2],
}

impl Host {
    /// A host that is connected to nothing yet.
    pub(super) fn new(endpoint: Endpoint) -> Result<Self, TargetError> {
        let netns = Arc::new(Netns::host(endpoint.to_string())?);
        Ok(Self { endpoint, netns, agent: None })
    }

    /// One that shares the network of its node.
    pub(super) fn of_node(endpoint: Endpoint, node: &Node) -> Self {
        Self { endpoint, netns: Arc::clone(&node.netns), agent: None }
    }
}

/// Connects pods to their node: a cable each, a route to each, and no need to ask for hardware addresses.
pub(super) fn connect_pods(node: &Node, group: u32, pods: &[(PodPlan, Arc<Netns>)]) -> Result<(), TargetError> {
    node.netns.netlink(async |links| {
        for (plan, netns) in pods {
            let near = End { name: &plan.link, mac: Some(NODE_MAC), group };
            let far = End { name: LINK, mac: Some(POD_MAC), group: 0 };
            links.cable(near, None, far, netns.raw_fd()).await?;
            for address in plan.addresses {
                links.route(single(address), &plan.link, None).await?;
                links.neighbour(&plan.link, address, POD_MAC).await?;
            }
        }
        Ok(())
    })?;
    for (plan, netns) in pods {
        netns.netlink(async |links| {
            links.up(LINK).await?;
            for (family, address) in plan.addresses.into_iter().enumerate() {
                let gateway = GATEWAYS[family];
                links.address(LINK, single(address)).await?;
                links.neighbour(LINK, gateway, NODE_MAC).await?;
                links.route(single(gateway), LINK, None).await?;
                links.route(anywhere()[family], LINK, Some(gateway)).await?;
            }
            Ok(())
        })?;
    }
    node.netns.netlink(async |links| {
        for (plan, _) in pods {
            links.carries(&plan.link).await?;
        }
        Ok(())
    })
}

/// Connects a host outside to the fabric.
pub(super) fn connect_outside(
    topology: &Topology,
    socket: &str,
    group: u32,
    host: &Host,
    addresses: [IpAddr; 2],
) -> Result<(), TargetError> {
    topology.plug_in(socket, group, LINK, &host.netns)?;
    topology.configure_outside(&host.netns, LINK, addresses)
}

/// Makes a pod deaf: new connections to it vanish inside the pod, the answers to its own come in.
pub(super) fn deafen(host: &Host) -> Result<(), TargetError> {
    let rules = format!(
        "table inet deaf {{\n  chain input {{\n    type filter hook input priority filter; policy accept;\n    \
         ct state established,related accept\n    iifname \"{LINK}\" meta l4proto {{ tcp, udp, sctp }} drop\n  }}\n}}\n"
    );
    host.netns
        .run(|| super::nft::load(&rules))?
        .map_err(|error| TargetError { step: format!("making {} deaf: {}", host.endpoint, error.step), ..error })
}

/// The error for a fault that concerns a pod that this world does not have.
pub(super) fn no_such_pod(pod: &str) -> TargetError {
    failed("switching on a fault", format!("it concerns the pod {pod}, which is not in this world"))
}
