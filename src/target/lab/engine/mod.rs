//! The lab's policy engine: compiles NetworkPolicies to packet-filter rules and loads them, one table per lane and node.
//!
//! It shares no code with the oracle, so that each checks the other. Like a cluster's engine it works behind the API's
//! back: a change is accepted at once and takes effect a little later.

mod compile;
mod dispatch;
mod matching;
mod misread;
mod rules;
#[cfg(test)]
mod tests;
mod view;

use super::topology::Topology;
use super::{failed, lock};
use crate::core::fault::{Fault, FaultAt};
use crate::core::model::change::Change;
use crate::core::model::flow::PodId;
use crate::core::model::world::{Pod, World};
use crate::target::TargetError;
use compile::{Place, compile};
use dispatch::Dispatch;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use view::View;

/// How late an engine with [`Fault::Slow`] is.
const LATE: Duration = Duration::from_secs(2);

/// What an engine is told.
#[derive(Debug)]
enum Order {
    Change(Change),
    /// Pods were made again, of which it is to know so much later.
    Meet(Vec<Newcomer>, Duration),
    /// Say when everything that was told before has been loaded.
    Settle(oneshot::Sender<()>),
}

/// A pod that was made again.
#[derive(Clone, Debug)]
pub(super) struct Newcomer {
    pub(super) pod: Pod,
    /// Its node's end of its cable.
    pub(super) link: String,
}

/// One lane's engine. Ends when it is dropped, leaving its rules where they are.
#[derive(Debug)]
pub(super) struct Engine {
    orders: mpsc::UnboundedSender<Order>,
    failure: Arc<Mutex<Option<TargetError>>>,
    loaded: watch::Sender<Option<Load>>,
    task: JoinHandle<()>,
}

/// When an engine loaded rules on all nodes: they came into force between these two.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// When it set about it.
    pub began: Instant,
    /// When the last node had them.
    pub ended: Instant,
}

impl Engine {
    /// Starts an engine for a lane: `links` are the nodes' ends of its pods' cables.
    pub(super) fn start(
        topology: Arc<Topology>,
        table: &str,
        world: &World,
        links: &BTreeMap<PodId, String>,
        faults: &[FaultAt],
        delay: Duration,
        runtime: &Handle,
    ) -> Self {
        let deciders = topology.nodes.iter().map(|node| {
            let on_node = |id: &PodId| world.pod(id).is_some_and(|pod| pod.node == node.name);
            let links = links.iter().filter(|(id, _)| on_node(id)).map(|(id, link)| (id.clone(), link.clone()));
            Decider::new(&node.name, table, world, links.collect(), faults, delay)
        });
        let deciders: Vec<Decider> = deciders.collect();
        let failure = Arc::new(Mutex::new(None));
        let (orders, inbox) = mpsc::unbounded_channel();
        let (loaded, _) = watch::channel(None);
        let work = Work { topology, deciders, failure: Arc::clone(&failure), loaded: loaded.clone() };
        let task = runtime.spawn(work.run(inbox));
        Self { orders, failure, loaded, task }
    }

    /// Tells the engine of a change. Fails when it could not act on an earlier one.
    pub(super) fn tell(&self, change: &Change) -> Result<(), TargetError> {
        self.check()?;
        self.send(Order::Change(change.clone()))
    }

    /// Tells the engine of pods that were made again, on the nodes that they stood on before. It takes that up so late.
    pub(super) fn meet(&self, newcomers: Vec<Newcomer>, late: Duration) -> Result<(), TargetError> {
        self.check()?;
        self.send(Order::Meet(newcomers, late))
    }

    /// Fails, once, when it could not do something that it was told.
    pub(super) fn check(&self) -> Result<(), TargetError> {
        lock(&self.failure).take().map_or(Ok(()), Err)
    }

    /// What tells when everything that the engine was told so far is loaded. Changes that a fault delays are not waited for.
    pub(super) fn settle(&self) -> Result<oneshot::Receiver<()>, TargetError> {
        let (sender, receiver) = oneshot::channel();
        self.send(Order::Settle(sender))?;
        Ok(receiver)
    }

    /// When it has loaded rules: the last time, and every time from now on.
    pub(super) fn loads(&self) -> watch::Receiver<Option<Load>> {
        self.loaded.subscribe()
    }

    fn send(&self, order: Order) -> Result<(), TargetError> {
        self.orders.send(order).map_err(|_| failed("telling the policy engine of a change", "it has ended"))
    }

    /// Waits until it has done what it was told, and ends it.
    pub(super) async fn stop(self) {
        drop(self.orders);
        // A panic in the engine was reported by the runtime already, and there is nothing left to stop.
        let _ended = self.task.await;
    }
}

/// The engine's part on one node.
struct Decider {
    place: Place,
    variants: Vec<View>,
    dispatch: Dispatch,
    /// How late every variant acts.
    delay: Duration,
    /// Changes that the variants have still to act on, with when.
    coming: VecDeque<(Instant, Change)>,
    /// The same, of those that are slow on top.
    late: VecDeque<(Instant, Change)>,
    /// Pods that are there, and that it has still to learn of.
    unknown: Vec<(Instant, Newcomer)>,
    loaded: String,
}

