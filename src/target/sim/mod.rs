//! A network in memory, on tokio's clock: the runner, the agents' sessions and the verdicts at work, without a packet and,
//! on a paused clock, without waiting.
//!
//! What gets through is what the oracle says of the policies as the faults read them; the lab, whose engine never asks the
//! oracle, is what checks the oracle itself.

mod engine;
mod intrusion;
mod net;

pub use engine::{Lapse, SimOptions};
pub use intrusion::Intrusion;

use crate::agent::{self, Gate};
use crate::core::catalogue::{Blueprint, furnish};
use crate::core::model::change::Change;
use crate::core::model::flow::Endpoint;
use crate::core::model::world::World;
use crate::target::{Alert, Lane, LaneNames, Stream, Target, TargetError, identity};
use engine::Engine;
use net::SimNet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Bytes that a control stream holds before the writer waits.
const STREAM_BYTES: usize = 64 * 1024;

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
    names: LaneNames,
    /// What goes on in it by itself; ends with it.
    _events: JoinSet<()>,
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

    async fn open_lane(&self, names: LaneNames) -> Result<SimLane, TargetError> {
        let mut world = Blueprint::embedded().world(&names.suffix());
        furnish(&mut world, &self.nodes());
        self.options.bare(&mut world);
        let engine = Arc::new(Engine::new(world.clone(), &self.options, names.lane));
        let mut events = JoinSet::new();
        for intrusion in self.options.intrusions.iter().filter(|intrusion| intrusion.lane == Some(names.lane)) {
            events.spawn(intrusion.clone().strike(Arc::clone(&engine), self.alerts.clone()));
        }
        Ok(SimLane { world, engine, names, _events: events })
    }

    async fn close(&self) -> Result<(), TargetError> {
        Ok(())
    }
}

impl Lane for SimLane {
    fn world(&self) -> &World {
        &self.world
    }

    async fn apply(&mut self, change: &Change) -> Result<(), TargetError> {
        if let Change::Relabel { subject, labels } = change {
            self.world.relabel(subject, labels);
        }
        self.engine.accept(change);
        Ok(())
    }

    async fn connect(&mut self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, TargetError> {
        let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
        let gate = Gate {
            identity: identity(&self.names.suffix(), endpoint),
            token: self.names.token.clone(),
            start: self.names.lane.into(),
        };
        let net = SimNet::new(endpoint.clone(), Arc::clone(&self.engine));
        self.engine.join(endpoint.clone(), net.clone());
        tokio::spawn(async move {
            // A session that breaks off shows at the controller's end.
            let _ = agent::serve(theirs, gate, net).await;
        });
        Ok(Box::new(ours))
    }

    async fn close(self) -> Result<(), TargetError> {
        self.engine.leave();
        Ok(())
    }
}
