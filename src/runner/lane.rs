//! A lane's worker: opens a world, links its agents, and takes cases from the queue until none is left.

use super::agents::{Agents, Unusable};
use super::budget::Budget;
use super::canary;
use super::case::{self, Finished};
use super::churn::{can_churn, churn};
use super::clock::Clock;
use super::settings::Settings;
use super::turns::Turns;
use crate::core::catalogue::{Batch, Case, LABELS_OF_GIVEN, Member, Property, batches, worlds_of_nodes};
use crate::core::event::{Event, RunEvent};
use crate::core::oracle::Assumptions;
use crate::target::{Alert, Lane, LaneNames, Stand, Target, TargetError};
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// What all lanes share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) budget: Budget,
    pub(super) turns: Turns,
    events: mpsc::UnboundedSender<RunEvent>,
    /// What is still to be done.
    queue: Mutex<Queue>,
    /// What property cases have settled; `None` while one of them is still to come.
    assumptions: watch::Sender<Option<Assumptions>>,
    /// Lanes in whose namespaces somebody else's policy was.
    intruded: Mutex<BTreeSet<u32>>,
    /// How long a step may take until what is still wrong is a finding.
    patience: watch::Sender<Duration>,
    /// Workers that have cases before them; one that only holds the canary's policies has not.
    busy: AtomicUsize,
    /// What comes and goes beside the canary; empty where that is not wanted.
    churning: Vec<Case>,
    /// How many changes that were.
    churned: AtomicU32,
    /// Whether no canary is watched any more.
    released: watch::Sender<bool>,
    /// Whether the canary is one of the cases, and has a lane of its own.
    pub(super) has_canary: bool,
    run: String,
    token: String,
    lanes: AtomicU32,
    /// How many control streams were cut and replaced.
    pub(super) resumed: Arc<AtomicU32>,
    /// The longest time in which a lane meant to listen and was not let run, in microseconds.
    pub(super) standstill: Arc<AtomicU64>,
}

/// Why a lane could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaneError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

impl Shared {
    pub(super) fn new(
        settings: Settings,
        tasks: Vec<Task>,
        run: String,
        token: String,
        clock: Clock,
        budget: Budget,
        events: mpsc::UnboundedSender<RunEvent>,
    ) -> Self {
        let cases = || tasks.iter().flat_map(Task::cases);
        let open = cases().any(settles);
        let busy = AtomicUsize::new(settings.lanes.min(tasks.len()));
        let (patience, _) = watch::channel(settings.settle);
        let has_canary = cases().any(|case| case.canary);
        let churning = cases().filter(|case| settings.churn && has_canary && can_churn(case)).cloned().collect();
        let (released, _) = watch::channel(!has_canary);
        let (assumptions, _) = watch::channel((!open).then(Assumptions::default));
        Self {
            settings,
            clock,
            budget,
            turns: Turns::default(),
            events,
            queue: Mutex::new(Queue { tasks: tasks.into(), lanes: 0, under_way: 0, making: 0 }),
            assumptions,
            intruded: Mutex::default(),
            patience,
            busy,
            churning,
            churned: AtomicU32::new(0),
            released,
            has_canary,
            run,
            token,
            lanes: AtomicU32::new(0),
            resumed: Arc::default(),
            standstill: Arc::default(),
        }
    }

    pub(super) fn emit(&self, event: Event) {
        // Nobody listens any more when the run is being torn down.
        let _ = self.events.send(RunEvent { at_us: self.clock.now_us(), event });
    }

    /// Takes in what the target has found out.
    pub(super) fn hear(&self, alert: Alert) {
        self.emit(match alert {
            Alert::Foreign(foreign) => {
                if let (Some(lane), true) = (foreign.lane, foreign.can_touch()) {
                    self.intruded.lock().unwrap_or_else(PoisonError::into_inner).insert(lane);
                }
                Event::ForeignPolicy(foreign)
            }
            Alert::LeftOut(node) => Event::NodeLeftOut(node),
            Alert::Note(text) => Event::Note { text },
            Alert::Progress(text) => Event::Progress { lane: None, text },
        });
    }

