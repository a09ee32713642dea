//! What the nodes do to packets apart from policies: Services, and the faults that are not a policy engine's.

use crate::core::fault::{Fault, FaultAt, Scope};
use crate::core::model::flow::{Family, PodId, Protocol};
use crate::core::model::world::World;
use std::fmt::Write;
use std::net::IpAddr;

/// Marks a packet of a pod to its own Service.
const HAIRPIN: &str = "0x4000";

/// The pod whose new connections vanish under [`Fault::DeadReceiver`], and whose addresses somebody else answers at under
/// [`Fault::WrongIdentity`].
pub(super) fn victim() -> PodId {
    PodId::new("y", "b")
}

/// The pod that answers instead.
pub(super) fn impostor() -> PodId {
    PodId::new("z", "b")
}

/// The rules that lead a lane's Services to its pods, on every node alike.
pub(super) fn rules(table: &str, world: &World, faults: &[FaultAt], node: &str) -> String {
    let mut text = String::new();
    for (family, kind, ip) in [(Family::Ipv4, "ipv4_addr", "ip"), (Family::Ipv6, "ipv6_addr", "ip6")] {
        let elements = elements(world, family);
        if elements.is_empty() {
            continue;
        }
        let _infallible = write!(
            text,
            "  map {ip}_services {{\n    type {kind} . inet_proto . inet_service : {kind} . inet_service\n    \
             elements = {{\n{}    }}\n  }}\n  set {ip}_hairpins {{\n    type {kind} . {kind}\n    \
             elements = {{\n{}    }}\n  }}\n  chain {ip}_prerouting {{\n    \
             type nat hook prerouting priority dstnat; policy accept;\n    \
             {ip} saddr . {ip} daddr @{ip}_hairpins meta mark set {HAIRPIN}\n    \
             dnat {ip} to {ip} daddr . meta l4proto . th dport map @{ip}_services\n  }}\n  \
             chain {ip}_postrouting {{\n    type nat hook postrouting priority srcnat; policy accept;\n    \
             meta nfproto {} meta mark {HAIRPIN} masquerade\n  }}\n",
            elements.join(""),
            hairpins(world, family).join(""),
            family.to_string().to_lowercase(),
        );
    }
    for fault in faults.iter().filter(|fault| here(fault, node)) {
        if fault.fault == Fault::WrongIdentity {
            text.push_str(&impostor_rules(world, fault.scope.as_ref()));
        }
    }
    format!("table inet {table} {{\n{text}}}\n")
}

/// The rules that make a node lose packets, whoever's they are; `None` when it shall lose none.
pub(super) fn loss(faults: &[FaultAt], node: &str) -> Option<String> {
    let line = |fault: &FaultAt| {
        let lost = if fault.fault == Fault::PacketLoss {
            "numgen random mod 100 < 2"
        } else if fault.fault == Fault::BurstLoss {
            "numgen inc mod 100 < 10"
        } else {
            return None;
        };
        Some(format!("    {}{lost} drop\n", condition(fault.scope.as_ref())))
    };
    let lines: Vec<String> = faults.iter().filter(|fault| here(fault, node)).filter_map(line).collect();
    (!lines.is_empty()).then(|| {
        format!(
            "table inet loss {{\n  chain forward {{\n    type filter hook forward priority filter - 20; policy accept;\n{}  }}\n}}\n",
            lines.concat()
        )
    })
}

/// Whether a fault that is not an engine's can be limited to this scope.
pub(super) fn can_limit(fault: Fault, scope: &Scope) -> bool {
    match (fault, scope) {
        (Fault::DeadReceiver, _) => false,
        (_, Scope::Node(_) | Scope::Family(_) | Scope::Protocol(_)) => true,
        (_, Scope::Within(_) | Scope::Path(_) | Scope::Placement(_)) => false,
        (_, Scope::Both(one, other)) => can_limit(fault, one) && can_limit(fault, other),
    }
}

fn elements(world: &World, family: Family) -> Vec<String> {
    let mut elements = Vec::new();
    for pod in &world.pods {
        let Some(backend) = pod.addresses.iter().find(|address| Family::of(**address) == family) else { continue };
        let services = pod.service.iter().flat_map(|service| &service.addresses);
        for front in services.filter(|address| Family::of(**address) == family) {
            for port in &pod.ports {
                let Some(offered) = port.service_port else { continue };
                let protocol = protocol(port.protocol);
                elements.push(format!("      {front} . {protocol} . {offered} : {backend} . {},\n", port.port));
            }
        }
    }
    elements
}

/// Pods with their own Services' addresses. No pod takes a packet that comes from its own address, so what it sends to
/// itself by its Service must come from another.
fn hairpins(world: &World, family: Family) -> Vec<String> {
    let of_family = |address: &&IpAddr| Family::of(**address) == family;
    let mut lines = Vec::new();
    for pod in &world.pods {
        let fronts = || pod.service.iter().flat_map(|service| &service.addresses).filter(of_family);
        for backend in pod.addresses.iter().filter(of_family) {
            lines.extend(fronts().map(|front| format!("      {backend} . {front},\n")));
        }
    }
    lines
}

fn impostor_rules(world: &World, scope: Option<&Scope>) -> String {
    let mut lines = String::new();
    let addresses = |id: &PodId| world.pod(id).map_or(&[] as &[IpAddr], |pod| &pod.addresses);
    for real in addresses(&victim()) {
        let ip = if real.is_ipv4() { "ip" } else { "ip6" };
        for other in addresses(&impostor()).iter().filter(|other| other.is_ipv4() == real.is_ipv4()) {
            let condition = condition(scope);
            let _infallible = writeln!(lines, "    {condition}{ip} daddr {real} dnat {ip} to {other}");
        }
    }
    format!("  chain impostor {{\n    type nat hook prerouting priority dstnat - 5; policy accept;\n{lines}  }}\n")
}

fn condition(scope: Option<&Scope>) -> String {
    match scope {
        Some(Scope::Family(Family::Ipv4)) => "meta nfproto ipv4 ".to_owned(),
        Some(Scope::Family(Family::Ipv6)) => "meta nfproto ipv6 ".to_owned(),
        Some(Scope::Protocol(name)) => format!("meta l4proto {} ", protocol(*name)),
        Some(Scope::Both(one, other)) => condition(Some(one)) + &condition(Some(other)),
        Some(Scope::Node(_) | Scope::Within(_) | Scope::Path(_) | Scope::Placement(_)) | None => String::new(),
    }
}

fn here(fault: &FaultAt, node: &str) -> bool {
    let mut scopes = fault.scope.iter().flat_map(Scope::overlapping);
    !scopes.any(|scope| matches!(scope, Scope::Node(name) if name != node))
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}
