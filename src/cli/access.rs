//! Flags that say which cluster, and as whom.

use crate::target::cluster::Access;
use std::path::PathBuf;

/// Which cluster, and as whom.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct AccessArgs {
    /// A kubeconfig [default: what kubectl takes; inside a pod its service account]
    #[arg(long, value_name = "PATH", env = "PAPERTIGER_KUBECONFIG", hide_env = true)]
    kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "NAME", env = "PAPERTIGER_CONTEXT", hide_env = true)]
    context: Option<String>,
    /// A user to impersonate
    #[arg(long = "as", value_name = "USER", env = "PAPERTIGER_AS", hide_env = true)]
    user: Option<String>,
}

impl AccessArgs {
    /// Which cluster, and as whom.
    pub(super) fn into_settings(self) -> Access {
        let Self { kubeconfig, context, user } = self;
        Access { kubeconfig, context, user }
    }
}
