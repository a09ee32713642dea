//! What an agent needs of a network: real sockets in a pod, a model of them in a simulation.

use crate::agent::arrivals::Arrivals;
use crate::core::model::observation::Outcome;
use crate::core::wire::{ListenFailure, ListenPort, ProbeFlow};
use std::future::Future;

/// A network as one agent sees it.
pub trait Net: Send + Sync + 'static {
    /// One attempt on a flow: a new connection from a source port of its own, or a request on the flow's standing one.
    /// Over after `flow.pace.deadline_ms` with an outcome in any case. Dropped when the epoch ends; a standing connection
    /// outlives it.
    fn attempt(&self, flow: &ProbeFlow, epoch: u32) -> impl Future<Output = Outcome> + Send;

    /// Opens these ports, and answers probes on them from then on. Says which could not be opened.
    fn listen(&self, ports: &[ListenPort]) -> impl Future<Output = Vec<ListenFailure>> + Send;

    /// Takes in every datagram that has reached this agent so far: afterwards [`Net::arrivals`] knows of it.
    fn drain(&self) -> impl Future<Output = ()> + Send;

    /// The book of the datagrams that came in. It also carries the agent's clock.
    fn arrivals(&self) -> &Arrivals;

    /// How many attempts may be in flight at once, over all flows.
    fn attempts_at_once(&self) -> usize {
        1024
    }
}
