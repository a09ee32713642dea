//! Lanes of the lab: pods, their agents, their Services, their policies.

use super::addresses::{self, Addresses};
use super::agent::Agent;
use super::engine::{Engine, relabel};
use super::host::{self, Host, PodPlan};
use super::netns::Netns;
use super::topology::Node;
use super::{Shared, failed, has, lock, services};
use crate::core::fault::Fault;
use crate::core::model::change::{Change, PolicyName};
use crate::core::model::flow::{Endpoint, PodId};
use crate::core::model::world::{self, Service, World};
use crate::target::{Lane, LaneNames, Stream, TargetError, identity};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// The lanes of a lab.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    gate: Arc<RwLock<()>>,
    given: Mutex<Given>,
    open: Mutex<BTreeMap<u32, Parts>>,
}

/// What was given out, and never will be again.
#[derive(Debug, Default)]
struct Given {
    addresses: Addresses,
    keys: u32,
}

impl Lanes {
    /// Lets one lane be opened.
    pub(super) async fn opening(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.gate).read_owned().await
    }

    /// Waits until no lane is being opened, and keeps it so.
    pub(super) async fn closing(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    /// Remembers a lane, so that it can be removed even when its owner forgets to.
    pub(super) fn add(&self, parts: Parts) -> u32 {
        let key = parts.key;
        lock(&self.open).insert(key, parts);
        key
    }

    /// All that are left.
    pub(super) fn take_all(&self) -> Vec<Parts> {
        std::mem::take(&mut *lock(&self.open)).into_values().collect()
    }

    fn take(&self, key: u32) -> Option<Parts> {
        lock(&self.open).remove(&key)
    }
}

/// What a lane is made of.
#[derive(Debug)]
pub(super) struct Parts {
    key: u32,
    hosts: BTreeMap<Endpoint, Host>,
    links: BTreeMap<PodId, String>,
    engine: Option<Engine>,
}

impl Parts {
    /// Makes a lane. What was made of one that fails ends with the values that held it.
    pub(super) fn build(
        shared: &Arc<Shared>,
        names: &LaneNames,
        runtime: &Handle,
    ) -> Result<(Self, World), TargetError> {
        let mut world = (shared.options.world)(&names.suffix());
        let key = place(&mut world, shared)?;
        let mut parts = Self { key, hosts: BTreeMap::new(), links: BTreeMap::new(), engine: None };
        for (index, pod) in world.pods.iter().enumerate() {
            parts.links.insert(pod.id.clone(), format!("{}{key}-{index}", host::POD_LINKS));
        }
        parts.connect(shared, &world)?;
        parts.start_agents(shared, names, runtime)?;
        if has(&shared.options.faults, Fault::DeadReceiver) {
            host::deafen(parts.host(&services::victim())?)?;
        }
        if has(&shared.options.faults, Fault::WrongIdentity) {
            parts.host(&services::victim())?;
            parts.host(&services::impostor())?;
        }
        on_every_node(&shared.topology.nodes, |node| {
            node.load(&services::rules(&services_table(key), &world, &shared.options.faults, &node.name))
        })?;
        let (topology, table) = (Arc::clone(&shared.topology), policies_table(key));
        let faults = &shared.options.faults;
        parts.engine = Some(Engine::start(topology, &table, &world, &parts.links, faults, runtime));
        Ok((parts, world))
    }

    /// Removes a lane, as much of it as can be; the first failure is told.
    pub(super) async fn remove(mut self, shared: &Arc<Shared>) -> Result<(), TargetError> {
        for agent in self.hosts.values().filter_map(|host| host.agent.as_ref()) {
            agent.dismiss();
        }
        if let Some(engine) = self.engine.take() {
            engine.stop().await;
        }
        let mut result = Ok(());
        for host in self.hosts.values_mut() {
            if let Some(agent) = host.agent.take() {
                let gone = agent.gone().await;
                let endpoint = &host.endpoint;
                result = result.and(gone.map_err(|error| failed(format!("ending the agent of {endpoint}"), error)));
            }
        }
        let shared = Arc::clone(shared);
        let unplugged = tokio::task::spawn_blocking(move || self.unplug(&shared)).await;
        result.and(unplugged.unwrap_or_else(|error| Err(failed("removing a lane", error))))
    }

    fn host(&self, id: &PodId) -> Result<&Host, TargetError> {
        self.hosts.get(&Endpoint::Pod(id.clone())).ok_or_else(|| host::no_such_pod(&id.to_string()))
    }

