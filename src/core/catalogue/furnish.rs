//! A world with places and addresses, where no target gives it any: in simulations and for whatever is told offline.

use super::blueprint::Blueprint;
use super::case::Case;
use crate::core::model::world::{Node, World};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The world of one lane, made with `suffix`, as it stands on these nodes.
pub fn furnished(suffix: &str, nodes: &[&str]) -> World {
    let mut world = Blueprint::embedded().world(suffix);
    furnish(&mut world, &owned(nodes));
    world
}

impl Case {
    /// The world of a lane for this case, made with `suffix`, as it stands on these nodes.
    pub fn furnished(&self, suffix: &str, nodes: &[&str]) -> World {
        let mut world = Blueprint::embedded().world(suffix);
        let nodes = owned(nodes);
        if self.every_node {
            world.stand_on_each(&nodes, &(0..nodes.len()));
        }
        furnish(&mut world, &nodes);
        world
    }
}

fn owned(nodes: &[&str]) -> Vec<String> {
    nodes.iter().map(|node| (*node).to_owned()).collect()
}

/// Spreads the pods that have no node yet so that every namespace stands on several, and gives everything addresses.
pub fn furnish(world: &mut World, nodes: &[String]) {
    let node = |(number, name): (u16, &String)| Node {
        name: name.clone(),
        // A simulation may have more nodes than a small network has addresses.
        addresses: vec![
            Ipv4Addr::from_bits(Ipv4Addr::new(172, 18, 0, 0).to_bits() + u32::from(number)).into(),
            Ipv6Addr::new(0xfd00, 0x172, 0x18, 0, 0, 0, 0, number).into(),
        ],
    };
    world.nodes = (1..).zip(nodes).map(node).collect();
    let namespaces: Vec<String> = world.namespaces.iter().map(|namespace| namespace.id.clone()).collect();
    let mut seen: Vec<usize> = vec![0; namespaces.len()];
    for (number, pod) in (2u8..).zip(&mut world.pods) {
        let namespace = namespaces.iter().position(|id| *id == pod.id.namespace).unwrap_or(0);
        let node = nodes.iter().position(|node| *node == pod.node).unwrap_or_else(|| {
            let spread = (namespace + seen[namespace]) % nodes.len();
            seen[namespace] += 1;
            spread
        });
        pod.node.clone_from(&nodes[node]);
        // A simulation has fewer nodes than a network has subnets, so the cast keeps the number.
        let subnet = node as u16;
        let [high, low] = subnet.to_be_bytes();
        pod.addresses = vec![
            Ipv4Addr::new(10, 244 + high, low, number).into(),
            Ipv6Addr::new(0xfd00, 0x10, 0x244, subnet, 0, 0, 0, number.into()).into(),
        ];
        if let Some(service) = &mut pod.service {
            service.addresses = vec![
                Ipv4Addr::new(10, 96, 0, number).into(),
                Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, number.into()).into(),
            ];
        }
    }
    for (number, external) in [10u8, 77, 78, 79].into_iter().zip(&mut world.externals) {
        external.addresses = vec![
            Ipv4Addr::new(203, 0, 113, number).into(),
            Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, number.into()).into(),
        ];
    }
}
