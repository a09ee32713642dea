//! `papertiger verify`.

use super::access::AccessArgs;
use super::run::RunArgs;
use super::settings::{RunSettings, UsageError, VerifySettings};
use crate::target::cluster::{GivenNamespaces, NodeChoice};
use clap::builder::BoolishValueParser;

const AFTER: &str = "\
Every flag has a variable: --fail-on is PAPERTIGER_FAIL_ON.

Examples:
  papertiger verify
  papertiger verify --profile quick --context staging
  papertiger verify --dry-run
  papertiger verify --expect ignored";

const AFTER_LONG: &str = "\
Every flag has a variable: --fail-on is PAPERTIGER_FAIL_ON. Of flags that can
be repeated it holds one value; of --tolerate and --fail-on a list, separated
by commas.

Everything that is created stands in namespaces of its own, `papertiger-…`, or
in those that --namespaces gives, carries the run's label and its expiry, and is
removed at the end. Nothing else in the cluster is changed, and nothing is
executed in a pod.

Examples:
  papertiger verify
      Every feature, on the cluster of the current context.
  papertiger verify --profile quick --context staging
      Only what fails most often, on another cluster.
  papertiger verify --dry-run
      Every object that would be created, as YAML.
  papertiger verify --expect ignored
      The negative control: passes because nothing is enforced.

Exit codes:
  0    every policy is enforced (with --expect ignored: none is)
  1    a policy is not enforced as written, or --fail-on names what was found
       (with --expect ignored: something is enforced)
  2    wrong usage
  3    inconclusive: nothing wrong was seen, and what was seen is no proof
  4    could not run (no cluster, no permission, no room, probe pods that do not
       start), or could not write what was asked for
  130  interrupted (SIGINT), after cleaning up
  143  terminated (SIGTERM), after cleaning up";

/// Proves which policies a cluster enforces.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER, after_long_help = AFTER_LONG)]
pub struct VerifyArgs {
    #[command(flatten)]
    access: AccessArgs,
    /// Which nodes: all, a number, or names separated by commas
    #[arg(long, value_name = "WHICH", default_value_t = NodeChoice::All, env = "PAPERTIGER_NODES", hide_env = true)]
    #[arg(help_heading = "Cluster")]
    nodes: NodeChoice,
    /// Use nodes with this taint too; can be repeated
    #[arg(long, value_name = "KEY[=VALUE][:EFFECT]", value_delimiter = ',', env = "PAPERTIGER_TOLERATE")]
    #[arg(hide_env = true, help_heading = "Cluster")]
    tolerate: Vec<String>,
    /// An image of papertiger for the probe pods [default: none is needed]
    #[arg(long, value_name = "REF", env = "PAPERTIGER_IMAGE", hide_env = true, help_heading = "Cluster")]
    image: Option<String>,
    /// A secret for pulling the image; it is copied for the run
    #[arg(long, value_name = "[NAMESPACE/]NAME", env = "PAPERTIGER_IMAGE_PULL_SECRET", hide_env = true)]
    #[arg(help_heading = "Cluster", requires = "image")]
    image_pull_secret: Option<String>,
    /// Three namespaces to work in, which hold nothing else [default: namespaces of its own]
    #[arg(long, value_name = "X,Y,Z", env = "PAPERTIGER_NAMESPACES", hide_env = true, help_heading = "Cluster")]
    namespaces: Option<GivenNamespaces>,
    /// Print every object that would be created, and create nothing
    #[arg(long, env = "PAPERTIGER_DRY_RUN", hide_env = true, value_parser = BoolishValueParser::new())]
    #[arg(help_heading = "Cluster")]
    dry_run: bool,
    /// Leave everything in the cluster at the end; `papertiger cleanup` removes it
    #[arg(long, env = "PAPERTIGER_KEEP", hide_env = true, value_parser = BoolishValueParser::new())]
    #[arg(help_heading = "Cluster")]
    keep: bool,

    #[command(flatten)]
    run: RunArgs,
}

impl VerifyArgs {
    /// What the run is told to do.
    pub fn into_settings(self) -> Result<VerifySettings, UsageError> {
        let Self { access, nodes, tolerate, image, image_pull_secret, namespaces, dry_run, keep, run } = self;
        let run = run.into_settings()?;
        if namespaces.is_some() {
            check_given(&run, image_pull_secret.as_deref())?;
        }
        Ok(VerifySettings {
            run,
            access: access.into_settings(),
            nodes,
            tolerate,
            image,
            pull_secret: image_pull_secret,
            namespaces,
            keep,
            dry_run,
        })
    }
}

/// What does not go together with given namespaces.
fn check_given(run: &RunSettings, pull_secret: Option<&str>) -> Result<(), UsageError> {
    if run.host_probes {
        return Err(UsageError::new("--host-probes needs a namespace of its own, which --namespaces rules out"));
    }
    if run.lanes.is_some_and(|lanes| lanes > 1) {
        return Err(UsageError::new("--namespaces has room for one lane: leave --lanes out"));
    }
    if pull_secret.is_some_and(|name| name.contains('/')) {
        return Err(UsageError::new(
            "with --namespaces the secret of --image-pull-secret is not copied: put it into each of them, and write its name alone",
        ));
    }
    Ok(())
}
