//! `papertiger verify`.

use super::run::{Prepared, interrupts, prepare, runtime, watch};
use crate::cli::{Profile, VerifySettings};
use crate::exit::ExitStatus;
use crate::report::{Reporters, write_stdout};
use crate::runner::{ENTRIES_PER_NODE, Interrupt, Job};
use crate::target::cluster::{ClusterOptions, ClusterTarget, Connection};
use jiff::{SignedDuration, Timestamp};
use std::io::{self, Write};
use std::time::Duration;

/// How long a run's objects may stay in use after its timeout.
const GRACE: Duration = Duration::from_secs(10 * 60);

/// How long the canary's policies stay in force at least: engines reconcile their rules every 30 s, and a rule that is lost
/// then would not be missed sooner.
const CANARY: Duration = Duration::from_secs(35);

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

/// More lanes than this only make each other wait: what bounds a run is the engine's convergence and the hold.
const MOST_LANES: usize = 5;

pub(super) fn run(settings: VerifySettings) -> anyhow::Result<ExitStatus> {
    let VerifySettings { run, access, nodes, tolerate, image, pull_secret, namespaces, keep, dry_run } = settings;
    let (timeout, profile, host_probes, seed) = (run.timeout, run.profile, run.host_probes, run.seed);
    let Prepared { mut job, gate, outputs, lanes } = prepare(run, Vec::new())?;
    let now = Timestamp::now().round(jiff::Unit::Second)?;
    let options = ClusterOptions {
        run: job.run.clone(),
        expires: now + SignedDuration::try_from(timeout + GRACE)?,
        nodes,
        tolerate,
        image,
        pull_secret,
        namespaces,
        keep,
        host_probes,
        every_node: job.cases.iter().any(|case| case.every_node),
        // Where --nodes asks for some, others have their turn every day.
        turn: seed.unwrap_or_else(|| u64::try_from(now.as_second() / SECONDS_OF_A_DAY).unwrap_or(0)),
    };
    // With -v progress says the same.
    let says_first = !outputs.quiet && outputs.verbose == 0;
    // A run whose report cannot be written does not begin; a dry run writes none.
    let reporters = if dry_run { None } else { Some(Reporters::open(&outputs)?) };
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let mut interrupts = interrupts()?;
        let survey = async {
            let connection = Connection::open(&access).await?;
            ClusterTarget::survey(connection, options).await
        };
        // Nothing has been created yet, so a signal needs no clean-up.
        let mut target = tokio::select! {
            target = survey => target?,
            Some(interrupt) = interrupts.recv() => return Ok(match interrupt {
                Interrupt::Sigint => ExitStatus::Interrupted,
                Interrupt::Sigterm => ExitStatus::Terminated,
            }),
        };
        job.settings.canary = job.settings.canary.max(match profile {
            Profile::Quick => Duration::ZERO,
            Profile::Standard | Profile::Full => CANARY,
        });
        job.settings.lanes = target.settle_on(lanes.unwrap_or(MOST_LANES));
        if let Some(text) = target.note_left_out(&job.cases)
            && says_first
        {
            // A closed stderr leaves nobody to tell.
            let _ = writeln!(io::stderr().lock(), "note: {text}");
        }
        match reporters {
            Some(reporters) => watch(target, job, reporters, gate, interrupts).await,
            None => print(&target, &job),
        }
    });
    runtime.shutdown_background();
    result
}

fn print(target: &ClusterTarget, job: &Job) -> anyhow::Result<ExitStatus> {
    let objects = target.dry_run(job.settings.lanes, &job.cases)?;
    write_stdout(&format!(
        "# What `papertiger verify` would create, on {} lanes. Nothing was created.\n\
         # Connection tracking: at most {ENTRIES_PER_NODE} entries alive on each node, from all lanes together.\n{objects}",
        job.settings.lanes
    ))?;
    Ok(ExitStatus::Enforced)
}
