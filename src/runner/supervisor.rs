//! The run as one task, and the one place that sees how it ends: by itself, by a signal, by its timeout or by a panic.
//! Whatever the end, the target is cleaned up once, with a deadline of its own.

use super::budget::Budget;
use super::clock::Clock;
use super::lane::{self, LaneError, Shared};
use super::settings::Settings;
use crate::core::catalogue::Case;
use crate::core::event::{Event, RunEnd, RunEvent, RunStarted, SCHEMA};
use crate::target::{Alert, Target};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

/// A standstill that a reader of the report is told of.
const TOLD: Duration = Duration::from_secs(5);

/// How long cleaning up may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(90);

/// A request to end the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C.
    Sigint,
    /// `kill`.
    Sigterm,
}

impl Interrupt {
    fn name(self) -> &'static str {
        match self {
            Self::Sigint => "SIGINT",
            Self::Sigterm => "SIGTERM",
        }
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// The run's id: 6 lower-case letters and digits.
    pub run: String,
    /// The secret that its agents ask for.
    pub token: String,
    /// When it began, by the wall clock (RFC 3339, UTC).
    pub started_at: String,
    /// The cases.
    pub cases: Vec<Case>,
    /// How.
    pub settings: Settings,
}

/// Runs a job on a target and cleans the target up. Everything that happens goes to `events`, the end last. A second
/// interrupt ends the cleaning too.
pub async fn run<T: Target>(
    target: T,
    job: Job,
    events: mpsc::UnboundedSender<RunEvent>,
    mut interrupts: mpsc::Receiver<Interrupt>,
) {
    let clock = Clock::start();
    // Nobody listens any more only when the process is about to end.
    let emit = |event| drop(events.send(RunEvent { at_us: clock.now_us(), event }));
    let Job { run, token, started_at, cases, settings } = job;
    let (timeout, nodes) = (settings.timeout, target.nodes());
    let order: Vec<String> = cases.iter().map(|case| case.id.clone()).collect();
    let tasks = lane::schedule(cases, nodes.len(), &settings, T::OPENING);
    emit(Event::RunStarted(RunStarted {
        schema: SCHEMA.to_owned(),
        run: run.clone(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        target: target.kind().to_owned(),
        nodes,
        untested: target.untested(),
        started_at,
        settings: settings.recorded(),
        cases: lane::ids(&tasks, &order),
    }));

    let budget = Budget::new(target.tracking());
    let target = Arc::new(target);
    let shared = Arc::new(Shared::new(settings, tasks, run, token, clock, budget, events.clone()));
    let (resumed, standstill) = (Arc::clone(&shared.resumed), Arc::clone(&shared.standstill));
    let mut alerts = target.alerts();
    let mut work = tokio::spawn(all_lanes(Arc::clone(&target), Arc::clone(&shared)));
    let deadline = tokio::time::sleep(timeout);
    tokio::pin!(deadline);
    let end = loop {
        tokio::select! {
            // What a target found out before the work ended belongs to the run.
            biased;
            Some(alert) = next(&mut alerts) => shared.hear(alert),
            ended = &mut work => break match ended {
                Ok(Ok(())) => RunEnd::Completed,
                Ok(Err(error)) => RunEnd::Failed { message: error.to_string() },
                Err(panic) => RunEnd::Failed { message: panicked(panic) },
            },
            Some(interrupt) = interrupts.recv() => break RunEnd::Interrupted { signal: interrupt.name().to_owned() },
            () = &mut deadline => break RunEnd::TimedOut,
        }
    };
    work.abort();
    // Lanes end with their task; only then is nothing being created any more.
    if !work.is_finished() {
        let _ = (&mut work).await;
    }

    match resumed.load(Ordering::Relaxed) {
        0 => {}
        1 => emit(Event::Note { text: "a control stream was cut and resumed".to_owned() }),
        cuts => emit(Event::Note { text: format!("control streams were cut {cuts} times and resumed") }),
    }
    let standstill = Duration::from_micros(standstill.load(Ordering::Relaxed));
    if standstill >= TOLD {
        let text = format!(
            "papertiger was not let run for up to {:.1} s at a time: such time counts against nobody, but a less busy machine \
             shows more",
            standstill.as_secs_f64()
        );
        emit(Event::Note { text });
    }

    tokio::select! {
        closed = tokio::time::timeout(CLOSE_DEADLINE, target.close()) => match closed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => emit(Event::Note { text: format!("not everything was cleaned up: {error}") }),
            Err(_) => emit(Event::Note {
                text: format!("not everything was cleaned up within {} s", CLOSE_DEADLINE.as_secs()),
            }),
        },
        Some(_) = interrupts.recv() => {
            emit(Event::Note { text: "cleaning up was interrupted: something may be left".to_owned() });
        }
    }
    // Its last words.
    while let Some(Ok(alert)) = alerts.as_mut().map(|alerts| alerts.try_recv()) {
        shared.hear(alert);
    }
    emit(Event::RunEnded { end });
}

/// The next alert; never, where no more can come.
async fn next(alerts: &mut Option<mpsc::UnboundedReceiver<Alert>>) -> Option<Alert> {
    match alerts {
        Some(alerts) => alerts.recv().await,
        None => std::future::pending().await,
    }
}

async fn all_lanes<T: Target>(target: Arc<T>, shared: Arc<Shared>) -> Result<(), LaneError> {
    let mut workers = JoinSet::new();
    for _ in 0..shared.workers() {
        workers.spawn(lane::work(Arc::clone(&target), Arc::clone(&shared)));
    }
    while let Some(ended) = workers.join_next().await {
        match ended {
            Ok(result) => result?,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Ok(()),
            },
        }
    }
    Ok(())
}

fn panicked(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            format!("papertiger itself failed (a bug; please report it): {text}")
        }
        Err(error) => error.to_string(),
    }
}
