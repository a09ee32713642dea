//! What a simulated network does: the oracle's word on the policies as its faults read them, some time after each change.

use super::intrusion::Intrusion;
use super::net::SimNet;
use crate::core::fault::plan::scope;
use crate::core::fault::reading::Reading;
use crate::core::fault::{Fault, FaultAt};
use crate::core::model::change::{Change, Subject};
use crate::core::model::flow::{Connection, Endpoint, Family, Flow, Path, PodId, Protocol};
use crate::core::model::policy::Direction;
use crate::core::model::state::State;
use crate::core::model::world::{ContainerPort, World};
use crate::core::oracle::{Answer, Assumptions, both};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How late a slow engine is on top.
const SLOW: Duration = Duration::from_secs(2);

/// What a simulated network is like.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// How many nodes (1 to 2,000).
    pub nodes: usize,
    /// The IP families that its pods have.
    pub families: Vec<Family>,
    /// Whether there are hosts outside.
    pub externals: bool,
    /// Whether there are pods on the nodes' own network.
    pub host_probes: bool,
    /// Whether its kernels have SCTP.
    pub sctp: bool,
    /// What is wrong with it.
    pub faults: Vec<FaultAt>,
    /// Whether a policy cuts connections that stood before it.
    pub cuts_standing_connections: bool,
    /// Whether a policy keeps kubelets from their own pods.
    pub blocks_kubelets: bool,
    /// A node whose pods reach nobody and are reached by nobody.
    pub mute: Option<String>,
    /// The name of policies that it does not accept.
    pub refuses: Option<String>,
    /// How long its engine takes to take up a change.
    pub delay: Duration,
    /// How long a packet is on its way there and its answer back.
    pub round_trip: Duration,
    /// How long a pod that was made again is not protected.
    pub start_up: Duration,
    /// A time in which it forgets what it was told.
    pub lapse: Option<Lapse>,
    /// How long after a lane was opened its Services become reachable.
    pub services_after: Duration,
    /// The seed of what it draws.
    pub seed: u64,
    /// Somebody else's policies that come up.
    pub intrusions: Vec<Intrusion>,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            nodes: 2,
            families: vec![Family::Ipv4, Family::Ipv6],
            externals: true,
            host_probes: false,
            sctp: true,
            faults: Vec::new(),
            cuts_standing_connections: false,
            blocks_kubelets: false,
            mute: None,
            refuses: None,
            delay: Duration::from_millis(100),
            round_trip: Duration::from_millis(1),
            start_up: Duration::ZERO,
            lapse: None,
            services_after: Duration::ZERO,
            seed: 1,
            intrusions: Vec::new(),
        }
    }
}

/// A time in which an engine forgets what it was told, in every lane.
#[derive(Clone, Copy, Debug)]
pub struct Lapse {
    /// When: since the lane was opened.
    pub after: Duration,
    /// How long.
    pub lasts: Duration,
    /// What happens meanwhile.
    pub what: Lapsed,
}

/// What a network does while it is not itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapsed {
    /// Everything gets through.
    Open,
    /// What this node has to decide gets through.
    OpenOn(&'static str),
    /// Nothing gets through to the pods of namespace x.
    Closed,
    /// Nothing gets through.
    Dead,
}

impl SimOptions {
    /// Takes from a world what this network does not have.
    pub(super) fn bare(&self, world: &mut World) {
        if !self.externals {
            world.externals.clear();
        }
        let pods = world.pods.iter_mut().flat_map(|pod| {
            let service = pod.service.as_mut().map(|service| &mut service.addresses);
            std::iter::once(&mut pod.addresses).chain(service)
        });
        let externals = world.externals.iter_mut().map(|external| &mut external.addresses);
        for addresses in pods.chain(externals) {
            addresses.retain(|address| self.families.contains(&Family::of(*address)));
        }
    }
}

