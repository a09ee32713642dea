//! Probes on the nodes' own network, for those who ask for them: pods with `hostNetwork`, in a namespace of their own.

use super::scope::Scope;
use crate::core::model::flow::{PodId, Protocol};
use crate::core::model::world::{ContainerPort, Labels, NAMESPACE_NAME_LABEL, Namespace, Phase, Pod, World};
use std::collections::BTreeSet;

/// The short name of their namespace.
pub const HOSTS: &str = "host";

/// A node has one network for all lanes, so that each lane has numbers of its own there: below those that kernels draw
/// source ports from, and where nobody is known to listen.
const FIRST_PORT: u16 = 28_000;
const PORTS_PER_LANE: u16 = 8;

/// A lane that replaces another may have a higher number than there are lanes; the numbers begin again after so many.
const LANES: u32 = 400;

/// How far from its first port the controller speaks to such a pod.
const CONTROL: u16 = PORTS_PER_LANE - 1;

/// Adds to a lane's world, whose pods have their nodes already, a pod on the network of each of these nodes.
pub fn add_host_probes(world: &mut World, suffix: &str, lane: u32) {
    let scope = Scope::new(suffix);
    let name = scope.namespace_name(HOSTS);
    let mut labels = scope.labels(&Labels::from([("ns".to_owned(), HOSTS.to_owned())]));
    labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.clone());
    world.namespaces.push(Namespace { id: HOSTS.to_owned(), name, labels });
    // Less than 400 times 8, so that the cast keeps the number.
    let port = FIRST_PORT + PORTS_PER_LANE * (lane % LANES) as u16;
    let ports = [("serve-tcp", Protocol::Tcp), ("serve-udp", Protocol::Udp)];
    let ports =
        ports.map(|(name, protocol)| ContainerPort { name: name.to_owned(), protocol, port, service_port: None });
    let used: BTreeSet<&str> = world.pods.iter().map(|pod| pod.node.as_str()).collect();
    let nodes = world.nodes.iter().enumerate().filter(|(_, node)| used.contains(node.name.as_str()));
    let pods: Vec<Pod> = nodes
        .map(|(index, node)| {
            let id = format!("n{}", index + 1);
            Pod {
                id: PodId::new(HOSTS, &id),
                labels: scope.labels(&Labels::from([("pod".to_owned(), id.clone())])),
                name: id,
                node: node.name.clone(),
                addresses: node.addresses.clone(),
                host_network: true,
                bare: false,
                phase: Phase::Running,
                ports: ports.to_vec(),
                service: None,
            }
        })
        .collect();
    world.pods.extend(pods);
}

/// The loopback port on which a pod waits for its controller: `usual`, except where it shares that with others.
pub fn control_port(pod: &Pod, usual: u16) -> u16 {
    match pod.ports.first() {
        Some(port) if pod.host_network => port.port + CONTROL,
        Some(_) | None => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalogue::furnished;

    fn ports(lane: u32) -> BTreeSet<u16> {
        let mut world = furnished("k3f9", &["n1", "n2"]);
        add_host_probes(&mut world, "k3f9", lane);
        let hosts = world.pods.iter().filter(|pod| pod.host_network);
        hosts.flat_map(|pod| pod.ports.iter().map(|port| port.port).chain([control_port(pod, 1)])).collect()
    }

    #[test]
    fn every_node_that_is_probed_gets_one_and_no_two_lanes_share_a_port() {
        let mut world = furnished("k3f9", &["n1", "n2", "n3", "n4"]);
        world.pods.retain(|pod| pod.node != "n3");
        let others = world.pods.len();
        add_host_probes(&mut world, "k3f9", 0);
        let hosts: Vec<String> = world.pods[others..].iter().map(|pod| format!("{} on {}", pod.id, pod.node)).collect();
        let placed = world.pods[..others].iter().any(|pod| pod.node == "n4");
        assert_eq!(hosts.len(), 2 + usize::from(placed));
        assert_eq!(hosts[..2], ["host/n1 on n1", "host/n2 on n2"]);
        assert_eq!(world.namespace(HOSTS).unwrap().name, "papertiger-k3f9-host");

        let lanes: Vec<BTreeSet<u16>> = (0..LANES).map(ports).collect();
        let all: BTreeSet<u16> = lanes.iter().flatten().copied().collect();
        assert_eq!(all.len(), lanes.iter().map(BTreeSet::len).sum::<usize>());
        assert!(all.iter().all(|port| (28_000..32_768).contains(port)));
    }
}
