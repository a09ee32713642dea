//! The cases of a batch on one lane: baseline, steps, removal.

mod startup;

use super::agents::{Agents, Unusable};
use super::budget::{Reservation, Tries};
use super::canary::{self, Watch};
use super::clock::micros;
use super::lane::{Shared, label_suffix};
use super::phase::{Goal, Lost, Observed};
use super::settings::Settings;
use super::standing::Sheet;
use crate::core::catalogue::{Batch, Case, Member, Property};
use crate::core::event::{Alone, CaseStarted, Cell, Event, Masked, Phase, PhaseEnded};
use crate::core::fault::reading::Reading;
use crate::core::fault::{Experiment, plan};
use crate::core::model::change::{Change, guarded};
use crate::core::model::flow::{Connection, Endpoint, Flow, PodId};
use crate::core::model::policy::Direction;
use crate::core::model::world::{Pod, World};
use crate::core::oracle::{Answer, Assumptions};
use crate::core::verdict::{Seen, is_clean, observe_property, seen};
use crate::target::{Lane, TargetError};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;

/// How often a baseline that lost too much is taken again.
const FURTHER_BASELINES: usize = 3;

/// How many attempts a blocked flow usually makes until every other flow has held too, and what is in flight then.
const AFTER_HOLD: u32 = 5;

/// Why a case could not be finished. Its lane is of no more use.
#[derive(Debug, thiserror::Error)]
pub(super) enum CaseError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// What a finished case leaves behind.
pub(super) struct Finished {
    /// Whether everything connects again, so that the lane can serve another case.
    pub(super) clean: bool,
    /// What a property case has settled.
    pub(super) assumptions: Option<Assumptions>,
}

/// A batch at work.
struct Work<'a, L> {
    shared: &'a Shared,
    lane: &'a mut L,
    agents: &'a mut Agents,
    number: u32,
    /// At least one.
    members: Vec<Running<'a>>,
    /// The world as it now is: what was recreated has other addresses.
    world: World,
    /// Of every flow of every member.
    baseline: Vec<Cell>,
    /// Whether a kubelet got through before any policy.
    kubelet_works: bool,
}

/// A case of the batch at work.
struct Running<'a> {
    case: &'a Case,
    experiment: Experiment,
    started: CaseStarted,
    flows: BTreeSet<Flow>,
    ended: Vec<PhaseEnded>,
}

/// What came of a phase's change.
struct Probed {
    requested_us: u64,
    accepted_us: u64,
    observed: Observed,
}

/// Runs the cases of a batch, phase by phase. The one that has most steps goes on while the others keep their policies.
pub(super) async fn run<L: Lane>(
    shared: &Shared,
    lane: &mut L,
    agents: &mut Agents,
    number: u32,
    batch: &Batch,
    assumptions: Assumptions,
) -> Result<Finished, CaseError> {
    for Member { case, .. } in &batch.members {
        assert!(shared.settings.panic_in.as_ref() != Some(&case.id), "told to panic in {}", case.id);
    }
    let instances = batch.instances(lane.world(), label_suffix(lane, agents));
    for change in instances.iter().flat_map(|instance| &instance.setup) {
        lane.apply(change).await?;
    }
    let world = Arc::new(batch.first().narrow(lane.world().clone()));
    let mut members = Vec::new();
    for (place, Member { case, .. }) in batch.members.iter().enumerate() {
        let experiment = batch.experiment(place, &instances, &world, assumptions);
        let started = started(number, case, &experiment);
        shared.emit(Event::CaseStarted(Box::new(started.clone())));
        members.push(Running { case, experiment, started, flows: BTreeSet::new(), ended: Vec::new() });
    }
    let chosen = choose(&members, shared.settings.seed).await;
    members.iter_mut().zip(chosen).for_each(|(member, flows)| member.flows = flows.into_iter().collect());
    agents.begin_case();

    let (world, baseline, kubelet_works) = (Arc::unwrap_or_clone(world), Vec::new(), false);
    let mut work = Work { shared, lane, agents, number, members, world, baseline, kubelet_works };
    for phase in work.phases() {
        work.phase(phase).await?;
        if batch.first().property == Some(Property::Kubelet) {
            work.ask_kubelet(phase).await?;
        }
    }
    let restore: Vec<Change> = instances.into_iter().flat_map(|instance| instance.restore).collect();
    work.change(&restore).await?;
    let members = work.members;
    let settings = shared.settings.recorded();
    let clean = members.iter().all(|member| is_clean(&member.started, &member.ended, &settings));
    let settles = members.iter().find(|member| member.case.property.is_some_and(Property::can_be_assumed));
    let assumptions = settles.map(|member| observe_property(&member.started, &member.ended, &settings));
    Ok(Finished { clean, assumptions })
}

