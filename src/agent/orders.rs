//! What an agent is, apart from who it talks to.

use crate::agent::book::Book;
use crate::agent::clock::Clock;
use crate::agent::echo::is_identity;
use crate::agent::net::Net;
use crate::agent::prober::{Prober, Probing};
use crate::core::wire::{FlowStreak, FromAgent, Pace, ProbeFlow, SHORTEST_MS, ToAgent};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

/// Entries of one report: far below the frame limit even when each is as long as can be.
const ENTRIES: usize = 500;

/// An order that is not obeyed; it ends the conversation.
pub(crate) struct Refusal(pub(crate) String);

/// An agent: its network, its epoch and what it saw. It outlives the conversations with its controllers.
pub struct Agent<N> {
    net: Arc<N>,
    prober: Prober<N>,
    newest: Option<u32>,
    book: Arc<Book>,
    probing: Probing,
}

impl<N: Net> Agent<N> {
    /// An agent that does nothing yet.
    pub fn new(net: N) -> Self {
        let net = Arc::new(net);
        let prober = Prober::new(Arc::clone(&net));
        let book = Arc::new(Book::new(0, std::iter::empty()));
        Self { net, prober, newest: None, book, probing: Probing::default() }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.net.arrivals().clock()
    }

    /// The newest epoch that it was told to probe.
    pub(crate) fn newest(&self) -> Option<u32> {
        self.newest
    }

    /// Does what it is to do before any controller comes, which is told of everything when it does.
    pub(crate) async fn begin(&mut self, plan: Vec<ToAgent>) -> Result<(), Refusal> {
        let (answers, nobody) = tokio::sync::mpsc::channel(1);
        drop(nobody);
        for order in plan {
            self.obey(order, &answers).await?;
        }
        Ok(())
    }

    /// Does what a controller says. Answers are sent in the order in which the orders came.
    pub(crate) async fn obey(&mut self, order: ToAgent, answers: &Sender<FromAgent>) -> Result<(), Refusal> {
        let answer = match order {
            ToAgent::Hello { .. } => return Err(Refusal("hello is said once".to_owned())),
            ToAgent::Listen { ports } => FromAgent::Listening { failed: self.net.listen(&ports).await },
            ToAgent::Ping { id } => FromAgent::Pong { id, at_us: self.clock().now_us() },
            ToAgent::Probe { epoch, flows } => return self.probe(epoch, flows, answers).await,
            ToAgent::Stop { epoch } => {
                if epoch == self.book.epoch() {
                    self.stop(answers).await;
                }
                FromAgent::Stopped { epoch }
            }
            ToAgent::Sync { id } => {
                self.net.drain().await;
                self.report_arrivals(answers).await;
                send_streaks(answers, self.book.epoch(), self.book.take_all()).await;
                FromAgent::Synced { id }
            }
        };
        send(answers, answer).await;
        Ok(())
    }

    async fn probe(&mut self, epoch: u32, flows: Vec<ProbeFlow>, answers: &Sender<FromAgent>) -> Result<(), Refusal> {
        check(self.newest, epoch, &flows).map_err(Refusal)?;
        self.stop(answers).await;
        self.newest = Some(epoch);
        self.book = Arc::new(Book::new(epoch, flows.iter().map(|flow| flow.flow)));
        self.probing = self.prober.start(flows, &self.book);
        Ok(())
    }

    async fn stop(&mut self, answers: &Sender<FromAgent>) {
        self.probing.stop().await;
        send_streaks(answers, self.book.epoch(), self.book.take_all()).await;
    }

    /// A new controller shall hear everything again.
    pub(crate) fn tell_again(&self) {
        self.book.tell_again();
        self.net.arrivals().tell_again();
    }

    /// When there is something to report.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.book.due().into_iter().chain(self.net.arrivals().due()).min()
    }

    /// Resolves when [`Agent::due`] may have changed.
    pub(crate) async fn due_changed(&self) {
        tokio::select! {
            () = self.book.changed() => {}
            () = self.net.arrivals().changed() => {}
        }
    }

    /// Reports what is due.
    pub(crate) async fn report(&self, answers: &Sender<FromAgent>) {
        let now = Instant::now();
        if self.book.due().is_some_and(|due| due <= now) {
            send_streaks(answers, self.book.epoch(), self.book.take()).await;
        }
        if self.net.arrivals().due().is_some_and(|due| due <= now) {
            self.report_arrivals(answers).await;
        }
    }

    async fn report_arrivals(&self, answers: &Sender<FromAgent>) {
        for part in self.net.arrivals().take().chunks(ENTRIES) {
            send(answers, FromAgent::Arrivals { arrivals: part.to_vec() }).await;
        }
    }
}

/// The queue is closed only when the conversation is over; what is lost then is told again to the next controller.
async fn send(answers: &Sender<FromAgent>, answer: FromAgent) {
    let _ = answers.send(answer).await;
}

async fn send_streaks(answers: &Sender<FromAgent>, epoch: u32, streaks: Vec<FlowStreak>) {
    for part in streaks.chunks(ENTRIES) {
        send(answers, FromAgent::Streaks { epoch, streaks: part.to_vec() }).await;
    }
}

/// Says what is wrong with an order to probe.
fn check(newest: Option<u32>, epoch: u32, flows: &[ProbeFlow]) -> Result<(), String> {
    if let Some(newest) = newest.filter(|newest| epoch <= *newest) {
        return Err(format!("epoch {epoch} after epoch {newest}"));
    }
    flows.iter().try_for_each(|flow| {
        let Pace {
            deadline_ms,
            blocked_ms,
            blocked_attempts: _,
            blocked_max_ms,
            through_ms,
            through_attempts: _,
            through_max_ms,
        } = flow.pace;
        let shortest_ms = blocked_ms.min(blocked_max_ms).min(through_ms).min(through_max_ms);
        if !(1..1000).contains(&deadline_ms) {
            Err(format!("flow {}: a deadline of {deadline_ms} ms is not before the first retransmission", flow.flow))
        } else if shortest_ms < SHORTEST_MS {
            Err(format!("flow {}: less than {SHORTEST_MS} ms between attempts", flow.flow))
        } else if !is_identity(&flow.identity) {
            Err(format!("flow {}: no agent can have the expected identity", flow.flow))
        } else {
            Ok(())
        }
    })
}