impl Decider {
    fn new(
        node: &str,
        table: &str,
        world: &World,
        links: BTreeMap<PodId, String>,
        faults: &[FaultAt],
        delay: Duration,
    ) -> Self {
        let place = Place { table: table.to_owned(), links, marks: dispatch::needs_marks(faults) };
        let (variants, dispatch) = dispatch::plan(faults, node);
        let variants: Vec<View> = variants.into_iter().map(|faults| View::new(world.clone(), faults)).collect();
        // Without policies and marks there is nothing to load at first.
        let loaded = if place.marks { String::new() } else { compile(&place, &variants, &dispatch) };
        Self {
            place,
            variants,
            dispatch,
            delay,
            coming: VecDeque::new(),
            late: VecDeque::new(),
            unknown: Vec::new(),
            loaded,
        }
    }

    fn tell(&mut self, change: &Change, now: Instant) {
        let slow = |view: &View| view.faults.contains(&Fault::Slow);
        let due = now + self.delay;
        if self.variants.iter().any(|view| !slow(view)) {
            self.coming.push_back((due, change.clone()));
        }
        if self.variants.iter().any(slow) {
            self.late.push_back((due + LATE, change.clone()));
        }
    }

    fn meet(&mut self, newcomers: &[Newcomer], due: Instant) {
        self.unknown.retain(|(_, former)| !newcomers.iter().any(|newcomer| newcomer.pod.id == former.pod.id));
        self.unknown.extend(newcomers.iter().map(|newcomer| (due, newcomer.clone())));
    }

    /// However slow it is with policies, where a pod hangs it knows at once, unless it is told so late.
    fn learn(&mut self, now: Instant) {
        let known = self.unknown.extract_if(.., |(due, _)| *due <= now);
        let (links, pods): (Vec<_>, Vec<Pod>) =
            known.map(|(_, Newcomer { pod, link })| ((pod.id.clone(), link), pod)).unzip();
        for (id, link) in links {
            self.place.links.entry(id).and_modify(|known| *known = link);
        }
        self.variants.iter_mut().for_each(|view| view.meet(&pods));
    }

    fn advance(&mut self, now: Instant) {
        self.learn(now);
        for (changes, slow) in [(&mut self.coming, false), (&mut self.late, true)] {
            while let Some((_, change)) = changes.pop_front_if(|(due, _)| *due <= now) {
                let views = self.variants.iter_mut().filter(|view| view.faults.contains(&Fault::Slow) == slow);
                views.for_each(|view| view.tell(&change));
            }
        }
    }

    /// When the next change is due.
    fn due(&self) -> Option<Instant> {
        let changes = self.coming.front().into_iter().chain(self.late.front()).map(|(due, _)| *due);
        changes.chain(self.unknown.iter().map(|(due, _)| *due)).min()
    }

    /// The rules, when they differ from those that are loaded.
    fn rules(&mut self) -> Option<String> {
        let rules = compile(&self.place, &self.variants, &self.dispatch);
        (rules != self.loaded).then(|| {
            self.loaded.clone_from(&rules);
            rules
        })
    }
}

/// What an engine works with.
struct Work {
    topology: Arc<Topology>,
    deciders: Vec<Decider>,
    failure: Arc<Mutex<Option<TargetError>>>,
    loaded: watch::Sender<Option<Load>>,
}

impl Work {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut settling: Vec<oneshot::Sender<()>> = Vec::new();
        loop {
            self.load().await;
            for settled in settling.drain(..) {
                // Whoever asked may have stopped waiting.
                let _unheard = settled.send(());
            }
            let due = self.deciders.iter().filter_map(Decider::due).min();
            let wake = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let mut order = tokio::select! {
                order = inbox.recv() => match order {
                    Some(order) => Some(order),
                    None => return,
                },
                () = wake => None,
            };
            let now = Instant::now();
            // What was ordered meanwhile goes into the same load.
            while let Some(next) = order.take().or_else(|| inbox.try_recv().ok()) {
                match next {
                    Order::Change(change) => self.deciders.iter_mut().for_each(|decider| decider.tell(&change, now)),
                    Order::Meet(newcomers, late) => {
                        self.deciders.iter_mut().for_each(|decider| decider.meet(&newcomers, now + late));
                    }
                    Order::Settle(settled) => settling.push(settled),
                }
            }
            self.deciders.iter_mut().for_each(|decider| decider.advance(now));
        }
    }

    /// Loads what has changed, on all nodes at once.
    async fn load(&mut self) {
        let began = Instant::now();
        let mut loads = Vec::new();
        for (index, decider) in self.deciders.iter_mut().enumerate() {
            if let Some(rules) = decider.rules() {
                let topology = Arc::clone(&self.topology);
                loads.push((index, tokio::task::spawn_blocking(move || topology.nodes[index].load(&rules))));
            }
        }
        if loads.is_empty() {
            return;
        }
        for (index, load) in loads {
            let result = load.await.unwrap_or_else(|error| Err(failed("loading packet-filter rules", error)));
            if let Err(error) = result {
                // The same rules shall be tried again with the next change.
                self.deciders[index].loaded.clear();
                *lock(&self.failure) = Some(error);
            }
        }
        self.loaded.send_replace(Some(Load { began, ended: Instant::now() }));
    }
}