/// The network of one lane.
#[derive(Debug)]
pub(super) struct Engine {
    world: World,
    faults: Vec<FaultAt>,
    /// Whether the kernels have SCTP.
    pub(super) sctp: bool,
    /// Whether a policy cuts connections that stood before it.
    pub(super) cuts: bool,
    blocks_kubelets: bool,
    /// How long a packet is on its way there and its answer back.
    pub(super) round_trip: Duration,
    /// Those of the faults that are the engine's; at most eight.
    engines: Vec<FaultAt>,
    mute: Option<String>,
    delay: Duration,
    start_up: Duration,
    opened: Instant,
    lapse: Option<Lapse>,
    services_after: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// What an engine with each set of faults has taken up: by which of [`Engine::engines`] it has, bit by bit.
    views: Vec<View>,
    random: fastrand::Rng,
    /// How many packets were on their way so far.
    packets: u64,
    agents: BTreeMap<Endpoint, SimNet>,
    /// When pods were made again.
    born: BTreeMap<Endpoint, Instant>,
}

/// What an engine with one set of faults has taken up, and what it still will.
#[derive(Debug)]
struct View {
    faults: Vec<Fault>,
    reading: Reading,
    accepted: State,
    coming: Vec<(Instant, State)>,
}

impl View {
    fn new(faults: Vec<Fault>, world: &World) -> Self {
        let state = State { policies: Vec::new(), world: world.clone().into() };
        Self { reading: read(&state, &faults), accepted: state, faults, coming: Vec::new() }
    }

    fn accept(&mut self, change: &Change, delay: Duration) {
        let before = self.accepted.clone();
        let missed = self.faults.iter().any(|fault| fault.ignores(change, &before));
        self.accepted = if missed { before.missing(change) } else { before.after(change) };
        let slow = if self.faults.contains(&Fault::Slow) { SLOW } else { Duration::ZERO };
        self.coming.push((Instant::now() + delay + slow, self.accepted.clone()));
    }

    fn catch_up(&mut self) {
        let now = Instant::now();
        let due = self.coming.iter().take_while(|(at, _)| *at <= now).count();
        if let Some((_, state)) = self.coming.drain(..due).next_back() {
            self.reading = read(&state, &self.faults);
        }
    }
}

fn read(state: &State, faults: &[Fault]) -> Reading {
    Reading::of_state(state.clone(), faults, Assumptions::SETTLED)
}

impl Engine {
    pub(super) fn new(world: World, options: &SimOptions, lane: u32) -> Self {
        let engines: Vec<FaultAt> = options.faults.iter().filter(|at| at.fault.is_engines()).take(8).cloned().collect();
        let of_set = |set: usize| {
            let member = |(index, at): (usize, &FaultAt)| (set >> index & 1 == 1).then_some(at.fault);
            View::new(engines.iter().enumerate().filter_map(member).collect(), &world)
        };
        let views = (0..1 << engines.len()).map(of_set).collect();
        let faults = options.faults.clone();
        let random = fastrand::Rng::with_seed(options.seed.wrapping_add(lane.into()));
        let inner = Inner { views, random, packets: 0, agents: BTreeMap::new(), born: BTreeMap::new() };
        Self {
            world,
            faults,
            sctp: options.sctp,
            cuts: options.cuts_standing_connections,
            blocks_kubelets: options.blocks_kubelets,
            round_trip: options.round_trip,
            engines,
            mute: options.mute.clone(),
            delay: options.delay,
            start_up: options.start_up,
            opened: Instant::now(),
            lapse: options.lapse,
            services_after: options.services_after,
            inner: Mutex::new(inner),
        }
    }

    pub(super) fn join(&self, endpoint: Endpoint, agent: SimNet) {
        self.lock().agents.insert(endpoint, agent);
    }

    /// Forgets the agents, which know the engine: otherwise neither would ever go.
    pub(super) fn leave(&self) {
        self.lock().agents.clear();
    }

    pub(super) fn accept(&self, change: &Change) {
        let delay = self.delay;
        self.lock().views.iter_mut().for_each(|view| view.accept(change, delay));
    }

    /// What a subject holds is made again now.
    pub(super) fn bear(&self, subject: &Subject) {
        let born = self.world.held_by(subject).map(|pod| (pod.id.clone().into(), Instant::now()));
        self.lock().born.extend(born);
    }

