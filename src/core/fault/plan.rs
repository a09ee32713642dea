//! Which flows a case probes: witnesses for every term in every scope, controls beside them, and flows that tell the
//! faults apart.

mod cover;
mod pair;
mod share;
mod start;
mod witness;

pub use share::{Able, Share, Way, able, shares};
pub use start::{announcement, of_start};
pub use witness::{Ends, shown_between};

use cover::{Needs, cover};
use pair::by_pair;
use witness::{proof_needs, shown, witness_needs};

use super::Fault;
use super::experiment::Experiment;
use super::reading::{Reach, Reading};
use crate::core::catalogue::Property;
use crate::core::model::flow::{Connection, Endpoint, Family, Flow, Path, Protocol};
use crate::core::model::world::{Pod, World};
use crate::core::oracle::Answer;
use crate::core::verdict::{Placement, Scope};
use std::collections::BTreeSet;

/// The flows that a case probes, in a fixed order. `seed` decides among flows that serve equally well.
pub fn choose(experiment: &Experiment, seed: u64) -> Vec<Flow> {
    choose_beside(experiment, &BTreeSet::new(), seed)
}

/// The flows that each of several cases probes, which take place in one world at the same time.
pub fn choose_together(experiments: &[Experiment], seed: u64) -> Vec<Vec<Flow>> {
    let mut probed = BTreeSet::new();
    let choose = |experiment: &Experiment| {
        let flows = choose_beside(experiment, &probed, seed);
        probed.extend(flows.iter().cloned());
        flows
    };
    experiments.iter().map(choose).collect()
}

/// The flows that a case probes where others probe some anyway.
fn choose_beside(experiment: &Experiment, probed: &BTreeSet<Flow>, seed: u64) -> Vec<Flow> {
    if !experiment.every_node {
        return choose_in_world(experiment, probed, seed);
    }
    // All at once would be as many flows as there are pairs of nodes, and none would have to be chosen on each node.
    let part = |world: World| choose_in_world(&Experiment { world: world.into(), ..experiment.clone() }, probed, seed);
    let mut flows: Vec<Flow> = experiment.world.neighbourhoods().into_iter().flat_map(part).collect();
    // Where there are two nodes, each is next to the other.
    flows.sort_unstable();
    flows.dedup();
    flows
}

fn choose_in_world(experiment: &Experiment, probed: &BTreeSet<Flow>, seed: u64) -> Vec<Flow> {
    let mut candidates = candidates(&experiment.world);
    candidates.extend(observed(experiment, &candidates));
    candidates.retain(|flow| !experiment.is_remade_beside(&flow.from) && !experiment.is_remade_beside(&flow.to));
    let answers = Answers::of(experiment, &candidates);
    let mut needs = Needs::new(&candidates);
    let ways = shown(experiment, &candidates, &answers);
    witness_needs(experiment, &candidates, &ways, &mut needs);
    let cost = |(flow, of): (usize, &Flow)| match probed.contains(of) {
        true => 1,
        false => answers.cost(experiment, flow, of) * PROBED_ANYWAY,
    };
    let costs: Vec<u64> = candidates.iter().enumerate().map(cost).collect();
    discrimination_needs(experiment, &candidates, &answers, &mut needs);
    if experiment.property.is_some() {
        property_needs(experiment, &candidates, &answers, &mut needs);
    }
    let mut chosen = cover(&needs, &[], &costs, seed);
    let mut controls = Needs::new(&candidates);
    control_needs(&experiment.world, &candidates, &answers, &chosen, &mut controls);
    proof_needs(&candidates, &answers, &ways, &chosen, &mut controls);
    chosen = cover(&controls, &chosen, &costs, seed);
    chosen.sort_unstable();
    chosen.into_iter().map(|index| candidates[index].clone()).collect()
}

/// So much dearer than a flow that is probed anyway is one more.
const PROBED_ANYWAY: u64 = 4;

