//! What a case needs for itself in a world, and what is left beside others.

use super::blueprint::Blueprint;
use super::case::{Action, Case};
use super::seat::Seat;
use super::shares::SUFFIX;
use super::template::selectors;
use super::words::Property;
use crate::core::fault::plan::{Ends, shown_between};
use crate::core::model::change::{Change, PolicyName, Subject};
use crate::core::model::flow::{Endpoint, PodId, Protocol};
use crate::core::model::policy::{Direction, LabelSelector, Policy};
use crate::core::model::state::State;
use crate::core::oracle::{Assumptions, selects};
use std::collections::BTreeSet;

/// What a case needs for itself in a world.
#[derive(Clone, Debug)]
pub(super) struct Footprint {
    /// What batches must have in common.
    kind: Kind,
    guarded: Guarded,
    /// Between whom each way of ignoring each of its terms shows.
    shows: Vec<BTreeSet<Ends>>,
    /// Its policies.
    names: BTreeSet<PolicyName>,
    /// Whose labels it changes.
    relabelled: BTreeSet<Subject>,
    /// The keys of those labels.
    changed: BTreeSet<String>,
    /// The keys that its selectors speak of.
    used: BTreeSet<String>,
    /// Whether it may take place elsewhere than where it says.
    movable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    protocols: Vec<Protocol>,
    requires: Option<Property>,
}

/// The pods that a case has for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Guarded {
    /// Those that its policies isolate for ingress, in any step.
    ingress: BTreeSet<PodId>,
    /// The same for egress.
    egress: BTreeSet<PodId>,
    /// Those that it makes again.
    remade: BTreeSet<PodId>,
    /// The namespaces that it makes again, and with which step. Others may do so with the same step.
    again: BTreeSet<(usize, String)>,
    /// The namespaces in which it has policies, or whose labels it changes.
    has: BTreeSet<String>,
}

impl Footprint {
    /// `None` of a case that takes place alone: it stays, it is timed, or it only observes.
    pub(super) fn of(case: &Case, blueprint: &Blueprint) -> Option<Self> {
        if case.canary || case.every_node || case.stopwatch || case.property.is_some() {
            return None;
        }
        let mut relabelled: BTreeSet<Subject> = case.labels.keys().cloned().collect();
        let mut changed: BTreeSet<String> = case.labels.values().flat_map(|labels| labels.keys().cloned()).collect();
        let (mut subjects, mut again) = (Vec::new(), BTreeSet::new());
        for (number, step) in case.steps.iter().enumerate() {
            match &step.action {
                Action::Apply(_) | Action::Replace(_) | Action::Delete(_) => {}
                Action::Relabel { subject, add, remove } => {
                    relabelled.insert(subject.clone());
                    changed.extend(add.keys().chain(remove).cloned());
                }
                Action::Recreate { subject, .. } => {
                    subjects.push(subject);
                    if let Subject::Namespace(namespace) = subject {
                        again.insert((number, namespace.clone()));
                    }
                }
            }
        }
        let world = case.furnished(SUFFIX, &["n1", "n2"]);
        let experiment = case.experiment(&world, SUFFIX, case.assumptions(Assumptions::SETTLED));
        let policies: Vec<&Policy> = experiment.steps.iter().flat_map(Change::policies).collect();
        let states = experiment.states();
        let guarded = |direction| {
            let of_state = |State { policies, world }: &State| -> Vec<PodId> {
                let guards = |pod: &PodId| {
                    policies.iter().any(|policy| policy.rules(direction).is_some() && selects(policy, pod, world))
                };
                world.pods.iter().map(|pod| pod.id.clone()).filter(guards).collect()
            };
            states.iter().flat_map(of_state).collect()
        };
        let remade = subjects.iter().flat_map(|subject| world.held_by(subject)).map(|pod| pod.id.clone()).collect();
        let names: BTreeSet<PolicyName> = policies.iter().map(|policy| policy.key()).collect();
        let has =
            names.iter().map(|name| &name.namespace).chain(relabelled.iter().map(namespace_of)).cloned().collect();
        let (ingress, egress) = (guarded(Direction::Ingress), guarded(Direction::Egress));
        let guarded = Guarded { ingress, egress, remade, again, has };
        let used =
            policies.iter().flat_map(|policy| selectors(policy)).flat_map(|(_, selector)| keys(selector)).collect();
        let movable = !case.templates().any(|template| template.is_bound(blueprint));
        let kind = Kind { protocols: case.protocols.clone(), requires: case.requires };
        let shows = shown_between(&experiment).into_iter().map(|(_, between)| between).collect();
        Some(Self { kind, guarded, shows, names, relabelled, changed, used, movable })
    }

