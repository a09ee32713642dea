//! Somebody else's policies, which come and go while the simulation is probed.

use super::engine::Engine;
use crate::core::event::ForeignPolicy;
use crate::core::model::change::Change;
use crate::core::model::policy::Policy;
use crate::core::oracle::selects;
use crate::target::Alert;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Somebody else's policy.
#[derive(Clone, Debug)]
pub struct Intrusion {
    /// The lane that it comes up in; `None` for the whole cluster, where it is only seen and does nothing.
    pub lane: Option<u32>,
    /// When: since the lane was opened, for the whole cluster since the run began.
    pub after: Duration,
    /// How long it stays; `None` for good.
    pub stays: Option<Duration>,
    /// The policy, in the short names of cases.
    pub policy: Policy,
}

impl Intrusion {
    /// Comes and goes in a lane, where the engine takes it up like any other policy.
    pub(super) async fn strike(self, engine: Arc<Engine>, alerts: UnboundedSender<Alert>) {
        let world = engine.world();
        let namespace = world.namespace(&self.policy.namespace).map_or("nowhere", |namespace| &namespace.name);
        let pods = world.pods.iter().map(|pod| &pod.id).filter(|pod| selects(&self.policy, pod, world));
        let there = ForeignPolicy {
            lane: self.lane,
            object: format!("NetworkPolicy {namespace}/{}", self.policy.name),
            pods: Some(pods.cloned().collect()),
            present: true,
        };
        let (arrive, leave) = (
            Change::Apply { policies: vec![self.policy.clone()] },
            Change::Delete { policies: vec![self.policy.key()] },
        );
        self.play(there, &alerts, |present| engine.accept(if present { &arrive } else { &leave })).await;
    }

    /// Is seen in the whole cluster.
    pub(super) async fn loom(self, alerts: UnboundedSender<Alert>) {
        let object = format!("ClusterNetworkPolicy {}", self.policy.name);
        let there = ForeignPolicy { lane: None, object, pods: None, present: true };
        self.play(there, &alerts, |_| {}).await;
    }

    async fn play(&self, there: ForeignPolicy, alerts: &UnboundedSender<Alert>, effect: impl Fn(bool)) {
        tokio::time::sleep(self.after).await;
        effect(true);
        // A run that has ended does not listen any more.
        let _ = alerts.send(Alert::Foreign(there.clone()));
        if let Some(stays) = self.stays {
            tokio::time::sleep(stays).await;
            effect(false);
            let _ = alerts.send(Alert::Foreign(ForeignPolicy { present: false, ..there }));
        }
    }
}
