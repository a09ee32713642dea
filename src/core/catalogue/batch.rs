//! Which cases of a run can take place in one world at the same time.
//!
//! What a flow may do depends on the policies that select its two ends, and on nothing else. So cases that look one way only,
//! and guard pods that none of the others does, do not touch each other; and most cases need not guard just the pods that
//! they name, because a world's namespaces are alike.

use super::blueprint::Blueprint;
use super::case::{Action, Case};
use super::instance::Instance;
use super::seat::Seat;
use super::shares::shares;
use super::template::selectors;
use super::words::Property;
use crate::core::fault::Experiment;
use crate::core::fault::plan::{self, Share};
use crate::core::model::change::{Change, PolicyName, Subject};
use crate::core::model::flow::{Flow, PodId, Protocol};
use crate::core::model::policy::{Direction, LabelSelector, Peer, Policy, PortRef};
use crate::core::model::state::State;
use crate::core::model::world::World;
use crate::core::oracle::{Assumptions, selects};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Stands in for a lane's suffix where there is no lane yet.
const SUFFIX: &str = "offline";

/// Cases that take place in one world at the same time, step by step, each in a seat of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// At least one.
    pub members: Vec<Member>,
}

/// A case and its seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The case.
    pub case: Case,
    /// Where it takes place.
    pub seat: Seat,
    /// What it has to show of the scopes.
    pub share: Share,
}

impl Batch {
    /// A case by itself, which leaves nothing to others.
    pub fn of(case: Case) -> Self {
        Self { members: vec![Member { case, seat: Seat::default(), share: Share::WHOLE }] }
    }

    /// The case that the others joined.
    pub fn first(&self) -> &Case {
        &self.members[0].case
    }

    /// What each member does, in the names and addresses of `world`, which was made with `suffix`.
    pub fn instances(&self, world: &World, suffix: &str) -> Vec<Instance> {
        self.members.iter().map(|member| member.case.instantiate_at(&member.seat, world, suffix)).collect()
    }

    /// One of these, that of the member at that place, in `world` with all labels set up, ready to be asked what must happen
    /// and what would show.
    pub fn experiment(
        &self,
        place: usize,
        instances: &[Instance],
        world: &World,
        assumptions: Assumptions,
    ) -> Experiment {
        let Member { case, seat, share } = &self.members[place];
        Experiment {
            earlier: Vec::new(),
            world: world.clone(),
            steps: instances[place].steps.clone(),
            removal: instances[place].removal.clone(),
            beside: beside(instances, place),
            seat: seat.clone(),
            assumptions,
            property: case.property,
            every_node: case.every_node,
            share: share.clone(),
        }
    }

    /// What its members do in `world`, which was made with `suffix` and where nothing was set up yet.
    pub fn experiments(&self, world: &World, suffix: &str, assumptions: Assumptions) -> Vec<Experiment> {
        let instances = self.instances(world, suffix);
        let start = State { policies: Vec::new(), world: self.first().narrow(world.clone()) };
        let world = instances.iter().flat_map(|instance| &instance.setup).fold(start, State::after).world;
        (0..self.members.len()).map(|place| self.experiment(place, &instances, &world, assumptions)).collect()
    }
}

/// What the others change with each change of the member at that place: with its removal, all that they have left. Nothing
/// where there are none.
fn beside(instances: &[Instance], place: usize) -> Vec<Vec<Change>> {
    if instances.len() == 1 {
        return Vec::new();
    }
    let others = || instances.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, instance)| instance);
    let steps = instances[place].steps.len();
    let at = |step: usize| others().filter_map(|other| other.steps.get(step)).cloned().collect();
    let left = others().flat_map(|other| other.steps.iter().skip(steps).chain([&other.removal])).cloned().collect();
    (0..steps).map(at).chain([left]).collect()
}