    /// The flow that a sender means by dialling an address.
    pub(super) fn flow(&self, from: &Endpoint, to: SocketAddr, protocol: Protocol) -> Option<Flow> {
        let family = Family::of(to.ip());
        let flow = |to: Endpoint, path, port| {
            let (from, connection) = (from.clone(), Connection::New);
            Flow { from, to, path, family, protocol, port, connection }
        };
        for pod in &self.world.pods {
            let endpoint = Endpoint::Pod(pod.id.clone());
            if pod.addresses.contains(&to.ip()) {
                return Some(flow(endpoint, Path::PodIp, to.port()));
            }
            if pod.service.as_ref().is_some_and(|service| service.addresses.contains(&to.ip())) {
                let offered = |port: &&ContainerPort| port.service_port == Some(to.port()) && port.protocol == protocol;
                let port = pod.ports.iter().find(offered)?;
                return Some(flow(endpoint, Path::ClusterIp, port.port));
            }
        }
        let external = self.world.externals.iter().find(|external| external.addresses.contains(&to.ip()))?;
        Some(flow(Endpoint::External(external.id.clone()), Path::PodIp, to.port()))
    }

    /// Whether the network lets a packet of this flow through now.
    pub(super) fn passes(&self, flow: &Flow) -> bool {
        let age = self.opened.elapsed();
        if flow.path == Path::ClusterIp && age < self.services_after {
            return false;
        }
        let ends = [&flow.from, &flow.to].map(|end| self.world.node_of(end));
        if self.mute.is_some() && ends.contains(&self.mute.as_deref()) {
            return false;
        }
        let lapsed = self.lapse.filter(|Lapse { after, lasts, .. }| (*after..*after + *lasts).contains(&age));
        match lapsed.map(|lapse| lapse.what) {
            Some(Lapsed::Open) => return true,
            Some(Lapsed::Dead) => return false,
            Some(Lapsed::Closed) if flow.to.pod().is_some_and(|pod| pod.namespace == "x") => return false,
            Some(Lapsed::Closed | Lapsed::OpenOn(_)) | None => {}
        }
        let open_on = match lapsed.map(|lapse| lapse.what) {
            Some(Lapsed::OpenOn(node)) => Some(node),
            Some(Lapsed::Open | Lapsed::Closed | Lapsed::Dead) | None => None,
        };
        let place = scope(&self.world, flow);
        let mut inner = self.lock();
        let unprotected = |end| inner.born.get(end).is_some_and(|born: &Instant| born.elapsed() < self.start_up);
        if unprotected(&flow.from) || unprotected(&flow.to) {
            return true;
        }
        inner.views.iter_mut().for_each(View::catch_up);
        let side = |direction| {
            let decider = match direction {
                Direction::Egress => ends[0],
                Direction::Ingress => ends[1],
            };
            if open_on.is_some() && open_on == decider {
                return Answer::Allow;
            }
            let bears =
                |at: &FaultAt| at.scope.as_ref().is_none_or(|scope| scope.reaches(&self.world, flow, place, direction));
            let bearing = self.engines.iter().enumerate().filter(|(_, at)| bears(at));
            let view = bearing.fold(0, |set, (index, _)| set | 1 << index);
            inner.views[view].reading.side(0, flow, direction)
        };
        both([Direction::Egress, Direction::Ingress].map(side)) != Answer::Deny
    }

    /// Whether kubelets get through to pods that policies isolate.
    pub(super) fn passes_kubelets(&self) -> bool {
        !self.blocks_kubelets || self.lock().views.iter().all(|view| view.accepted.policies.is_empty())
    }

    /// Whether a packet is lost on its way.
    pub(super) fn loses(&self) -> bool {
        let mut inner = self.lock();
        inner.packets += 1;
        let in_burst = self.has(Fault::BurstLoss) && inner.packets % 100 < 10;
        in_burst || (self.has(Fault::PacketLoss) && inner.random.f64() < 0.02)
    }

    /// Who answers at an endpoint, if anybody does.
    pub(super) fn receiver(&self, to: &Endpoint) -> Option<(Endpoint, SimNet)> {
        let victim = Endpoint::Pod(PodId::new("y", "b"));
        if *to == victim && self.has(Fault::DeadReceiver) {
            return None;
        }
        let answering = if *to == victim && self.has(Fault::WrongIdentity) {
            Endpoint::Pod(PodId::new("z", "b"))
        } else {
            to.clone()
        };
        let agent = self.lock().agents.get(&answering).cloned()?;
        Some((answering, agent))
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.iter().any(|at| at.fault == fault)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