    /// To how many of those that it isolates for ingress no Service leads in a seat.
    pub(super) fn without_service(&self, seat: &Seat, blueprint: &Blueprint) -> usize {
        let has_none = |pod: &&PodId| !blueprint.has_service(&seat.pod(pod).into());
        self.guarded.ingress.iter().filter(has_none).count()
    }
}

impl Guarded {
    /// The pods where a case takes place.
    fn at(&self, seat: &Seat) -> Self {
        let at = |pods: &BTreeSet<PodId>| pods.iter().map(|pod| seat.pod(pod)).collect();
        let again = self.again.iter().map(|(step, namespace)| (*step, seat.namespace(namespace))).collect();
        let has = self.has.iter().map(|namespace| seat.namespace(namespace)).collect();
        Self { ingress: at(&self.ingress), egress: at(&self.egress), remade: at(&self.remade), again, has }
    }

    fn pods(&self) -> BTreeSet<&PodId> {
        self.ingress.iter().chain(&self.egress).chain(&self.remade).collect()
    }

    /// Whether another makes a namespace again with the same step, so that it is made once for both.
    fn shares(&self, other: &Self, namespace: &str) -> bool {
        self.again.intersection(&other.again).any(|(_, shared)| shared == namespace)
    }

    /// Whether both can have what they need. One may guard what a pod receives while the other guards what it sends; pods that
    /// both make again, and neither isolates, they have in common.
    fn goes_with(&self, other: &Self) -> bool {
        let isolates = |one: &Self, pod: &PodId| one.ingress.contains(pod) || one.egress.contains(pod);
        let shared = |pod: &PodId| self.shares(other, &pod.namespace) && !isolates(self, pod) && !isolates(other, pod);
        let takes = |one: &Self, other: &Self| one.remade.iter().all(|pod| !other.pods().contains(pod) || shared(pod));
        let keeps = |one: &Self, other: &Self| one.has.iter().all(|namespace| !other.sweeps(namespace));
        self.ingress.is_disjoint(&other.ingress)
            && self.egress.is_disjoint(&other.egress)
            && [(self, other), (other, self)].into_iter().all(|(one, other)| takes(one, other) && keeps(one, other))
    }

    /// Whether what happens between these two, as `other` sees it, does not depend on it.
    fn leaves(&self, (from, to): &Ends, other: &Self) -> bool {
        let open = |pods: &BTreeSet<PodId>, end: &Endpoint| end.pod().is_none_or(|pod| !pods.contains(pod));
        let stays =
            |end: &Endpoint| open(&self.remade, end) || end.pod().is_some_and(|pod| self.shares(other, &pod.namespace));
        open(&self.egress, from) && open(&self.ingress, to) && stays(from) && stays(to)
    }

    /// Whether it makes a namespace again, whatever others have there.
    fn sweeps(&self, namespace: &str) -> bool {
        self.again.iter().any(|(_, swept)| swept == namespace)
    }
}

fn keys(selector: &LabelSelector) -> Vec<String> {
    let keys =
        selector.match_labels.keys().chain(selector.match_expressions.iter().map(|requirement| &requirement.key));
    keys.cloned().collect()
}

/// What the members of a batch have taken.
pub(super) struct Room {
    kind: Kind,
    members: Vec<Occupant>,
    names: BTreeSet<PolicyName>,
    relabelled: BTreeSet<Subject>,
    changed: BTreeSet<String>,
    used: BTreeSet<String>,
}

