//! Which cases of a run can take place in one world at the same time.
//!
//! What a flow may do depends on the policies that select its two ends, and on nothing else. So cases that guard different pods
//! touch each other only on flows between these; and most cases need not guard just the pods that they name, because a
//! world's namespaces are alike.

use super::blueprint::Blueprint;
use super::case::Case;
use super::footprint::{Footprint, Room};
use super::instance::Instance;
use super::seat::Seat;
use super::shares::share_out;
use crate::core::fault::Experiment;
use crate::core::fault::plan::{self, Share};
use crate::core::model::change::Change;
use crate::core::model::flow::Flow;
use crate::core::model::state::State;
use crate::core::model::world::World;
use crate::core::oracle::Assumptions;
use std::cmp::Reverse;
use std::sync::Arc;

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

    /// How many steps it takes.
    pub fn steps(&self) -> usize {
        self.members.iter().map(|member| member.case.steps.len()).max().unwrap_or_default()
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
        world: &Arc<World>,
        assumptions: Assumptions,
    ) -> Experiment {
        let Member { case, seat, share } = &self.members[place];
        Experiment {
            earlier: Vec::new(),
            world: Arc::clone(world),
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
        let start = State { policies: Vec::new(), world: self.first().narrow(world.clone()).into() };
        let world = instances.iter().flat_map(|instance| &instance.setup).fold(start, State::after).world;
        (0..self.members.len()).map(|place| self.experiment(place, &instances, &world, assumptions)).collect()
    }
}

/// What the others change with each change of the member at that place: with its removal, all that they have left. Nothing
/// where there are none, and not what is its own change as well.
fn beside(instances: &[Instance], place: usize) -> Vec<Vec<Change>> {
    if instances.len() == 1 {
        return Vec::new();
    }
    let others = || instances.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, instance)| instance);
    let steps = instances[place].steps.len();
    let own = &instances[place].steps;
    let at = |step: usize| {
        others().filter_map(|other| other.steps.get(step)).filter(|change| **change != own[step]).cloned().collect()
    };
    let left = others().flat_map(|other| other.steps.iter().skip(steps).chain([&other.removal])).cloned().collect();
    (0..steps).map(at).chain([left]).collect()
}

/// Puts cases together as far as they do not touch each other. Whoever has most steps is joined by others; otherwise the
/// order stays.
pub fn batches(cases: Vec<Case>) -> Vec<Batch> {
    let blueprint = Blueprint::embedded();
    let seats = Seat::all(&blueprint);
    let member = |case: Case, seat: Seat| Member { case, seat, share: Share::WHOLE };
    let mut open: Vec<(Batch, Room)> = Vec::new();
    let (mut sociable, mut alone) = (Vec::new(), Vec::new());
    for case in cases {
        match Footprint::of(&case, &blueprint) {
            Some(footprint) => sociable.push((case, footprint)),
            None => alone.push(Batch { members: vec![member(case, Seat::default())] }),
        }
    }
    // Those that make pods again keep each other waiting, and nobody else.
    sociable.sort_by_key(|(case, _)| (Reverse(case.steps.len()), !case.is_slow(), !case.makes_pods()));
    for (case, footprint) in sociable {
        let mut seats: Vec<&Seat> = seats.iter().collect();
        seats.sort_by_key(|seat| footprint.without_service(seat, &blueprint));
        let joined = open.iter_mut().find_map(|(batch, room)| {
            let seat = seats.iter().copied().find(|seat| room.has(&footprint, seat, &blueprint))?;
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
    share_out(&mut alone, &blueprint);
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
pub fn foretold(cases: Vec<Case>, suffix: &str, nodes: &[&str], seed: u64, settled: Assumptions) -> Vec<Foretold> {
    let of_batch = |batch: Batch| {
        let world = batch.first().furnished(suffix, nodes);
        let experiments = batch.experiments(&world, suffix, batch.first().assumptions(settled));
        let flows = plan::choose_together(&experiments, seed);
        let cases = batch.members.into_iter().map(|member| member.case).zip(experiments).zip(flows);
        cases.map(|((case, experiment), flows)| Foretold { case, experiment, flows }).collect::<Vec<_>>()
    };
    batches(cases).into_iter().flat_map(of_batch).collect()
}