fn started(lane: u32, case: &Case, experiment: &Experiment) -> CaseStarted {
    CaseStarted {
        lane,
        case: case.id.clone(),
        title: case.title.clone(),
        covers: case.covers.iter().map(ToString::to_string).collect(),
        masked: masked(case, experiment),
        property: case.property,
        stopwatch: case.stopwatch,
        requires_property: case.requires.is_some(),
        assumptions: experiment.assumptions,
        world: World::clone(&experiment.world),
        steps: experiment.steps.clone(),
        removal: experiment.removal.clone(),
        beside: experiment.beside.clone(),
        seat: experiment.seat.clone(),
    }
}

/// The terms of a case that can have no witness, one by one.
fn masked(case: &Case, experiment: &Experiment) -> Vec<Masked> {
    let ids = experiment.terms().into_iter().map(|term| experiment.id(&term));
    ids.filter_map(|term| case.mask(&term).map(|mask| (mask.reason.clone(), term)))
        .map(|(reason, term)| Masked { term, reason })
        .collect()
}

/// Choosing flows is computation; it must not hold up the lanes that probe.
async fn choose(members: &[Running<'_>], seed: u64) -> Vec<Vec<Flow>> {
    let experiments: Vec<Experiment> = members.iter().map(|member| member.experiment.clone()).collect();
    match tokio::task::spawn_blocking(move || plan::choose_together(&experiments, seed)).await {
        Ok(flows) => flows,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and this task with it.
            Err(_) => Vec::new(),
        },
    }
}

