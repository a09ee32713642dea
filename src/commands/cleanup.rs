//! `papertiger cleanup`.

use super::run::runtime;
use crate::cli::{CleanupSettings, RunChoice};
use crate::exit::ExitStatus;
use crate::report::write_stdout;
use crate::target::cluster::{Connection, Remains, remains, remove_run};
use jiff::Timestamp;

pub(super) fn run(settings: CleanupSettings) -> anyhow::Result<ExitStatus> {
    let CleanupSettings { access, runs } = settings;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let connection = Connection::open(&access).await?;
        let found = remains(&connection).await?;
        if let RunChoice::One(run) = &runs
            && !found.iter().any(|remains| remains.run == *run)
        {
            write_stdout(&format!("run {run} has left nothing in {}\n", connection.server))?;
            return Ok(ExitStatus::Enforced);
        }
        if found.is_empty() {
            write_stdout(&format!("no run has left anything in {}\n", connection.server))?;
        }
        let now = Timestamp::now();
        for remains in found {
            let Remains { run, namespaces, expires } = remains;
            let names = namespaces.join(", ");
            let chosen = match &runs {
                RunChoice::All => true,
                RunChoice::One(chosen) => *chosen == run,
                RunChoice::Expired => expires.is_none_or(|expires| expires < now),
            };
            if chosen {
                remove_run(&connection, &run).await?;
                write_stdout(&format!("run {run}: removed {names}\n"))?;
            } else if let (RunChoice::Expired, Some(expires)) = (&runs, expires) {
                write_stdout(&format!(
                    "run {run}: left {names}; it may be at work until {expires} (--run {run} removes it now)\n"
                ))?;
            }
        }
        Ok(ExitStatus::Enforced)
    });
    runtime.shutdown_background();
    result
}
