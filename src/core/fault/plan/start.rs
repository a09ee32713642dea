//! Which flows are probed from and to a pod from its first instruction on.

use super::{between, scope};
use crate::core::event::{Cell, Phase};
use crate::core::fault::Experiment;
use crate::core::fault::reading::Reading;
use crate::core::model::flow::{Connection, Endpoint, Family, Flow, Path, PodId, Protocol};
use crate::core::model::policy::Direction;
use crate::core::model::world::World;
use crate::core::oracle::{Answer, Undefined};
use crate::core::verdict::Placement;
use std::collections::BTreeSet;

/// What makes one flow as good as another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    direction: Direction,
    denied: bool,
    family: Family,
    placement: Placement,
}

/// The flows from and to a pod that is about to start, with what they must do from its first instruction on: one of each kind,
/// of those on which its own side alone decides. For one that must be blocked in each direction there is another on a
/// connection that stands, to see whether what gets through at first stays. It starts before anything else of the phase, and
/// finds in force what was before.
pub fn of_start(experiment: &Experiment, phase: Phase, world: &World, pod: &PodId) -> Vec<Cell> {
    let (reading, index) = (Reading::faithful(experiment), experiment.index(phase).saturating_sub(1));
    let newcomer = Endpoint::from(pod.clone());
    let others = world.pods.iter().filter(|other| other.id != *pod && !other.host_network);
    let pairs = others.flat_map(|other| {
        let other = Endpoint::from(other.id.clone());
        [(newcomer.clone(), other.clone()), (other, newcomer.clone())]
    });
    let flows = pairs.flat_map(|(from, to)| between(world, &from, &to));
    let mut known = BTreeSet::new();
    let mut standing = BTreeSet::new();
    let mut cells = Vec::new();
    for flow in flows.filter(|flow| flow.protocol == Protocol::Tcp && flow.path == Path::PodIp) {
        let direction = if flow.from == newcomer { Direction::Egress } else { Direction::Ingress };
        let other = match direction {
            Direction::Egress => Direction::Ingress,
            Direction::Ingress => Direction::Egress,
        };
        let denied = match reading.side(index, &flow, direction) {
            Answer::Allow => false,
            Answer::Deny => true,
            Answer::Undefined(_) => continue,
        };
        let announced = || {
            let announcement = announcement(world, pod, &flow.from, flow.family);
            announcement.is_some_and(|announcement| reading.answer(index, &announcement) == Answer::Allow)
        };
        let decides = reading.side(index, &flow, other) == Answer::Allow;
        if !decides || (direction == Direction::Ingress && !announced()) {
            continue;
        }
        let placement = scope(world, &flow).placement;
        if !known.insert(Kind { direction, denied, family: flow.family, placement }) {
            continue;
        }
        let cell = |flow, expected| Cell { flow, expected, streaks: Vec::new(), arrived: None, alone: None };
        if denied && standing.insert(direction) {
            let open = Answer::Undefined(Undefined::StandingConnection);
            cells.push(cell(Flow { connection: Connection::Standing, ..flow.clone() }, open));
        }
        cells.push(cell(flow, if denied { Answer::Deny } else { Answer::Allow }));
    }
    cells
}

/// The datagrams by which a pod that starts announces itself to somebody.
pub fn announcement(world: &World, pod: &PodId, to: &Endpoint, family: Family) -> Option<Flow> {
    let is_announcement =
        |flow: &Flow| flow.protocol == Protocol::Udp && flow.path == Path::PodIp && flow.family == family;
    between(world, &pod.clone().into(), to).into_iter().find(is_announcement)
}
