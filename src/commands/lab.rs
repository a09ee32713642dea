//! `papertiger lab`.

use super::run::{Prepared, interrupts, prepare, runtime, watch};
use crate::cli::{LabSettings, UsageError};
use crate::core::catalogue::Blueprint;
use crate::core::fault::{Fault, FaultAt};
use crate::exit::ExitStatus;
use crate::report::{Reporters, write_stdout};
use crate::target::lab::{LabOptions, LabTarget, enter};

/// Lanes for each processor: a lane mostly waits, for answers that must not come.
const LANES_PER_CPU: usize = 6;

/// More lanes than this only make each other wait.
const MOST_LANES: usize = 12;

pub(super) fn run(settings: LabSettings) -> anyhow::Result<ExitStatus> {
    let LabSettings { run, size, faults, delay, start_up } = settings;
    if faults.iter().any(|fault| fault == "list") {
        write_stdout(&list_faults())?;
        return Ok(ExitStatus::Enforced);
    }
    let faults = faults
        .iter()
        .map(|fault| fault.parse::<FaultAt>().map_err(|error| UsageError::new(format!("--fault: {error}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let host_probes = run.host_probes;
    let Prepared { mut job, gate, outputs, lanes } = prepare(run, faults.iter().map(ToString::to_string).collect())?;
    job.settings.lanes = lanes.unwrap_or_else(default_lanes);
    let reporters = Reporters::open(&outputs)?;

    // Before there is a runtime: namespaces are given to processes with a single thread.
    enter()?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let interrupts = interrupts()?;
        let blueprint = Blueprint::embedded();
        let options = LabOptions::new(move |suffix| blueprint.world(suffix))?;
        let options = LabOptions { nodes: size, faults, delay, start_up, host_probes, ..options };
        watch(LabTarget::new(options)?, job, reporters, gate, interrupts).await
    });
    runtime.shutdown_background();
    result
}

fn list_faults() -> String {
    let mut text = String::from("Faults of the lab (NAME, or NAME@SCOPE for a part of the network):\n\n");
    for fault in Fault::ALL {
        text.push_str(&format!("  {:<26} {}\n", fault.name(), fault.description()));
    }
    text.push_str(
        "\nScopes: node=NAME, within=NAME, family=ipv4|ipv6, protocol=tcp|udp|sctp,\n        path=pod-ip|cluster-ip, placement=same-node|cross-node|outside\n",
    );
    text
}

fn default_lanes() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors * LANES_PER_CPU).min(MOST_LANES)
}
