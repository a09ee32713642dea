//! `papertiger cases list|show|explain`.

use super::output::Form;
use super::settings::Profile;
use super::values;
use std::path::PathBuf;

/// What to do with the catalogue.
#[derive(Debug, clap::Subcommand)]
pub enum CasesCommand {
    /// List cases: id, profile, what they prove
    List(CasesListArgs),
    /// Show one case: its policies, its steps and what must happen
    Show(CaseArgs),
    /// Say why a case would notice a network that ignores one of its terms
    Explain(CaseArgs),
}

/// Lists cases.
#[derive(Debug, clap::Args)]
pub struct CasesListArgs {
    /// Only the cases of a profile
    #[arg(long, value_enum, env = "PAPERTIGER_PROFILE", hide_env = true)]
    pub profile: Option<Profile>,
    /// Only cases whose id matches; can be repeated
    #[arg(long = "case", value_name = "GLOB", value_parser = values::glob, env = "PAPERTIGER_CASE", hide_env = true)]
    pub cases: Vec<String>,
    /// A directory with cases of your own, beside the built-in ones
    #[arg(long, value_name = "DIR", env = "PAPERTIGER_CASE_DIR", hide_env = true)]
    pub case_dir: Option<PathBuf>,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = Form::Pretty, env = "PAPERTIGER_OUTPUT", hide_env = true)]
    pub output: Form,
}

/// Chooses one case.
#[derive(Debug, clap::Args)]
pub struct CaseArgs {
    /// Its id, as `cases list` prints it
    #[arg(value_name = "ID")]
    pub id: String,
    /// A directory with cases of your own, beside the built-in ones
    #[arg(long, value_name = "DIR", env = "PAPERTIGER_CASE_DIR", hide_env = true)]
    pub case_dir: Option<PathBuf>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Form::Pretty, env = "PAPERTIGER_OUTPUT", hide_env = true)]
    pub output: Form,
}
