//! The streaks of an epoch, from the attempts that make them to the reports that carry them.
//!
//! Attempts overlap, so a younger one may end first. A streak is a run of equal outcomes in the order in which the
//! attempts *ended*; its times are the earliest and the latest *beginning* among them. Around a change of the network the
//! times of neighbouring streaks therefore overlap by up to one deadline.

use crate::core::model::observation::{Outcome, Streak};
use crate::core::wire::FlowStreak;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long changes are gathered before they are reported.
const BATCH: Duration = Duration::from_millis(20);

/// A streak that merely grows is reported this often.
const GROWTH: Duration = Duration::from_millis(50);

/// Ended streaks are kept for a controller that comes back, up to this many; a missing number tells it of the rest.
const KEPT: usize = 16 * 1024;

/// Streaks of one epoch.
#[derive(Debug)]
pub(crate) struct Book {
    epoch: u32,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    current: Vec<Current>,
    told: VecDeque<FlowStreak>,
    untold: VecDeque<FlowStreak>,
    news: Option<Instant>,
    growth: Option<Instant>,
    growth_told: Option<Instant>,
}

#[derive(Debug)]
struct Current {
    flow: u32,
    index: u32,
    streak: Option<Streak>,
    slowest_ms: u32,
    told: u32,
}

impl Book {
    /// An empty book for these flows; the attempts name a flow by its place in the list.
    pub(crate) fn new(epoch: u32, flows: impl Iterator<Item = u32>) -> Self {
        let current = flows.map(|flow| Current { flow, index: 0, streak: None, slowest_ms: 0, told: 0 }).collect();
        Self { epoch, state: Mutex::new(State { current, ..State::default() }), changed: Notify::new() }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// An attempt of the flow at `place` has ended.
    pub(crate) fn enter(&self, place: usize, outcome: Outcome, began_us: u64, took: Duration) {
        let mut state = self.lock();
        let before = state.due();
        state.enter(place, outcome, began_us, u32::try_from(took.as_millis()).unwrap_or(u32::MAX));
        if state.due() != before {
            self.changed.notify_one();
        }
    }

    /// When the next report is due; `None` while there is nothing to tell.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.lock().due()
    }

    /// Resolves when [`Book::due`] has changed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What is due: new streaks, and grown ones when it is their time.
    pub(crate) fn take(&self) -> Vec<FlowStreak> {
        let mut state = self.lock();
        let with_growth = state.growth_due().is_some_and(|due| due <= Instant::now());
        state.take(with_growth)
    }

    /// Everything that was not told yet.
    pub(crate) fn take_all(&self) -> Vec<FlowStreak> {
        self.lock().take(true)
    }

    /// A new controller knows nothing: everything that is remembered shall be told again.
    pub(crate) fn tell_again(&self) {
        let mut state = self.lock();
        let state = &mut *state;
        state.told.append(&mut state.untold);
        std::mem::swap(&mut state.told, &mut state.untold);
        for current in &mut state.current {
            current.told = 0;
        }
        state.news = Some(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, place: usize, outcome: Outcome, began_us: u64, took_ms: u32) {
        let Some(current) = self.current.get_mut(place) else {
            return;
        };
        match &mut current.streak {
            Some(streak) if streak.outcome == outcome => {
                streak.count = streak.count.saturating_add(1);
                streak.first_us = streak.first_us.min(began_us);
                streak.last_us = streak.last_us.max(began_us);
                current.slowest_ms = current.slowest_ms.max(took_ms);
                self.growth.get_or_insert_with(Instant::now);
            }
            former => {
                let streak = Streak { outcome, count: 1, first_us: began_us, last_us: began_us };
                if let Some(ended) = former.replace(streak) {
                    let told = current.told == ended.count;
                    let (flow, index, slowest_ms) = (current.flow, current.index, current.slowest_ms);
                    let ended = FlowStreak { flow, index, streak: ended, slowest_ms };
                    current.index += 1;
                    current.told = 0;
                    let kept = if told { &mut self.told } else { &mut self.untold };
                    keep(kept, ended);
                }
                current.slowest_ms = took_ms;
                self.news.get_or_insert_with(Instant::now);
            }
        }
    }

    fn growth_due(&self) -> Option<Instant> {
        let since = self.growth? + BATCH;
        Some(self.growth_told.map_or(since, |told| since.max(told + GROWTH)))
    }

    fn due(&self) -> Option<Instant> {
        let news = self.news.map(|since| since + BATCH);
        news.into_iter().chain(self.growth_due()).min()
    }

    fn take(&mut self, with_growth: bool) -> Vec<FlowStreak> {
        self.news = None;
        if with_growth {
            self.growth = None;
            self.growth_told = Some(Instant::now());
        }
        let mut streaks: Vec<FlowStreak> = self.untold.drain(..).collect();
        for ended in &streaks {
            keep(&mut self.told, ended.clone());
        }
        for current in &mut self.current {
            if let Some(streak) = &current.streak
                && streak.count > current.told
                && (with_growth || current.told == 0)
            {
                current.told = streak.count;
                let (flow, index, slowest_ms) = (current.flow, current.index, current.slowest_ms);
                streaks.push(FlowStreak { flow, index, streak: streak.clone(), slowest_ms });
            }
        }
        streaks
    }
}

fn keep(kept: &mut VecDeque<FlowStreak>, streak: FlowStreak) {
    if kept.len() >= KEPT {
        kept.pop_front();
    }
    kept.push_back(streak);
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Refused, TimedOut};

