//! What is in force at one time, and what a change makes of it.

use super::change::{Change, Subject};
use super::policy::Policy;
use super::world::{Labels, NAMESPACE_NAME_LABEL, World};

/// What is in force at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The policies, in the order in which they were created.
    pub policies: Vec<Policy>,
    /// The world with the labels of that time.
    pub world: World,
}

impl State {
    /// What is in force after `change`.
    #[must_use]
    pub fn after(mut self, change: &Change) -> Self {
        match change {
            Change::Apply { policies } => self.policies.extend(policies.iter().cloned()),
            Change::Replace { policies } => {
                for policy in policies {
                    if let Some(old) = self.policies.iter_mut().find(|old| old.key() == policy.key()) {
                        *old = policy.clone();
                    }
                }
            }
            Change::Delete { policies } => self.policies.retain(|policy| !policies.contains(&policy.key())),
            Change::Relabel { subject, labels } => {
                self.world.relabel(subject, labels);
            }
        }
        self
    }
}

impl World {
    /// Gives a pod or a namespace exactly these labels, but for the one that Kubernetes sets itself. Says whether there is
    /// one of that name.
    pub fn relabel(&mut self, subject: &Subject, labels: &Labels) -> bool {
        match subject {
            Subject::Pod(id) => {
                let pod = self.pods.iter_mut().find(|pod| pod.id == *id);
                pod.map(|pod| pod.labels.clone_from(labels)).is_some()
            }
            Subject::Namespace(id) => {
                let namespace = self.namespaces.iter_mut().find(|namespace| namespace.id == *id);
                let set = namespace.map(|namespace| {
                    namespace.labels.clone_from(labels);
                    namespace.labels.insert(NAMESPACE_NAME_LABEL.to_owned(), namespace.name.clone());
                });
                set.is_some()
            }
        }
    }
}
