//! One allow rule of a policy as packet-filter rules: every line ends in `return`, that is, allows.

use super::matching::{peers, running};
use super::view::{Faults, View};
use crate::core::fault::Fault;
use crate::core::model::flow::{Family, Protocol};
use crate::core::model::policy::{Direction, Peer, PortMatch, PortRef, Rule};
use crate::core::model::world::Pod;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The lines that allow what `rule`, of a policy in `namespace` that isolates `subject`, allows.
pub(super) fn lines(direction: Direction, subject: &Pod, namespace: &str, rule: &Rule, view: &View) -> Vec<String> {
    let remotes: Vec<Remote<'_>> = if rule.peers.is_empty() {
        vec![Remote::Anyone]
    } else {
        rule.peers
            .iter()
            .map(|peer| match peer {
                Peer::Pods { .. } => Remote::Pods(peers(peer, namespace, &view.world)),
                Peer::IpBlock { cidr, except } => Remote::Block { cidr, except },
            })
            .collect()
    };
    let any_port = [PortTest::Condition(String::new())];
    let ports: Vec<PortTest> = if rule.ports.is_empty() {
        any_port.into()
    } else {
        rule.ports.iter().flat_map(|port| port_tests(direction, subject, port, &view.faults)).collect()
    };
    let mut lines = Vec::new();
    for remote in &remotes {
        for port in &ports {
            match port {
                PortTest::Condition(port) => {
                    lines.extend(remote.tests(direction).into_iter().map(|remote| format!("{remote}{port}return")));
                }
                PortTest::PeersOwn { name, protocol } => {
                    lines.extend(peers_own(remote, name, *protocol, view));
                }
            }
        }
    }
    lines
}

/// Whom a peer lets in or out to.
enum Remote<'a> {
    Anyone,
    Pods(Vec<&'a Pod>),
    Block { cidr: &'a IpNet, except: &'a [IpNet] },
}

impl Remote<'_> {
    /// Conditions one of which must hold of the other end's address.
    fn tests(&self, direction: Direction) -> Vec<String> {
        match self {
            Self::Anyone => vec![String::new()],
            Self::Pods(pods) => address_tests(direction, pods.iter().flat_map(|pod| pod.addresses.iter().copied())),
            Self::Block { cidr, except } => vec![block_test(direction, cidr, except)],
        }
    }

    /// Whether a pod's address is meant.
    fn includes(&self, pod: &Pod, address: IpAddr) -> bool {
        match self {
            Self::Anyone => true,
            Self::Pods(pods) => pods.iter().any(|meant| meant.id == pod.id),
            Self::Block { cidr, except } => {
                cidr.contains(&address) && !except.iter().any(|block| block.contains(&address))
            }
        }
    }
}

enum PortTest {
    /// A condition on the packet.
    Condition(String),
    /// A name that every destination resolves for itself.
    PeersOwn { name: String, protocol: Protocol },
}

fn port_tests(direction: Direction, subject: &Pod, port: &PortMatch, faults: &Faults) -> Vec<PortTest> {
    let any_protocol = faults.contains(&Fault::IgnoreProtocol);
    // Who does not heed the protocol finds a name under whichever has it.
    let protocols = if any_protocol { vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp] } else { vec![port.protocol] };
    match (&port.port, direction) {
        (None, _) if any_protocol => vec![PortTest::Condition(String::new())],
        (None, _) => vec![PortTest::Condition(format!("meta l4proto {} ", word(port.protocol)))],
        (Some(PortRef::Number(number)), _) => {
            vec![PortTest::Condition(number_test(*number, port.end_port, port.protocol, faults))]
        }
        (Some(PortRef::Name(name)), Direction::Ingress) => protocols
            .into_iter()
            .flat_map(|protocol| numbers(subject, name, protocol).map(move |number| named_test(number, protocol)))
            .map(PortTest::Condition)
            .collect(),
        (Some(PortRef::Name(name)), Direction::Egress) => {
            let own = |protocol| PortTest::PeersOwn { name: name.clone(), protocol };
            protocols.into_iter().map(own).collect()
        }
    }
}

/// The lines for a named port towards pods each of which may give the name another number.
fn peers_own(remote: &Remote<'_>, name: &str, protocol: Protocol, view: &View) -> Vec<String> {
    let mut by_number: BTreeMap<u16, Vec<IpAddr>> = BTreeMap::new();
    for pod in running(&view.world) {
        for number in numbers(pod, name, protocol) {
            let meant = pod.addresses.iter().copied().filter(|address| remote.includes(pod, *address));
            by_number.entry(number).or_default().extend(meant);
        }
    }
    let mut lines = Vec::new();
    for (number, addresses) in by_number {
        let port = named_test(number, protocol);
        let tests = address_tests(Direction::Egress, addresses.into_iter());
        lines.extend(tests.into_iter().map(|remote| format!("{remote}{port}return")));
    }
    lines
}

pub(super) fn numbers(pod: &Pod, name: &str, protocol: Protocol) -> impl Iterator<Item = u16> {
    pod.ports.iter().filter(move |port| port.name == name && port.protocol == protocol).map(|port| port.port)
}

/// A named port is open over the protocol under which its name was found.
fn named_test(number: u16, protocol: Protocol) -> String {
    format!("{} dport {number} ", word(protocol))
}

fn number_test(number: u16, end: Option<u16>, protocol: Protocol, faults: &Faults) -> String {
    let ports = end.map_or_else(|| number.to_string(), |end| format!("{number}-{end}"));
    if faults.contains(&Fault::IgnoreProtocol) {
        format!("meta l4proto {{ tcp, udp, sctp }} th dport {ports} ")
    } else {
        format!("{} dport {ports} ", word(protocol))
    }
}

fn address_tests(direction: Direction, addresses: impl Iterator<Item = IpAddr>) -> Vec<String> {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.partition(IpAddr::is_ipv4);
    [(Family::Ipv4, v4), (Family::Ipv6, v6)]
        .into_iter()
        .filter(|(_, addresses)| !addresses.is_empty())
        .map(|(family, addresses)| {
            let set: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
            format!("{} {{ {} }} ", field(direction, family), set.join(", "))
        })
        .collect()
}

fn block_test(direction: Direction, cidr: &IpNet, except: &[IpNet]) -> String {
    let family = Family::of(cidr.addr());
    let field = field(direction, family);
    // A block of length 0 tests no bits, and with them would go the test of the family.
    let within = match (cidr.prefix_len(), family) {
        (0, Family::Ipv4) => "meta nfproto ipv4 ".to_owned(),
        (0, Family::Ipv6) => "meta nfproto ipv6 ".to_owned(),
        _ => format!("{field} {cidr} "),
    };
    let without: String = except.iter().map(|block| format!("{field} != {block} ")).collect();
    within + &without
}

/// The header field with the address of the other end.
fn field(direction: Direction, family: Family) -> &'static str {
    match (direction, family) {
        (Direction::Ingress, Family::Ipv4) => "ip saddr",
        (Direction::Ingress, Family::Ipv6) => "ip6 saddr",
        (Direction::Egress, Family::Ipv4) => "ip daddr",
        (Direction::Egress, Family::Ipv6) => "ip6 daddr",
    }
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}
