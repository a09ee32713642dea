//! A network in memory, on tokio's clock: the runner, the agents' sessions and the verdicts at work, without a packet and,
//! on a paused clock, without waiting.
//!
//! What gets through is what the oracle says of the policies as the faults read them; the lab, whose engine never asks the
//! oracle, is what checks the oracle itself.

mod agents;
mod engine;
mod intrusion;
mod net;

pub use engine::{Lapse, Lapsed, SimOptions};
pub use intrusion::Intrusion;

use crate::core::catalogue::{Blueprint, add_host_probes, furnish};
use crate::core::model::change::Change;
use crate::core::model::flow::{Endpoint, PodId};
use crate::core::model::policy::Policy;
use crate::core::model::world::World;
use crate::core::wire::ToAgent;
use crate::target::{Alert, Dial, Lane, LaneNames, Stand, Stream, Target, TargetError, failed};
use agents::Agents;
use engine::Engine;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A simulated target.
#[derive(Debug)]
pub struct SimTarget {
    options: SimOptions,
    alerts: mpsc::UnboundedSender<Alert>,
    taken: Mutex<Option<mpsc::UnboundedReceiver<Alert>>>,
    /// What goes on in the whole cluster.
    events: Mutex<JoinSet<()>>,
}

/// A simulated lane.
#[derive(Debug)]
pub struct SimLane {
    world: World,
    engine: Arc<Engine>,
    agents: Arc<Agents>,
    /// The name of policies that it does not accept.
    refuses: Option<String>,
    /// What goes on in it by itself; ends with it.
    _events: JoinSet<()>,
}

/// The way to the agents of a simulated lane.
#[derive(Clone, Debug)]
pub struct SimDial {
    agents: Arc<Agents>,
}

impl SimTarget {
    /// A network like this.
    pub fn new(options: SimOptions) -> Self {
        let (alerts, taken) = mpsc::unbounded_channel();
        Self { options, alerts, taken: Mutex::new(Some(taken)), events: Mutex::default() }
    }
}

impl Target for SimTarget {
    type Lane = SimLane;

    fn kind(&self) -> &'static str {
        "sim"
    }

    fn nodes(&self) -> Vec<String> {
        (1..=self.options.nodes).map(|node| format!("n{node}")).collect()
    }

    fn alerts(&self) -> Option<mpsc::UnboundedReceiver<Alert>> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        for intrusion in self.options.intrusions.iter().filter(|intrusion| intrusion.lane.is_none()) {
            events.spawn(intrusion.clone().loom(self.alerts.clone()));
        }
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn open_lane(&self, names: LaneNames, stand: Stand) -> Result<SimLane, TargetError> {
        let mut world = Blueprint::embedded().world(&names.suffix());
        if let Stand::OnEach(places) = &stand {
            world.stand_on_each(&self.nodes(), places);
        }
        furnish(&mut world, &self.nodes());
        if self.options.host_probes && stand == Stand::Spread {
            add_host_probes(&mut world, &names.suffix(), names.lane);
        }
        self.options.bare(&mut world);
        world.forget_idle_nodes();
        let engine = Arc::new(Engine::new(world.clone(), &self.options, names.lane));
        let mut events = JoinSet::new();
        for intrusion in self.options.intrusions.iter().filter(|intrusion| intrusion.lane == Some(names.lane)) {
            events.spawn(intrusion.clone().strike(Arc::clone(&engine), self.alerts.clone()));
        }
        let agents = Arc::new(Agents::start(names, Arc::clone(&engine)));
        Ok(SimLane { world, engine, agents, refuses: self.options.refuses.clone(), _events: events })
    }

    async fn close(&self) -> Result<(), TargetError> {
        Ok(())
    }
}

impl Lane for SimLane {
    type Dial = SimDial;

    const KUBELETS: bool = true;

    fn world(&self) -> &World {
        &self.world
    }

    async fn apply(&mut self, change: &Change) -> Result<(), TargetError> {
        match change {
            Change::Relabel { subject, labels } => {
                self.world.relabel(subject, labels);
            }
            // Addresses stay: a network may give a new pod those of the one before it.
            Change::Recreate { subject, bare } => {
                self.world.own(subject, !bare);
                self.engine.bear(subject);
                self.world.held_by(subject).for_each(|pod| self.agents.replace(&pod.id.clone().into()));
            }
            Change::Apply { policies } | Change::Replace { policies } => {
                policies.iter().try_for_each(|policy| self.admit(policy))?;
            }
            Change::Delete { .. } => {}
        }
        self.engine.accept(change);
        Ok(())
    }

    async fn instruct(&mut self, pod: &PodId, plan: Vec<ToAgent>) -> Result<(), TargetError> {
        self.agents.instruct(pod.clone().into(), plan);
        Ok(())
    }

    async fn kubelet_gets_through(&mut self, _namespace: &str) -> Result<bool, TargetError> {
        Ok(self.engine.passes_kubelets())
    }

    fn dial(&self) -> SimDial {
        SimDial { agents: Arc::clone(&self.agents) }
    }

    async fn close(self) -> Result<(), TargetError> {
        self.engine.leave();
        Ok(())
    }
}

impl SimLane {
    fn admit(&self, policy: &Policy) -> Result<(), TargetError> {
        if self.refuses.as_ref() != Some(&policy.name) {
            return Ok(());
        }
        Err(failed(format!("applying the policy {}", policy.key()), "this network does not accept it"))
    }
}

impl Dial for SimDial {
    async fn connect(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, TargetError> {
        self.agents.connect(endpoint).await
    }
}

impl SimDial {
    /// Ends the process of an endpoint's agent and starts another in its place, as a container that is restarted.
    pub fn replace(&self, endpoint: &Endpoint) {
        self.agents.replace(endpoint);
    }
}
