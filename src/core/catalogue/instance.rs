//! A case in one lane's names: what the runner does and what the oracle judges.

use super::case::{Action, Case};
use super::scope::Scope;
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
        let mut lane = Lane {
            world,
            scope: Scope::of(world, suffix),
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
        let Instance { setup, steps, removal, restore: _ } = self.instantiate(world, suffix);
        let start = State { policies: Vec::new(), world: self.narrow(world.clone()) };
        let world = setup.iter().fold(start, State::after).world;
        Experiment {
            earlier: Vec::new(),
            world,
            steps,
            removal,
            assumptions,
            property: self.property,
            every_node: self.every_node,
        }
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
    scope: Scope<'a>,
    labels: BTreeMap<Subject, Labels>,
    existing: Vec<PolicyName>,
    bare: BTreeSet<PodId>,
}

impl Lane<'_> {
    fn change(&mut self, action: &Action) -> Change {
        match action {
            Action::Apply(templates) => {
                let policies: Vec<Policy> =
                    templates.iter().map(|template| template.instantiate(self.world, &self.scope)).collect();
                self.existing.extend(policies.iter().map(Policy::key));
                Change::Apply { policies }
            }
            Action::Replace(templates) => Change::Replace {
                policies: templates.iter().map(|template| template.instantiate(self.world, &self.scope)).collect(),
            },
            Action::Delete(names) => {
                self.existing.retain(|name| !names.contains(name));
                Change::Delete { policies: names.clone() }
            }
            Action::Relabel { subject, add, remove } => self.relabel(subject, add, remove),
            Action::Recreate { subject, starts: _, bare } => {
                self.existing.retain(|name| !subject.takes_along(name));
                self.bare.retain(|pod| !subject.holds(pod));
                if let (Subject::Pod(pod), true) = (subject, *bare) {
                    self.bare.insert(pod.clone());
                }
                Change::Recreate { subject: subject.clone(), bare: *bare }
            }
        }
    }

    fn relabel(&mut self, subject: &Subject, add: &Labels, remove: &[String]) -> Change {
        let labels = self.labels.entry(subject.clone()).or_insert_with(|| own_labels(self.world, subject));
        labels.extend(self.scope.labels(add));
        labels.retain(|key, _| !remove.contains(key));
        Change::Relabel { subject: subject.clone(), labels: labels.clone() }
    }
}

impl Instance {
    /// What is in force after the set-up, after each step and after the removal: two more than there are steps.
    pub fn states(&self, world: &World) -> Vec<State> {
        let start = State { policies: Vec::new(), world: world.clone() };
        let baseline = self.setup.iter().fold(start, State::after);
        let mut states = vec![baseline];
        for change in self.steps.iter().chain([&self.removal]) {
            let next = states[states.len() - 1].clone().after(change);
            states.push(next);
        }
        states
    }
}
