//! A network of nodes and pods on this machine, joined as on a real cluster, out of network namespaces.
//!
//! Nodes route between their pods, each other and hosts outside; Services are rewritten by the sender's node; a policy
//! engine of the lab's own filters on the nodes. Nothing of it has a name in the file system: it ends with the process.
//!
//! [`enter`] must have been called before.

mod addresses;
mod agent;
mod engine;
mod enter;
mod host;
mod lane;
mod links;
mod netns;
mod nft;
mod parts;
mod recreate;
mod services;
mod topology;

pub use addresses::MAX_NODES;
pub use engine::Load;
pub use enter::enter;
pub use lane::LabLane;
pub use netns::Netns;

use crate::core::fault::{Fault, FaultAt, Scope};
use crate::core::model::flow::Path;
use crate::core::model::world::World;
use crate::target::{LaneNames, Stand, Target, TargetError, Tracking, failed};
use parts::{Lanes, Parts};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use topology::Topology;

/// Makes the world of a lane, which the suffix tells from all others. Nodes, addresses and Services are filled in.
pub type WorldTemplate = Arc<dyn Fn(&str) -> World + Send + Sync>;

/// What a lab is to be like.
#[derive(Clone)]
pub struct LabOptions {
    /// How many nodes.
    pub nodes: usize,
    /// What shall be wrong with it.
    pub faults: Vec<FaultAt>,
    /// How late its policy engine acts.
    pub delay: Duration,
    /// How long its policy engine does not know of a pod that was made again: nothing is known before that of itself.
    pub start_up: Duration,
    /// Whether pods on the nodes' own network probe too.
    pub host_probes: bool,
    /// How long its nodes shall remember connections, where the kernel lets them be told.
    pub tracking: Tracking,
    /// The program that is an agent when its first argument is `agent`.
    pub agent: PathBuf,
    /// The world of each lane.
    pub world: WorldTemplate,
}

impl LabOptions {
    /// Two nodes that forget soon, no faults, this very program as the agent.
    pub fn new(world: impl Fn(&str) -> World + Send + Sync + 'static) -> Result<Self, TargetError> {
        let agent = std::env::current_exe().map_err(|error| failed("finding this program", error))?;
        let world = Arc::new(world);
        Ok(Self {
            nodes: 2,
            faults: Vec::new(),
            delay: Duration::ZERO,
            start_up: Duration::ZERO,
            host_probes: false,
            tracking: TRACKING,
            agent,
            world,
        })
    }
}

impl fmt::Debug for LabOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, faults, delay, start_up, host_probes, tracking, agent, world: _ } = self;
        f.debug_struct("LabOptions")
            .field("nodes", nodes)
            .field("faults", faults)
            .field("delay", delay)
            .field("start_up", start_up)
            .field("host_probes", host_probes)
            .field("tracking", tracking)
            .field("agent", agent)
            .finish()
    }
}

/// A lab has its nodes for itself, so that they may forget soon, and what waits to be swept up takes up nobody's room. Nothing
/// in it is silent for as long as this.
const TRACKING: Tracking = Tracking {
    syn_sent: Duration::from_secs(5),
    closed: Duration::from_secs(5),
    datagram: Duration::from_secs(5),
    sweep: Duration::ZERO,
};

/// The lab. Clones are the same lab.
#[derive(Clone, Debug)]
pub struct LabTarget {
    shared: Arc<Shared>,
}

/// What all lanes of a lab share.
#[derive(Debug)]
struct Shared {
    options: LabOptions,
    topology: Arc<Topology>,
    tracking: Tracking,
    lanes: Lanes,
}

impl LabTarget {
    /// Builds the nodes. Blocks for some milliseconds.
    pub fn new(options: LabOptions) -> Result<Self, TargetError> {
        let topology = Topology::build(options.nodes)?;
        for fault in &options.faults {
            check(fault, &topology)?;
        }
        for node in &topology.nodes {
            if let Some(rules) = services::loss(&options.faults, &node.name) {
                node.load(&rules)?;
            }
        }
        let mut tracking = options.tracking;
        for node in &topology.nodes {
            if !node.netns.forget_after(options.tracking)? {
                tracking = Tracking::LINUX;
            }
        }
        let shared = Shared { options, topology: Arc::new(topology), tracking, lanes: Lanes::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How many connections each node tracks. Blocks for a moment.
    pub fn conntrack_entries(&self) -> Result<BTreeMap<String, usize>, TargetError> {
        let nodes = self.shared.topology.nodes.iter();
        nodes.map(|node| Ok((node.name.clone(), node.netns.conntrack_count()?))).collect()
    }

    /// The network of a node, or `None` if there is no such node.
    pub fn node_network(&self, name: &str) -> Option<&Netns> {
        self.shared.topology.nodes.iter().find(|node| node.name == name).map(|node| &*node.netns)
    }
}

impl Target for LabTarget {
    type Lane = LabLane;

    fn kind(&self) -> &'static str {
        "lab"
    }

    fn nodes(&self) -> Vec<String> {
        self.shared.topology.nodes.iter().map(|node| node.name.clone()).collect()
    }

    fn tracking(&self) -> Tracking {
        self.shared.tracking
    }

    async fn open_lane(&self, names: LaneNames, stand: Stand) -> Result<LabLane, TargetError> {
        // Close waits for this guard, so that it also finds lanes whose opening nobody waits for any more.
        let opening = self.shared.lanes.opening().await;
        let (shared, runtime) = (Arc::clone(&self.shared), Handle::current());
        let opened = tokio::task::spawn_blocking(move || {
            let (parts, world) = Parts::build(&shared, &names, &stand, &runtime)?;
            let key = shared.lanes.add(parts);
            drop(opening);
            Ok(LabLane::new(shared, key, names, world))
        });
        opened.await.unwrap_or_else(|error| Err(failed("opening a lane", error)))
    }

    async fn close(&self) -> Result<(), TargetError> {
        let _nobody_opens = self.shared.lanes.closing().await;
        let mut result = Ok(());
        for parts in self.shared.lanes.take_all() {
            let closed = parts.remove(&self.shared).await;
            result = result.and(closed);
        }
        result
    }
}

/// Whether the lab can have this fault.
fn check(fault: &FaultAt, topology: &Topology) -> Result<(), TargetError> {
    let refused = |cause: String| Err(failed(format!("switching on the fault {fault}"), cause));
    for scope in fault.scope.iter().flat_map(Scope::overlapping) {
        if let Scope::Node(name) | Scope::Within(name) = scope
            && !topology.nodes.iter().any(|node| node.name == *name)
        {
            let names: Vec<&str> = topology.nodes.iter().map(|node| node.name.as_str()).collect();
            return refused(format!("there is no node {name}; the nodes are {}", names.join(", ")));
        }
        if matches!(scope, Scope::Path(Path::NodePort | Path::LoadBalancer)) {
            return refused(format!("the lab has nothing in the scope {scope}"));
        }
        if !fault.fault.is_engines() && !services::can_limit(fault.fault, scope) {
            return refused(format!("it cannot be limited to {scope}"));
        }
    }
    Ok(())
}

/// Whether a fault is switched on, wherever.
fn has(faults: &[FaultAt], fault: Fault) -> bool {
    faults.iter().any(|at| at.fault == fault)
}

/// Locks, also after a panic elsewhere: what the locks of the lab guard is never left half changed.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