    /// Whether somebody else's policy was in a lane's namespaces. What it leaves behind, no case can be sure of.
    fn is_intruded(&self, lane: u32) -> bool {
        self.intruded.lock().unwrap_or_else(PoisonError::into_inner).contains(&lane)
    }

    /// How long a step may take, as it is and as it will be.
    pub(super) fn patience(&self) -> watch::Receiver<Duration> {
        self.patience.subscribe()
    }

    /// The secret that the agents ask for.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// How many workers there are when the run begins.
    pub(super) fn workers(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// A worker has no case before it, for now or for good.
    pub(super) fn rest(&self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }

    /// A worker that rested goes on.
    pub(super) fn resume(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether no worker has a case before it.
    pub(super) fn is_quiet(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    /// Nothing is enforced here, so nobody needs to wait for it any longer than it takes to see that.
    pub(super) fn hurry(&self) {
        let Settings { settle, hold, .. } = self.settings;
        let short = canary::short_patience(settle, hold);
        let is_new = |patience: &mut Duration| std::mem::replace(patience, short.min(*patience)) > short;
        if self.patience.send_if_modified(is_new) {
            let text = format!(
                "nothing is enforced: the first policies had no effect within {} s, so others were given {} s each",
                settle.as_secs_f64(),
                short.as_secs_f64()
            );
            self.emit(Event::Note { text });
        }
    }

    /// What comes and goes beside the canary.
    pub(super) fn churning(&self) -> &[Case] {
        &self.churning
    }

    /// A policy has come or gone beside the canary.
    pub(super) fn churned(&self) {
        self.churned.fetch_add(1, Ordering::Relaxed);
    }

    /// Resolves when no canary is watched any more.
    pub(super) async fn released(&self) {
        // The sender lives as long as `self`.
        let _ = self.released.subscribe().wait_for(|released| *released).await;
    }

    /// The canary is watched no more.
    fn release(&self) {
        self.released.send_replace(true);
        if self.settings.churn {
            let text = match self.churned.load(Ordering::Relaxed) {
                0 => "no other policy was changed beside the canary: there was no lane for that".to_owned(),
                changes => {
                    format!("beside the canary {changes} changes of other policies were made, besides those of cases")
                }
            };
            self.emit(Event::Note { text });
        }
    }

    /// The next task for a lane whose pods stand like this.
    fn next(&self, stand: &Stand) -> Option<Task> {
        self.queue().take(|task| task.stand == *stand)
    }

    /// The next task, for a lane that is yet to be opened, which takes as long as so many steps. None where the lanes that are
    /// at work will sooner be done with all of them.
    fn claim(&self, opening: usize) -> Option<Task> {
        self.queue().claim(opening)
    }

    /// A lane has done with a task.
    fn finish(&self, task: &Task) {
        let mut queue = self.queue();
        queue.under_way -= task.steps();
        queue.making -= usize::from(task.makes_pods());
    }

    /// A lane that was opened for a task does nothing any more.
    fn leave(&self, was_of_any_lane: bool) {
        if was_of_any_lane {
            self.queue().lanes -= 1;
        }
    }

    /// What one of several cases met with says nothing of the others: each will be run again, by itself.
    fn again_apart(&self, batch: &Batch, cause: &str) {
        if batch.members.len() == 1 {
            return;
        }
        let ids: Vec<&str> = batch.members.iter().map(|member| member.case.id.as_str()).collect();
        let text = format!("cases in one world were abandoned and run again, one by one: {}: {cause}", ids.join(", "));
        self.emit(Event::Note { text });
        let apart = batch.members.iter().rev().map(|member| Batch { members: vec![member.clone()] });
        let tasks = apart.map(|batch| Task { batch, stand: Stand::Spread });
        let mut queue = self.queue();
        tasks.for_each(|task| queue.tasks.push_front(task));
    }

    fn is_empty(&self) -> bool {
        self.queue().tasks.is_empty()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> LaneNames {
        LaneNames { run: self.run.clone(), lane: self.lanes.fetch_add(1, Ordering::Relaxed), token: self.token.clone() }
    }

    /// What is settled for these cases, once every property case before them has ended.
    async fn assumptions_for(&self, batch: &Batch) -> Assumptions {
        if batch.first().requires.is_none() {
            return Assumptions::default();
        }
        let mut settled = self.assumptions.subscribe();
        // The sender lives as long as `self`.
        let assumptions = settled.wait_for(Option::is_some).await;
        assumptions.map(|assumptions| (*assumptions).unwrap_or_default()).unwrap_or_default()
    }

    fn settle(&self, assumptions: Assumptions) {
        self.assumptions.send_replace(Some(assumptions));
        self.emit(Event::PropertyObserved { assumptions });
    }
}

/// Whether other cases rely on what this one observes.
fn settles(case: &Case) -> bool {
    case.property.is_some_and(Property::can_be_assumed)
}

/// What is still to be done, and by how many.
#[derive(Debug)]
struct Queue {
    tasks: VecDeque<Task>,
    /// The lanes at work, or being opened, that take one task after the other.
    lanes: usize,
    /// The steps of the tasks that they have taken and not done with.
    under_way: usize,
    /// How many of these make pods again.
    making: usize,
}

impl Queue {
    /// The next task of those that fit. Others come before those that make pods, while enough do so.
    fn take(&mut self, fits: impl Fn(&Task) -> bool) -> Option<Task> {
        let free = self.making < MAKING;
        let is_next = |task: &Task| fits(task) && (free || !task.makes_pods());
        let place = self.tasks.iter().position(is_next).or_else(|| self.tasks.iter().position(fits))?;
        let task = self.tasks.remove(place)?;
        self.under_way += task.steps();
        self.making += usize::from(task.makes_pods());
        Some(task)
    }

    /// What a lane is opened for: the canary, some lanes that take one task after the other, worlds that a task has for itself,
    /// and then more of the former.
    fn claim(&mut self, opening: usize) -> Option<Task> {
        let front = self.tasks.front()?;
        let is_worth = self.is_worth_a_lane(opening);
        if front.batch.first().canary || self.lanes >= FIRST_LANES || !is_worth {
            let for_itself = self.take(|task| !task.is_of_any_lane());
            return for_itself.or_else(|| is_worth.then(|| self.take_for_a_lane()).flatten());
        }
        self.take_for_a_lane().or_else(|| self.take(|_| true))
    }

    fn take_for_a_lane(&mut self) -> Option<Task> {
        let task = self.take(Task::is_of_any_lane)?;
        self.lanes += 1;
        Some(task)
    }

    /// Whether one more lane would still get a few steps when it is open, `opening` steps from now.
    fn is_worth_a_lane(&self, opening: usize) -> bool {
        let waiting: usize = self.tasks.iter().map(Task::steps).sum();
        let left = (waiting + self.under_way).saturating_sub(opening * self.lanes);
        self.lanes == 0 || opening == 0 || left >= WORTH_OPENING * (self.lanes + 1)
    }
}

/// So many lanes that take one task after the other are opened before the worlds that a task has for itself: these have the
/// most to do.
const FIRST_LANES: usize = 2;

/// So many steps a lane must have before it, to be opened beside others.
const WORTH_OPENING: usize = 2;

/// So many lanes may make pods again at once: pods start no sooner for being many.
const MAKING: usize = 3;

/// Cases, and where the pods stand that run them.
#[derive(Clone, Debug)]
pub(super) struct Task {
    batch: Batch,
    stand: Stand,
}

/// What is to be done on so many nodes. A case of every node becomes several where these are many, each with an id of its
/// own: `every-node/2`.
fn tasks(cases: Vec<Case>, nodes: usize) -> Vec<Task> {
    let worlds = worlds_of_nodes(nodes);
    let of_batch = |batch: Batch| {
        let case = batch.first();
        if !case.every_node {
            return vec![Task { batch, stand: Stand::Spread }];
        }
        let id = |place: usize| if worlds.len() > 1 { format!("{}/{}", case.id, place + 1) } else { case.id.clone() };
        let task = |(place, nodes): (usize, &Range<usize>)| Task {
            batch: Batch::of(Case { id: id(place), ..case.clone() }),
            stand: Stand::OnEach(nodes.clone()),
        };
        worlds.iter().enumerate().map(task).collect()
    };
    batches(cases).into_iter().flat_map(of_batch).collect()
}

/// The tasks of a run in the order in which they are begun, on a target that takes as long as so many steps to open a lane. The
/// canary goes first, because it stays to the last; where it need not stay for long and lanes take their time, it is a case like
/// the others. What settles an open question comes next, so that nobody who relies on the answer waits for it. What takes longest
/// is not left for the end: worlds of many nodes, starts, and namespaces; and then what has many steps.
pub(super) fn schedule(mut cases: Vec<Case>, nodes: usize, settings: &Settings, opening: usize) -> Vec<Task> {
    if opening > 0 && settings.canary.is_zero() {
        cases.iter_mut().for_each(|case| case.canary = false);
    }
    let mut tasks = tasks(cases, nodes);
    tasks.sort_by_key(|task| {
        let case = task.batch.first();
        (!case.canary, !settles(case), !case.every_node, !case.is_slow())
    });
    tasks
}

/// The ids that the cases of these tasks have in this run, in the order of those that were asked for.
pub(super) fn ids(tasks: &[Task], order: &[String]) -> Vec<String> {
    let mut ids: Vec<String> = tasks.iter().flat_map(Task::cases).map(|case| case.id.clone()).collect();
    let of = |asked: &String, id: &str| {
        id.strip_prefix(asked.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    ids.sort_by_key(|id| order.iter().position(|asked| of(asked, id)));
    ids
}

impl Task {
    /// Its cases, with the ids that they have in this run.
    pub(super) fn cases(&self) -> impl Iterator<Item = &Case> {
        self.batch.members.iter().map(|member| &member.case)
    }

    /// How many steps a lane takes for it that takes others too; a lane of its own does not matter to them.
    fn steps(&self) -> usize {
        if self.is_of_any_lane() { self.batch.steps() } else { 0 }
    }

    fn makes_pods(&self) -> bool {
        self.cases().any(Case::makes_pods)
    }

    /// Whether a lane takes it beside others of its kind. The canary has a lane of its own, and worlds of many nodes are others.
    fn is_of_any_lane(&self) -> bool {
        !self.batch.first().canary && self.stand == Stand::Spread
    }
}

/// Works on cases until none is left. A lane that a case has spoiled is replaced, and so is one whose pods stand where no
/// other case needs them.
pub(super) async fn work<T: Target>(target: Arc<T>, shared: Arc<Shared>) -> Result<(), LaneError> {
    while let Some(task) = shared.claim(T::OPENING) {
        let (was_of_any_lane, stand) = (task.is_of_any_lane(), task.stand.clone());
        let mut claimed = Some(task);
        let names = shared.names();
        let number = names.lane;
        let suffix = names.suffix();
        let mut lane = target.open_lane(names, stand.clone()).await?;
        let mut agents = Agents::meet(&lane.dial(), lane.world(), suffix, &shared).await?;
        shared.emit(Event::LaneOpened { lane: number });
        let spoiled = loop {
            let Some(task) = claimed.take().or_else(|| shared.next(&stand)) else { break false };
            let finished = match without_obstacles(&task.batch, &shared, &lane, &agents) {
                Some(batch) => run_batch(&shared, &mut lane, &mut agents, number, &batch).await,
                None => Finished { clean: true, assumptions: None },
            };
            shared.finish(&task);
            let first = task.batch.first();
            if first.canary {
                shared.release();
            }
            if settles(first) {
                // What was seen beside somebody else's policy settles nothing.
                let assumptions = finished.assumptions.filter(|_| !shared.is_intruded(number));
                shared.settle(assumptions.unwrap_or_default());
            }
            if !finished.clean || shared.is_intruded(number) {
                break true;
            }
        };
        shared.leave(was_of_any_lane);
        let is_last = !spoiled && shared.is_empty();
        if is_last {
            shared.rest();
            if stand == Stand::Spread {
                churn(&shared, &mut lane, &agents, number).await;
            }
            if !shared.settings.churn {
                // To remove a world takes from the nodes what the last looks need.
                shared.released().await;
            }
        }
        drop(agents);
        // Two pods on a node are in nobody's way, and to remove them would be: that is left to the end of the run.
        if spoiled || stand == Stand::Spread {
            lane.close().await?;
        }
        if is_last {
            return Ok(());
        }
    }
    shared.rest();
    Ok(())
}

/// Why a case would prove nothing in a lane.
fn obstacle<L: Lane>(case: &Case, lane: &L, agents: &Agents) -> Option<String> {
    if case.property == Some(Property::Kubelet) && !L::KUBELETS {
        return Some("it needs a kubelet on every node, and these have none".to_owned());
    }
    if lane.has_given_namespaces() && case.changes_a_namespace() {
        return Some("it changes a namespace, and those that are given stay as they are".to_owned());
    }
    case.obstacle(&agents.speaking(lane.world()), label_suffix(lane, agents))
}

/// The suffix of a lane's label values.
pub(super) fn label_suffix<'a, L: Lane>(lane: &L, agents: &'a Agents) -> &'a str {
    if lane.has_given_namespaces() { LABELS_OF_GIVEN } else { &agents.suffix }
}

/// The cases of a batch that prove something in a lane. The others are skipped.
fn without_obstacles<L: Lane>(batch: &Batch, shared: &Shared, lane: &L, agents: &Agents) -> Option<Batch> {
    let mut members = Vec::new();
    for member in &batch.members {
        match obstacle(&member.case, lane, agents) {
            None => members.push(member.clone()),
            Some(reason) => shared.emit(Event::CaseSkipped { case: member.case.id.clone(), reason }),
        }
    }
    (!members.is_empty()).then_some(Batch { members })
}

/// Runs the cases of a batch and tells of their end.
async fn run_batch<L: Lane>(
    shared: &Shared,
    lane: &mut L,
    agents: &mut Agents,
    number: u32,
    batch: &Batch,
) -> Finished {
    let assumptions = shared.assumptions_for(batch).await;
    let (abandoned, finished) = match case::run(shared, lane, agents, number, batch, assumptions).await {
        Ok(finished) => (None, finished),
        Err(error) => (Some(error.to_string()), Finished { clean: false, assumptions: None }),
    };
    for Member { case, .. } in &batch.members {
        shared.emit(Event::CaseEnded { lane: number, case: case.id.clone(), abandoned: abandoned.clone() });
    }
    if let Some(cause) = abandoned {
        shared.again_apart(batch, &cause);
    }
    finished
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalogue::Catalogue;
    use crate::runner::tests::settings;

    #[test]
    fn a_lane_is_opened_where_some_steps_will_be_left_for_it() {
        let case = |id: &str| Catalogue::embedded().cases().iter().find(|case| case.id == id).unwrap().clone();
        let some = |id: &str, count| tasks(vec![case(id); count], 2);
        // Opening, steps that wait, steps under way, lanes at work, whether one more is worth it.
        for (opening, waiting, under_way, lanes, worth) in [
            (2, 1, 0, 0, true),
            (2, 1, 1, 1, false),
            (2, 4, 1, 1, false),
            (2, 5, 1, 1, true),
            (2, 3, 3, 1, true),
            (2, 7, 2, 2, false),
            (2, 8, 2, 2, true),
            (0, 1, 0, 7, true),
        ] {
            // Those that have lanes of their own are no reason for another.
            let tasks = [some("hairpin", waiting), some("every-node", 1), some("canary", 1)].concat();
            let queue = Queue { tasks: tasks.into(), lanes, under_way, making: 0 };
            let of = format!("{waiting} steps wait and {under_way} are under way on {lanes} lanes");
            assert_eq!(queue.is_worth_a_lane(opening), worth, "{of}");
        }
    }

    #[test]
    fn two_lanes_are_opened_before_worlds_of_one_task_and_others_after() {
        let case = |id: &str| Catalogue::embedded().cases().iter().find(|case| case.id == id).unwrap().clone();
        let of = |id: &str, count| tasks(vec![case(id); count], 2);
        // What waits, and what is claimed.
        for (waiting, claimed) in [
            (
                [of("canary", 1), of("every-node", 1), of("hairpin", 20)].concat(),
                &["canary", "hairpin", "hairpin", "every-node", "hairpin"][..],
            ),
            ([of("canary", 1), of("every-node", 1), of("hairpin", 3)].concat(), &["canary", "hairpin", "every-node"]),
            ([of("every-node", 2)].concat(), &["every-node", "every-node"]),
        ] {
            let mut queue = Queue { tasks: waiting.into(), lanes: 0, under_way: 0, making: 0 };
            let taken: Vec<Task> = std::iter::from_fn(|| queue.claim(2)).take(5).collect();
            let taken: Vec<&str> = taken.iter().map(|task| task.batch.first().id.as_str()).collect();
            assert_eq!(taken, claimed);
        }
    }

    #[test]
    fn a_canary_that_need_not_stay_has_company_where_lanes_take_their_time() {
        let case = |id: &str| Catalogue::embedded().cases().iter().find(|case| case.id == id).unwrap().clone();
        let cases = ["update-closes", "canary", "every-node"].map(case).to_vec();
        let stays = Duration::from_secs(35);
        for (canary, opening, claimed) in [
            (stays, 2, &["canary", "update-closes", "every-node"][..]),
            (Duration::ZERO, 2, &["update-closes canary", "every-node"]),
            (Duration::ZERO, 0, &["canary", "update-closes", "every-node"]),
        ] {
            let settings = Settings { canary, ..settings(1) };
            let tasks = schedule(cases.clone(), 2, &settings, opening).into();
            let mut queue = Queue { tasks, lanes: 0, under_way: 0, making: 0 };
            let taken = std::iter::from_fn(|| queue.claim(opening));
            let of = |task: Task| task.cases().map(|case| case.id.clone()).collect::<Vec<_>>().join(" ");
            assert_eq!(taken.map(of).collect::<Vec<_>>(), claimed);
        }
    }

    #[test]
    fn not_all_lanes_make_pods_at_once() {
        let case = |id: &str| Catalogue::embedded().cases().iter().find(|case| case.id == id).unwrap().clone();
        let by_itself = |id: &str| Task { batch: Batch::of(case(id)), stand: Stand::Spread };
        let mut waiting = vec![by_itself("bare-pods-are-isolated"); 4];
        waiting.push(by_itself("default-deny-both"));
        let mut queue = Queue { tasks: waiting.into(), lanes: 4, under_way: 0, making: 0 };
        let taken = std::iter::from_fn(|| queue.take(|_| true)).map(|task| task.makes_pods()).collect::<Vec<_>>();
        assert_eq!(taken, [true, true, true, false, true], "nothing waits where nothing else is left");
    }
}
