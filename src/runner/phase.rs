//! One phase of a case: probe every cell until what is seen is what must happen, and until it has held.

use super::agents::{Agents, INBOX};
use super::budget::LongestPause;
use super::clock::micros;
use super::link::{ANSWER_DEADLINE, Inbound};
use super::settings::{ATTEMPT_DEADLINE, BASELINE_PATIENCE, FRESH_PATIENCE, QUICK_DEADLINE, SOON_MS, Settings};
use super::standing::{Sheet, Standing};
use super::tempo::Tempo;
use crate::core::event::{Arrived, Cell};
use crate::core::model::flow::{Connection, Endpoint, Flow, Protocol};
use crate::core::model::observation::{Signal, Streak};
use crate::core::model::world::World;
use crate::core::verdict::seen::OVERBLOCK_US;
use crate::core::wire::{FromAgent, Pace, ProbeFlow, SHORTEST_MS, ToAgent};
use crate::target::identity;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// How often progress is looked at while no news comes in.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// How often a hold is looked at, which has nothing to find out.
const CALM_TICK: Duration = Duration::from_millis(250);

/// A question and who has not answered it.
pub(super) struct Asked {
    question: ToAgent,
    answer: FromAgent,
    missing: BTreeSet<Endpoint>,
    deadline: Instant,
}

/// An agent that does not answer any more.
#[derive(Debug, thiserror::Error)]
#[error("the agent of {endpoint} was lost: {cause}")]
pub(super) struct Lost {
    endpoint: Endpoint,
    cause: String,
}

/// What a phase waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Every flow connects, well enough to know how often it does not.
    Baseline,
    /// Every flow is as it must be, and holds.
    Step,
    /// The same, and when each flow turned is to be known closely.
    Timed,
    /// Every flow connects again.
    Removal,
    /// Every flow has shown what it is, right or wrong.
    Alone,
}

/// A phase's end.
pub(super) struct Observed {
    pub(super) converged_us: Option<u64>,
    /// When everything had held.
    pub(super) held_us: Option<u64>,
    /// When it had seen enough, or had lost its patience.
    pub(super) looked_us: u64,
    /// How long it would have waited for what is wrong.
    pub(super) patience: Duration,
    pub(super) ended_us: u64,
}

/// How long a phase goes on.
struct Patience {
    settle: Duration,
    overblock: Duration,
    holding: Duration,
}

impl Patience {
    fn new(settle: Duration, hold: Duration, pause: LongestPause) -> Self {
        // An over-block needs its own time to be told from loss, however short the patience.
        let overblock = settle.max(Duration::from_micros(OVERBLOCK_US) + 2 * ATTEMPT_DEADLINE);
        Self { settle, overblock, holding: hold * 2 + 8 * ATTEMPT_DEADLINE + pause.denied }
    }

    fn is_over(&self, standing: &Standing, waited: Duration) -> bool {
        let patience = if standing.overblocked > 0 { self.overblock } else { self.settle };
        // A flow that got through while the change was on its way begins to fail only with its next attempt.
        (standing.wrong > 0 && standing.undecided == 0 && waited >= patience) || waited >= self.overblock + self.holding
    }
}

impl Agents {
    /// Probes `cells` until `goal` is reached or patience ends. `baseline` holds the cells' baseline, in the same order,
    /// where there is one. `on_progress` hears how many cells are still wrong.
    #[expect(clippy::too_many_arguments, reason = "each is a different thing that only the caller knows")]
    pub(super) async fn observe(
        &mut self,
        world: &World,
        cells: &mut [Cell],
        baseline: &[Cell],
        goal: Goal,
        settings: &Settings,
        accepted_us: u64,
        on_progress: impl FnMut(usize),
    ) -> Result<Observed, Lost> {
        let tempo = self.tempo(goal, world, cells, settings);
        self.begin(world, cells, |cell| tempo.pace(cell)).await;
        let recorded = settings.recorded();
        let sheet = Sheet { goal, settings: &recorded, baseline, accepted_us };
        self.follow(cells, sheet, settings, tempo.longest, on_progress).await
    }

