//! What the specification leaves open and this network does. Told, never scored.

use super::{CaseResult, Seen};
use crate::core::model::flow::Protocol;
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
pub(super) fn observed(cases: &[CaseResult], settled: Option<Assumptions>) -> Vec<Behaviour> {
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
    behaviours
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