    fn connect(&mut self, shared: &Shared, world: &World) -> Result<(), TargetError> {
        let pods = world.pods.iter().map(|pod| Endpoint::Pod(pod.id.clone()));
        let externals = world.externals.iter().map(|external| Endpoint::External(external.id.clone()));
        for endpoint in pods.chain(externals) {
            self.hosts.insert(endpoint.clone(), Host::new(endpoint)?);
        }
        for (index, external) in world.externals.iter().enumerate() {
            let host = &self.hosts[&Endpoint::External(external.id.clone())];
            let socket = format!("out{}-{index}", self.key);
            host::connect_outside(&shared.topology, &socket, self.key, host, both(&external.addresses)?)?;
        }
        on_every_node(&shared.topology.nodes, |node| {
            let mut pods = Vec::new();
            for pod in world.pods.iter().filter(|pod| pod.node == node.name) {
                let endpoint = Endpoint::Pod(pod.id.clone());
                let netns = Arc::clone(&self.hosts[&endpoint].netns);
                let plan = PodPlan { link: self.links[&pod.id].clone(), addresses: both(&pod.addresses)? };
                pods.push((plan, netns));
            }
            host::connect_pods(node, self.key, &pods)
        })
    }

    fn start_agents(&mut self, shared: &Shared, names: &LaneNames, runtime: &Handle) -> Result<(), TargetError> {
        for host in self.hosts.values_mut() {
            let identity = identity(&names.suffix(), &host.endpoint);
            let program = &shared.options.agent;
            host.agent = Some(Agent::start(&host.netns, program, &identity, &names.token, runtime)?);
        }
        Ok(())
    }

    /// Frees links and rules on the nodes. The hosts' namespaces end with `self`.
    fn unplug(self, shared: &Shared) -> Result<(), TargetError> {
        let mut result = on_every_node(&shared.topology.nodes, |node| {
            let tables = [services_table(self.key), policies_table(self.key)];
            let rules = tables.map(|table| format!("table inet {table}\ndelete table inet {table}\n"));
            node.load(&rules.concat())
        });
        let nodes = shared.topology.nodes.iter().map(|node| &node.netns);
        for netns in nodes.chain([&shared.topology.fabric]) {
            let removed = netns.netlink(async |links| links.remove_group(self.key).await);
            result = result.and(removed);
        }
        result
    }
}

/// A lane of the lab.
#[derive(Debug)]
pub struct LabLane {
    shared: Arc<Shared>,
    key: u32,
    world: World,
    policies: BTreeSet<PolicyName>,
}

impl LabLane {
    pub(super) fn new(shared: Arc<Shared>, key: u32, world: World) -> Self {
        Self { shared, key, world, policies: BTreeSet::new() }
    }

    /// The network of a pod or of a host outside, to do in it what an agent cannot.
    pub fn network(&self, endpoint: &Endpoint) -> Option<Arc<Netns>> {
        let open = lock(&self.shared.lanes.open);
        open.get(&self.key)?.hosts.get(endpoint).map(|host| Arc::clone(&host.netns))
    }

    /// Waits until the policy engine has done what it was told so far, except what a fault delays. For tests: whoever
    /// probes a network has no such oracle.
    pub async fn settled(&self) -> Result<(), TargetError> {
        let settled = self.engine(Engine::settle)?;
        settled.await.map_err(|_| failed("waiting for the policy engine", "it has ended"))
    }

    fn engine<T>(&self, work: impl FnOnce(&Engine) -> Result<T, TargetError>) -> Result<T, TargetError> {
        let open = lock(&self.shared.lanes.open);
        let engine = open.get(&self.key).and_then(|parts| parts.engine.as_ref());
        engine.map_or_else(|| Err(failed("changing a lane", "the lab has been closed")), work)
    }

    /// Refuses what an API server would refuse, before anything of it is done.
    fn check(&self, change: &Change) -> Result<(), TargetError> {
        let known = |name: &PolicyName| self.policies.contains(name);
        let flaw = match change {
            Change::Apply { policies } => {
                policies.iter().find_map(|policy| match self.world.namespace(&policy.namespace) {
                    None => Some(format!("there is no namespace {}", policy.namespace)),
                    Some(_) if known(&policy.key()) => Some(format!("the policy {} exists already", policy.key())),
                    Some(_) => None,
                })
            }
            Change::Replace { policies } => {
                let missing = policies.iter().map(|policy| policy.key()).find(|name| !known(name));
                missing.map(|name| format!("there is no policy {name}"))
            }
            Change::Delete { policies } => {
                let missing = policies.iter().find(|name| !known(name));
                missing.map(|name| format!("there is no policy {name}"))
            }
            Change::Relabel { .. } => None,
        };
        flaw.map_or(Ok(()), |cause| Err(failed("changing a lane", cause)))
    }
}

