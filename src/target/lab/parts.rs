//! What a lane is made of: pods, their agents, their Services, their engine. Made in one go, removed in one go.

use super::addresses::{self, Addresses};
use super::agent::Agent;
use super::engine::Engine;
use super::host::{self, Host, PodPlan};
use super::topology::Node;
use super::{Shared, failed, has, lock, services};
use crate::core::catalogue::add_host_probes;
use crate::core::fault::Fault;
use crate::core::model::flow::{Endpoint, PodId};
use crate::core::model::world::{self, Pod, World};
use crate::core::wire::ToAgent;
use crate::target::{LaneNames, Stand, TargetError, identity};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::Instant;

/// How long a lane's agents may take to end after their input has ended.
const AGENTS_END: Duration = Duration::from_secs(5);

/// The lanes of a lab.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    gate: Arc<RwLock<()>>,
    pub(super) given: Mutex<Given>,
    open: Mutex<BTreeMap<u32, Parts>>,
}

/// What was given out, and never will be again.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) addresses: Addresses,
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

    /// Lets go of one.
    pub(super) fn take(&self, key: u32) -> Option<Parts> {
        lock(&self.open).remove(&key)
    }

    /// Does something with one, unless it has been closed.
    pub(super) fn with<T>(&self, key: u32, work: impl FnOnce(&mut Parts) -> T) -> Option<T> {
        lock(&self.open).get_mut(&key).map(work)
    }
}

/// What a lane is made of.
#[derive(Debug)]
pub(super) struct Parts {
    key: u32,
    /// The pods and the hosts outside.
    pub(super) hosts: BTreeMap<Endpoint, Host>,
    /// The nodes' ends of its pods' cables, and how many there have been.
    pub(super) links: BTreeMap<PodId, String>,
    cables: usize,
    /// What enforces its policies.
    pub(super) engine: Option<Engine>,
}

impl Parts {
    /// Makes a lane. What was made of one that fails ends with the values that held it, except for tables that match no
    /// address any more.
    pub(super) fn build(
        shared: &Arc<Shared>,
        names: &LaneNames,
        stand: &Stand,
        runtime: &Handle,
    ) -> Result<(Self, World), TargetError> {
        let mut world = (shared.options.world)(&names.suffix());
        if let Stand::OnEach(places) = stand {
            let nodes: Vec<String> = shared.topology.nodes.iter().map(|node| node.name.clone()).collect();
            world.stand_on_each(&nodes, places);
        }
        let key = place(&mut world, shared)?;
        if shared.options.host_probes && *stand == Stand::Spread {
            add_host_probes(&mut world, &names.suffix(), names.lane);
        }
        let mut parts = Self { key, hosts: BTreeMap::new(), links: BTreeMap::new(), cables: 0, engine: None };
        for pod in world.pods.iter().filter(|pod| !pod.host_network) {
            parts.new_link(&pod.id);
        }
        let nodes = &shared.topology.nodes;
        for endpoint in world.endpoints() {
            let node =
                nodes.iter().find(|node| world.is_on_host(&endpoint) && world.node_of(&endpoint) == Some(&node.name));
            let host = match node {
                Some(node) => Host::of_node(endpoint.clone(), node),
                None => Host::new(endpoint.clone())?,
            };
            parts.hosts.insert(endpoint, host);
        }
        for (index, external) in world.externals.iter().enumerate() {
            let host = &parts.hosts[&Endpoint::External(external.id.clone())];
            let socket = format!("out{key}-{index}");
            host::connect_outside(&shared.topology, &socket, key, host, both(&external.addresses)?)?;
        }
        connect_pods(shared, key, &world.pods, &parts.hosts, &parts.links)?;
        start_agents(shared, &mut parts.hosts, names, &Plans::new(), runtime)?;
        // Whoever has something wrong with him may have no place in a lane that stands on each node.
        if *stand == Stand::Spread {
            if has(&shared.options.faults, Fault::DeadReceiver) {
                host::deafen(parts.host(&services::victim())?)?;
            }
            if has(&shared.options.faults, Fault::WrongIdentity) {
                parts.host(&services::victim())?;
                parts.host(&services::impostor())?;
            }
        }
        load_services(shared, key, &world)?;
        let (topology, table) = (Arc::clone(&shared.topology), policies_table(key));
        let (faults, delay) = (&shared.options.faults, shared.options.delay);
        parts.engine = Some(Engine::start(topology, &table, &world, &parts.links, faults, delay, runtime));
        Ok((parts, world))
    }

    /// Removes a lane, as much of it as can be; the first failure is told.
    pub(super) async fn remove(mut self, shared: &Arc<Shared>) -> Result<(), TargetError> {
        if let Some(engine) = self.engine.take() {
            engine.stop().await;
        }
        let result = end_agents(self.hosts.values_mut()).await;
        let shared = Arc::clone(shared);
        let unplugged = tokio::task::spawn_blocking(move || self.unplug(&shared)).await;
        result.and(unplugged.unwrap_or_else(|error| Err(failed("removing a lane", error))))
    }