    /// Follows an epoch that has begun until its goal is reached or patience ends.
    pub(super) async fn follow(
        &mut self,
        cells: &mut [Cell],
        sheet: Sheet<'_>,
        settings: &Settings,
        longest: LongestPause,
        mut on_progress: impl FnMut(usize),
    ) -> Result<Observed, Lost> {
        let Sheet { goal, accepted_us, .. } = sheet;
        let index: BTreeMap<Flow, usize> =
            cells.iter().enumerate().map(|(index, cell)| (cell.flow.clone(), index)).collect();
        debug_assert_eq!(index.len(), cells.len(), "a flow stands twice in a phase");
        let start = self.clock.at(accepted_us);
        let mut reported = usize::MAX;
        let (standing, settle) = loop {
            self.listen(cells, Instant::now() + TICK).await?;
            let mut standing = sheet.standing(cells);
            // When a flow turned is known once no attempt from before that is on its way.
            let rested = goal != Goal::Timed
                || self.clock.now_us() >= standing.since_us + micros(ATTEMPT_DEADLINE) + micros(TICK);
            if standing.done && rested {
                // What a receiver has counted but not yet said could still spoil it.
                self.sync(cells).await?;
                standing = sheet.standing(cells);
                if standing.done {
                    break (standing, self.patience(goal, settings));
                }
            }
            if standing.wrong != reported {
                reported = standing.wrong;
                on_progress(reported);
            }
            // It may be cut short while somebody waits.
            let settle = self.patience(goal, settings);
            let patience = Patience::new(settle, settings.hold, longest);
            if patience.is_over(&standing, self.waited(start)) {
                // A stream that hangs looks like an agent that has seen nothing, until somebody waits for its answer.
                self.sync_all(cells).await?;
                standing = sheet.standing(cells);
                if !standing.done && patience.is_over(&standing, self.waited(start)) {
                    break (standing, settle);
                }
            }
        };
        let looked_us = self.clock.now_us();
        self.fresh = false;
        self.stop(cells).await?;
        self.sync(cells).await?;
        // Only what happened up to here counts, and it may have changed while the agents stopped.
        let last = sheet.standing(cells);
        let converged = standing.done && last.wrong == 0;
        Ok(Observed {
            converged_us: converged.then_some(last.since_us),
            held_us: converged.then_some(looked_us),
            looked_us,
            patience: settle,
            ended_us: self.clock.now_us(),
        })
    }

    /// Goes on probing, at a pace of its own for each cell, until it is `over`. Nothing that is seen ends it.
    pub(super) async fn hold(
        &mut self,
        world: &World,
        cells: &mut [Cell],
        pace: impl Fn(&Cell) -> Pace,
        over: impl Fn() -> bool,
    ) -> Result<(), Lost> {
        self.begin(world, cells, pace).await;
        while !over() {
            self.listen(cells, Instant::now() + CALM_TICK).await?;
        }
        self.stop(cells).await?;
        self.sync(cells).await
    }

    /// How often these cells are tried in a phase.
    pub(super) fn tempo(&self, goal: Goal, world: &World, cells: &[Cell], settings: &Settings) -> Tempo {
        let is_far = self.slowest_ms > SOON_MS;
        Tempo {
            goal,
            deadline: match goal {
                Goal::Step | Goal::Timed | Goal::Removal if !is_far => QUICK_DEADLINE,
                Goal::Step | Goal::Timed | Goal::Removal | Goal::Baseline | Goal::Alone => ATTEMPT_DEADLINE,
            },
            longest: LongestPause::of(self.tracking, world, cells, settings.lanes),
            patience: self.patience(goal, settings),
            hold: settings.hold,
            hold_attempts: settings.hold_attempts,
        }
    }

    /// How long what is wrong may take to come right.
    pub(super) fn patience(&self, goal: Goal, settings: &Settings) -> Duration {
        match goal {
            Goal::Baseline if self.fresh => settings.settle.min(FRESH_PATIENCE),
            Goal::Baseline => settings.settle.min(BASELINE_PATIENCE),
            Goal::Step | Goal::Timed | Goal::Removal => *self.patience.borrow(),
            Goal::Alone => Duration::from_micros(OVERBLOCK_US) + settings.hold + 4 * ATTEMPT_DEADLINE,
        }
    }

    async fn begin(&mut self, world: &World, cells: &[Cell], pace: impl Fn(&Cell) -> Pace) {
        self.open_epoch();
        for (number, cell) in (0u32..).zip(cells) {
            let Some(to) = world.dial(&cell.flow) else { continue };
            let order = self.order(number, &cell.flow, to, pace(cell), self.case_epoch);
            self.orders.entry(cell.flow.from.clone()).or_default().push(order);
        }
        self.send_orders().await;
    }

    /// The next epoch begins; nobody was told to probe in it yet.
    pub(super) fn open_epoch(&mut self) {
        self.epoch += 1;
        self.epoch_began = Instant::now();
        self.outage.restart();
    }

