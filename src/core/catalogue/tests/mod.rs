//! Tests of the catalogue as a whole.

mod batches;
mod broken;
mod embedded;
mod lanes;
mod obstacle;
mod robust;
mod select;
mod witness;

use crate::core::catalogue::{Blueprint, Catalogue};
use crate::core::model::world::World;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// The embedded cases.
static CASES: LazyLock<Catalogue> = LazyLock::new(Catalogue::embedded);

/// The world of the lane `k3f9` as a target with two families and both hosts outside would fill it in.
fn world() -> World {
    let mut world = Blueprint::embedded().world("k3f9");
    let address = |last: u8, v4: [u8; 3], v6: u16| -> Vec<IpAddr> {
        let v4 = Ipv4Addr::new(v4[0], v4[1], v4[2], last);
        vec![v4.into(), Ipv6Addr::new(0x2001, 0xdb8, v6, 0, 0, 0, 0, last.into()).into()]
    };
    for (pod, last) in world.pods.iter_mut().zip(10..) {
        pod.addresses = address(last, [10, 244, 1], 1);
    }
    for (external, last) in world.externals.iter_mut().zip(10..) {
        external.addresses = address(last, [203, 0, 113], 0xffff);
    }
    world
}