impl Lane for LabLane {
    fn world(&self) -> &World {
        &self.world
    }

    async fn apply(&mut self, change: &Change) -> Result<(), TargetError> {
        self.check(change)?;
        self.engine(|engine| engine.tell(change))?;
        match change {
            Change::Apply { policies } => self.policies.extend(policies.iter().map(|policy| policy.key())),
            Change::Replace { .. } => {}
            Change::Delete { policies } => self.policies.retain(|name| !policies.contains(name)),
            Change::Relabel { subject, labels } => {
                if !relabel(&mut self.world, subject, labels) {
                    return Err(failed("changing labels", format!("there is no {subject}")));
                }
            }
        }
        Ok(())
    }

    async fn connect(&mut self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, TargetError> {
        let step = || format!("connecting to the agent of {endpoint}");
        let mut open = lock(&self.shared.lanes.open);
        let host = open.get_mut(&self.key).and_then(|parts| parts.hosts.get_mut(endpoint));
        let agent = host.and_then(|host| host.agent.as_mut());
        let agent = agent.ok_or_else(|| failed(step(), "there is none"))?;
        let stream = agent.take_stream().map_err(|error| failed(step(), error))?;
        let stream = stream.ok_or_else(|| failed(step(), "its only stream was given out before"))?;
        let stream = tokio::net::UnixStream::from_std(stream).map_err(|error| failed(step(), error))?;
        Ok(Box::new(stream))
    }

    async fn close(self) -> Result<(), TargetError> {
        match self.shared.lanes.take(self.key) {
            Some(parts) => parts.remove(&self.shared).await,
            // The lab was closed before.
            None => Ok(()),
        }
    }
}

/// Gives everything in a world its node, addresses and Services. Returns the lane's key.
fn place(world: &mut World, shared: &Shared) -> Result<u32, TargetError> {
    let nodes = &shared.topology.nodes;
    let mut given = lock(&shared.lanes.given);
    let outside = given.addresses.outside()?;
    given.keys += 1;
    world.nodes =
        nodes.iter().map(|node| world::Node { name: node.name.clone(), addresses: node.addresses.to_vec() }).collect();
    for (index, external) in world.externals.iter_mut().enumerate() {
        external.addresses = addresses::outside_host(outside, index).to_vec();
    }
    let ids: Vec<String> = world.namespaces.iter().map(|namespace| namespace.id.clone()).collect();
    let mut within: BTreeMap<String, usize> = BTreeMap::new();
    for pod in &mut world.pods {
        // Shifted by one from namespace to namespace, so that each has pods on every node and no node only the same ones.
        let shift = ids.iter().position(|id| *id == pod.id.namespace).unwrap_or(0);
        let index = within.entry(pod.id.namespace.clone()).or_default();
        let node: &Node = &nodes[(shift + *index) % nodes.len()];
        *index += 1;
        pod.node.clone_from(&node.name);
        pod.addresses = given.addresses.pod(node.number)?.to_vec();
        let addresses = given.addresses.service()?.to_vec();
        pod.service = Some(Service { name: pod.name.clone(), addresses });
    }
    Ok(given.keys)
}

fn services_table(key: u32) -> String {
    format!("services{key}")
}

fn policies_table(key: u32) -> String {
    format!("policies{key}")
}

fn both(addresses: &[std::net::IpAddr]) -> Result<[std::net::IpAddr; 2], TargetError> {
    addresses.try_into().map_err(|_| failed("placing a host", "it has not one address of each family"))
}

/// Does something on all nodes at once; the first failure is told.
fn on_every_node(nodes: &[Node], work: impl Fn(&Node) -> Result<(), TargetError> + Sync) -> Result<(), TargetError> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = nodes.iter().map(|node| scope.spawn(move || work(node))).collect();
        let results = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(failed("working on a node", "a panic"))));
        results.fold(Ok(()), Result::and)
    })
}