    /// What is to be done on a flow, of that number, whose standing connection is no older than the epoch `since`.
    pub(super) fn order(&self, number: u32, flow: &Flow, to: SocketAddr, pace: Pace, since: u32) -> ProbeFlow {
        ProbeFlow {
            flow: number,
            to,
            protocol: flow.protocol,
            identity: identity(&self.suffix, &flow.to),
            pace,
            standing: match flow.connection {
                Connection::New => None,
                Connection::Standing => Some(since),
            },
            announced_by: None,
        }
    }

    /// Tells everybody what to probe in this epoch.
    pub(super) async fn send_orders(&self) {
        for (endpoint, flows) in &self.orders {
            self.send(endpoint, ToAgent::Probe { epoch: self.epoch, flows: flows.clone() }).await;
        }
    }

    /// The time since `start` in which every agent could be heard and somebody listened.
    fn waited(&self, start: Instant) -> Duration {
        start.elapsed().saturating_sub(self.outage.lost())
    }

    async fn send(&self, endpoint: &Endpoint, message: ToAgent) {
        if let Some(link) = self.links.get(endpoint) {
            link.send(message).await;
        }
    }

    /// Takes in what comes until `deadline`, or until something came and what was waiting behind it is taken in. Whoever
    /// talks without end does not keep anybody waiting for an end.
    pub(super) async fn listen(&mut self, cells: &mut [Cell], deadline: Instant) -> Result<(), Lost> {
        let first = tokio::time::timeout_at(deadline, self.inbox.recv()).await;
        if let Some(standstill) = self.outage.woke_late(deadline) {
            self.standstill.fetch_max(micros(standstill), Ordering::Relaxed);
        }
        let Ok(Some(first)) = first else { return Ok(()) };
        self.take(first, cells).await?;
        for _ in 0..INBOX {
            let Ok(next) = self.inbox.try_recv() else { break };
            self.take(next, cells).await?;
        }
        Ok(())
    }

    /// Ends the epoch everywhere.
    pub(super) async fn stop(&mut self, cells: &mut [Cell]) -> Result<(), Lost> {
        let probing = cells.iter().map(|cell| cell.flow.from.clone()).collect();
        let epoch = self.epoch;
        self.ask(probing, ToAgent::Stop { epoch }, FromAgent::Stopped { epoch }, cells).await?;
        self.orders.clear();
        Ok(())
    }

    /// Waits for the watermark of every receiver of datagrams.
    async fn sync(&mut self, cells: &mut [Cell]) -> Result<(), Lost> {
        let datagrams = cells.iter().filter(|cell| cell.flow.protocol == Protocol::Udp);
        let receivers = datagrams.map(|cell| cell.flow.to.clone()).collect();
        self.watermarks(receivers, cells).await
    }

    /// Waits for the watermark of every agent.
    async fn sync_all(&mut self, cells: &mut [Cell]) -> Result<(), Lost> {
        let all = cells.iter().flat_map(|cell| [&cell.flow.from, &cell.flow.to]).cloned().collect();
        self.watermarks(all, cells).await
    }

    async fn watermarks(&mut self, mut whom: BTreeSet<Endpoint>, cells: &mut [Cell]) -> Result<(), Lost> {
        whom.retain(|endpoint| self.links.contains_key(endpoint));
        self.question += 1;
        let id = self.question;
        self.ask(whom, ToAgent::Sync { id }, FromAgent::Synced { id }, cells).await
    }

    /// Asks these agents, and waits until each of them has answered; takes in everything else meanwhile.
    async fn ask(
        &mut self,
        whom: BTreeSet<Endpoint>,
        question: ToAgent,
        answer: FromAgent,
        cells: &mut [Cell],
    ) -> Result<(), Lost> {
        for endpoint in &whom {
            self.send(endpoint, question.clone()).await;
        }
        self.asked = Some(Asked { question, answer, missing: whom, deadline: Instant::now() + ANSWER_DEADLINE });
        while let Some(asked) = &mut self.asked
            && let Some(silent) = asked.missing.first()
        {
            match tokio::time::timeout_at(asked.deadline, self.inbox.recv()).await {
                Ok(Some(next)) => self.take(next, cells).await?,
                // A link that is cut has a deadline of its own, and who was not let run has not waited.
                Err(_) if self.outage.is_on() || self.outage.woke_late(asked.deadline).is_some() => {
                    asked.deadline = Instant::now() + ANSWER_DEADLINE;
                }
                Ok(None) | Err(_) => {
                    let cause = format!("it did not answer within {} s", ANSWER_DEADLINE.as_secs());
                    return Err(Lost { endpoint: silent.clone(), cause });
                }
            }
        }
        self.asked = None;
        Ok(())
    }

