//! A case that has been read and found sound.

use super::file::{AlsoKnownAs, Masked};
use super::template::Template;
use super::words::{Feature, Profile, Property};
use crate::core::model::change::{PolicyName, Subject};
use crate::core::model::flow::Protocol;
use crate::core::model::world::Labels;
use crate::core::oracle::Assumptions;
use std::collections::BTreeMap;

/// A named experiment in logical names: labels, namespaces and addresses become those of a lane by
/// [`Case::instantiate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name, unique in the catalogue.
    pub id: String,
    /// What it proves, in one sentence.
    pub title: String,
    /// The file that it came from.
    pub file: String,
    /// The smallest profile that it belongs to.
    pub profile: Profile,
    /// The features that it proves something about.
    pub covers: Vec<Feature>,
    /// What other suites call it.
    pub also_known_as: AlsoKnownAs,
    /// Why it exists.
    pub note: Option<String>,
    /// The protocols of its flows.
    pub protocols: Vec<Protocol>,
    /// Labels that are added before the baseline.
    pub labels: BTreeMap<Subject, Labels>,
    /// The changes, in order; at least one.
    pub steps: Vec<Step>,
    /// Terms that can have no witness.
    pub masked: Vec<Masked>,
    /// What it observes that the specification leaves open; such a case is never scored.
    pub property: Option<Property>,
    /// What must have been observed for it to be scored on the addresses of pods.
    pub requires: Option<Property>,
    /// Whether its policies stay in force, once all steps were taken, for as long as other cases run.
    pub canary: bool,
    /// Whether it measures how late changes take effect: its flows are tried closely, while no other case probes.
    pub stopwatch: bool,
    /// Whether it is run by two pods on each node, which stand for `x/a` and `x/b`.
    pub every_node: bool,
    /// Why no profile runs it, but only who names it.
    pub on_request: Option<String>,
}

impl Case {
    /// Why the term of this id can have no witness, if it cannot.
    pub fn mask(&self, id: &str) -> Option<&Masked> {
        self.masked.iter().find(|masked| masked.is_about(id))
    }

    /// What it takes for settled of what the run has: what it relies on. What else is known by then depends on which case came
    /// first, and what a case probes must not.
    pub fn assumptions(&self, settled: Assumptions) -> Assumptions {
        if self.requires.is_some() { settled } else { Assumptions::default() }
    }

    /// Whether it makes pods again.
    pub fn makes_pods(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Recreate { .. }))
    }

    /// Whether it takes longer than its steps need elsewhere: it watches starts, or makes a namespace again.
    pub fn is_slow(&self) -> bool {
        let makes_a_namespace =
            |step: &Step| matches!(step.action, Action::Recreate { subject: Subject::Namespace(_), .. });
        self.watches_starts() || self.steps.iter().any(makes_a_namespace)
    }

    /// Whether it watches pods from their first instruction on.
    pub fn watches_starts(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Recreate { starts: 1.., .. }))
    }
}

/// One change of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is there for.
    pub note: Option<String>,
    /// The change.
    pub action: Action,
}

/// A change in logical names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Creates policies.
    Apply(Vec<Template>),
    /// Replaces policies of the same namespaces and names.
    Replace(Vec<Template>),
    /// Deletes policies.
    Delete(Vec<PolicyName>),
    /// Changes labels.
    Relabel {
        /// Whose labels.
        subject: Subject,
        /// Labels to add or to change.
        add: Labels,
        /// Keys of labels to remove.
        remove: Vec<String>,
    },
    /// Deletes a pod, or a namespace with all that is in it, and makes it again.
    Recreate {
        /// What is made again.
        subject: Subject,
        /// How often it is made again and watched from its first instruction on; 0 for once and unwatched, as a namespace
        /// always is.
        starts: u32,
        /// Whether it is made without a controller. No where it is a namespace or its starts are watched.
        bare: bool,
    },
}
