//! What the engine believes: which policies there are, and which labels.
//!
//! The faults of memory live here. An engine that forgets nothing it should forget, or learns nothing new, reads its
//! policies perfectly well; it only reads the wrong ones.

use crate::core::fault::Fault;
use crate::core::model::change::{Change, PolicyName};
use crate::core::model::policy::Policy;
use crate::core::model::world::{Phase, Pod, World};
use std::collections::{BTreeMap, BTreeSet};

/// A set of faults that hold together.
pub(in crate::target::lab) type Faults = BTreeSet<Fault>;

/// An engine's beliefs.
#[derive(Clone, Debug)]
pub(in crate::target::lab) struct View {
    /// How it misreads what it believes.
    pub(super) faults: Faults,
    /// The policies that it enforces.
    pub(super) policies: BTreeMap<PolicyName, Policy>,
    /// The world with the labels that it goes by.
    pub(super) world: World,
    /// The world with the labels that it has been told of.
    told: World,
}

impl View {
    /// An engine that knows a world and no policies yet.
    pub(in crate::target::lab) fn new(world: World, faults: Faults) -> Self {
        Self { faults, policies: BTreeMap::new(), told: world.clone(), world }
    }

    /// Tells it of a change.
    pub(in crate::target::lab) fn tell(&mut self, change: &Change) {
        match change {
            Change::Apply { policies } => {
                for policy in policies {
                    if self.policies.is_empty() {
                        self.world = self.told.clone();
                    }
                    self.policies.insert(policy.key(), policy.clone());
                }
            }
            Change::Replace { policies } => {
                for policy in policies {
                    let known = self.policies.contains_key(&policy.key());
                    if !(known && self.faults.contains(&Fault::StaleUpdate)) {
                        self.policies.insert(policy.key(), policy.clone());
                    }
                }
            }
            Change::Delete { policies } => {
                if !self.faults.contains(&Fault::StaleDelete) {
                    self.policies.retain(|name, _| !policies.contains(name));
                }
            }
            Change::Relabel { subject, labels } => {
                self.told.relabel(subject, labels);
                if self.policies.is_empty() || !self.faults.contains(&Fault::IgnoreLabelChange) {
                    self.world.relabel(subject, labels);
                }
            }
            Change::Recreate { subject, bare: _ } => {
                self.policies.retain(|name, _| !subject.takes_along(name));
            }
        }
    }

    /// Tells it of pods that were made again.
    pub(in crate::target::lab) fn meet(&mut self, pods: &[Pod]) {
        self.told = std::mem::take(&mut self.told).with_pods(pods);
        let ignored = !self.policies.is_empty() && self.faults.contains(&Fault::IgnoreNewPods);
        let known = |pod: &Pod| if ignored { Pod { phase: Phase::Completed, ..pod.clone() } } else { pod.clone() };
        self.world = std::mem::take(&mut self.world).with_pods(&pods.iter().map(known).collect::<Vec<_>>());
    }
}
