//! `papertiger version`.

use crate::carried::{self, Arch};
use crate::cli::version::VersionArgs;
use crate::core::event;
use crate::exit::ExitStatus;
use crate::report::{Form, json, write_stdout};

pub(super) fn run(args: VersionArgs) -> anyhow::Result<ExitStatus> {
    let version = env!("CARGO_PKG_VERSION");
    let agents: Vec<Arch> = carried::agents().iter().map(|agent| agent.arch).collect();
    write_stdout(&match args.form() {
        Form::Pretty => format!("papertiger {version}\nagents carried: {}\n", carried(&agents)),
        Form::Json => {
            let agents: Vec<_> = agents.iter().map(|arch| arch.name()).collect();
            let schemas = serde_json::json!({ "report": json::SCHEMA, "events": event::SCHEMA });
            format!("{:#}\n", serde_json::json!({ "version": version, "agents": agents, "schemas": schemas }))
        }
    })?;
    Ok(ExitStatus::Enforced)
}

fn carried(agents: &[Arch]) -> String {
    if agents.is_empty() {
        return format!("none; for clusters {}", carried::way_out(&Arch::ALL));
    }
    carried::list(agents)
}
