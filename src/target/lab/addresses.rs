//! Which addresses the lab gives out. None is given twice, so that nothing that a lane left in a table or a timer of the
//! kernel ever concerns a later one.

use super::failed;
use crate::target::TargetError;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most nodes that a lab can have.
pub const MAX_NODES: usize = 64;

/// A number from 1 on: a node's place in the list of nodes.
pub(super) type NodeNumber = u8;

/// The gateways of every pod. They exist only as neighbours, the same in every pod.
pub(super) const GATEWAYS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)), IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1))];

/// Everything.
pub(super) fn anywhere() -> [IpNet; 2] {
    [net4(Ipv4Addr::UNSPECIFIED, 0), net6(Ipv6Addr::UNSPECIFIED, 0)]
}

/// The network between the nodes.
pub(super) fn fabric() -> [IpNet; 2] {
    [net4(Ipv4Addr::new(172, 18, 0, 0), 16), net6(Ipv6Addr::new(0xfd00, 0x172, 0x18, 0, 0, 0, 0, 0), 64)]
}

/// A node's own addresses.
pub(super) fn node(node: NodeNumber) -> [IpAddr; 2] {
    [Ipv4Addr::new(172, 18, 0, node).into(), Ipv6Addr::new(0xfd00, 0x172, 0x18, 0, 0, 0, 0, node.into()).into()]
}

/// The addresses of all pods of all nodes.
pub(super) fn all_pods() -> [IpNet; 2] {
    [net4(Ipv4Addr::new(10, 128, 0, 0), 9), net6(Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0, 0), 48)]
}

/// The addresses of a node's pods: 10.(128 + N).0.0/16 and fd00:10:244:N::/64.
pub(super) fn pods_of(node: NodeNumber) -> [IpNet; 2] {
    [
        net4(Ipv4Addr::new(10, 128 + node, 0, 0), 16),
        net6(Ipv6Addr::new(0xfd00, 0x10, 0x244, node.into(), 0, 0, 0, 0), 64),
    ]
}

/// The addresses of Services.
pub(super) fn services() -> [IpNet; 2] {
    [net4(Ipv4Addr::new(10, 96, 0, 0), 16), net6(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0), 112)]
}

/// The addresses of all hosts outside the cluster.
pub(super) fn outside() -> [IpNet; 2] {
    [net4(Ipv4Addr::new(198, 18, 0, 0), 15), net6(Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 0), 48)]
}

/// What has been given out so far.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    pods: Vec<u16>,
    services: u16,
    lanes: u16,
}

impl Addresses {
    /// Addresses for one more pod of a node.
    pub(super) fn pod(&mut self, node: NodeNumber) -> Result<[IpAddr; 2], TargetError> {
        if self.pods.len() <= usize::from(node) {
            self.pods.resize(usize::from(node) + 1, 0);
        }
        let number = next(&mut self.pods[usize::from(node)])?;
        let [high, low] = number.to_be_bytes();
        Ok([
            Ipv4Addr::new(10, 128 + node, high, low).into(),
            Ipv6Addr::new(0xfd00, 0x10, 0x244, node.into(), 0, 0, 0, number).into(),
        ])
    }

    /// Addresses for one more Service.
    pub(super) fn service(&mut self) -> Result<[IpAddr; 2], TargetError> {
        let number = next(&mut self.services)?;
        let [high, low] = number.to_be_bytes();
        Ok([Ipv4Addr::new(10, 96, high, low).into(), Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, number).into()])
    }

    /// The network of one more lane's hosts outside; see [`outside_host`].
    pub(super) fn outside(&mut self) -> Result<u16, TargetError> {
        // 198.18.0.0/15 has 512 such networks; only this one starts again, long after its first user has gone.
        next(&mut self.lanes).map(|number| number % 512)
    }
}

/// The addresses of the host outside with the place `index` in the list, in the network that [`Addresses::outside`] gave:
/// .10 and ::10 for the first, .77 and ::4d for the second, so that a small block can hold one without the other.
pub(super) fn outside_host(network: u16, index: usize) -> [IpAddr; 2] {
    let last = u8::try_from(10 + 67 * index).unwrap_or(u8::MAX);
    let last6 = if index == 0 { 0x10 } else { u16::from(last) };
    let [high, low] = network.to_be_bytes();
    [
        Ipv4Addr::new(198, 18 + high, low, last).into(),
        Ipv6Addr::new(0x2001, 0xdb8, 0x113, network, 0, 0, 0, last6).into(),
    ]
}

/// The block that holds one address.
pub(super) fn single(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

fn next(counter: &mut u16) -> Result<u16, TargetError> {
    *counter = counter
        .checked_add(1)
        .filter(|number| *number < u16::MAX)
        .ok_or_else(|| failed("giving out addresses", "the lab has given out all that it has; start it again"))?;
    Ok(*counter)
}

fn net4(address: Ipv4Addr, prefix: u8) -> IpNet {
    Ipv4Net::new_assert(address, prefix).into()
}

fn net6(address: Ipv6Addr, prefix: u8) -> IpNet {
    Ipv6Net::new_assert(address, prefix).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_out_lies_where_it_is_routed_to_and_comes_once() {
        let mut addresses = Addresses::default();
        let mut given = Vec::new();
        for _ in 0..300 {
            for (place, address) in addresses.pod(2).unwrap().into_iter().enumerate() {
                assert!(pods_of(2)[place].contains(&address) && all_pods()[place].contains(&address), "{address}");
                given.push(address);
            }
            for (place, address) in addresses.service().unwrap().into_iter().enumerate() {
                assert!(services()[place].contains(&address), "{address}");
                given.push(address);
            }
            let network = addresses.outside().unwrap();
            for index in 0..2 {
                for (place, address) in outside_host(network, index).into_iter().enumerate() {
                    assert!(outside()[place].contains(&address), "{address}");
                    given.push(address);
                }
            }
        }
        let count = given.len();
        given.sort();
        given.dedup();
        assert_eq!(given.len(), count);
    }

    #[test]
    fn the_networks_do_not_overlap() {
        for family in 0..2 {
            let networks = [fabric()[family], all_pods()[family], services()[family], outside()[family]];
            for (i, left) in networks.iter().enumerate() {
                for right in &networks[i + 1..] {
                    assert!(!left.contains(right) && !right.contains(left), "{left} {right}");
                }
            }
        }
    }
}
