//! `papertiger lab`.

use super::catalogue;
use crate::cli::{Gate, LabSettings, UsageError};
use crate::core::catalogue::Blueprint;
use crate::core::event::RunEvent;
use crate::core::fault::{Fault, FaultAt};
use crate::core::verdict::judge;
use crate::exit::ExitStatus;
use crate::report::{Reporters, write_stdout};
use crate::runner::{self, Interrupt, Job, Settings};
use crate::target::lab::{LabOptions, LabTarget, enter};
use anyhow::Context;
use jiff::Timestamp;
use std::fs::File;
use std::io::Read;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Blocked attempts that a denied flow must show during the hold.
const HOLD_ATTEMPTS: u32 = 20;

/// Lanes for each processor: a lane mostly waits, for answers that must not come.
const LANES_PER_CPU: usize = 6;

/// More lanes than this only make each other wait.
const MOST_LANES: usize = 12;

/// Test hook: names a case at whose start the runner panics, to show that a bug leaves nothing behind either.
const PANIC_VARIABLE: &str = "PAPERTIGER_TEST_PANIC";

pub(super) fn run(settings: LabSettings) -> anyhow::Result<ExitStatus> {
    let LabSettings { profile, cases, case_dir, settle, hold, timeout, lanes, seed, size, faults, gate, outputs } =
        settings;
    if faults.iter().any(|fault| fault == "list") {
        write_stdout(&list_faults())?;
        return Ok(ExitStatus::Enforced);
    }
    let faults = faults
        .iter()
        .map(|fault| fault.parse::<FaultAt>().map_err(|error| UsageError::new(format!("--fault: {error}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let catalogue = catalogue::load(case_dir.as_deref())?;
    let cases = catalogue::select(&catalogue, &cases, Some(profile))?;
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
            canary: Duration::ZERO,
            timeout,
            lanes: lanes.unwrap_or_else(default_lanes),
            seed: seed.unwrap_or_else(|| u64::from(fastrand::u32(..))),
            faults: faults.iter().map(ToString::to_string).collect(),
            panic_in: std::env::var(PANIC_VARIABLE).ok(),
        },
    };
    let reporters = Reporters::open(&outputs)?;

    // Before there is a runtime: namespaces are given to processes with a single thread.
    enter()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let result = runtime.block_on(async {
        let blueprint = Blueprint::embedded();
        let options = LabOptions { nodes: size, faults, ..LabOptions::new(move |suffix| blueprint.world(suffix))? };
        watch(LabTarget::new(options)?, job, reporters, gate).await
    });
    runtime.shutdown_background();
    result
}

/// Runs a job while its events are reported and signals are heeded.
async fn watch(target: LabTarget, job: Job, mut reporters: Reporters, gate: Gate) -> anyhow::Result<ExitStatus> {
    let (sender, mut events) = mpsc::unbounded_channel::<RunEvent>();
    let interrupts = interrupts().context("cannot listen for signals")?;
    let running = tokio::spawn(runner::run(target, job, sender, interrupts));
    let mut log = Vec::new();
    while let Some(event) = events.recv().await {
        reporters.event(&event);
        log.push(event);
    }
    running.await.context("the run broke off")?;
    let result = judge(&log)?;
    reporters.finish(&result)?;
    let Gate { expect, fail_on } = gate;
    Ok(ExitStatus::of(&result, expect, &fail_on))
}

/// SIGINT and SIGTERM, as they come.
fn interrupts() -> std::io::Result<mpsc::Receiver<Interrupt>> {
    let (sender, interrupts) = mpsc::channel(4);
    let (mut sigint, mut sigterm) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
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

fn list_faults() -> String {
    let mut text = String::from("Faults of the lab (NAME, or NAME@SCOPE for a part of the network):\n\n");
    for fault in Fault::ALL {
        text.push_str(&format!("  {:<26} {}\n", fault.name(), fault.description()));
    }
    text.push_str(
        "\nScopes: node=NAME, family=ipv4|ipv6, protocol=tcp|udp, path=pod-ip|cluster-ip,\n        placement=same-node|cross-node|outside\n",
    );
    text
}

fn default_lanes() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors * LANES_PER_CPU).min(MOST_LANES)
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
