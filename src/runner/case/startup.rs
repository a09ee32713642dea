//! Pods that are watched from their first instruction on: whether they are ever without the policies that were in force
//! before them.
//!
//! What a pod tries by itself is in its arguments. What others try on it waits for the pod to announce itself: the API
//! server tells of an address no sooner than it tells the engine, which would hide what is looked for.

use super::super::agents::Agents;
use super::super::budget::Tries;
use super::super::phase::{Goal, TICK};
use super::super::settings::ATTEMPT_DEADLINE;
use super::super::standing::Sheet;
use super::super::tempo::wire_ms;
use super::{CaseError, Running, Work, room, tries};
use crate::core::catalogue::Action;
use crate::core::event::{Cell, Event, Phase, PodStarted};
use crate::core::fault::plan::{announcement, of_start};
use crate::core::model::change::{Change, Subject};
use crate::core::model::flow::{Endpoint, Family, Flow, PodId};
use crate::core::model::world::World;
use crate::core::wire::{Pace, ProbeFlow, ToAgent};
use crate::target::{Lane, TargetError, listen_ports};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// From one announcement to the next, until one is answered.
const ANNOUNCE: Duration = Duration::from_millis(10);

/// So many announcements are made at that pace: whoever cannot be reached for so long is not waited for closely.
const ANNOUNCEMENTS: u32 = 300;

/// Announcements have numbers of their own, above those of flows. They are drawn: only whoever was told one can make others
/// probe him.
const ANNOUNCING: std::ops::RangeFrom<u32> = 1 << 31..;

impl<L: Lane> Work<'_, L> {
    /// Watches as many starts as the phase's steps ask for, where what they find in force has had its effect. Gives the pods
    /// that it has made again thereby.
    pub(super) async fn watch_starts(&mut self, phase: Phase) -> Result<Vec<PodId>, CaseError> {
        let mut made = Vec::new();
        for place in 0..self.members.len() {
            let Some((pod, starts)) = self.members[place].starts(phase) else { continue };
            for _ in 0..starts {
                if !self.watch_start(place, phase, &pod).await? {
                    break;
                }
            }
            self.lane.instruct(&pod, Vec::new()).await?;
            made.push(pod);
        }
        Ok(made)
    }

    /// Makes a pod again and watches it. Says whether it is worth while to do so once more.
    async fn watch_start(&mut self, place: usize, phase: Phase, id: &PodId) -> Result<bool, CaseError> {
        let (shared, goal) = (self.shared, Goal::Timed);
        let settings = &shared.settings;
        let _turn = shared.turns.turn(self.first().case.stopwatch).await;
        let newcomer = Endpoint::from(id.clone());
        let mut cells = of_start(&self.members[place].experiment, phase, &self.world, id);
        let taken = room(shared, self.number, &self.world, &cells, |cell| tries(goal, cell, settings)).await;

        let tempo = self.agents.tempo(goal, &self.world, &cells, settings);
        self.agents.leave(std::slice::from_ref(&newcomer)).await?;
        let plan = self.agents.await_start(&self.world, id, &cells, |cell| tempo.pace(cell)).await;
        self.lane.instruct(id, plan).await?;
        self.make_again(id, &mut cells).await?;
        self.world = self.first().case.narrow(self.lane.world().clone());
        self.agents.join(&self.lane.dial(), self.lane.world(), std::slice::from_ref(&newcomer), shared).await?;

        let Some(began_us) = self.agents.began_us(&newcomer) else {
            self.agents.stop(&mut cells).await?;
            shared.budget.expire(taken).await;
            let text = format!("a start of {id} was not watched: its controller made it without its plan");
            shared.emit(Event::Note { text });
            return Ok(true);
        };
        let recorded = settings.recorded();
        let sheet = Sheet { goal, settings: &recorded, baseline: &[], accepted_us: began_us };
        let observed = self.agents.follow(&mut cells, sheet, settings, tempo.longest, |_| {}).await?;
        shared.budget.settle(taken, &self.world, &cells, Tries::of).await;
        let Some(pod) = self.world.pod(id).cloned() else { return Ok(false) };
        shared.emit(Event::PodStarted(Box::new(PodStarted {
            lane: self.number,
            case: self.members[place].case.id.clone(),
            phase,
            pod,
            began_us,
            clock_us: self.agents.uncertainty_us(),
            held_us: observed.held_us,
            ended_us: observed.ended_us,
            cells,
        })));
        Ok(observed.held_us.is_some())
    }

    /// Makes a pod again, and listens meanwhile to those who wait for it.
    async fn make_again(&mut self, id: &PodId, cells: &mut [Cell]) -> Result<(), CaseError> {
        let (lane, agents, made) = (&mut *self.lane, &mut *self.agents, AtomicBool::new(false));
        let change = Change::Recreate { subject: Subject::Pod(id.clone()), bare: false };
        let making = async {
            let result = lane.apply(&change).await;
            made.store(true, Ordering::Relaxed);
            result
        };
        let listening = async {
            while !made.load(Ordering::Relaxed) {
                agents.listen(cells, Instant::now() + TICK).await?;
            }
            Ok(())
        };
        let (made, heard): (Result<(), TargetError>, Result<(), CaseError>) = tokio::join!(making, listening);
        made?;
        heard
    }
}