    /// How long the attempts of these tests take.
    const SOON: Duration = Duration::from_millis(1);

    fn counts(streaks: &[FlowStreak]) -> Vec<(u32, u32, u32)> {
        streaks.iter().map(|s| (s.flow, s.index, s.streak.count)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn news_come_soon_and_growth_comes_rarely() {
        let book = Book::new(1, [7].into_iter());
        let begin = Instant::now();
        assert!(book.due().is_none());
        book.enter(0, Refused, 10, SOON);
        assert_eq!(book.due(), Some(begin + BATCH));
        tokio::time::advance(BATCH).await;
        assert_eq!(counts(&book.take()), [(7, 0, 1)]);
        book.enter(0, Refused, 20, SOON);
        assert_eq!(book.due(), Some(begin + BATCH * 2), "nothing has grown before");
        tokio::time::advance(BATCH).await;
        assert_eq!(counts(&book.take()), [(7, 0, 2)]);
        book.enter(0, Refused, 30, SOON);
        assert_eq!(book.due(), Some(begin + BATCH * 2 + GROWTH));
        book.enter(0, TimedOut, 25, SOON);
        assert_eq!(book.due(), Some(begin + BATCH * 3), "a new streak does not wait for growth");
        tokio::time::advance(BATCH).await;
        assert_eq!(counts(&book.take()), [(7, 0, 3), (7, 1, 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn times_are_the_earliest_and_the_latest_beginning() {
        let book = Book::new(1, [7].into_iter());
        for began_us in [20, 10, 30, 25] {
            book.enter(0, TimedOut, began_us, SOON);
        }
        let told = book.take_all();
        assert_eq!((told[0].streak.first_us, told[0].streak.last_us, told[0].streak.count), (10, 30, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_attempt_of_each_streak_is_told() {
        let book = Book::new(1, [7].into_iter());
        for (outcome, took_ms) in [(Refused, 20), (Refused, 70), (Refused, 30), (TimedOut, 250), (Refused, 10)] {
            book.enter(0, outcome, 1, Duration::from_millis(took_ms));
        }
        assert_eq!(book.take_all().iter().map(|streak| streak.slowest_ms).collect::<Vec<_>>(), [70, 250, 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_controller_hears_everything_again_in_order() {
        let book = Book::new(1, [7, 8].into_iter());
        book.enter(0, Refused, 1, SOON);
        assert_eq!(book.take_all().len(), 1);
        book.enter(0, TimedOut, 2, SOON);
        book.enter(0, Refused, 3, SOON);
        book.enter(1, Refused, 3, SOON);
        book.tell_again();
        assert_eq!(counts(&book.take_all()), [(7, 0, 1), (7, 1, 1), (7, 2, 1), (8, 0, 1)]);
        assert!(book.take_all().is_empty());
    }
}