/// Puts cases together as far as they do not touch each other. Whoever has most steps is joined by others; otherwise the
/// order stays.
pub fn batches(cases: Vec<Case>) -> Vec<Batch> {
    let blueprint = Blueprint::embedded();
    let (seats, shares) = (Seat::all(&blueprint), shares(&cases));
    let member = |case: Case, seat: Seat| {
        let share = shares.get(&case.id).cloned().unwrap_or(Share::WHOLE);
        Member { case, seat, share }
    };
    let mut open: Vec<(Batch, Room)> = Vec::new();
    let (mut sociable, mut alone) = (Vec::new(), Vec::new());
    for case in cases {
        match Footprint::of(&case) {
            Some(footprint) => sociable.push((case, footprint)),
            None => alone.push(Batch { members: vec![member(case, Seat::default())] }),
        }
    }
    sociable.sort_by_key(|(case, _)| Reverse(case.steps.len()));
    for (case, footprint) in sociable {
        let joined = open.iter_mut().find_map(|(batch, room)| {
            let seat = seats.iter().find(|seat| room.has(&footprint, seat, &blueprint))?;
            Some((batch, room, seat))
        });
        match joined {
            Some((batch, room, seat)) => {
                room.take(&footprint, seat);
                batch.members.push(member(case, seat.clone()));
            }
            None => {
                let room = Room::of(&footprint);
                open.push((Batch { members: vec![member(case, Seat::default())] }, room));
            }
        }
    }
    alone.extend(open.into_iter().map(|(batch, _)| batch));
    alone
}

/// What a run will do with a case.
#[derive(Clone, Debug)]
pub struct Foretold {
    /// The case.
    pub case: Case,
    /// What it does.
    pub experiment: Experiment,
    /// What it probes.
    pub flows: Vec<Flow>,
}

/// What a run of these cases will do, in worlds that are made with `suffix` and stand on these nodes: what a target does that
/// places them so.
pub fn foretold(
    cases: Vec<Case>,
    suffix: &str,
    nodes: &[&str],
    seed: u64,
    assumptions: impl Fn(&Case) -> Assumptions,
) -> Vec<Foretold> {
    let of_batch = |batch: Batch| {
        let world = batch.first().furnished(suffix, nodes);
        let experiments = batch.experiments(&world, suffix, assumptions(batch.first()));
        let flows = plan::choose_together(&experiments, seed);
        let cases = batch.members.into_iter().map(|member| member.case).zip(experiments).zip(flows);
        cases.map(|((case, experiment), flows)| Foretold { case, experiment, flows }).collect::<Vec<_>>()
    };
    batches(cases).into_iter().flat_map(of_batch).collect()
}

/// What a case needs for itself in a world.
#[derive(Clone, Debug)]
struct Footprint {
    /// What batches must have in common.
    kind: Kind,
    /// The pods that its policies select, in any step.
    guarded: BTreeSet<PodId>,
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
    direction: Direction,
    protocols: Vec<Protocol>,
    requires: Option<Property>,
}

impl Footprint {
    /// `None` of a case that takes place alone: it makes pods again, it stays, it is timed, what it needs is not known, or it
    /// looks both ways, so that what others guard would matter to it.
    fn of(case: &Case) -> Option<Self> {
        if case.canary || case.every_node || case.stopwatch || case.property.is_some() {
            return None;
        }
        let mut relabelled: BTreeSet<Subject> = case.labels.keys().cloned().collect();
        let mut changed: BTreeSet<String> = case.labels.values().flat_map(|labels| labels.keys().cloned()).collect();
        for step in &case.steps {
            match &step.action {
                Action::Apply(_) | Action::Replace(_) | Action::Delete(_) => {}
                Action::Relabel { subject, add, remove } => {
                    relabelled.insert(subject.clone());
                    changed.extend(add.keys().chain(remove).cloned());
                }
                Action::Recreate { .. } => return None,
            }
        }
        let world = case.furnished(SUFFIX, &["n1", "n2"]);
        let instance = case.instantiate(&world, SUFFIX);
        let policies: Vec<&Policy> = instance.steps.iter().flat_map(Change::policies).collect();
        let looks = |direction| policies.iter().any(|policy| policy.rules(direction).is_some());
        let direction = match (looks(Direction::Ingress), looks(Direction::Egress)) {
            (true, false) => Direction::Ingress,
            (false, true) => Direction::Egress,
            (true, true) | (false, false) => return None,
        };
        let states = instance.states(&world);
        let guarded = states.iter().flat_map(|State { policies, world }| {
            let by = |pod: &PodId| policies.iter().any(|policy| selects(policy, pod, world));
            world.pods.iter().map(|pod| pod.id.clone()).filter(|pod| by(pod)).collect::<Vec<_>>()
        });
        let guarded = guarded.collect();
        let used =
            policies.iter().flat_map(|policy| selectors(policy)).flat_map(|(_, selector)| keys(selector)).collect();
        let movable = !policies.iter().any(|policy| is_bound(policy));
        let kind = Kind { direction, protocols: case.protocols.clone(), requires: case.requires };
        let names = policies.iter().map(|policy| policy.key()).collect();
        Some(Self { kind, guarded, names, relabelled, changed, used, movable })
    }
}