impl<L: Lane> Work<'_, L> {
    /// The case that is alone in its batch, where it needs that.
    fn first(&self) -> &Running<'_> {
        &self.members[0]
    }

    /// The phases of the member that has most.
    fn phases(&self) -> Vec<Phase> {
        let most = self.members.iter().max_by_key(|member| member.experiment.steps.len());
        most.map(|member| member.experiment.phases()).unwrap_or_default()
    }

    async fn phase(&mut self, phase: Phase) -> Result<(), CaseError> {
        // Before anything is taken: each start waits for its own turn and room, and nobody for pods that are made again.
        let watched = self.watch_starts(phase).await?;
        let clock = self.agents.clock;
        let began_us = clock.now_us();
        let pods = self.make_pods(phase, &watched).await?;
        let turn = self.shared.turns.turn(self.first().case.stopwatch).await;
        let Some((right, index)) = self.right(phase) else { return Ok(()) };
        let mut cells = self.cells(phase, &right, index);
        self.shared.emit(Event::PhaseStarted { lane: self.number, phase, flows: cells.len() });
        let (goal, settings) = (self.goal(phase), &self.shared.settings);
        let unsent = unsent(&cells, &right, index);
        let remembered = |cell: &Cell, tries: Tries| if unsent.contains(&cell.flow) { tries.unsent() } else { tries };
        let expected = |cell: &Cell| remembered(cell, tries(goal, cell, settings));
        let taken = room(self.shared, self.number, &self.world, &cells, expected).await;

        let Probed { requested_us, accepted_us, mut observed } = match self.probe(phase, &mut cells).await {
            Ok(probed) => probed,
            Err(error) => {
                // What it has left in connection tracking is unknown.
                self.shared.budget.expire(taken).await;
                return Err(error);
            }
        };
        let left = |cell: &Cell| remembered(cell, Tries::of(cell));
        self.shared.budget.settle(taken, &self.world, &cells, left).await;
        drop(turn);
        let stays = self.first().case.canary && phase == Phase::Step(self.first().experiment.steps.len() - 1);
        if stays && observed.held_us.is_some() {
            self.hold(&mut cells, accepted_us).await?;
            observed.ended_us = clock.now_us();
        } else if canary::nothing_was_blocked(&cells) && self.tells_of_others(&cells, &right, index) {
            self.shared.hurry();
        }

        let mut ended = PhaseEnded {
            lane: self.number,
            case: self.first().case.id.clone(),
            phase,
            requested_us,
            accepted_us,
            clock_us: self.agents.uncertainty_us(),
            converged_us: observed.converged_us,
            held_us: observed.held_us,
            patience_us: (phase != Phase::Baseline).then(|| micros(observed.patience)),
            ended_us: observed.ended_us,
            pods,
            cells,
        };
        if phase == Phase::Baseline {
            self.lossy_again(&mut ended).await?;
            self.baseline.clone_from(&ended.cells);
        } else {
            self.again_alone(&mut ended).await?;
        }
        for place in 0..self.members.len() {
            if !self.members[place].started.has(phase) {
                continue;
            }
            let ended = self.of_member(place, &ended, began_us, observed.looked_us);
            self.shared.emit(Event::PhaseEnded(Box::new(ended.clone())));
            self.members[place].ended.push(ended);
        }
        Ok(())
    }

    /// Whether what these policies do tells what others would: those of the canary, and where there is none those of several
    /// cases, in both directions.
    fn tells_of_others(&self, cells: &[Cell], right: &Reading, index: usize) -> bool {
        let denies = |direction| cells.iter().any(|cell| right.side(index, &cell.flow, direction) == Answer::Deny);
        let are_many = self.members.len() > 1 && denies(Direction::Ingress) && denies(Direction::Egress);
        self.first().case.canary || (!self.shared.has_canary && are_many)
    }

    /// The flows that the phase probes, with what must happen to each.
    fn cells(&self, phase: Phase, right: &Reading, index: usize) -> Vec<Cell> {
        let sound: BTreeSet<&Flow> = self.sound_flows().into_iter().collect();
        let is_probed = |flow: &&Flow| match phase {
            Phase::Baseline => true,
            Phase::Step(_) => sound.contains(flow),
            // A connection that was cut does not come back.
            Phase::Removal => sound.contains(flow) && flow.connection == Connection::New,
        };
        let flows: BTreeSet<&Flow> =
            self.taking_part(phase).flat_map(|member| &member.flows).filter(is_probed).collect();
        let cell = |flow: &Flow| Cell {
            flow: flow.clone(),
            expected: right.answer(index, flow),
            streaks: Vec::new(),
            arrived: None,
            alone: None,
        };
        flows.into_iter().map(cell).collect()
    }

    fn taking_part(&self, phase: Phase) -> impl Iterator<Item = &Running<'_>> {
        self.members.iter().filter(move |member| member.started.has(phase))
    }

    /// What is right in a phase, which has that index in it. What is in force is the same for all members.
    fn right(&self, phase: Phase) -> Option<(Reading, usize)> {
        let experiment = &self.taking_part(phase).next()?.experiment;
        Some((Reading::faithful(experiment), experiment.index(phase)))
    }

    /// What a phase was for one member of the batch. It may be right in the midst of others that are not.
    fn of_member(&self, place: usize, ended: &PhaseEnded, began_us: u64, looked_us: u64) -> PhaseEnded {
        let member = &self.members[place];
        let mut of_member = PhaseEnded { case: member.case.id.clone(), ..ended.clone() };
        if member.experiment.change(ended.phase).is_some_and(Change::makes_pods) {
            of_member.requested_us = began_us;
        }
        if self.members.len() == 1 {
            return of_member;
        }
        of_member.cells.retain(|cell| member.flows.contains(&cell.flow));
        let (settings, baseline) = (self.shared.settings.recorded(), self.baseline_of(&of_member.cells));
        let (goal, accepted_us) = (self.goal(ended.phase), ended.accepted_us);
        let sheet = Sheet { goal, settings: &settings, baseline: &baseline, accepted_us };
        let standing = sheet.standing(&of_member.cells);
        of_member.converged_us = standing.done.then_some(standing.since_us);
        of_member.held_us = standing.done.then_some(looked_us);
        of_member
    }

    /// Sees whether a kubelet gets through under the policies, where it did before them.
    async fn ask_kubelet(&mut self, phase: Phase) -> Result<(), CaseError> {
        let Some(namespace) = guarded(&self.first().experiment.steps).map(str::to_owned) else { return Ok(()) };
        match phase {
            Phase::Baseline => {
                self.kubelet_works = self.lane.kubelet_gets_through(&namespace).await?;
            }
            Phase::Step(_) if self.kubelet_works => {
                let through = self.lane.kubelet_gets_through(&namespace).await?;
                let case = self.first().case.id.clone();
                self.shared.emit(Event::KubeletObserved { lane: self.number, case, through });
            }
            Phase::Step(_) | Phase::Removal => {}
        }
        Ok(())
    }

    /// Keeps the policies in force until the other lanes have done their work, and long enough.
    async fn hold(&mut self, cells: &mut [Cell], accepted_us: u64) -> Result<(), CaseError> {
        let (shared, world) = (self.shared, &self.world);
        let watch = Watch::over(self.agents.tracking, world, cells, shared.settings.lanes);
        let mut held: Vec<Cell> =
            cells.iter().map(|cell| Cell { streaks: Vec::new(), arrived: None, ..cell.clone() }).collect();
        let taken = room(shared, self.number, world, &held, |cell| watch.tries(cell)).await;
        let least = self.agents.clock.at(accepted_us) + shared.settings.canary;
        let over = || shared.is_quiet() && Instant::now() >= least;
        shared.rest();
        let outcome = self.agents.hold(world, &mut held, |cell| watch.pace(world, cell), over).await;
        shared.resume();
        shared.budget.expire(taken).await;
        canary::append(cells, held);
        Ok(outcome?)
    }

    /// Makes the pods again that the phase begins with, and gives them as they now are. Whoever was watched is new already.
    async fn make_pods(&mut self, phase: Phase, watched: &[PodId]) -> Result<Vec<Pod>, CaseError> {
        let mut pods: Vec<Pod> = watched.iter().filter_map(|pod| self.world.pod(pod)).cloned().collect();
        let is_new = |change: &Change| watched.iter().any(|pod| change.makes(pod));
        let changes = self.changes(phase).into_iter().filter(|change| change.makes_pods() && !is_new(change));
        pods.extend(self.change(&changes.collect::<Vec<_>>()).await?);
        Ok(pods)
    }

    /// Makes the phase's other changes and probes until enough was seen.
    async fn probe(&mut self, phase: Phase, cells: &mut [Cell]) -> Result<Probed, CaseError> {
        let clock = self.agents.clock;
        let requested_us = clock.now_us();
        let changes = self.changes(phase).into_iter().filter(|change| !change.makes_pods());
        self.change(&changes.collect::<Vec<_>>()).await?;
        let accepted_us = clock.now_us();
        let (shared, lane) = (self.shared, self.number);
        let on_progress = |wrong| shared.emit(Event::PhaseProgress { lane, wrong });
        let (baseline, goal) = (self.baseline_of(cells), self.goal(phase));
        let observed = self
            .agents
            .observe(&self.world, cells, &baseline, goal, &shared.settings, accepted_us, on_progress)
            .await?;
        Ok(Probed { requested_us, accepted_us, observed })
    }

    /// All that changes when a phase begins.
    fn changes(&self, phase: Phase) -> Vec<Change> {
        let own = self.members.iter().filter_map(|member| member.experiment.change(phase)).cloned();
        let mut changes: Vec<Change> = Vec::new();
        for change in own {
            let left = match changes.last_mut() {
                Some(last) => last.join(change),
                None => Some(change),
            };
            changes.extend(left);
        }
        changes
    }

    /// Makes changes, one after the other, but pods beside each other. Gives those as they now are.
    async fn change(&mut self, changes: &[Change]) -> Result<Vec<Pod>, CaseError> {
        let mut pods = Vec::new();
        for changes in changes.chunk_by(|one, next| one.makes_pods() && next.makes_pods()) {
            let is_made = |pod: &&Pod| changes.iter().any(|change| change.makes(&pod.id));
            let made: Vec<PodId> = self.world.pods.iter().filter(is_made).map(|pod| pod.id.clone()).collect();
            if made.is_empty() {
                self.lane.apply_all(changes).await?;
                continue;
            }
            // The agents of what is made again are others than before.
            let endpoints: Vec<Endpoint> = made.iter().cloned().map(Endpoint::from).collect();
            self.agents.leave(&endpoints).await?;
            self.lane.apply_all(changes).await?;
            self.world = self.first().case.narrow(self.lane.world().clone());
            self.agents.join(&self.lane.dial(), self.lane.world(), &endpoints, self.shared).await?;
            pods.extend(made.iter().filter_map(|pod| self.world.pod(pod)).cloned());
        }
        Ok(pods)
    }

    /// What is wrong is tried again while no other lane probes: load must not look like policy.
    async fn again_alone(&mut self, ended: &mut PhaseEnded) -> Result<(), CaseError> {
        let settings = self.shared.settings.recorded();
        let baseline = self.baseline_of(&ended.cells);
        let held_since_us = ended.held_since_us();
        let right = |(cell, before): (&Cell, &Cell)| {
            let seen = seen::of_cell(cell, seen::Attempts::of(before), held_since_us, &settings);
            match cell.expected {
                Answer::Allow => seen == Seen::Through,
                Answer::Deny => seen == Seen::Blocked,
                Answer::Undefined(_) => true,
            }
        };
        let pairs = ended.cells.iter().zip(&baseline);
        let wrong: Vec<usize> = pairs.enumerate().filter(|(_, pair)| !right(*pair)).map(|(index, _)| index).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let before: Vec<Cell> = wrong.iter().map(|index| baseline[*index].clone()).collect();
        let again = self.look_again(&wrong, &ended.cells, &before, Goal::Alone).await?;
        for (index, cell) in wrong.into_iter().zip(again) {
            ended.cells[index].alone = Some(Alone { streaks: cell.streaks, arrived: cell.arrived });
        }
        Ok(())
    }

    /// A baseline that loses much may be the work of load, which passes: it is taken again, alone. What never connected
    /// is not waited for.
    async fn lossy_again(&mut self, ended: &mut PhaseEnded) -> Result<(), CaseError> {
        for _ in 0..FURTHER_BASELINES {
            let lossy =
                |cell: &Cell| seen::unproven(cell).is_some() && seen::Attempts::of(cell).first_through_us().is_some();
            let cells = ended.cells.iter().enumerate();
            let wrong: Vec<usize> = cells.filter(|(_, cell)| lossy(cell)).map(|(index, _)| index).collect();
            if wrong.is_empty() {
                break;
            }
            let again = self.look_again(&wrong, &ended.cells, &[], Goal::Baseline).await?;
            for (index, cell) in wrong.into_iter().zip(again) {
                ended.cells[index] = cell;
            }
            ended.ended_us = self.agents.clock.now_us();
        }
        Ok(())
    }

    /// Probes some of the cells once more, from nothing, while no other lane probes.
    async fn look_again(
        &mut self,
        which: &[usize],
        cells: &[Cell],
        before: &[Cell],
        goal: Goal,
    ) -> Result<Vec<Cell>, CaseError> {
        let _alone = self.shared.turns.quiet(which.len()).await;
        let fresh = |index: &usize| Cell { streaks: Vec::new(), arrived: None, ..cells[*index].clone() };
        let mut again: Vec<Cell> = which.iter().map(fresh).collect();
        let (world, settings) = (&self.world, &self.shared.settings);
        let taken = room(self.shared, self.number, world, &again, |cell| tries(goal, cell, settings)).await;
        let now = self.agents.clock.now_us();
        match self.agents.observe(world, &mut again, before, goal, settings, now, |_| {}).await {
            Ok(_) => {
                self.shared.budget.settle(taken, world, &again, Tries::of).await;
                Ok(again)
            }
            Err(error) => {
                // What it has left in connection tracking is unknown.
                self.shared.budget.expire(taken).await;
                Err(error.into())
            }
        }
    }

    /// The flows whose baseline proves something.
    fn sound_flows(&self) -> Vec<&Flow> {
        self.baseline.iter().filter(|cell| seen::unproven(cell).is_none()).map(|cell| &cell.flow).collect()
    }

    fn goal(&self, phase: Phase) -> Goal {
        match phase {
            Phase::Baseline => Goal::Baseline,
            Phase::Step(_) if self.first().case.stopwatch => Goal::Timed,
            Phase::Step(_) => Goal::Step,
            Phase::Removal => Goal::Removal,
        }
    }

    fn baseline_of(&self, cells: &[Cell]) -> Vec<Cell> {
        let find = |cell: &Cell| self.baseline.iter().find(|before| before.flow == cell.flow);
        cells.iter().map(|cell| find(cell).unwrap_or(cell).clone()).collect()
    }
}

