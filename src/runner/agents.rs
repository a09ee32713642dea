//! The agents of a lane: whom it takes up with, lets go of and takes up with again.

use super::clock::Clock;
use super::lane::Shared;
use super::link::{Inbound, Inbox, Link, Peer, Unreached};
use super::outage::Outage;
use super::phase::{Asked, Lost};
use crate::core::model::flow::{Endpoint, Protocol};
use crate::core::model::world::World;
use crate::core::wire::ProbeFlow;
use crate::target::{Dial, Tracking, identity, listen_ports};
use futures_util::future::try_join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Messages from agents that may wait for the lane.
pub(super) const INBOX: usize = 1_024;

/// The agents of a lane.
pub(super) struct Agents {
    pub(super) suffix: String,
    pub(super) links: BTreeMap<Endpoint, Link>,
    pub(super) inbox: mpsc::Receiver<(Endpoint, Inbound)>,
    /// Where new links leave their news.
    news: Inbox,
    pub(super) clock: Clock,
    pub(super) epoch: u32,
    /// When the epoch began.
    pub(super) epoch_began: Instant,
    /// The first epoch of the case that goes on: its standing connections are no older.
    pub(super) case_epoch: u32,
    pub(super) question: u64,
    /// What each agent was told to probe in the epoch that goes on, in case it was not heard.
    pub(super) orders: BTreeMap<Endpoint, Vec<ProbeFlow>>,
    /// The question that not all agents have answered yet.
    pub(super) asked: Option<Asked>,
    pub(super) outage: Outage,
    /// The longest standstill of any lane, in microseconds.
    pub(super) standstill: Arc<AtomicU64>,
    /// How long the nodes remember what is tried.
    pub(super) tracking: Tracking,
    /// Whether nothing was probed in their world yet.
    pub(super) fresh: bool,
    /// How long the slowest answer took since the case began, in milliseconds.
    pub(super) slowest_ms: u32,
    /// How long a step may take, as far as is known by now.
    pub(super) patience: watch::Receiver<Duration>,
}

/// An agent that was never reached.
#[derive(Debug, thiserror::Error)]
#[error("the agent of {endpoint} cannot be used: {cause}")]
pub(super) struct Unusable {
    endpoint: Endpoint,
    cause: Unreached,
}

impl Agents {
    /// Takes up with everybody in a world, which was made with `suffix`.
    pub(super) async fn meet<D: Dial>(
        dial: &D,
        world: &World,
        suffix: String,
        shared: &Shared,
    ) -> Result<Self, Unusable> {
        let (news, inbox) = mpsc::channel(INBOX);
        let mut agents = Self {
            suffix,
            links: BTreeMap::new(),
            inbox,
            news,
            clock: shared.clock,
            epoch: 0,
            epoch_began: Instant::now(),
            case_epoch: 0,
            question: 0,
            orders: BTreeMap::new(),
            asked: None,
            outage: Outage::none(),
            standstill: Arc::clone(&shared.standstill),
            tracking: shared.budget.tracking(),
            fresh: true,
            slowest_ms: 0,
            patience: shared.patience(),
        };
        let everybody: Vec<Endpoint> = world.endpoints().collect();
        agents.join(dial, world, &everybody, shared).await?;
        Ok(agents)
    }

    /// Takes up with these endpoints of a world.
    pub(super) async fn join<D: Dial>(
        &mut self,
        dial: &D,
        world: &World,
        endpoints: &[Endpoint],
        shared: &Shared,
    ) -> Result<(), Unusable> {
        let opening = endpoints.iter().map(|endpoint| {
            let peer = Peer {
                endpoint: endpoint.clone(),
                identity: identity(&self.suffix, endpoint),
                token: shared.token().to_owned(),
                ports: listen_ports(world, endpoint),
                clock: shared.clock,
                dial: dial.clone(),
            };
            let link = Link::open(peer, self.news.clone(), Arc::clone(&shared.resumed));
            async move {
                match link.await {
                    Ok(link) => Ok((endpoint.clone(), link)),
                    Err(cause) => Err(Unusable { endpoint: endpoint.clone(), cause }),
                }
            }
        });
        self.links.extend(try_join_all(opening).await?);
        Ok(())
    }

    /// Lets go of these endpoints' agents, which are about to end. Between two phases only: nothing that they still have
    /// to say is of use.
    pub(super) async fn leave(&mut self, endpoints: &[Endpoint]) -> Result<(), Lost> {
        for endpoint in endpoints {
            if let Some(link) = self.links.remove(endpoint) {
                link.end().await;
            }
        }
        // Who stays may go on talking; of those who left, no more than this can be waiting.
        for _ in 0..INBOX {
            let Ok(next) = self.inbox.try_recv() else { break };
            if !endpoints.contains(&next.0) {
                self.take(next, &mut []).await?;
            }
        }
        endpoints.iter().for_each(|endpoint| self.outage.over(endpoint));
        Ok(())
    }

    /// How far the clocks of these agents may be from the run's, in microseconds: the most of any.
    pub(super) fn uncertainty_us(&self) -> u64 {
        self.links.values().map(Link::uncertainty_us).max().unwrap_or(0)
    }

    /// Another case begins.
    pub(super) fn begin_case(&mut self) {
        self.case_epoch = self.epoch + 1;
        self.slowest_ms = 0;
    }

    /// The world as these agents can speak in it: without SCTP where the kernel of one of them has none.
    pub(super) fn speaking(&self, world: &World) -> World {
        let mut world = world.clone();
        if !self.links.values().all(Link::speaks_sctp) {
            world.retain_ports(|port| port.protocol != Protocol::Sctp);
        }
        world
    }
}
