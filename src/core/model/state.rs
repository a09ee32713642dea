//! What is in force at one time, and what a change makes of it.

use super::change::{Change, Subject};
use super::policy::Policy;
use super::world::{Labels, NAMESPACE_NAME_LABEL, Pod, World};
use std::sync::Arc;

/// What is in force at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The policies, in the order in which they were created.
    pub policies: Vec<Policy>,
    /// The world with the labels of that time. Most changes are of policies alone, and every fault's reading of every case has
    /// states of its own.
    pub world: Arc<World>,
}

impl State {
    /// What is in force after `change`.
    #[must_use]
    pub fn after(mut self, change: &Change) -> Self {
        match change {
            Change::Apply { policies } => {
                // Where there was no policy, an engine looks at everything anew when the first one comes.
                if self.policies.is_empty() && self.world.pods.iter().any(|pod| pod.labels.contains_key(UNKNOWN)) {
                    let pods = &mut Arc::make_mut(&mut self.world).pods;
                    pods.iter_mut().for_each(|pod| drop(pod.labels.remove(UNKNOWN)));
                }
                // An engine that has missed a deletion still has one of that name, which this one replaces.
                let comes = |old: &Policy| policies.iter().any(|policy| policy.key() == old.key());
                self.policies.retain(|old| !comes(old));
                self.policies.extend(policies.iter().cloned());
            }
            Change::Replace { policies } => {
                for policy in policies {
                    if let Some(old) = self.policies.iter_mut().find(|old| old.key() == policy.key()) {
                        *old = policy.clone();
                    }
                }
            }
            Change::Delete { policies } => self.policies.retain(|policy| !policies.contains(&policy.key())),
            Change::Relabel { subject, labels } => {
                Arc::make_mut(&mut self.world).relabel(subject, labels);
            }
            Change::Recreate { subject, bare } => {
                self.policies.retain(|policy| !subject.takes_along(&policy.key()));
                Arc::make_mut(&mut self.world).own(subject, !bare);
            }
        }
        self
    }

    /// What an engine goes by that has missed `change`. Of a recreated pod it knows nothing at all.
    #[must_use]
    pub fn missing(self, change: &Change) -> Self {
        let Change::Recreate { subject, bare: _ } = change else { return self };
        let mut state = self.after(change);
        let pods = &mut Arc::make_mut(&mut state.world).pods;
        for pod in pods.iter_mut().filter(|pod| subject.holds(&pod.id)) {
            pod.labels.insert(UNKNOWN.to_owned(), String::new());
        }
        state
    }
}

/// The label that stands for not being known, of which no policy speaks.
pub const UNKNOWN: &str = "unknown/to-the-engine";

impl World {
    /// The pods that a subject is or holds.
    pub fn held_by(&self, subject: &Subject) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(move |pod| subject.holds(&pod.id))
    }

    /// Gives the pods that a subject is or holds a controller each, or none.
    pub fn own(&mut self, subject: &Subject, controlled: bool) {
        let held = self.pods.iter_mut().filter(|pod| subject.holds(&pod.id));
        held.for_each(|pod| pod.bare = !controlled);
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalogue::furnished;
    use crate::core::model::policy::{LabelSelector, Rule};

    fn unknown(state: &State) -> Vec<String> {
        let unknown = state.world.pods.iter().filter(|pod| pod.labels.contains_key(UNKNOWN));
        unknown.map(|pod| pod.id.to_string()).collect()
    }

    #[test]
    fn one_name_is_one_policy_also_where_a_deletion_was_missed() {
        let named = |name: &str, ingress: Option<Vec<Rule>>| Policy {
            namespace: "x".to_owned(),
            name: name.to_owned(),
            pod_selector: LabelSelector::default(),
            ingress,
            egress: None,
        };
        let (old, other, new) = (named("p", Some(Vec::new())), named("q", None), named("p", None));
        let state = State { policies: vec![old, other.clone()], world: Arc::default() };
        assert_eq!(state.after(&Change::Apply { policies: vec![new.clone()] }).policies, [other, new]);
    }

    #[test]
    fn a_namespace_that_is_made_again_has_its_pods_and_none_of_its_policies() {
        let in_namespace = |namespace: &str| Policy {
            namespace: namespace.to_owned(),
            name: "p".to_owned(),
            pod_selector: LabelSelector::default(),
            ingress: Some(Vec::new()),
            egress: None,
        };
        let world = Arc::new(furnished("", &["n1", "n2"]));
        let before = State { policies: vec![in_namespace("x"), in_namespace("y")], world: world.clone() };
        let again = |subject| Change::Recreate { subject, bare: false };

        let namespace = again(Subject::Namespace("y".to_owned()));
        let after = before.clone().after(&namespace);
        assert_eq!(after, State { policies: vec![in_namespace("x")], world });
        let missing = before.clone().missing(&namespace);
        assert_eq!(missing.policies, after.policies);
        assert_eq!(unknown(&missing), ["y/a", "y/b", "y/c"]);

        let pod = again(Subject::Pod("y/b".parse().unwrap()));
        assert_eq!(before.clone().after(&pod), before);
        assert_eq!(unknown(&before.clone().missing(&pod)), ["y/b"]);
        let delete = Change::Delete { policies: vec![in_namespace("x").key()] };
        let none_left = missing.after(&delete);
        let apply = Change::Apply { policies: vec![in_namespace("y")] };
        assert_eq!(unknown(&none_left.after(&apply)), [] as [&str; 0], "the first policy makes all pods known");
        assert_eq!(before.clone().missing(&delete), before, "any other change leaves nothing when it is missed");
    }
}
