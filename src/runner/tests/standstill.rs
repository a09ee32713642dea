//! A machine that stands still, again and again.

use super::{all_cases, run_beside, settings, story, terms};
use crate::core::event::{Event, RunEvent};
use crate::core::verdict::Verdict;
use crate::runner::Settings;
use crate::target::sim::{SimOptions, SimTarget};
use std::time::Duration;
use tokio::time::{advance, sleep};

/// For longer than a step may take, and so soon again that it happens in every step.
const STILL: Duration = Duration::from_secs(6);
const BETWEEN: Duration = Duration::from_millis(300);

/// Time passes, and nobody who could use it is let run.
async fn stands_still() {
    loop {
        sleep(BETWEEN).await;
        advance(STILL).await;
    }
}

/// The engine is let run no more than whoever waits for it.
#[test]
fn time_in_which_nobody_ran_is_nobodys_patience() {
    let cases = || all_cases().into_iter().filter(|case| case.id == "default-deny-ingress").collect();
    let options = || SimOptions { delay: STILL + Duration::from_millis(500), ..SimOptions::default() };
    let impatient = Settings { settle: Duration::from_secs(3), ..settings(7) };
    let (result, events) = run_beside(stands_still(), SimTarget::new(options()), cases(), impatient.clone());
    let wrong = terms(&result, Verdict::is_failure);
    assert!(wrong.is_empty(), "{}", story(&result));
    let told = |event: &RunEvent| matches!(&event.event, Event::Note { text } if text.contains("was not let run for"));
    assert!(events.iter().any(told), "{:?}", result.notes);

    // An engine that is as late on a machine that runs all the time has no excuse.
    let (result, events) = run_beside(std::future::pending(), SimTarget::new(options()), cases(), impatient);
    assert!(!terms(&result, Verdict::is_failure).is_empty(), "{}", story(&result));
    assert!(!events.iter().any(told), "{:?}", result.notes);
}