/// Every flow that can be dialled between two different endpoints of a world, none of which is on a node's network.
pub fn candidates(world: &World) -> Vec<Flow> {
    let mut flows = Vec::new();
    for to in world.endpoints().filter(|to| !world.is_on_host(to)) {
        for sender in world.pods.iter().filter(|pod| !pod.host_network && to.pod() != Some(&pod.id)) {
            flows.extend(between(world, &sender.id.clone().into(), &to));
        }
    }
    flows
}

/// Every flow that can be dialled from one endpoint to another.
fn between(world: &World, from: &Endpoint, to: &Endpoint) -> Vec<Flow> {
    let families = [Family::Ipv4, Family::Ipv6].into_iter().filter(|family| world.address(from, *family).is_some());
    let ways = families.flat_map(|family| [Path::PodIp, Path::ClusterIp].map(|path| (family, path)));
    let flows = ways.flat_map(|(family, path)| {
        world.ports(to).iter().map(move |port| Flow {
            from: from.clone(),
            to: to.clone(),
            path,
            family,
            protocol: port.protocol,
            port: port.port,
            connection: Connection::New,
        })
    });
    flows.filter(|flow| world.dial(flow).is_some()).collect()
}

/// The flows on which a property shows that are none between two different endpoints over new connections.
fn observed(experiment: &Experiment, candidates: &[Flow]) -> Vec<Flow> {
    match experiment.property {
        Some(Property::Hairpin) => {
            let mut flows: Vec<Flow> = candidates
                .iter()
                .filter(|flow| flow.path == Path::ClusterIp)
                .map(|flow| Flow { from: flow.to.clone(), ..flow.clone() })
                .collect();
            flows.sort_unstable();
            flows.dedup();
            flows
        }
        Some(Property::StandingConnections) => {
            candidates.iter().map(|flow| Flow { connection: Connection::Standing, ..flow.clone() }).collect()
        }
        Some(Property::HostNetwork) => {
            let world = &experiment.world;
            let (hosts, pods): (Vec<&Pod>, Vec<&Pod>) = world.pods.iter().partition(|pod| pod.host_network);
            let ends = hosts.iter().flat_map(|host| pods.iter().flat_map(|pod| [(*host, *pod), (*pod, *host)]));
            let flows = ends.flat_map(|(from, to)| between(world, &from.id.clone().into(), &to.id.clone().into()));
            // By a Service a node's packets may come from another address than its own.
            flows.filter(|flow| flow.path == Path::PodIp).collect()
        }
        Some(Property::IpBlockMatchesPods | Property::NamedPortToIpBlock | Property::Kubelet) | None => Vec::new(),
    }
}

/// The scope that a flow is in.
pub fn scope(world: &World, flow: &Flow) -> Scope {
    let placement = match (world.node_of(&flow.from), world.node_of(&flow.to)) {
        (Some(from), Some(to)) if from == to => Placement::SameNode,
        (Some(_), Some(_)) => Placement::CrossNode,
        (None, _) | (_, None) => Placement::Outside,
    };
    Scope { family: flow.family, path: flow.path, protocol: flow.protocol, placement }
}

/// What the specification says of every candidate in every phase.
struct Answers {
    /// By phase, then by candidate.
    right: Vec<Vec<Answer>>,
}

impl Answers {
    fn of(experiment: &Experiment, candidates: &[Flow]) -> Self {
        let faithful = Reading::faithful(experiment);
        let of_phase = |phase: usize| candidates.iter().map(|flow| faithful.answer(phase, flow)).collect();
        Self { right: (0..experiment.phases().len()).map(of_phase).collect() }
    }

