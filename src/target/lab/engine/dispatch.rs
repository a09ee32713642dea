//! Which faults concern which packet. For every combination of scopes that a packet can be in there is a variant of the
//! rules; a tree of conditions leads each packet to its own.

use super::view::Faults;
use crate::core::fault::{FaultAt, Scope};
use crate::core::model::flow::{Family, Path, Protocol};
use crate::core::verdict::Placement;
use crate::target::lab::addresses;
use crate::target::lab::host::POD_LINKS;

/// A tree of conditions over variants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dispatch {
    /// The variant with this place in the list.
    Variant(usize),
    /// One of two trees.
    Split {
        /// Conditions; a packet of which one holds goes to `inside`.
        conditions: Vec<String>,
        inside: Box<Self>,
        outside: Box<Self>,
    },
}

/// The variants that a node needs for these faults, and the way to them.
pub(super) fn plan(faults: &[FaultAt], node: &str) -> (Vec<Faults>, Dispatch) {
    let mut everywhere = Faults::new();
    let mut parts: Vec<(Vec<&Scope>, Faults)> = Vec::new();
    for fault in faults.iter().filter(|fault| fault.fault.is_engines()) {
        let Some(scopes) = on_node(fault.scope.as_ref(), node) else { continue };
        if scopes.is_empty() {
            everywhere.insert(fault.fault);
        } else if let Some((_, faults)) = parts.iter_mut().find(|(known, _)| *known == scopes) {
            faults.insert(fault.fault);
        } else {
            parts.push((scopes, Faults::from([fault.fault])));
        }
    }
    let mut variants = Vec::new();
    let tree = split(&parts, everywhere, &mut variants);
    (variants, tree)
}

/// What a packet must be in, on this node, for a scope to hold; `None` where it holds of no packet that comes by here.
fn on_node<'a>(scope: Option<&'a Scope>, node: &str) -> Option<Vec<&'a Scope>> {
    let mut scopes = scope.map(Scope::overlapping).unwrap_or_default();
    let elsewhere = |scope: &&Scope| matches!(scope, Scope::Node(name) | Scope::Within(name) if name != node);
    if scopes.iter().any(elsewhere) {
        return None;
    }
    scopes.retain(|scope| !matches!(scope, Scope::Node(_)));
    Some(scopes)
}

fn split(parts: &[(Vec<&Scope>, Faults)], so_far: Faults, variants: &mut Vec<Faults>) -> Dispatch {
    let Some(((scopes, faults), rest)) = parts.split_first() else {
        let known = variants.iter().position(|variant| *variant == so_far);
        return Dispatch::Variant(known.unwrap_or_else(|| {
            variants.push(so_far);
            variants.len() - 1
        }));
    };
    let holds = split(rest, so_far.union(faults).copied().collect(), variants);
    let fails = split(rest, so_far, variants);
    // A packet must pass all the conditions; whichever fails leads it to the same tree.
    scopes.iter().rev().fold(holds, |holds, scope| {
        let (conditions, negated) = conditions(scope);
        let (holds, fails) = (Box::new(holds), Box::new(fails.clone()));
        let (inside, outside) = if negated { (fails, holds) } else { (holds, fails) };
        Dispatch::Split { conditions, inside, outside }
    })
}

/// Conditions one of which holds of the packets in a scope, or of those outside it.
fn conditions(scope: &Scope) -> (Vec<String>, bool) {
    let one = |text: &str| vec![text.to_owned()];
    let via_service = || vec![format!("ip dscp {VIA_SERVICE}"), format!("ip6 dscp {VIA_SERVICE}")];
    match scope {
        Scope::Family(Family::Ipv4) => (one("meta nfproto ipv4"), false),
        Scope::Family(Family::Ipv6) => (one("meta nfproto ipv6"), false),
        Scope::Protocol(Protocol::Tcp) => (one("meta l4proto tcp"), false),
        Scope::Protocol(Protocol::Udp) => (one("meta l4proto udp"), false),
        Scope::Protocol(Protocol::Sctp) => (one("meta l4proto sctp"), false),
        Scope::Path(Path::ClusterIp) => (via_service(), false),
        Scope::Path(Path::PodIp) => (via_service(), true),
        // What is within another node does not come by here.
        Scope::Placement(Placement::SameNode) | Scope::Within(_) => {
            (vec![format!("iifname \"{POD_LINKS}*\" oifname \"{POD_LINKS}*\"")], false)
        }
        Scope::Placement(placement @ (Placement::CrossNode | Placement::Outside)) => {
            let within = if *placement == Placement::CrossNode { "" } else { "!= " };
            let mut conditions = Vec::new();
            for pods in addresses::all_pods() {
                let ip = if pods.addr().is_ipv4() { "ip" } else { "ip6" };
                conditions
                    .push(format!("iifname \"{POD_LINKS}*\" oifname != \"{POD_LINKS}*\" {ip} daddr {within}{pods}"));
                conditions
                    .push(format!("iifname != \"{POD_LINKS}*\" oifname \"{POD_LINKS}*\" {ip} saddr {within}{pods}"));
            }
            (conditions, false)
        }
        // Neither exists in the lab; a lab is not built with a fault in them. A node's are sorted out before, and overlaps
        // are taken apart.
        Scope::Path(Path::NodePort | Path::LoadBalancer) | Scope::Node(_) | Scope::Both(..) => (Vec::new(), false),
    }
}

/// The mark of a packet that was addressed to a Service. The receiver's node sees the address that the sender's node has
/// already put in its place, so the sender's node writes the mark into the packet.
const VIA_SERVICE: &str = "cs1";

/// Whether packets have to be marked.
pub(super) fn needs_marks(faults: &[FaultAt]) -> bool {
    faults
        .iter()
        .filter_map(|fault| fault.scope.as_ref())
        .flat_map(Scope::overlapping)
        .any(|scope| matches!(scope, Scope::Path(_)))
}

/// The chain that marks packets.
pub(super) fn marking() -> String {
    let lines: String = addresses::services()
        .map(|services| {
            let ip = if services.addr().is_ipv4() { "ip" } else { "ip6" };
            format!("    ct original {ip} daddr {services} {ip} dscp set {VIA_SERVICE}\n")
        })
        .concat();
    format!("  chain via_service {{\n    type filter hook forward priority filter - 10; policy accept;\n{lines}  }}\n")
}