/// A member of a batch, in its seat.
#[derive(Clone)]
struct Occupant {
    guarded: Guarded,
    shows: Vec<BTreeSet<Ends>>,
}

impl Occupant {
    fn at(footprint: &Footprint, seat: &Seat) -> Self {
        let ends = |(from, to): &Ends| (seat.endpoint(from), seat.endpoint(to));
        let shows = footprint.shows.iter().map(|between| between.iter().map(ends).collect()).collect();
        Self { guarded: footprint.guarded.at(seat), shows }
    }

    /// Whether all that shows of it still does beside these.
    fn shows_beside<'a>(&self, others: impl Iterator<Item = &'a Self> + Clone) -> bool {
        let is_left = |ends: &Ends| others.clone().all(|other| other.guarded.leaves(ends, &self.guarded));
        self.shows.iter().all(|between| between.is_empty() || between.iter().any(is_left))
    }
}

impl Room {
    pub(super) fn of(first: &Footprint) -> Self {
        let mut room = Self {
            kind: first.kind.clone(),
            members: Vec::new(),
            names: BTreeSet::new(),
            relabelled: BTreeSet::new(),
            changed: BTreeSet::new(),
            used: BTreeSet::new(),
        };
        room.take(first, &Seat::default());
        room
    }

    /// Whether another case can take this seat.
    pub(super) fn has(&self, footprint: &Footprint, seat: &Seat, blueprint: &Blueprint) -> bool {
        let guarded = footprint.guarded.at(seat);
        self.kind == footprint.kind
            && (footprint.movable || seat.is_own())
            && self.members.iter().all(|member| member.guarded.goes_with(&guarded))
            && footprint.relabelled.iter().all(|subject| !self.relabelled.contains(&seat.subject(subject)))
            && self.changed.is_disjoint(&footprint.changed)
            && self.changed.is_disjoint(&footprint.used)
            && self.used.is_disjoint(&footprint.changed)
            && footprint.names.iter().all(|name| !self.names.contains(&seat.policy(name)))
            && leave_enough(self.members.iter().map(|member| &member.guarded).chain([&guarded]), blueprint)
            && self.all_shows_beside(Occupant::at(footprint, seat))
    }

    /// Whether all that shows of each member shows beside the others, and beside another.
    fn all_shows_beside(&self, another: Occupant) -> bool {
        let all: Vec<&Occupant> = self.members.iter().chain([&another]).collect();
        (0..all.len()).all(|place| {
            let others = all.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, other)| *other);
            all[place].shows_beside(others)
        })
    }

    pub(super) fn take(&mut self, footprint: &Footprint, seat: &Seat) {
        self.members.push(Occupant::at(footprint, seat));
        self.names.extend(footprint.names.iter().map(|name| seat.policy(name)));
        self.relabelled.extend(footprint.relabelled.iter().map(|subject| seat.subject(subject)));
        self.changed.extend(footprint.changed.iter().cloned());
        self.used.extend(footprint.used.iter().cloned());
    }
}

fn namespace_of(subject: &Subject) -> &String {
    match subject {
        Subject::Pod(pod) => &pod.namespace,
        Subject::Namespace(namespace) => namespace,
    }
}

/// Whether a pod stays free in each namespace that is not all one case's: on it shows a `podSelector` that is not heeded, and it
/// is a control for everybody. One namespace at least is not all one case's, or is made again for all.
fn leave_enough<'a>(guarded: impl Iterator<Item = &'a Guarded> + Clone, blueprint: &Blueprint) -> bool {
    let pods: Vec<BTreeSet<&PodId>> = guarded.clone().map(Guarded::pods).collect();
    let taken: BTreeSet<&PodId> = pods.iter().flatten().copied().collect();
    let mut free = 0;
    for namespace in &blueprint.namespaces {
        let is_full = |pods: &BTreeSet<&PodId>| {
            pods.iter().filter(|pod| pod.namespace == namespace.id).count() >= namespace.pods.len()
        };
        if guarded.clone().all(|guarded| guarded.sweeps(&namespace.id)) || !is_full(&taken) {
            free += 1;
        } else if !pods.iter().any(is_full) {
            return false;
        }
    }
    free > 0
}