    /// What a flow costs the nodes, as a multiple of the least: what is tried on it fills their connection tracking, on each
    /// node that it gets to. A blocked attempt is remembered where the sender's node is not the one that drops it, a SYN
    /// longer than a datagram, and some twenty are made where two prove that a flow is open.
    fn cost(&self, experiment: &Experiment, flow: usize, of: &Flow) -> u64 {
        let placement = scope(&experiment.world, of).placement;
        let cost = |right: &Vec<Answer>| match (right[flow], placement, of.protocol) {
            (_, Placement::SameNode, _) | (Answer::Allow, Placement::Outside, _) => 1,
            (Answer::Allow, Placement::CrossNode, _) => 2,
            (_, Placement::CrossNode | Placement::Outside, Protocol::Udp) => 20,
            (_, Placement::CrossNode | Placement::Outside, Protocol::Tcp | Protocol::Sctp) => 40,
        };
        self.right.iter().map(cost).sum()
    }

    fn open(&self, flow: usize) -> bool {
        self.right.iter().any(|phase| matches!(phase[flow], Answer::Undefined(_)))
    }
}

/// Whether two answers cannot both be right.
pub(crate) fn differ(one: Answer, other: Answer) -> bool {
    matches!((one, other), (Answer::Allow, Answer::Deny) | (Answer::Deny, Answer::Allow))
}

/// What the specification leaves open is looked at on each port in each pair of a scope's parts.
fn property_needs(experiment: &Experiment, candidates: &[Flow], answers: &Answers, needs: &mut Needs) {
    let open = || (0..candidates.len()).filter(|flow| answers.open(*flow));
    let ports: BTreeSet<u16> = open().map(|flow| candidates[flow].port).collect();
    for port in ports {
        let on_port = open().filter(|flow| candidates[*flow].port == port);
        by_pair(experiment, candidates, on_port).into_values().for_each(|flows| needs.add(flows));
    }
}

/// Any two faults that differ need a flow that tells them apart, in one of the cases whose share they are.
fn discrimination_needs(experiment: &Experiment, candidates: &[Flow], answers: &Answers, needs: &mut Needs) {
    let faithful = Reading::faithful(experiment);
    let of_fault = |fault: Fault| {
        let reading = experiment.reading(fault, Reach::Everywhere)?;
        let of_phase = |phase: usize| match reading.can_differ(&faithful, phase) {
            true => candidates.iter().map(|flow| reading.answer(phase, flow)).collect(),
            false => answers.right[phase].clone(),
        };
        let table: Vec<Vec<Answer>> = (0..answers.right.len()).map(of_phase).collect();
        (table != answers.right).then_some((fault, table))
    };
    let tables: Vec<(Fault, Vec<Vec<Answer>>)> = Fault::ALL.into_iter().filter_map(of_fault).collect();
    for (index, (one, of_one)) in tables.iter().enumerate() {
        let others = tables[index + 1..].iter().filter(|(other, _)| experiment.share.tells(*one, *other));
        for (_, of_other) in others {
            needs.add(
                (0..candidates.len())
                    .filter(|flow| of_one.iter().zip(of_other).any(|(one, other)| differ(one[*flow], other[*flow]))),
            );
        }
    }
}

/// A flow that may be blocked needs one beside it that must connect: from the same sender and to the same receiver where the case
/// leaves such, and between the same nodes.
fn control_needs(world: &World, candidates: &[Flow], answers: &Answers, chosen: &[usize], needs: &mut Needs) {
    let nodes =
        |flow: &Flow| (world.node_of(&flow.from).map(str::to_owned), world.node_of(&flow.to).map(str::to_owned));
    for right in &answers.right {
        for denied in chosen.iter().filter(|flow| right[**flow] != Answer::Allow).map(|flow| &candidates[*flow]) {
            let mut beside = |same: &dyn Fn(&Flow) -> bool| {
                needs.add((0..candidates.len()).filter(|other| {
                    let flow = &candidates[*other];
                    right[*other] == Answer::Allow
                        && (flow.family, flow.path) == (denied.family, denied.path)
                        && same(flow)
                }));
            };
            beside(&|other| other.from == denied.from);
            beside(&|other| other.to == denied.to);
            beside(&|other| nodes(other) == nodes(denied));
        }
    }
}