    /// Tells an agent whose stream was cut what it may not have heard.
    async fn repeat(&mut self, endpoint: &Endpoint, begun: Option<u32>) {
        if begun < Some(self.epoch)
            && let Some(flows) = self.orders.get(endpoint)
        {
            self.send(endpoint, ToAgent::Probe { epoch: self.epoch, flows: flows.clone() }).await;
        }
        if let Some(asked) = &mut self.asked
            && asked.missing.contains(endpoint)
        {
            asked.deadline = Instant::now() + ANSWER_DEADLINE;
            let question = asked.question.clone();
            self.send(endpoint, question).await;
        }
    }

    pub(super) async fn take(
        &mut self,
        (endpoint, inbound): (Endpoint, Inbound),
        cells: &mut [Cell],
    ) -> Result<(), Lost> {
        match inbound {
            Inbound::Message(message) => self.hear(endpoint, message, cells),
            Inbound::Cut { since } => {
                self.outage.cut(endpoint, since);
                Ok(())
            }
            Inbound::Resumed { line, epoch } => {
                self.outage.over(&endpoint);
                if let Some(link) = self.links.get_mut(&endpoint) {
                    link.resume(line);
                }
                self.repeat(&endpoint, epoch).await;
                Ok(())
            }
            Inbound::Lost { cause } => Err(Lost { endpoint, cause }),
        }
    }

    fn hear(&mut self, endpoint: Endpoint, message: FromAgent, cells: &mut [Cell]) -> Result<(), Lost> {
        if let Some(asked) = &mut self.asked
            && message == asked.answer
        {
            asked.missing.remove(&endpoint);
        }
        let Some(link) = self.links.get(&endpoint) else { return Ok(()) };
        match message {
            FromAgent::Streaks { epoch, streaks } if epoch == self.epoch => {
                let most = self.epoch_began.elapsed().as_millis() / u128::from(SHORTEST_MS) + 1;
                for update in streaks {
                    // An agent reports only on flows that it was told to probe; anything else is not evidence.
                    let Some(cell) = cells.get_mut(update.flow as usize).filter(|c| c.flow.from == endpoint) else {
                        continue;
                    };
                    let streak = Streak {
                        first_us: link.run_us(update.streak.first_us),
                        last_us: link.run_us(update.streak.last_us),
                        ..update.streak
                    };
                    if !streak.is_possible() {
                        let cause = format!("it reported times of {} that cannot be", cell.flow);
                        return Err(Lost { endpoint, cause });
                    }
                    if streak.outcome.signal() == Signal::Through {
                        self.slowest_ms = self.slowest_ms.max(update.slowest_ms);
                    }
                    let place = update.index as usize;
                    match place.cmp(&cell.streaks.len()) {
                        std::cmp::Ordering::Less => cell.streaks[place] = streak,
                        // Else its inventions could fill the memory.
                        std::cmp::Ordering::Equal if place as u128 >= most => {
                            let cause =
                                format!("it reported more streaks of {} than it can have made attempts", cell.flow);
                            return Err(Lost { endpoint, cause });
                        }
                        std::cmp::Ordering::Equal => cell.streaks.push(streak),
                        std::cmp::Ordering::Greater => {
                            let cause =
                                format!("it reported streak {place} of {} before the ones in between", cell.flow);
                            return Err(Lost { endpoint, cause });
                        }
                    }
                }
            }
            FromAgent::Arrivals { arrivals } => {
                for arrival in arrivals.into_iter().filter(|arrival| arrival.epoch == self.epoch) {
                    let Some(cell) = cells.get_mut(arrival.flow as usize).filter(|c| c.flow.to == endpoint) else {
                        continue;
                    };
                    let arrived = Arrived {
                        count: arrival.count,
                        first_us: link.run_us(arrival.first_us),
                        last_us: link.run_us(arrival.last_us),
                    };
                    if !arrived.is_possible() {
                        let cause = format!("it reported times of {} that cannot be", cell.flow);
                        return Err(Lost { endpoint, cause });
                    }
                    cell.arrived = Some(arrived);
                }
            }
            FromAgent::Refused { reason } => return Err(Lost { endpoint, cause: reason }),
            // Answers to questions of an earlier phase that came too late to be waited for.
            FromAgent::Streaks { .. }
            | FromAgent::Welcome { .. }
            | FromAgent::Listening { .. }
            | FromAgent::Pong { .. }
            | FromAgent::Stopped { .. }
            | FromAgent::Synced { .. } => {}
        }
        Ok(())
    }
}
