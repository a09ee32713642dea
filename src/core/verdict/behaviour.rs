//! What the specification leaves open and this network does. Told, never scored.

use super::case::Evidence;
use super::{CaseResult, Seen};
use crate::core::catalogue::Property;
use crate::core::model::flow::{Flow, Protocol};
use crate::core::model::observation::{Outcome, Signal};
use crate::core::oracle::{Answer, Assumptions};
use std::collections::BTreeMap;

/// Something that the network does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What it is about: `blocked-tcp`, `ip-block-matches-pods`.
    pub id: String,
    /// What the network does, in a sentence without its full stop.
    pub text: String,
}

/// What an attempt that was blocked came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blocked {
    Dropped,
    Refused,
    Unreachable,
}

impl Blocked {
    fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::TimedOut => Some(Self::Dropped),
            Outcome::Refused | Outcome::Reset => Some(Self::Refused),
            Outcome::Unreachable => Some(Self::Unreachable),
            Outcome::Connected { .. }
            | Outcome::WrongIdentity { .. }
            | Outcome::NoEcho
            | Outcome::ProbeError { .. } => None,
        }
    }

    /// To follow "blocked TCP".
    fn does(self) -> &'static str {
        match self {
            Self::Dropped => "is dropped without an answer",
            Self::Refused => "is refused",
            Self::Unreachable => "is answered with an ICMP error",
        }
    }
}

/// What the cases of a run show, and what the run has settled about open questions.
pub(super) fn observed(
    cases: &[CaseResult],
    evidence: &[Evidence<'_>],
    settled: Option<Assumptions>,
) -> Vec<Behaviour> {
    let mut blocked_cells: BTreeMap<Protocol, BTreeMap<Blocked, usize>> = BTreeMap::new();
    let cells = cases.iter().flat_map(|case| &case.steps).flat_map(|step| &step.cells);
    for cell in cells.filter(|cell| cell.cell.expected == Answer::Deny && cell.seen == Seen::Blocked) {
        let last = cell.cell.streaks.iter().rfind(|streak| streak.outcome.signal() == Signal::Stopped);
        if let Some(blocked) = last.and_then(|streak| Blocked::of(&streak.outcome)) {
            *blocked_cells.entry(cell.cell.flow.protocol).or_default().entry(blocked).or_default() += 1;
        }
    }
    let mut behaviours: Vec<Behaviour> =
        blocked_cells.iter().map(|(protocol, ways)| of_blocked(*protocol, ways)).collect();
    behaviours.extend(settled.map(|Assumptions { ip_block_matches_pods }| Behaviour {
        id: "ip-block-matches-pods".to_owned(),
        text: if ip_block_matches_pods {
            "an `ipBlock` that holds a pod's address admits that pod".to_owned()
        } else {
            "an `ipBlock` that holds a pod's address was not seen to admit that pod everywhere".to_owned()
        },
    }));
    behaviours.extend(evidence.iter().flat_map(of_property));
    behaviours
}

/// What is told of by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    property: Property,
    /// Whether the receiver is on its node's network.
    to_host: bool,
    protocol: Protocol,
}

/// How often traffic got through, and how often not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    through: usize,
    blocked: usize,
}

impl Counts {
    fn of(through: bool) -> Self {
        Self { through: usize::from(through), blocked: usize::from(!through) }
    }

    fn and(self, other: Self) -> Self {
        Self { through: self.through + other.through, blocked: self.blocked + other.blocked }
    }
}

/// What a case shows that observes a property. Nothing where none of its denials had an effect: what is let through then
/// would be let through anyway.
fn of_property(evidence: &Evidence<'_>) -> Vec<Behaviour> {
    let Some(property) = evidence.experiment.property.filter(|property| !property.can_be_assumed()) else {
        return Vec::new();
    };
    let mut counted: BTreeMap<Subject, Counts> = BTreeMap::new();
    let mut denies = false;
    if let Some(through) = evidence.run.kubelet.filter(|_| evidence.run.intrusion.is_none()) {
        let subject = Subject { property, to_host: false, protocol: Protocol::Tcp };
        counted.insert(subject, Counts::of(through));
    }
    for (flow, sighting) in evidence.flows.iter().enumerate() {
        let Flow { to, protocol, .. } = sighting.flow;
        let to_host = evidence.experiment.world.is_on_host(to);
        for (phase, right) in sighting.right.iter().enumerate() {
            match (right, evidence.through(phase, flow)) {
                (Answer::Undefined(_), Some(through)) => {
                    let counts = counted.entry(Subject { property, to_host, protocol: *protocol }).or_default();
                    *counts = counts.and(Counts::of(through));
                }
                (Answer::Deny, Some(false)) => denies = true,
                (Answer::Deny, Some(true) | None) | (Answer::Allow, _) | (Answer::Undefined(_), None) => {}
            }
        }
    }
    let told = counted.into_iter().filter(|_| denies);
    told.map(|(subject, counts)| Behaviour { id: subject.id(), text: subject.text(counts) }).collect()
}

impl Subject {
    fn id(self) -> String {
        let Self { property, to_host, protocol } = self;
        let direction = match property {
            Property::HostNetwork if to_host => "-to",
            Property::HostNetwork => "-from",
            Property::IpBlockMatchesPods
            | Property::Hairpin
            | Property::NamedPortToIpBlock
            | Property::StandingConnections
            | Property::Kubelet => "",
        };
        format!("{property}{direction}-{}", protocol.to_string().to_lowercase())
    }

