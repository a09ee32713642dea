//! `papertiger version`.

use super::output::{Form, form};

/// Prints the version.
#[derive(Debug, clap::Args)]
pub struct VersionArgs {
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Form::Pretty, env = "PAPERTIGER_OUTPUT", hide_env = true)]
    output: Form,
}

impl VersionArgs {
    /// How to print it.
    pub fn form(self) -> crate::report::Form {
        let Self { output } = self;
        form(output)
    }
}
