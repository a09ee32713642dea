//! `papertiger agent`: hidden; reads its own arguments.

use std::ffi::OsString;

/// Whatever the agent understands.
#[derive(Debug, clap::Args)]
pub struct AgentArgs {
    /// Handed to the agent as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}