    fn text(self, Counts { through, blocked }: Counts) -> String {
        let Self { property, to_host, protocol } = self;
        let (what, passes, stopped) = match property {
            Property::IpBlockMatchesPods => {
                (format!("{protocol} from a pod whose address an `ipBlock` holds"), "gets through", "is blocked")
            }
            Property::Hairpin => (
                format!("{protocol} of a pod to itself, by its own Service and under a policy that allows nothing,"),
                "gets through",
                "is blocked",
            ),
            Property::NamedPortToIpBlock => {
                // All of the pod's ports were tried, of which the name means one.
                let opens = match (through, blocked) {
                    (0, _) => "nothing",
                    (_, 0) => "every port of that pod",
                    (_, _) => "the port of that name of that pod",
                };
                return format!(
                    "a named {protocol} port towards an `ipBlock` that holds a pod's address opens {opens}"
                );
            }
            Property::StandingConnections => {
                let connection = match protocol {
                    Protocol::Tcp | Protocol::Sctp => format!("a {protocol} connection"),
                    Protocol::Udp => format!("a {protocol} conversation between two ports"),
                };
                (format!("{connection} that stood before a policy which denies it"), "goes on", "is cut")
            }
            Property::HostNetwork if to_host => (
                format!("{protocol} of an isolated pod to a pod on the network of its own node"),
                "gets through",
                "is blocked",
            ),
            Property::HostNetwork => (
                format!("{protocol} of a pod on the network of a node to an isolated pod on that node"),
                "gets through",
                "is blocked",
            ),
            Property::Kubelet => (
                format!("a kubelet's probe, over {protocol}, of an isolated pod on its node"),
                "gets through",
                "is blocked",
            ),
        };
        match (through, blocked) {
            (0, _) => format!("{what} {stopped}"),
            (_, 0) => format!("{what} {passes}"),
            (through, blocked) => format!("{what} {passes} ({through} times) or {stopped} ({blocked} times)"),
        }
    }
}

fn of_blocked(protocol: Protocol, ways: &BTreeMap<Blocked, usize>) -> Behaviour {
    let id = format!("blocked-{}", protocol.to_string().to_lowercase());
    let mut ways: Vec<(Blocked, usize)> = ways.iter().map(|(way, count)| (*way, *count)).collect();
    ways.sort_by_key(|(way, count)| (std::cmp::Reverse(*count), *way));
    let text = match ways.as_slice() {
        [(only, _)] => format!("blocked {protocol} {}", only.does()),
        several => {
            let parts: Vec<String> =
                several.iter().map(|(way, count)| format!("{} ({count} times)", way.does())).collect();
            format!("blocked {protocol} {}", parts.join(" or "))
        }
    };
    Behaviour { id, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_told_in_the_words_of_what_was_seen() {
        use Property::{Hairpin, HostNetwork, Kubelet, NamedPortToIpBlock, StandingConnections};
        use Protocol::{Tcp, Udp};
        let table = [
            (
                (StandingConnections, false, Tcp, 3, 0),
                "standing-connections-tcp",
                "a TCP connection that stood before a policy which denies it goes on",
            ),
            (
                (StandingConnections, false, Tcp, 0, 2),
                "standing-connections-tcp",
                "a TCP connection that stood before a policy which denies it is cut",
            ),
            (
                (StandingConnections, false, Udp, 1, 2),
                "standing-connections-udp",
                "a UDP conversation between two ports that stood before a policy which denies it goes on (1 times) or is \
                 cut (2 times)",
            ),
            (
                (Hairpin, false, Udp, 0, 4),
                "hairpin-udp",
                "UDP of a pod to itself, by its own Service and under a policy that allows nothing, is blocked",
            ),
            (
                (NamedPortToIpBlock, false, Tcp, 4, 2),
                "named-port-to-ip-block-tcp",
                "a named TCP port towards an `ipBlock` that holds a pod's address opens the port of that name of that pod",
            ),
            (
                (HostNetwork, true, Tcp, 4, 0),
                "host-network-to-tcp",
                "TCP of an isolated pod to a pod on the network of its own node gets through",
            ),
            (
                (HostNetwork, false, Udp, 0, 1),
                "host-network-from-udp",
                "UDP of a pod on the network of a node to an isolated pod on that node is blocked",
            ),
            (
                (Kubelet, false, Tcp, 1, 0),
                "kubelet-tcp",
                "a kubelet's probe, over TCP, of an isolated pod on its node gets through",
            ),
        ];
        for ((property, to_host, protocol, through, blocked), id, text) in table {
            let subject = Subject { property, to_host, protocol };
            assert_eq!(subject.id(), id);
            assert_eq!(subject.text(Counts { through, blocked }), text);
        }
    }

    #[test]
    fn several_ways_are_told_with_the_commonest_first() {
        let ways = |ways: &[(Blocked, usize)]| ways.iter().copied().collect::<BTreeMap<_, _>>();
        let text = |protocol, all: &[(Blocked, usize)]| of_blocked(protocol, &ways(all)).text;
        assert_eq!(text(Protocol::Udp, &[(Blocked::Dropped, 3)]), "blocked UDP is dropped without an answer");
        assert_eq!(
            text(Protocol::Tcp, &[(Blocked::Dropped, 3), (Blocked::Refused, 9)]),
            "blocked TCP is refused (9 times) or is dropped without an answer (3 times)"
        );
    }
}
