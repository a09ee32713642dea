//! `papertiger version`.

use crate::cli::version::VersionArgs;
use crate::core::event;
use crate::exit::ExitStatus;
use crate::report::{Form, json, write_stdout};

pub(super) fn run(args: VersionArgs) -> anyhow::Result<ExitStatus> {
    let version = env!("CARGO_PKG_VERSION");
    write_stdout(&match args.form() {
        Form::Pretty => format!("papertiger {version}\n"),
        Form::Json => {
            let schemas = serde_json::json!({ "report": json::SCHEMA, "events": event::SCHEMA });
            format!("{:#}\n", serde_json::json!({ "version": version, "schemas": schemas }))
        }
    })?;
    Ok(ExitStatus::Enforced)
}