/// The flows that nobody but their senders' side denies: connection tracking never hears of what is stopped there.
fn unsent(cells: &[Cell], right: &Reading, index: usize) -> BTreeSet<Flow> {
    let side = |flow: &Flow, direction| right.side(index, flow, direction);
    let is_unsent =
        |flow: &&Flow| side(flow, Direction::Egress) == Answer::Deny && side(flow, Direction::Ingress) == Answer::Allow;
    cells.iter().map(|cell| &cell.flow).filter(is_unsent).cloned().collect()
}

/// Waits until the nodes have room for what will be tried on the cells, and says so meanwhile.
async fn room(
    shared: &Shared,
    lane: u32,
    world: &World,
    cells: &[Cell],
    tries: impl Fn(&Cell) -> Tries,
) -> Reservation {
    let text = "waits for room in connection tracking";
    let say = || shared.emit(Event::Progress { lane: Some(lane), text: text.to_owned() });
    shared.budget.reserve(world, cells, tries, say).await
}

/// What a phase will usually try on a flow.
fn tries(goal: Goal, cell: &Cell, settings: &Settings) -> Tries {
    match (goal, cell.expected) {
        (Goal::Step | Goal::Timed | Goal::Alone, Answer::Deny | Answer::Undefined(_)) => {
            Tries { through: 1, stopped: settings.hold_attempts + AFTER_HOLD }
        }
        (Goal::Baseline, _) | (Goal::Step | Goal::Timed | Goal::Alone, Answer::Allow) => {
            Tries { through: 2, stopped: 0 }
        }
        (Goal::Removal, _) => Tries { through: 1, stopped: 0 },
    }
}