fn keys(selector: &LabelSelector) -> Vec<String> {
    let keys =
        selector.match_labels.keys().chain(selector.match_expressions.iter().map(|requirement| &requirement.key));
    keys.cloned().collect()
}

/// Whether a policy speaks of what is not alike everywhere: the names of ports, and addresses.
fn is_bound(policy: &Policy) -> bool {
    let mut rules = Direction::ALL.into_iter().flat_map(|direction| policy.rules(direction).into_iter().flatten());
    rules.any(|rule| {
        rule.ports.iter().any(|port| matches!(port.port, Some(PortRef::Name(_))))
            || rule.peers.iter().any(|peer| matches!(peer, Peer::IpBlock { .. }))
    })
}

/// What the members of a batch have taken.
struct Room {
    kind: Kind,
    guarded: Vec<BTreeSet<PodId>>,
    names: BTreeSet<PolicyName>,
    relabelled: BTreeSet<Subject>,
    changed: BTreeSet<String>,
    used: BTreeSet<String>,
}

impl Room {
    fn of(first: &Footprint) -> Self {
        let mut room = Self {
            kind: first.kind.clone(),
            guarded: Vec::new(),
            names: BTreeSet::new(),
            relabelled: BTreeSet::new(),
            changed: BTreeSet::new(),
            used: BTreeSet::new(),
        };
        room.take(first, &Seat::default());
        room
    }

    /// Whether another case can take this seat.
    fn has(&self, footprint: &Footprint, seat: &Seat, blueprint: &Blueprint) -> bool {
        let guarded = at(footprint, seat);
        self.kind == footprint.kind
            && (footprint.movable || seat.is_own())
            && self.guarded.iter().all(|taken| taken.is_disjoint(&guarded))
            && footprint.relabelled.iter().all(|subject| !self.relabelled.contains(&seat.subject(subject)))
            && self.changed.is_disjoint(&footprint.changed)
            && self.changed.is_disjoint(&footprint.used)
            && self.used.is_disjoint(&footprint.changed)
            && footprint.names.iter().all(|name| !self.names.contains(&seat.policy(name)))
            && leave_enough(self.guarded.iter().chain([&guarded]), blueprint)
    }

    fn take(&mut self, footprint: &Footprint, seat: &Seat) {
        self.guarded.push(at(footprint, seat));
        self.names.extend(footprint.names.iter().map(|name| seat.policy(name)));
        self.relabelled.extend(footprint.relabelled.iter().map(|subject| seat.subject(subject)));
        self.changed.extend(footprint.changed.iter().cloned());
        self.used.extend(footprint.used.iter().cloned());
    }
}

fn at(footprint: &Footprint, seat: &Seat) -> BTreeSet<PodId> {
    footprint.guarded.iter().map(|pod| seat.pod(pod)).collect()
}

/// Whether a pod stays free in each namespace that is not all one case's: on it shows a `podSelector` that is not heeded, and it
/// is a control for everybody. One namespace at least is not all one case's.
fn leave_enough<'a>(guarded: impl Iterator<Item = &'a BTreeSet<PodId>> + Clone, blueprint: &Blueprint) -> bool {
    let mut free = 0;
    for namespace in &blueprint.namespaces {
        let of_namespace = |pods: &BTreeSet<PodId>| pods.iter().filter(|pod| pod.namespace == namespace.id).count();
        let counts = guarded.clone().map(of_namespace);
        let all = namespace.pods.len();
        let (most, sum) = counts.fold((0, 0), |(most, sum), count: usize| (most.max(count), sum + count));
        if sum < all {
            free += 1;
        } else if most < all {
            return false;
        }
    }
    free > 0
}
