//! Probing: each flow by a task of its own, from the order until the epoch ends.

use crate::agent::book::Book;
use crate::agent::net::Net;
use crate::agent::pacing::Pacing;
use crate::core::model::observation::Outcome;
use crate::core::wire::ProbeFlow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What every attempt of an agent shares.
pub(crate) struct Prober<N> {
    net: Arc<N>,
    permits: Arc<Semaphore>,
}

impl<N> Clone for Prober<N> {
    fn clone(&self) -> Self {
        Self { net: Arc::clone(&self.net), permits: Arc::clone(&self.permits) }
    }
}

/// An epoch that goes on.
#[derive(Default)]
pub(crate) struct Probing {
    tasks: JoinSet<()>,
    /// Tells the flows to end by going away.
    stop: Option<watch::Sender<()>>,
}

impl Probing {
    /// Ends it: afterwards every attempt's socket is closed, and what was in flight is never entered.
    pub(crate) async fn stop(&mut self) {
        self.stop = None;
        while self.tasks.join_next().await.is_some() {}
    }
}

/// An attempt that has ended.
struct Attempt {
    number: u64,
    began_us: u64,
    took: Duration,
    outcome: Outcome,
}

impl<N: Net> Prober<N> {
    pub(crate) fn new(net: Arc<N>) -> Self {
        let permits = Arc::new(Semaphore::new(net.attempts_at_once()));
        Self { net, permits }
    }

    /// Begins to probe.
    pub(crate) fn start(&self, flows: Vec<ProbeFlow>, book: &Arc<Book>) -> Probing {
        let now = Instant::now();
        let total = u32::try_from(flows.len()).unwrap_or(u32::MAX).max(1);
        let (stop, stopped) = watch::channel(());
        let mut tasks = JoinSet::new();
        for (place, flow) in flows.into_iter().enumerate() {
            // First attempts are spread over one interval, so that an epoch does not begin with a burst.
            let share = f64::from(u32::try_from(place).unwrap_or(u32::MAX)) / f64::from(total);
            let first = now + Duration::from_millis(flow.pace.blocked_ms.into()).mul_f64(share);
            tasks.spawn(self.clone().probe(Arc::new(flow), place, first, Arc::clone(book), stopped.clone()));
        }
        Probing { tasks, stop: Some(stop) }
    }

    async fn probe(
        self,
        flow: Arc<ProbeFlow>,
        place: usize,
        first: Instant,
        book: Arc<Book>,
        mut stopped: watch::Receiver<()>,
    ) {
        let (flow, first) = match flow.announced_by {
            None => (flow, first),
            Some(announcing) => tokio::select! {
                biased;
                _ = stopped.changed() => return,
                source = self.net.arrivals().source(book.epoch(), announcing) => {
                    let to = SocketAddr::new(source.ip(), flow.to.port());
                    (Arc::new(ProbeFlow { to, ..ProbeFlow::clone(&flow) }), Instant::now())
                }
            },
        };
        let mut pacing = Pacing::new(flow.pace, first);
        let mut attempts = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                _ = stopped.changed() => return attempts.shutdown().await,
                Some(ended) = attempts.join_next() => {
                    let Attempt { number, began_us, took, outcome } = ended.unwrap_or_else(|panic| Attempt {
                        number: pacing.youngest(),
                        began_us: self.net.arrivals().clock().now_us(),
                        took: Duration::ZERO,
                        outcome: Outcome::ProbeError { message: panic.to_string() },
                    });
                    pacing.end(number, outcome.signal(), Instant::now());
                    book.enter(place, outcome, began_us, took);
                }
                () = sleep_until(pacing.due()), if attempts.len() < pacing.at_once() => {
                    let number = pacing.begin(Instant::now());
                    attempts.spawn(self.clone().attempt(Arc::clone(&flow), book.epoch(), number));
                }
            }
        }
    }

    async fn attempt(self, flow: Arc<ProbeFlow>, epoch: u32, number: u64) -> Attempt {
        let _permit = self.permits.acquire().await;
        // Before anything is sent, and after all waiting: what began after a change was sent after it.
        let (began_us, began) = (self.net.arrivals().clock().now_us(), Instant::now());
        let outcome = self.net.attempt(&flow, epoch).await;
        Attempt { number, began_us, took: began.elapsed(), outcome }
    }
}
