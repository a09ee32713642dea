//! What users can type. Types for clap, and their conversion into settings; nothing here acts.

mod access;
pub mod agent;
pub mod cases;
pub mod cleanup;
pub mod completions;
pub mod diff;
pub mod image;
pub mod lab;
pub mod manifests;
mod output;
mod plugin;
pub mod report;
mod run;
mod settings;
mod values;
pub mod verify;
pub mod version;

pub use output::{Form, GateArgs, OutputArgs};
pub use plugin::{command, parse, says};
pub use settings::{
    CleanupSettings, Destination, Gate, ImagePushSettings, ImageSaveSettings, LabSettings, ManifestsSettings, Profile,
    RunChoice, RunSettings, UsageError, VerifySettings,
};

use clap::{Parser, Subcommand};

/// Finds NetworkPolicies that a cluster accepts and does not enforce, by sending real traffic.
#[derive(Debug, Parser)]
#[command(name = "papertiger", version, arg_required_else_help = true, subcommand_required = true)]
#[command(after_help = "Run `papertiger COMMAND --help` for examples, exit codes and all that a command can do.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prove which policies a cluster enforces, with probe pods of its own
    ///
    /// Known policies are applied to probe pods in scratch namespaces, real traffic is sent across what they must allow and
    /// must block, and everything is removed again.
    Verify(Box<verify::VerifyArgs>),
    /// Prove which policies the built-in lab enforces: real sockets, no root, no Kubernetes
    ///
    /// Nodes and pods are network namespaces on this machine, joined as in a real cluster; policies become packet filter
    /// rules. `--fault` makes the lab misread policies, to see that it is found out.
    Lab(Box<lab::LabArgs>),
    /// Render a recorded run again
    ///
    /// Reads the event log that `--record` wrote and judges it as the end of the run did, with the same
    /// report and the same exit code.
    Report(report::ReportArgs),
    /// Compare two runs: what got worse, better, new, gone
    ///
    /// For upgrades of a network plugin or a cluster, and for one cluster beside another. Terms are compared by their ids,
    /// which do not change.
    Diff(diff::DiffArgs),
    /// Remove what broken-off runs have left in a cluster
    Cleanup(cleanup::CleanupArgs),
    /// List or show the cases of the catalogue
    #[command(subcommand)]
    Cases(cases::CasesCommand),
    /// Save papertiger's own image as a file, or push it to a registry
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// Print a CronJob that runs papertiger, with the rights that it needs
    ///
    /// The objects of manifests/base, with your image, namespace and schedule. For kustomize take that directory.
    Manifests(manifests::ManifestsArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page (roff)
    Man,
    /// Print the version
    Version(version::VersionArgs),
    /// What runs beside every probe pod.
    #[command(hide = true, disable_help_flag = true)]
    Agent(agent::AgentArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_a_variable() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
                let id = arg.get_id().as_str();
                if ["help", "version"].contains(&id) {
                    continue;
                }
                let long = arg.get_long().unwrap_or_else(|| panic!("-{:?} has no long form", arg.get_short()));
                let variable = format!("PAPERTIGER_{}", long.to_uppercase().replace('-', "_"));
                assert_eq!(arg.get_env().and_then(|name| name.to_str()), Some(variable.as_str()), "--{long}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
