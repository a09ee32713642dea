//! The sockets of a simulated agent.

use super::engine::Engine;
use crate::agent::{Arrivals, Clock, Net};
use crate::core::model::flow::{Endpoint, Family, Protocol};
use crate::core::model::observation::Outcome;
use crate::core::wire::{ListenFailure, ListenPort, ProbeFlow};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a TCP probe needs to arrive: SYN, SYN-ACK, request and answer, any of which a lossy network may lose.
const TCP_PACKETS: usize = 4;

/// One agent's view of the simulated network.
#[derive(Clone, Debug)]
pub(super) struct SimNet {
    endpoint: Endpoint,
    engine: Arc<Engine>,
    arrivals: Arc<Arrivals>,
    /// The connections that stand: since which epoch, where to.
    standing: Arc<Mutex<BTreeSet<(u32, SocketAddr, Protocol)>>>,
}

impl SimNet {
    pub(super) fn new(endpoint: Endpoint, engine: Arc<Engine>) -> Self {
        Self { endpoint, engine, arrivals: Arc::new(Arrivals::new(Clock::start())), standing: Arc::default() }
    }

    /// What comes of an attempt, or nothing when no answer comes.
    fn deliver(&self, probe: &ProbeFlow, epoch: u32) -> Option<Outcome> {
        let flow = self.engine.flow(&self.endpoint, probe.to, probe.protocol)?;
        let source = self.engine.world().address(&self.endpoint, Family::of(probe.to.ip()))?;
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = probe.standing.map(|since| (since, probe.to, probe.protocol));
        let kept = connection.is_some_and(|connection| standing.contains(&connection)) && !self.engine.cuts;
        if !kept && !self.engine.passes(&flow) {
            return None;
        }
        standing.extend(connection);
        drop(standing);
        let (answering, receiver) = self.engine.receiver(&flow.to)?;
        let lost = |packets: usize| (0..packets).any(|_| self.engine.loses());
        match probe.protocol {
            Protocol::Tcp | Protocol::Sctp if lost(TCP_PACKETS) => return None,
            Protocol::Tcp | Protocol::Sctp => {}
            Protocol::Udp => {
                if lost(1) {
                    return None;
                }
                receiver.arrivals.record(epoch, probe.flow, SocketAddr::new(source, 0));
                if lost(1) {
                    return None;
                }
            }
        }
        let expected = probe.identity.strip_prefix(&answering.to_string()).is_some_and(|rest| rest.starts_with('@'));
        Some(if expected {
            Outcome::Connected { source }
        } else {
            Outcome::WrongIdentity { answered: answering.to_string() }
        })
    }
}

impl Net for SimNet {
    async fn attempt(&self, flow: &ProbeFlow, epoch: u32) -> Outcome {
        let (round_trip, deadline) = (self.engine.round_trip, Duration::from_millis(flow.pace.deadline_ms.into()));
        tokio::time::sleep(round_trip.min(deadline)).await;
        match self.deliver(flow, epoch) {
            Some(outcome) if round_trip < deadline => outcome,
            Some(_) | None => {
                tokio::time::sleep(deadline.saturating_sub(round_trip)).await;
                Outcome::TimedOut
            }
        }
    }

    async fn listen(&self, ports: &[ListenPort]) -> Vec<ListenFailure> {
        let impossible = ports.iter().filter(|port| port.protocol == Protocol::Sctp && !self.engine.sctp);
        let failure = |port: &ListenPort| ListenFailure { port: *port, reason: "Protocol not supported".to_owned() };
        impossible.map(failure).collect()
    }

    async fn drain(&self) {}

    fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }
}
