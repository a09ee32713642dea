//! `papertiger completions SHELL`.

/// Prints a completion script.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  papertiger completions bash > /etc/bash_completion.d/papertiger")]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}
