//! `papertiger cleanup`.

use super::run::runtime;
use crate::cli::{CleanupSettings, RunChoice};
use crate::exit::ExitStatus;
use crate::report::write_stdout;
use crate::target::cluster::{Connection, Remains, remains, remove_run};
use anyhow::anyhow;
use jiff::Timestamp;

pub(super) fn run(settings: CleanupSettings) -> anyhow::Result<ExitStatus> {
    let CleanupSettings { access, namespaces: given, runs } = settings;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let connection = Connection::open(&access).await?;
        let found = remains(&connection, given.as_ref()).await?;
        if let RunChoice::One(run) = &runs
            && !found.iter().any(|remains| remains.run == *run)
        {
            write_stdout(&format!("run {run} has left nothing in {}\n", connection.server))?;
            return Ok(ExitStatus::Enforced);
        }
        if found.is_empty() {
            write_stdout(&format!("no run has left anything in {}\n", connection.server))?;
        }
        // Given namespaces stay.
        let what = if given.is_some() { "everything in " } else { "" };
        let now = Timestamp::now();
        let mut stuck = Vec::new();
        for remains in found {
            let Remains { run, namespaces, expires } = remains;
            let names = namespaces.join(", ");
            let chosen = match &runs {
                RunChoice::All => true,
                RunChoice::One(chosen) => *chosen == run,
                RunChoice::Expired => expires.is_none_or(|expires| expires < now),
            };
            if chosen {
                match remove_run(&connection, given.as_ref(), &run).await {
                    Ok(()) => write_stdout(&format!("run {run}: removed {what}{names}\n"))?,
                    // What else there is can still go.
                    Err(error) => stuck.push(error.to_string()),
                }
            } else if let (RunChoice::Expired, Some(expires)) = (&runs, expires) {
                write_stdout(&format!(
                    "run {run}: left {names}; it may be at work until {expires} (--run {run} removes it now)\n"
                ))?;
            }
        }
        if stuck.is_empty() { Ok(ExitStatus::Enforced) } else { Err(anyhow!(stuck.join("\n"))) }
    });
    runtime.shutdown_background();
    result
}
