//! Which flows a case probes: witnesses for every term in every scope, controls beside them, and flows that tell the
//! faults apart.

mod share;
mod start;

pub use share::{Share, Way, shares, ways};
pub use start::{announcement, of_start};

use super::experiment::Experiment;
use super::reading::{Reach, Reading};
use super::{ChangeKind, Fault, Place, Term};
use crate::core::catalogue::Property;
use crate::core::model::flow::{Connection, Endpoint, Family, Flow, Path, Protocol};
use crate::core::model::policy::Direction;
use crate::core::model::world::{Pod, World};
use crate::core::oracle::Answer;
use crate::core::verdict::{Placement, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// The flows that a case probes, in a fixed order. `seed` decides among flows that serve equally well.
pub fn choose(experiment: &Experiment, seed: u64) -> Vec<Flow> {
    if !experiment.every_node {
        return choose_in_world(experiment, seed);
    }
    // All at once would be as many flows as there are pairs of nodes, and none would have to be chosen on each node.
    let part = |world| choose_in_world(&Experiment { world, ..experiment.clone() }, seed);
    let mut flows: Vec<Flow> = experiment.world.neighbourhoods().into_iter().flat_map(part).collect();
    // Where there are two nodes, each is next to the other.
    flows.sort_unstable();
    flows.dedup();
    flows
}

fn choose_in_world(experiment: &Experiment, seed: u64) -> Vec<Flow> {
    let mut candidates = candidates(&experiment.world);
    candidates.extend(observed(experiment, &candidates));
    let answers = Answers::of(experiment, &candidates);
    let mut needs = Needs::new(&candidates);
    witness_needs(experiment, &candidates, &answers, &mut needs);
    discrimination_needs(experiment, &candidates, &answers, &mut needs);
    if experiment.property.is_some() {
        property_needs(experiment, &candidates, &answers, &mut needs);
    }
    let costs: Vec<u64> = (0..candidates.len()).map(|flow| answers.cost(experiment, flow, &candidates[flow])).collect();
    let mut chosen = cover(&needs, &[], &costs, seed);
    let mut controls = Needs::new(&candidates);
    control_needs(&experiment.world, &candidates, &answers, &chosen, &mut controls);
    chosen = cover(&controls, &chosen, &costs, seed);
    chosen.sort_unstable();
    chosen.into_iter().map(|index| candidates[index].clone()).collect()
}

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
        Self { right: table(experiment, &faithful, candidates) }
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

fn table(experiment: &Experiment, reading: &Reading, candidates: &[Flow]) -> Vec<Vec<Answer>> {
    (0..experiment.phases().len())
        .map(|phase| candidates.iter().map(|flow| reading.answer(phase, flow)).collect())
        .collect()
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

/// These flows by the pairs of a scope's parts that they are in.
fn by_pair(
    experiment: &Experiment,
    candidates: &[Flow],
    flows: impl Iterator<Item = usize>,
) -> BTreeMap<Pair, Vec<usize>> {
    let mut by_pair: BTreeMap<Pair, Vec<usize>> = BTreeMap::new();
    for flow in flows {
        for pair in pairs(scope(&experiment.world, &candidates[flow])) {
            by_pair.entry(pair).or_default().push(flow);
        }
    }
    by_pair
}

/// Every way of ignoring a term needs a witness for each pair of a scope's parts that is the case's share: over IPv6 by
/// ClusterIP, by ClusterIP between two nodes, and so on. All four parts at once would need three times the connections, and
/// no network is known that fails only there.
fn witness_needs(experiment: &Experiment, candidates: &[Flow], answers: &Answers, needs: &mut Needs) {
    let denied = Denied::of(candidates, answers);
    for term in experiment.terms() {
        for fault in Fault::ALL {
            let Some(reading) = experiment.reading(fault, Reach::Term(&term)) else { continue };
            let ignored = table(experiment, &reading, candidates);
            let witnesses = (0..candidates.len()).filter(|flow| {
                (0..ignored.len()).any(|phase| {
                    let right = answers.right[phase][*flow];
                    differ(right, ignored[phase][*flow])
                        && (right == Answer::Deny || denied.beside(&term, phase, *flow, &candidates[*flow]))
                })
            });
            let witnesses = by_pair(experiment, candidates, witnesses);
            // A deletion shows on every flow that was denied before it; the other terms' witnesses are among them.
            let wanted = if term.place == Place::Removal { 1 } else { usize::MAX };
            let mine = experiment.share.of(witnesses.keys());
            let mine = witnesses.into_iter().filter(|(pair, _)| mine.contains(pair));
            mine.take(wanted).for_each(|(_, flows)| needs.add(flows));
        }
    }
}

/// What is denied up to each phase: an allow that nothing denied stands beside proves nothing.
struct Denied<'a> {
    flows: Vec<BTreeSet<usize>>,
    to: Vec<BTreeSet<(Family, &'a Endpoint)>>,
    from: Vec<BTreeSet<(Family, &'a Endpoint)>>,
}

impl<'a> Denied<'a> {
    fn of(candidates: &'a [Flow], answers: &Answers) -> Self {
        let mut denied = Self { flows: Vec::new(), to: Vec::new(), from: Vec::new() };
        for right in &answers.right {
            let mut flows = denied.flows.last().cloned().unwrap_or_default();
            flows.extend((0..candidates.len()).filter(|flow| right[*flow] == Answer::Deny));
            denied.to.push(flows.iter().map(|flow| (candidates[*flow].family, &candidates[*flow].to)).collect());
            denied.from.push(flows.iter().map(|flow| (candidates[*flow].family, &candidates[*flow].from)).collect());
            denied.flows.push(flows);
        }
        denied
    }

    /// Whether something stands beside an allowed flow that makes it a proof: for a change the flow itself, closed
    /// before; for what is made again and for a part of a policy a flow of the same pod; for a `podSelector` any.
    fn beside(&self, term: &Term, phase: usize, flow: usize, of: &Flow) -> bool {
        match (&term.place, term.direction()) {
            (Place::Change { kind: ChangeKind::Recreate | ChangeKind::RecreateBare, .. }, _) => {
                self.to[phase].contains(&(of.family, &of.to)) || self.from[phase].contains(&(of.family, &of.from))
            }
            (Place::Change { .. } | Place::Removal, _) => phase > 0 && self.flows[phase - 1].contains(&flow),
            (Place::Policy { .. }, Some(Direction::Ingress)) => self.to[phase].contains(&(of.family, &of.to)),
            (Place::Policy { .. }, Some(Direction::Egress)) => self.from[phase].contains(&(of.family, &of.from)),
            (Place::Policy { .. }, None) => self.to[phase].iter().any(|(family, _)| *family == of.family),
        }
    }
}

/// A scope with all but two of its parts left open.
type Pair = [Option<usize>; PARTS];

/// How many parts a scope has.
const PARTS: usize = 4;

/// The parts of a scope, each as a number.
fn parts(scope: Scope) -> [usize; PARTS] {
    let Scope { family, path, protocol, placement } = scope;
    [family as usize, path as usize, protocol as usize, placement as usize]
}

/// A scope with all but two of its parts left open, in every way.
fn pairs(scope: Scope) -> Vec<Pair> {
    pairs_of(parts(scope))
}

fn pairs_of(parts: [usize; PARTS]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for one in 0..parts.len() {
        for other in one + 1..parts.len() {
            let mut pair = [None; PARTS];
            pair[one] = Some(parts[one]);
            pair[other] = Some(parts[other]);
            pairs.push(pair);
        }
    }
    pairs
}

/// Any two faults that differ need a flow that tells them apart, in one of the cases whose share they are.
fn discrimination_needs(experiment: &Experiment, candidates: &[Flow], answers: &Answers, needs: &mut Needs) {
    let tables: Vec<(Fault, Vec<Vec<Answer>>)> = Fault::ALL
        .into_iter()
        .filter_map(|fault| Some((fault, experiment.reading(fault, Reach::Everywhere)?)))
        .map(|(fault, reading)| (fault, table(experiment, &reading, candidates)))
        .filter(|(_, table)| *table != answers.right)
        .collect();
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
/// leaves such, and between the same nodes. An allowed flow needs one beside it that must be blocked, by the same pod's
/// isolation.
fn control_needs(world: &World, candidates: &[Flow], answers: &Answers, chosen: &[usize], needs: &mut Needs) {
    let nodes =
        |flow: &Flow| (world.node_of(&flow.from).map(str::to_owned), world.node_of(&flow.to).map(str::to_owned));
    for right in &answers.right {
        for flow in chosen.iter().map(|flow| (&candidates[*flow], right[*flow])) {
            let mut beside = |answer: Answer, same: &dyn Fn(&Flow, &Flow) -> bool| {
                needs.add((0..candidates.len()).filter(|other| {
                    let other_flow = &candidates[*other];
                    right[*other] == answer && other_flow.family == flow.0.family && same(other_flow, flow.0)
                }));
            };
            match flow.1 {
                Answer::Deny | Answer::Undefined(_) => {
                    beside(Answer::Allow, &|other, denied| other.path == denied.path && other.from == denied.from);
                    beside(Answer::Allow, &|other, denied| other.path == denied.path && other.to == denied.to);
                    beside(Answer::Allow, &|other, denied| other.path == denied.path && nodes(other) == nodes(denied));
                }
                Answer::Allow => {
                    beside(Answer::Deny, &|other, allowed| other.to == allowed.to);
                    beside(Answer::Deny, &|other, allowed| other.from == allowed.from);
                }
            }
        }
    }
}

/// Sets of candidates, at least one of each of which must be chosen.
struct Needs {
    /// By candidate: a bit for each need that it serves.
    serves: Vec<Vec<u64>>,
    count: usize,
    seen: std::collections::HashSet<Vec<usize>>,
}

impl Needs {
    fn new(candidates: &[Flow]) -> Self {
        Self { serves: vec![Vec::new(); candidates.len()], count: 0, seen: std::collections::HashSet::new() }
    }

    /// Adds a need; an empty one cannot be served and is none.
    fn add(&mut self, flows: impl IntoIterator<Item = usize>) {
        let flows: Vec<usize> = flows.into_iter().collect();
        if flows.is_empty() || !self.seen.insert(flows.clone()) {
            return;
        }
        let (word, bit) = (self.count / 64, self.count % 64);
        for flow in flows {
            let served = &mut self.serves[flow];
            served.resize(served.len().max(word + 1), 0);
            served[word] |= 1 << bit;
        }
        self.count += 1;
    }
}

/// A set of candidates of small cost that serves every need, on top of those chosen already.
fn cover(needs: &Needs, chosen: &[usize], costs: &[u64], seed: u64) -> Vec<usize> {
    let mut open = vec![u64::MAX; needs.count.div_ceil(64)];
    let mut chosen = chosen.to_vec();
    let close = |open: &mut [u64], flow: usize| {
        open.iter_mut().zip(&needs.serves[flow]).for_each(|(open, served)| *open &= !served);
    };
    chosen.iter().for_each(|flow| close(&mut open, *flow));
    loop {
        let gain = |flow: usize| -> u64 {
            open.iter().zip(&needs.serves[flow]).map(|(open, served)| u64::from((open & served).count_ones())).sum()
        };
        let worth = |flow: usize| gain(flow) * GAIN / costs[flow];
        let best = (0..needs.serves.len()).max_by_key(|flow| (worth(*flow), shuffled(*flow, seed)));
        match best {
            Some(flow) if gain(flow) > 0 => {
                close(&mut open, flow);
                chosen.push(flow);
            }
            Some(_) | None => return chosen,
        }
    }
}

/// More than any cost, so that every gain is worth something.
const GAIN: u64 = 1 << 32;

/// A number that orders candidates differently for each seed (the finaliser of SplitMix64).
fn shuffled(flow: usize, seed: u64) -> u64 {
    let mut value = seed.wrapping_add((flow as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
