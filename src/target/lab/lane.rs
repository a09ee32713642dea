//! Lanes of the lab, as the runner sees them.

use super::agent::Agent;
use super::engine::{Engine, Load};
use super::host::Host;
use super::netns::Netns;
use super::parts::Plans;
use super::recreate::recreate;
use super::{Shared, failed};
use crate::core::model::change::{Change, PolicyName};
use crate::core::model::flow::{Endpoint, PodId};
use crate::core::model::world::World;
use crate::core::wire::ToAgent;
use crate::target::{Dial, Lane, LaneNames, Stream, TargetError};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

/// A lane of the lab.
#[derive(Debug)]
pub struct LabLane {
    shared: Arc<Shared>,
    key: u32,
    names: LaneNames,
    world: World,
    policies: BTreeSet<PolicyName>,
    plans: Plans,
}

/// The way to the agents of a lane of the lab. Each ends with its only stream.
#[derive(Clone, Debug)]
pub struct LabDial {
    shared: Arc<Shared>,
    key: u32,
}

impl LabLane {
    pub(super) fn new(shared: Arc<Shared>, key: u32, names: LaneNames, world: World) -> Self {
        Self { shared, key, names, world, policies: BTreeSet::new(), plans: Plans::new() }
    }

    /// The network of a pod or of a host outside, to do in it what an agent cannot. Its threads block.
    pub fn network(&self, endpoint: &Endpoint) -> Option<Arc<Netns>> {
        let network = |host: &Host| Arc::clone(&host.netns);
        self.shared.lanes.with(self.key, |parts| parts.hosts.get(endpoint).map(network))?
    }

    /// Waits until the policy engine has done what it was told so far, except what is to be late. Nobody who probes a network
    /// has such an oracle: it is for tests, and for what is to be in force before a pod's life begins.
    pub async fn settled(&self) -> Result<(), TargetError> {
        let settled = self.engine(Engine::settle)?;
        settled.await.map_err(|_| failed("waiting for the policy engine", "it has ended"))?;
        self.engine(Engine::check)
    }

    /// When the policy engine loads rules, the last time and every time from now on. Nobody who probes a network has such an
    /// oracle either.
    pub fn loads(&self) -> Result<watch::Receiver<Option<Load>>, TargetError> {
        self.engine(|engine| Ok(engine.loads()))
    }

    fn engine<T>(&self, work: impl FnOnce(&Engine) -> Result<T, TargetError>) -> Result<T, TargetError> {
        let done = self.shared.lanes.with(self.key, |parts| parts.engine.as_ref().map(work));
        done.flatten().unwrap_or_else(|| Err(failed("changing a lane", "the lab has been closed")))
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
            Change::Relabel { .. } | Change::Recreate { .. } => None,
        };
        flaw.map_or(Ok(()), |cause| Err(failed("changing a lane", cause)))
    }
}

impl Lane for LabLane {
    type Dial = LabDial;

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
                if !self.world.relabel(subject, labels) {
                    return Err(failed("changing labels", format!("there is no {subject}")));
                }
            }
            Change::Recreate { subject, bare } => {
                self.world.own(subject, !bare);
                self.policies.retain(|name| !subject.takes_along(name));
                let again = recreate(&self.shared, self.key, &mut self.world, subject).await?;
                let newcomers = again.newcomers.clone();
                let late = self.shared.options.start_up;
                if late.is_zero() {
                    // A pod's life does not begin before it is protected.
                    self.engine(|engine| engine.meet(newcomers, late))?;
                    self.settled().await?;
                    again.start(&self.shared, self.key, &self.names, &self.plans).await?;
                } else {
                    again.start(&self.shared, self.key, &self.names, &self.plans).await?;
                    self.engine(|engine| engine.meet(newcomers, late))?;
                }
            }
        }
        Ok(())
    }

    async fn instruct(&mut self, pod: &PodId, plan: Vec<ToAgent>) -> Result<(), TargetError> {
        self.plans.insert(pod.clone().into(), plan);
        Ok(())
    }

    fn dial(&self) -> LabDial {
        LabDial { shared: Arc::clone(&self.shared), key: self.key }
    }

    async fn close(self) -> Result<(), TargetError> {
        match self.shared.lanes.take(self.key) {
            Some(parts) => parts.remove(&self.shared).await,
            // The lab was closed before.
            None => Ok(()),
        }
    }
}

impl Dial for LabDial {
    async fn connect(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, TargetError> {
        let step = || format!("connecting to the agent of {endpoint}");
        let stream = self.shared.lanes.with(self.key, |parts| {
            let agent = parts.hosts.get_mut(endpoint).and_then(|host| host.agent.as_mut());
            agent.map(Agent::take_stream)
        });
        let stream = stream.flatten().ok_or_else(|| TargetError::gone(step(), "there is none"))?;
        let stream = stream.map_err(|error| failed(step(), error))?;
        let stream = stream.ok_or_else(|| TargetError::gone(step(), "it ended with its only stream"))?;
        let stream = tokio::net::UnixStream::from_std(stream).map_err(|error| failed(step(), error))?;
        Ok(Box::new(stream))
    }
}
