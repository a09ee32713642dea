//! `papertiger cleanup`.

use super::access::AccessArgs;
use super::settings::{CleanupSettings, RunChoice};
use crate::target::cluster::GivenNamespaces;
use clap::builder::BoolishValueParser;

const AFTER: &str = "\
Only namespaces that carry the label of a run are looked at, or, with
--namespaces, what carries it in these. Without --run or
--all only those of runs that have expired are removed: a run that is at work
stays undisturbed.

Exit codes:
  0    what was asked for is gone
  4    something is left";

/// Removes what broken-off runs have left in a cluster.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct CleanupArgs {
    #[command(flatten)]
    access: AccessArgs,
    /// In these namespaces, which stay: those that `verify --namespaces` was given
    #[arg(long, value_name = "X,Y,Z", env = "PAPERTIGER_NAMESPACES", hide_env = true)]
    namespaces: Option<GivenNamespaces>,
    /// Of this run, whether or not it has expired
    #[arg(long, value_name = "ID", env = "PAPERTIGER_RUN", hide_env = true, conflicts_with = "all")]
    run: Option<String>,
    /// Of every run, those at work among them
    #[arg(long, env = "PAPERTIGER_ALL", hide_env = true, value_parser = BoolishValueParser::new())]
    all: bool,
}

impl CleanupArgs {
    /// What is to be removed.
    pub fn into_settings(self) -> CleanupSettings {
        let Self { access, namespaces, run, all } = self;
        let runs = match (run, all) {
            (Some(run), _) => RunChoice::One(run),
            (None, true) => RunChoice::All,
            (None, false) => RunChoice::Expired,
        };
        CleanupSettings { access: access.into_settings(), namespaces, runs }
    }
}