impl Running<'_> {
    /// The pod whose starts are to be watched at the beginning of a phase, and how many of them.
    fn starts(&self, phase: Phase) -> Option<(PodId, u32)> {
        let Phase::Step(step) = phase else { return None };
        let action = &self.case.steps.get(step)?.action;
        let Action::Recreate { subject: Subject::Pod(pod), starts: starts @ 1.., bare: _ } = action else {
            return None;
        };
        let had_its_effect = self.ended.last().is_some_and(|before| before.converged_us.is_some());
        had_its_effect.then(|| (self.experiment.seat.pod(pod), *starts))
    }
}

impl Agents {
    /// Opens an epoch for the flows from and to a pod that is about to start: others wait for it to announce itself. Gives
    /// what the pod itself has to do.
    async fn await_start(
        &mut self,
        world: &World,
        id: &PodId,
        cells: &[Cell],
        pace: impl Fn(&Cell) -> Pace,
    ) -> Vec<ToAgent> {
        self.open_epoch();
        let newcomer = Endpoint::from(id.clone());
        let mut announcements: BTreeMap<Flow, u32> = BTreeMap::new();
        let mut own = Vec::new();
        for (number, cell) in (0u32..).zip(cells) {
            if cell.flow.from == newcomer {
                let Some(to) = world.dial(&cell.flow) else { continue };
                own.push(self.order(number, &cell.flow, to, pace(cell), self.epoch));
                continue;
            }
            let Some(announcement) = announcement(world, id, &cell.flow.from, cell.flow.family) else { continue };
            let announced_by = *announcements.entry(announcement).or_insert_with(|| fastrand::u32(ANNOUNCING));
            let to = SocketAddr::new(unspecified(cell.flow.family), cell.flow.port);
            let order = self.order(number, &cell.flow, to, pace(cell), self.epoch);
            let waiting = ProbeFlow { announced_by: Some(announced_by), ..order };
            self.orders.entry(cell.flow.from.clone()).or_default().push(waiting);
        }
        self.send_orders().await;

        let announcing = announcements.into_iter().filter_map(|(flow, number)| {
            Some(self.order(number, &flow, world.dial(&flow)?, announcing_pace(), self.epoch))
        });
        let flows = announcing.chain(own).collect();
        vec![ToAgent::Listen { ports: listen_ports(world, &newcomer) }, ToAgent::Probe { epoch: self.epoch, flows }]
    }

    /// When an agent began that has worked on this epoch since; `None` when it has not.
    fn began_us(&self, endpoint: &Endpoint) -> Option<u64> {
        let link = self.links.get(endpoint)?;
        // Whatever its clock says, it began before now.
        (link.epoch_at_first() == Some(self.epoch)).then(|| link.run_us(0).min(self.clock.now_us()))
    }
}

fn announcing_pace() -> Pace {
    let rarely = wire_ms(Duration::from_secs(60));
    Pace {
        deadline_ms: wire_ms(ATTEMPT_DEADLINE),
        blocked_ms: wire_ms(ANNOUNCE),
        blocked_attempts: ANNOUNCEMENTS,
        blocked_max_ms: rarely,
        through_ms: rarely,
        through_attempts: 1,
        through_max_ms: rarely,
    }
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}
