//! Which flows a case probes: witnesses for every term in every scope, controls beside them, and flows that tell the
//! faults apart.

mod share;
mod start;

pub use share::{Able, Share, Way, able, shares};
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
    let part = |world| choose_in_world(&Experiment { world, ..experiment.clone() }, probed, seed);
    let mut flows: Vec<Flow> = experiment.world.neighbourhoods().into_iter().flat_map(part).collect();
    // Where there are two nodes, each is next to the other.
    flows.sort_unstable();
    flows.dedup();
    flows
}

fn choose_in_world(experiment: &Experiment, probed: &BTreeSet<Flow>, seed: u64) -> Vec<Flow> {
    let mut candidates = candidates(&experiment.world);
    candidates.extend(observed(experiment, &candidates));
    let answers = Answers::of(experiment, &candidates);
    let mut needs = Needs::new(&candidates);
    let proofs = witness_needs(experiment, &candidates, &answers, &mut needs);
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
    proof_needs(&candidates, &answers, &chosen, &proofs, &mut controls);
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
fn witness_needs(
    experiment: &Experiment,
    candidates: &[Flow],
    answers: &Answers,
    needs: &mut Needs,
) -> BTreeSet<Proof> {
    let denied = Denied::of(candidates, answers);
    let mut proofs = BTreeSet::new();
    for term in experiment.terms() {
        let beside = Beside::of(&term);
        for fault in Fault::ALL {
            let Some(reading) = experiment.reading(fault, Reach::Term(&term)) else { continue };
            let ignored = table(experiment, &reading, candidates);
            let witnesses = (0..candidates.len()).filter(|flow| {
                let mut shows = false;
                for (phase, ignored) in ignored.iter().enumerate() {
                    let right = answers.right[phase][*flow];
                    if differ(right, ignored[*flow]) {
                        let proves = right == Answer::Deny || denied.beside(beside, phase, *flow, &candidates[*flow]);
                        if proves && right == Answer::Allow {
                            proofs.insert(Proof { flow: *flow, phase, beside });
                        }
                        shows |= proves;
                    }
                }
                shows
            });
            let witnesses = by_pair(experiment, candidates, witnesses);
            // A deletion shows on every flow that was denied before it; the other terms' witnesses are among them.
            let wanted = if term.place == Place::Removal { 1 } else { usize::MAX };
            let mine = experiment.share.of((fault, term.direction()), witnesses.keys());
            let mine = witnesses.into_iter().filter(|(pair, _)| mine.contains(pair));
            mine.take(wanted).for_each(|(_, flows)| needs.add(flows));
        }
    }
    proofs
}

/// What is denied where an allowed flow proves something: an allow that nothing denied stands beside proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Beside {
    /// The flow itself, before a change that opens it.
    Itself,
    /// A flow to the same pod, or from it, now: what is made again changes nothing about the policies.
    EitherEnd,
    /// A flow to the same pod, for what restricts who gets in.
    Receiver,
    /// A flow of the same pod, for what restricts where it gets.
    Sender,
    /// Any flow, for a `podSelector`: who is not selected stays open while others are isolated.
    Anything,
}

impl Beside {
    fn of(term: &Term) -> Self {
        match (&term.place, term.direction()) {
            (Place::Change { kind: ChangeKind::Recreate | ChangeKind::RecreateBare, .. }, _) => Self::EitherEnd,
            (Place::Change { .. } | Place::Removal, _) => Self::Itself,
            (Place::Policy { .. }, Some(Direction::Ingress)) => Self::Receiver,
            (Place::Policy { .. }, Some(Direction::Egress)) => Self::Sender,
            (Place::Policy { .. }, None) => Self::Anything,
        }
    }
}

/// An allowed flow that proves something in a phase, if something denied stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Proof {
    flow: usize,
    phase: usize,
    beside: Beside,
}

/// What is denied up to each phase.
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

    /// Whether something stands beside an allowed flow that makes it a proof.
    fn beside(&self, beside: Beside, phase: usize, flow: usize, of: &Flow) -> bool {
        let to = || self.to[phase].contains(&(of.family, &of.to));
        let from = || self.from[phase].contains(&(of.family, &of.from));
        match beside {
            Beside::Itself => phase > 0 && self.flows[phase - 1].contains(&flow),
            Beside::EitherEnd => to() || from(),
            Beside::Receiver => to(),
            Beside::Sender => from(),
            Beside::Anything => self.to[phase].iter().any(|(family, _)| *family == of.family),
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

/// An allowed flow that proves something needs one beside it that must be blocked, by the same pod's isolation.
fn proof_needs(candidates: &[Flow], answers: &Answers, chosen: &[usize], proofs: &BTreeSet<Proof>, needs: &mut Needs) {
    for proof in proofs.iter().filter(|proof| chosen.contains(&proof.flow)) {
        let allowed = &candidates[proof.flow];
        let phases = match proof.beside {
            Beside::Itself => continue,
            Beside::EitherEnd => proof.phase..=proof.phase,
            Beside::Receiver | Beside::Sender | Beside::Anything => 1..=proof.phase,
        };
        let is_beside = |flow: &Flow| match proof.beside {
            Beside::EitherEnd => flow.to == allowed.to || flow.from == allowed.from,
            Beside::Receiver => flow.to == allowed.to,
            Beside::Sender => flow.from == allowed.from,
            Beside::Itself | Beside::Anything => true,
        };
        needs.add((0..candidates.len()).filter(|other| {
            let flow = &candidates[*other];
            flow.family == allowed.family
                && is_beside(flow)
                && phases.clone().any(|phase| answers.right[phase][*other] == Answer::Deny)
        }));
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
    let before = chosen.len();
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
            Some(_) | None => break,
        }
    }
    spare(needs, chosen, before, costs)
}

/// What is chosen without those whose needs the others serve, the dearest first. The first `kept` stay.
fn spare(needs: &Needs, mut chosen: Vec<usize>, kept: usize, costs: &[u64]) -> Vec<usize> {
    let mut dearest_first = chosen.split_off(kept);
    dearest_first.sort_by_key(|flow| std::cmp::Reverse(costs[*flow]));
    for place in 0..dearest_first.len() {
        let flow = dearest_first[place];
        let others = || chosen.iter().chain(&dearest_first[place + 1..]);
        let is_served = |(word, served): (usize, &u64)| {
            let by_others = others().fold(0, |all, other| all | needs.serves[*other].get(word).copied().unwrap_or(0));
            served & !by_others == 0
        };
        if !needs.serves[flow].iter().enumerate().all(is_served) {
            chosen.push(flow);
        }
    }
    chosen
}

/// So much dearer than a flow that is probed anyway is one more.
const PROBED_ANYWAY: u64 = 4;

/// More than any cost, so that every gain is worth something.
const GAIN: u64 = 1 << 32;

/// A number that orders candidates differently for each seed (the finaliser of SplitMix64).
fn shuffled(flow: usize, seed: u64) -> u64 {
    let mut value = seed.wrapping_add((flow as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