    /// The name of the link for another cable of a pod.
    pub(super) fn new_link(&mut self, pod: &PodId) -> String {
        let name = format!("{}{}-{}", host::POD_LINKS, self.key, self.cables);
        self.cables += 1;
        self.links.insert(pod.clone(), name.clone());
        name
    }

    fn host(&self, id: &PodId) -> Result<&Host, TargetError> {
        self.hosts.get(&Endpoint::Pod(id.clone())).ok_or_else(|| host::no_such_pod(&id.to_string()))
    }

    /// Frees links and rules on the nodes. The hosts' namespaces end with `self`.
    fn unplug(self, shared: &Shared) -> Result<(), TargetError> {
        let mut result = on_every_node(&shared.topology.nodes, |node| {
            let tables = [services_table(self.key), policies_table(self.key)];
            let rules = tables.map(|table| format!("table inet {table}\ndelete table inet {table}\n"));
            node.load(&rules.concat())
        });
        let nodes = shared.topology.nodes.iter().map(|node| &*node.netns);
        for netns in nodes.chain([&shared.topology.fabric]) {
            let removed = netns.netlink(async |links| links.remove_group(self.key).await);
            result = result.and(removed);
        }
        result
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
        let node: &Node = nodes.iter().find(|node| node.name == pod.node).unwrap_or_else(|| {
            // Shifted by one from namespace to namespace, so that each has pods on every node and no node only the same ones.
            let shift = ids.iter().position(|id| *id == pod.id.namespace).unwrap_or(0);
            let index = within.entry(pod.id.namespace.clone()).or_default();
            *index += 1;
            &nodes[(shift + *index - 1) % nodes.len()]
        });
        pod.node.clone_from(&node.name);
        pod.addresses = given.addresses.pod(node.number)?.to_vec();
        if let Some(service) = &mut pod.service {
            service.addresses = given.addresses.service()?.to_vec();
        }
    }
    Ok(given.keys)
}

/// Connects pods that are new to the network.
pub(super) fn connect_pods(
    shared: &Shared,
    key: u32,
    pods: &[Pod],
    hosts: &BTreeMap<Endpoint, Host>,
    links: &BTreeMap<PodId, String>,
) -> Result<(), TargetError> {
    on_every_node(&shared.topology.nodes, |node| {
        let mut new = Vec::new();
        for pod in pods.iter().filter(|pod| pod.node == node.name && !pod.host_network) {
            let netns = Arc::clone(&hosts[&Endpoint::Pod(pod.id.clone())].netns);
            new.push((PodPlan { link: links[&pod.id].clone(), addresses: both(&pod.addresses)? }, netns));
        }
        host::connect_pods(node, key, &new)
    })
}

/// What agents do before any controller comes, those that do anything.
pub(super) type Plans = BTreeMap<Endpoint, Vec<ToAgent>>;

/// Starts an agent in every host.
pub(super) fn start_agents(
    shared: &Shared,
    hosts: &mut BTreeMap<Endpoint, Host>,
    names: &LaneNames,
    plans: &Plans,
    runtime: &Handle,
) -> Result<(), TargetError> {
    for host in hosts.values_mut() {
        let identity = identity(&names.suffix(), &host.endpoint);
        let plan = plans.get(&host.endpoint).map(Vec::as_slice);
        host.agent = Some(Agent::start(&host.netns, &shared.options.agent, &identity, &names.token, plan, runtime)?);
    }
    Ok(())
}

/// Leads a lane's Services to its pods, instead of to wherever they led before.
pub(super) fn load_services(shared: &Shared, key: u32, world: &World) -> Result<(), TargetError> {
    let table = services_table(key);
    on_every_node(&shared.topology.nodes, |node| {
        let rules = services::rules(&table, world, &shared.options.faults, &node.name);
        node.load(&format!("table inet {table}\ndelete table inet {table}\n{rules}"))
    })
}

/// Ends agents, however long they would like to take; the first failure is told.
pub(super) async fn end_agents(hosts: impl Iterator<Item = &mut Host>) -> Result<(), TargetError> {
    let ending: Vec<(&Endpoint, Agent)> =
        hosts.filter_map(|host| host.agent.take().map(|agent| (&host.endpoint, agent))).collect();
    ending.iter().for_each(|(_, agent)| agent.dismiss());
    let deadline = Instant::now() + AGENTS_END;
    let mut result = Ok(());
    for (endpoint, agent) in ending {
        let gone = agent.gone(deadline).await;
        result = result.and(gone.map_err(|error| failed(format!("ending the agent of {endpoint}"), error)));
    }
    result
}

fn services_table(key: u32) -> String {
    format!("services{key}")
}

fn policies_table(key: u32) -> String {
    format!("policies{key}")
}

fn both(addresses: &[IpAddr]) -> Result<[IpAddr; 2], TargetError> {
    addresses.try_into().map_err(|_| failed("placing a host", "it has not one address of each family"))
}

/// Does something on all nodes at once; the first failure is told.
pub(super) fn on_every_node(
    nodes: &[Node],
    work: impl Fn(&Node) -> Result<(), TargetError> + Sync,
) -> Result<(), TargetError> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = nodes.iter().map(|node| scope.spawn(move || work(node))).collect();
        let results = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(failed("working on a node", "a panic"))));
        results.fold(Ok(()), Result::and)
    })
}
