//! What `lab` and `verify` have in common: from settings to a job, and from a job's events to reports and an exit code.

use super::catalogue;
use crate::cli::{Gate, RunSettings};
use crate::core::event::RunEvent;
use crate::core::verdict::judge;
use crate::exit::ExitStatus;
use crate::report::{Outputs, Reporters};
use crate::runner::{self, Interrupt, Job, Settings};
use crate::target::Target;
use anyhow::Context;
use jiff::Timestamp;
use std::fs::File;
use std::io::Read;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Blocked attempts that a denied flow must show during the hold.
const HOLD_ATTEMPTS: u32 = 20;

/// Test hook: names a case at whose start the runner panics, to show that a bug leaves nothing behind either.
const PANIC_VARIABLE: &str = "PAPERTIGER_TEST_PANIC";

/// A run that is ready to begin, and what is to become of its result.
pub(super) struct Prepared {
    pub(super) job: Job,
    pub(super) gate: Gate,
    pub(super) outputs: Outputs,
    /// How many lanes the user wants.
    pub(super) lanes: Option<usize>,
}

/// Reads the cases and draws what is drawn.
pub(super) fn prepare(settings: RunSettings, faults: Vec<String>) -> anyhow::Result<Prepared> {
    let RunSettings {
        profile,
        cases,
        case_dir,
        host_probes,
        settle,
        hold,
        budget,
        watch,
        timeout,
        lanes,
        seed,
        gate,
        outputs,
    } = settings;
    let catalogue = catalogue::load(case_dir.as_deref())?;
    let mut cases = catalogue::select(&catalogue, &cases, Some(profile), host_probes)?;
    if watch.is_some() && !cases.iter().any(|case| case.canary) {
        cases.extend(catalogue.cases().iter().filter(|case| case.canary).cloned());
    }
    let job = Job {
        run: random_name(),
        token: random_token().context("cannot draw a secret for the agents")?,
        started_at: Timestamp::now().round(jiff::Unit::Second)?.to_string(),
        cases,
        settings: Settings {
            profile: profile.name().to_owned(),
            settle,
            hold,
            hold_attempts: HOLD_ATTEMPTS,
            canary: watch.unwrap_or_default(),
            churn: watch.is_some(),
            budget,
            timeout,
            lanes: lanes.unwrap_or(1),
            seed: seed.unwrap_or_else(|| u64::from(fastrand::u32(..))),
            faults,
            panic_in: std::env::var(PANIC_VARIABLE).ok(),
        },
    };
    Ok(Prepared { job, gate, outputs, lanes })
}

/// The runtime of a command. Not before the lab has entered its namespaces.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

/// Runs a job while its events are reported and signals are heeded.
pub(super) async fn watch<T: Target>(
    target: T,
    job: Job,
    mut reporters: Reporters,
    gate: Gate,
    interrupts: mpsc::Receiver<Interrupt>,
) -> anyhow::Result<ExitStatus> {
    let (sender, mut events) = mpsc::unbounded_channel::<RunEvent>();
    let running = tokio::spawn(runner::run(target, job, sender, interrupts));
    let mut log = Vec::new();
    while let Some(event) = events.recv().await {
        reporters.event(&event);
        log.push(event);
    }
    running.await.context("the run broke off")?;
    let result = judge(&log)?;
    reporters.finish(&result).await?;
    let Gate { expect, fail_on } = gate;
    Ok(ExitStatus::of(&result, expect, &fail_on))
}

/// SIGINT and SIGTERM, as they come.
pub(super) fn interrupts() -> anyhow::Result<mpsc::Receiver<Interrupt>> {
    let (sender, interrupts) = mpsc::channel(4);
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let (mut sigint, mut sigterm) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::spawn(async move {
        loop {
            let interrupt = tokio::select! {
                _ = sigint.recv() => Interrupt::Sigint,
                _ = sigterm.recv() => Interrupt::Sigterm,
            };
            if sender.send(interrupt).await.is_err() {
                return;
            }
        }
    });
    Ok(interrupts)
}

/// A run's id. It keeps runs apart; it is no secret.
fn random_name() -> String {
    std::iter::repeat_with(|| fastrand::alphanumeric().to_ascii_lowercase()).take(6).collect()
}

fn random_token() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
