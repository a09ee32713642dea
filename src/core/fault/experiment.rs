//! A case in one lane: the world it begins with and the changes it makes, and what is in force after each.

use super::Fault;
use super::plan::Share;
use super::reading::{Reach, Reading};
use super::term::{Place, Term, terms};
use crate::core::catalogue::{Property, Seat};
use crate::core::event::Phase;
use crate::core::model::change::Change;
use crate::core::model::flow::{Endpoint, PodId};
use crate::core::model::policy::Policy;
use crate::core::model::state::State;
use crate::core::model::world::World;
use crate::core::oracle::Assumptions;
use std::sync::Arc;

/// A case in one lane.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// What cases before it have changed and undone in its lane. An engine that misses deletions may still go by it.
    pub earlier: Vec<Change>,
    /// The world before the first step, labels set up.
    pub world: Arc<World>,
    /// The steps.
    pub steps: Vec<Change>,
    /// The deletion after the last step.
    pub removal: Change,
    /// What others change in its world with each of these changes, which is none of its terms.
    pub beside: Vec<Vec<Change>>,
    /// Where it takes place.
    pub seat: Seat,
    /// What the run has settled about open questions.
    pub assumptions: Assumptions,
    /// What it observes that the specification leaves open.
    pub property: Option<Property>,
    /// Whether two pods stand on each node, so that flows are chosen node by node.
    pub every_node: bool,
    /// What it has to show of the scopes.
    pub share: Share,
}

impl Experiment {
    /// Every phase, in order.
    pub fn phases(&self) -> Vec<Phase> {
        std::iter::once(Phase::Baseline)
            .chain((0..self.steps.len()).map(Phase::Step))
            .chain(std::iter::once(Phase::Removal))
            .collect()
    }

    /// The place of a phase in [`Self::phases`] and [`Self::states`].
    pub fn index(&self, phase: Phase) -> usize {
        match phase {
            Phase::Baseline => 0,
            Phase::Step(step) => step + 1,
            Phase::Removal => self.steps.len() + 1,
        }
    }

    /// The change that begins a phase.
    pub fn change(&self, phase: Phase) -> Option<&Change> {
        match phase {
            Phase::Baseline => None,
            Phase::Step(step) => self.steps.get(step),
            Phase::Removal => Some(&self.removal),
        }
    }

    /// All that changes when a phase begins: its own change first.
    pub fn changes(&self, phase: Phase) -> impl Iterator<Item = &Change> {
        let beside = self.index(phase).checked_sub(1).and_then(|index| self.beside.get(index));
        self.change(phase).into_iter().chain(beside.into_iter().flatten())
    }

    /// The id of a term, in the names that its case has: the same wherever it takes place.
    pub fn id(&self, term: &Term) -> String {
        term.moved(&self.seat.back()).id()
    }

    /// All terms.
    pub fn terms(&self) -> Vec<Term> {
        terms(&self.steps, &self.removal)
    }

    /// What is in force in each phase.
    pub fn states(&self) -> Vec<State> {
        self.replay(Vec::new(), |_, _, _| true)
    }

    /// Whether others make a pod again beside it. What happens to that one is theirs to see.
    pub(super) fn is_remade_beside(&self, endpoint: &Endpoint) -> bool {
        endpoint.pod().is_some_and(|pod| self.beside.iter().flatten().any(|change| change.makes(pod)))
    }

    /// Whether a term is a change that makes a pod again.
    pub(super) fn makes(&self, term: &Term, pod: &PodId) -> bool {
        let Place::Change { step, .. } = &term.place else { return false };
        self.steps.get(*step).is_some_and(|change| change.makes(pod))
    }

    /// How a network with `fault` reads this case.
    pub fn reading(&self, fault: Fault, reach: Reach<'_>) -> Option<Reading> {
        Reading::new(self, fault, reach)
    }

    /// The policies of earlier cases that are in force for an engine that takes up only the changes that `takes_up` says.
    pub(super) fn left_over(&self, takes_up: impl Fn(&Change, &State) -> bool) -> Vec<Policy> {
        let mut state = State { policies: Vec::new(), world: Arc::clone(&self.world) };
        for change in &self.earlier {
            state = if takes_up(change, &state) { state.after(change) } else { state.missing(change) };
        }
        state.policies
    }

    /// What is in force in each phase for an engine that goes by `policies` before the first, and takes up only the changes
    /// that `takes_up` says: those of that number in a phase, of which the first is the case's own.
    pub(super) fn replay(
        &self,
        policies: Vec<Policy>,
        takes_up: impl Fn((Phase, usize), &Change, &State) -> bool,
    ) -> Vec<State> {
        let mut states = Vec::new();
        let mut state = State { policies, world: Arc::clone(&self.world) };
        for phase in self.phases() {
            for (number, change) in self.changes(phase).enumerate() {
                let taken_up = takes_up((phase, number), change, &state);
                state = if taken_up { state.after(change) } else { state.missing(change) };
            }
            states.push(state.clone());
        }
        states
    }
}
