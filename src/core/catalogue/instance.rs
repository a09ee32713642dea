//! A case in one lane's names: what the runner does and what the oracle judges.

use super::batch::Batch;
use super::case::{Action, Case};
use super::scope::Scope;
use super::seat::Seat;
use super::template::Template;
use crate::core::fault::Experiment;
use crate::core::model::change::{Change, PolicyName, Subject};
use crate::core::model::flow::PodId;
use crate::core::model::policy::Policy;
use crate::core::model::state::State;
use crate::core::model::world::{Labels, World};
use crate::core::oracle::Assumptions;
use std::collections::{BTreeMap, BTreeSet};

/// A case's changes in one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// What happens before the baseline: labels only.
    pub setup: Vec<Change>,
    /// The steps, each to be observed.
    pub steps: Vec<Change>,
    /// Deletes what then still exists.
    pub removal: Change,
    /// Gives every pod without a controller one again, and every relabelled pod and namespace its own labels back.
    pub restore: Vec<Change>,
}

fn own_labels(world: &World, subject: &Subject) -> Labels {
    match subject {
        Subject::Pod(id) => world.pod(id).map(|pod| pod.labels.clone()),
        Subject::Namespace(id) => world.namespace(id).map(|namespace| namespace.labels.clone()),
    }
    .unwrap_or_default()
}

impl Case {
    /// The case in the names and addresses of `world`, which was made with `suffix`.
    pub fn instantiate(&self, world: &World, suffix: &str) -> Instance {
        self.instantiate_at(&Seat::default(), world, suffix)
    }

    /// The case as it takes place in `seat`, in the names and addresses of `world`, which was made with `suffix`.
    pub fn instantiate_at(&self, seat: &Seat, world: &World, suffix: &str) -> Instance {
        let mut lane = Lane {
            world,
            seat,
            scope: Scope::of(world, suffix, seat),
            labels: BTreeMap::new(),
            existing: Vec::new(),
            bare: BTreeSet::new(),
        };
        let none = Vec::new();
        let setup = self.labels.iter().map(|(subject, add)| lane.relabel(subject, add, &none)).collect();
        let steps = self.steps.iter().map(|step| lane.change(&step.action)).collect();
        let removal = Change::Delete { policies: lane.existing };
        let again = lane.bare.into_iter().map(|pod| Change::Recreate { subject: Subject::Pod(pod), bare: false });
        let relabelled = lane.labels.into_keys().map(|subject| {
            let labels = own_labels(world, &subject);
            Change::Relabel { subject, labels }
        });
        let restore = again.chain(relabelled).collect();
        Instance { setup, steps, removal, restore }
    }
}

impl Case {
    /// The case in `world`, which was made with `suffix`, ready to be asked what must happen and what would show.
    pub fn experiment(&self, world: &World, suffix: &str, assumptions: Assumptions) -> Experiment {
        Batch::of(self.clone()).experiments(world, suffix, assumptions).swap_remove(0)
    }

    /// The world as far as this case is concerned: with the ports of its protocols alone.
    pub fn narrow(&self, mut world: World) -> World {
        world.retain_ports(|port| self.protocols.contains(&port.protocol));
        world
    }
}

/// What a case has changed so far.
struct Lane<'a> {
    world: &'a World,
    seat: &'a Seat,
    scope: Scope<'a>,
    labels: BTreeMap<Subject, Labels>,
    existing: Vec<PolicyName>,
    bare: BTreeSet<PodId>,
}

impl Lane<'_> {
    fn policies(&self, templates: &[Template]) -> Vec<Policy> {
        let policy = |template: &Template| {
            let policy = template.instantiate(self.world, &self.scope);
            Policy { namespace: self.seat.namespace(&policy.namespace), ..policy }
        };
        templates.iter().map(policy).collect()
    }

    fn change(&mut self, action: &Action) -> Change {
        match action {
            Action::Apply(templates) => {
                let policies = self.policies(templates);
                self.existing.extend(policies.iter().map(Policy::key));
                Change::Apply { policies }
            }
            Action::Replace(templates) => Change::Replace { policies: self.policies(templates) },
            Action::Delete(names) => {
                let policies: Vec<PolicyName> = names.iter().map(|name| self.seat.policy(name)).collect();
                self.existing.retain(|name| !policies.contains(name));
                Change::Delete { policies }
            }
            Action::Relabel { subject, add, remove } => self.relabel(subject, add, remove),
            Action::Recreate { subject, starts: _, bare } => {
                let subject = self.seat.subject(subject);
                self.existing.retain(|name| !subject.takes_along(name));
                self.bare.retain(|pod| !subject.holds(pod));
                if let (Subject::Pod(pod), true) = (&subject, *bare) {
                    self.bare.insert(pod.clone());
                }
                Change::Recreate { subject, bare: *bare }
            }
        }
    }

    fn relabel(&mut self, subject: &Subject, add: &Labels, remove: &[String]) -> Change {
        let subject = self.seat.subject(subject);
        let labels = self.labels.entry(subject.clone()).or_insert_with(|| own_labels(self.world, &subject));
        labels.extend(self.scope.labels(add));
        labels.retain(|key, _| !remove.contains(key));
        Change::Relabel { labels: labels.clone(), subject }
    }
}

impl Instance {
    /// What is in force after the set-up, after each step and after the removal: two more than there are steps.
    pub fn states(&self, world: &World) -> Vec<State> {
        let start = State { policies: Vec::new(), world: world.clone().into() };
        let baseline = self.setup.iter().fold(start, State::after);
        let mut states = vec![baseline];
        for change in self.steps.iter().chain([&self.removal]) {
            let next = states[states.len() - 1].clone().after(change);
            states.push(next);
        }
        states
    }
}
