//! When a flow of a phase is tried, and tried again.

use super::budget::LongestPause;
use super::clock::micros;
use super::phase::Goal;
use super::settings::{BLOCKED_PACE, OPEN_PACE};
use crate::core::event::Cell;
use crate::core::oracle::Answer;
use crate::core::verdict::seen::LOSS_SAMPLE;
use crate::core::wire::Pace;
use std::time::Duration;

/// From one attempt to the next on what connects.
const BRISK: Duration = Duration::from_millis(100);

/// From one attempt to the next on what gets through and is about to be blocked. The hold begins with the first attempt after
/// that, and each before it is remembered by the nodes.
const TURNING_PACE: Duration = Duration::from_millis(100);

/// So many attempts in a row get through at that pace before they are believed to go on doing so.
const TURNING: u32 = 9;

/// From one attempt to the next while it is awaited that a flow turns, where that is timed.
const CLOSE_PACE: Duration = Duration::from_millis(40);

/// So many attempts are made at that pace; longer latencies need not be known as closely.
const CLOSE_ATTEMPTS: u32 = 150;

/// What the pace of a phase's flows follows from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tempo {
    pub(super) goal: Goal,
    /// When an attempt is given up.
    pub(super) deadline: Duration,
    pub(super) longest: LongestPause,
    /// How long what is wrong may take to come right.
    pub(super) patience: Duration,
    pub(super) hold: Duration,
    pub(super) hold_attempts: u32,
}

impl Tempo {
    pub(super) fn pace(&self, cell: &Cell) -> Pace {
        let Self { goal, deadline, longest, patience, hold, hold_attempts } = *self;
        // The attempts that a denial takes fill the hold; more would prove nothing more.
        let denied = BLOCKED_PACE.max(hold / hold_attempts.max(1));
        let (through, through_max) = match (goal, cell.expected) {
            (Goal::Timed, Answer::Deny | Answer::Undefined(_)) => (CLOSE_PACE, longest.through),
            // How many attempts get lost is part of the answer, so that there must be some, however long they have.
            (Goal::Baseline, _) => (2 * BRISK, patience / 10),
            // What must be blocked gets through until the change has taken effect, which is not to be waited for longer
            // than it takes.
            (Goal::Step, Answer::Deny) => (TURNING_PACE, longest.through),
            (Goal::Step, Answer::Undefined(_)) => (BRISK, longest.through),
            // After a removal what is open has shown all it had to, and waits for what is not.
            (Goal::Removal, _) => (longest.through, longest.through),
            // One success now and one before a hold of a second is over, early enough to see it fail.
            (Goal::Step | Goal::Timed, Answer::Allow) | (Goal::Alone, _) => (9 * BRISK, longest.through.max(9 * BRISK)),
        };
        let (blocked, blocked_max) = match (goal, cell.expected) {
            (Goal::Baseline, _) => (OPEN_PACE, patience / 10),
            (Goal::Timed, Answer::Allow) => (CLOSE_PACE, longest.overblocked),
            (Goal::Step | Goal::Removal | Goal::Alone, Answer::Allow) => (OPEN_PACE, longest.overblocked),
            (Goal::Step | Goal::Timed | Goal::Removal | Goal::Alone, Answer::Deny | Answer::Undefined(_)) => {
                (denied, longest.denied.max(denied))
            }
        };
        Pace {
            deadline_ms: wire_ms(deadline),
            blocked_ms: wire_ms(blocked),
            blocked_attempts: match (goal, cell.expected) {
                (Goal::Timed, Answer::Allow) => CLOSE_ATTEMPTS,
                (Goal::Timed, Answer::Deny | Answer::Undefined(_))
                | (Goal::Baseline | Goal::Step | Goal::Removal | Goal::Alone, _) => hold_attempts,
            },
            blocked_max_ms: wire_ms(blocked_max),
            through_ms: wire_ms(through),
            through_attempts: match (goal, cell.expected) {
                (Goal::Timed, Answer::Deny | Answer::Undefined(_)) => CLOSE_ATTEMPTS,
                // What was not there from the beginning has shown soon enough that nothing of it gets lost.
                (Goal::Baseline, _) => LOSS_SAMPLE,
                (Goal::Step, Answer::Deny) => TURNING,
                (Goal::Step, Answer::Allow | Answer::Undefined(_))
                | (Goal::Timed, Answer::Allow)
                | (Goal::Removal | Goal::Alone, _) => 1,
            },
            through_max_ms: wire_ms(through_max),
        }
    }
}

pub(super) fn wire_ms(duration: Duration) -> u32 {
    u32::try_from(micros(duration) / 1_000).unwrap_or(u32::MAX)
}
