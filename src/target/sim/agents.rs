//! The agents of a simulated lane: like those in pods, they outlive the streams to them.

use super::engine::Engine;
use super::net::SimNet;
use crate::agent::{Agent, Gate, ORPHANED, serve_streams};
use crate::core::model::flow::Endpoint;
use crate::core::wire::ToAgent;
use crate::target::{LaneNames, Stream, TargetError, identity};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Bytes that a control stream holds before the writer waits.
const STREAM_BYTES: usize = 64 * 1024;

/// The agents of a lane.
#[derive(Debug)]
pub(super) struct Agents {
    names: LaneNames,
    engine: Arc<Engine>,
    processes: Mutex<BTreeMap<Endpoint, Process>>,
    /// What each does before any controller comes, the next time that it is started.
    plans: Mutex<BTreeMap<Endpoint, Vec<ToAgent>>>,
}

/// A process that serves the streams to it, one after the other.
#[derive(Debug)]
struct Process {
    start: u64,
    streams: mpsc::Sender<DuplexStream>,
    task: AbortHandle,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Agents {
    /// Starts one for every pod and every host outside.
    pub(super) fn start(names: LaneNames, engine: Arc<Engine>) -> Self {
        let agents = Self { names, engine, processes: Mutex::default(), plans: Mutex::default() };
        let world = agents.engine.world();
        for endpoint in world.endpoints() {
            let process = agents.process(&endpoint, 0);
            agents.lock().insert(endpoint, process);
        }
        agents
    }

    /// From the next time on that it is started, an agent obeys these orders first.
    pub(super) fn instruct(&self, endpoint: Endpoint, plan: Vec<ToAgent>) {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint, plan);
    }

    /// Ends a process and starts another in its place.
    pub(super) fn replace(&self, endpoint: &Endpoint) {
        let former = self.lock().remove(endpoint).map_or(0, |process| process.start);
        let process = self.process(endpoint, former + 1);
        self.lock().insert(endpoint.clone(), process);
    }

    pub(super) async fn connect(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, TargetError> {
        let gone = |cause| TargetError::gone(format!("connecting to the agent of {endpoint}"), cause);
        let streams = self.lock().get(endpoint).map(|process| process.streams.clone());
        let streams = streams.ok_or_else(|| gone("there is none"))?;
        let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
        streams.send(theirs).await.map_err(|_| gone("it has ended"))?;
        Ok(Box::new(ours))
    }

    fn process(&self, endpoint: &Endpoint, start: u64) -> Process {
        let identity = identity(&self.names.suffix(), endpoint);
        let gate = Gate { identity, token: self.names.token.clone(), start };
        let net = SimNet::new(endpoint.clone(), Arc::clone(&self.engine));
        self.engine.join(endpoint.clone(), net.clone());
        let (streams, coming) = mpsc::channel(1);
        let plan = self.plans.lock().unwrap_or_else(PoisonError::into_inner).get(endpoint).cloned().unwrap_or_default();
        let task = tokio::spawn(async move {
            let mut agent = Agent::new(net);
            // One that cannot obey its plan ends, as a process does.
            if agent.begin(plan).await.is_ok() {
                serve_streams(&mut agent, gate, coming, ORPHANED).await;
            }
        });
        Process { start, streams, task: task.abort_handle() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Endpoint, Process>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
