//! The network of a pod: real sockets.
//!
//! Listeners take both families and all addresses, so a UDP answer leaves from the address that the route to the sender
//! prefers. With one address for each family, as pods have, that is the address the probe was sent to.

mod bind;
mod errors;
mod limits;
mod source_port;
mod standing;
mod tcp;
mod udp;

#[cfg(test)]
mod tests;

use crate::agent::arrivals::Arrivals;
use crate::agent::clock::Clock;
use crate::agent::echo::{Answer, Request};
use crate::agent::net::Net;
use crate::agent::random::Random;
use crate::core::model::flow::Protocol;
use crate::core::model::observation::Outcome;
use crate::core::wire::{ListenFailure, ListenPort, ProbeFlow};
use limits::Limits;
use source_port::SourcePorts;
use standing::Standing;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How long a listener waits after the system could not serve it, most likely for want of file descriptors.
const RETRY: Duration = Duration::from_millis(20);

/// How many standing connections an agent answers at once: none takes away from what other attempts need.
const STANDING: usize = 256;

/// The sockets of one agent. Listeners close when it is dropped.
pub struct Sockets {
    shared: Arc<Shared>,
    listeners: Mutex<BTreeMap<ListenPort, Listener>>,
    connections: Arc<Semaphore>,
    limits: Limits,
}

/// What dialers and listeners have in common.
struct Shared {
    identity: String,
    arrivals: Arrivals,
    random: Random,
    ports: SourcePorts,
    standing: Standing,
    /// Standing connections that are answered at once.
    answered: Semaphore,
}

/// An open port.
struct Listener {
    task: AbortHandle,
    /// TCP needs none: an echo over TCP is always seen by the sender.
    receiver: Option<Arc<udp::Receiver>>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sockets {
    /// Sockets that answer as `identity`.
    pub fn new(identity: String, clock: Clock) -> Self {
        let limits = Limits::of_this_process();
        let shared = Shared {
            identity,
            arrivals: Arrivals::new(clock),
            random: Random::default(),
            ports: SourcePorts::default(),
            standing: Standing::default(),
            answered: Semaphore::new(STANDING),
        };
        Self {
            shared: Arc::new(shared),
            listeners: Mutex::default(),
            connections: Arc::new(Semaphore::new(limits.connections)),
            limits,
        }
    }

    fn open(&self, port: ListenPort) -> std::io::Result<Listener> {
        let shared = Arc::clone(&self.shared);
        match port.protocol {
            Protocol::Tcp | Protocol::Sctp => {
                let listener = bind::stream_listener(port.protocol, port.port)?;
                let task = tokio::spawn(tcp::listen(listener, shared, Arc::clone(&self.connections)));
                Ok(Listener { task: task.abort_handle(), receiver: None })
            }
            Protocol::Udp => {
                let receiver = Arc::new(udp::Receiver::new(bind::udp_listener(port.port)?, shared)?);
                let task = tokio::spawn(udp::listen(Arc::clone(&receiver)));
                Ok(Listener { task: task.abort_handle(), receiver: Some(receiver) })
            }
        }
    }

    fn listeners(&self) -> MutexGuard<'_, BTreeMap<ListenPort, Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Net for Sockets {
    async fn attempt(&self, flow: &ProbeFlow, epoch: u32) -> Outcome {
        let (nonce, more) = (self.shared.random.nonce(), flow.standing.is_some());
        let request = Request { epoch, flow: flow.flow, nonce, more };
        let deadline = Instant::now() + Duration::from_millis(flow.pace.deadline_ms.into());
        match (flow.standing, flow.protocol) {
            (Some(since), _) => standing::attempt(&self.shared, flow, since, request, deadline).await,
            (None, Protocol::Tcp | Protocol::Sctp) => tcp::attempt(&self.shared, flow, request, deadline).await,
            (None, Protocol::Udp) => udp::attempt(&self.shared, flow, request, deadline).await,
        }
    }

    async fn listen(&self, ports: &[ListenPort]) -> Vec<ListenFailure> {
        let mut listeners = self.listeners();
        let mut failed = Vec::new();
        for port in ports {
            if !listeners.contains_key(port) {
                match self.open(*port) {
                    Ok(listener) => drop(listeners.insert(*port, listener)),
                    Err(error) => failed.push(ListenFailure { port: *port, reason: error.to_string() }),
                }
            }
        }
        failed
    }

    async fn drain(&self) {
        for receiver in self.listeners().values().filter_map(|listener| listener.receiver.as_ref()) {
            receiver.drain();
        }
    }

    fn arrivals(&self) -> &Arrivals {
        &self.shared.arrivals
    }

    fn attempts_at_once(&self) -> usize {
        self.limits.attempts
    }
}

impl Shared {
    /// The answer to a request that came from `source`.
    fn answer(&self, request: Request, source: SocketAddr) -> Answer {
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        Answer { nonce: request.nonce, source, identity: self.identity.clone() }
    }
}

/// What an answer to this request says; `None` when it answers another.
fn judge(answer: Answer, request: Request, expected: &str) -> Option<Outcome> {
    let Answer { nonce, source, identity } = answer;
    (nonce == request.nonce).then(|| {
        if identity == expected {
            Outcome::Connected { source: source.ip() }
        } else {
            Outcome::WrongIdentity { answered: identity }
        }
    })
}
