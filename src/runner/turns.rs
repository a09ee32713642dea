//! Who may probe when: lanes probe side by side, but what looked wrong is tried again while no lane does.

use std::sync::{Arc, Weak};
use tokio::sync::{Mutex, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, Semaphore, SemaphorePermit};

/// Flows that may be tried again at once. Several lanes share the quiet, but together they stay lighter than one lane.
const QUIET_FLOWS: u32 = 50;

/// The turns of a run's lanes.
#[derive(Debug)]
pub(super) struct Turns {
    lock: Arc<RwLock<()>>,
    quiet: Mutex<Weak<OwnedRwLockWriteGuard<()>>>,
    flows: Semaphore,
}

/// The quiet, until it is dropped.
#[derive(Debug)]
pub(super) struct Quiet<'a> {
    _guard: Arc<OwnedRwLockWriteGuard<()>>,
    _flows: SemaphorePermit<'a>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) enum Turn<'a> {
    /// Beside other lanes.
    Work { _guard: OwnedRwLockReadGuard<()> },
    /// While no lane works.
    Alone { _quiet: Quiet<'a> },
}

impl Default for Turns {
    fn default() -> Self {
        Self { lock: Arc::default(), quiet: Mutex::default(), flows: Semaphore::new(QUIET_FLOWS as usize) }
    }
}

impl Turns {
    /// A turn beside the other lanes.
    pub(super) async fn work(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.lock).read_owned().await
    }

    /// A turn for a phase, `alone` or beside the other lanes.
    pub(super) async fn turn(&self, alone: bool) -> Turn<'_> {
        if alone {
            Turn::Alone { _quiet: self.quiet(usize::MAX).await }
        } else {
            Turn::Work { _guard: self.work().await }
        }
    }

    /// A turn while no lane works, to try so many flows again.
    pub(super) async fn quiet(&self, flows: usize) -> Quiet<'_> {
        let flows = u32::try_from(flows).unwrap_or(QUIET_FLOWS).min(QUIET_FLOWS);
        // The semaphore lives as long as `self` and is never closed.
        let permit = self.flows.acquire_many(flows).await.expect("nobody closes it");
        let mut quiet = self.quiet.lock().await;
        let guard = match quiet.upgrade() {
            Some(guard) => guard,
            None => {
                let guard = Arc::new(Arc::clone(&self.lock).write_owned().await);
                *quiet = Arc::downgrade(&guard);
                guard
            }
        };
        Quiet { _guard: guard, _flows: permit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_quiet_waits_for_work_is_shared_and_keeps_work_out() {
        let turns = Arc::new(Turns::default());
        let work = turns.work().await;
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { drop(turns.quiet(5).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(work);
        waiting.await.unwrap();

        let (one, other) = (turns.quiet(20).await, turns.quiet(30).await);
        assert!(turns.lock.try_read().is_err(), "no lane may work now");
        assert_eq!(turns.flows.available_permits(), 0, "the quiet is full");
        drop((one, other));
        let _work = turns.work().await;
    }
}
