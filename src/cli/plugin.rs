//! papertiger as a plugin of kubectl, which runs `kubectl-papertiger` for `kubectl papertiger`. What is shown is what was typed.

use super::Cli;
use clap::{Command, CommandFactory, FromArgMatches};
use std::ffi::OsStr;
use std::path::Path;

const PLUGIN: &str = "kubectl papertiger";

/// Reads the command line. Ends the process where it is wrong, or asks for help.
pub fn parse() -> Cli {
    Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit())
}

/// The command line as whoever called it knows it.
pub fn command() -> Command {
    if is_plugin() { as_plugin(Cli::command()) } else { Cli::command() }
}

/// What is told of commands, in the words of whoever called this one.
pub fn says(text: &str) -> String {
    if is_plugin() { renamed(text, &Cli::command()) } else { text.to_owned() }
}

fn is_plugin() -> bool {
    std::env::args_os().next().is_some_and(|program| is_plugin_name(&program))
}

/// kubectl looks for dashes, and krew makes underscores of those in a plugin's name.
fn is_plugin_name(program: &OsStr) -> bool {
    let name = Path::new(program).file_name();
    name.is_some_and(|name| name == "kubectl-papertiger" || name == "kubectl_papertiger")
}

fn as_plugin(command: Command) -> Command {
    let whole = command.clone();
    reworded(command, &whole).bin_name(PLUGIN)
}

fn reworded(mut command: Command, whole: &Command) -> Command {
    let texts = [
        command.get_about().map(|text| (text.to_string(), Command::about as fn(Command, String) -> Command)),
        command.get_long_about().map(|text| (text.to_string(), Command::long_about as _)),
        command.get_after_help().map(|text| (text.to_string(), Command::after_help as _)),
        command.get_after_long_help().map(|text| (text.to_string(), Command::after_long_help as _)),
    ];
    for (text, set) in texts.into_iter().flatten() {
        command = set(command, renamed(&text, whole));
    }
    command
        .mut_args(|arg| {
            let help = arg.get_help().map(|text| renamed(&text.to_string(), whole));
            let long_help = arg.get_long_help().map(|text| renamed(&text.to_string(), whole));
            let arg = if let Some(help) = help { arg.help(help) } else { arg };
            if let Some(long_help) = long_help { arg.long_help(long_help) } else { arg }
        })
        .mut_subcommands(|command| reworded(command, whole))
}

/// A text in which every command of papertiger is one of kubectl's plugin.
fn renamed(text: &str, whole: &Command) -> String {
    let is_command = |word: &str| word == "COMMAND" || whole.get_subcommands().any(|known| known.get_name() == word);
    let mut pieces = text.split("papertiger ");
    let mut renamed = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let word = piece.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
        // A path is that of a file, which has no other name.
        if is_command(word) && !renamed.ends_with('/') {
            renamed.push_str("kubectl ");
        }
        renamed.push_str("papertiger ");
        renamed.push_str(piece);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_known_by_its_file_name() {
        for name in ["kubectl-papertiger", "/root/.krew/bin/kubectl-papertiger", "./kubectl_papertiger"] {
            assert!(is_plugin_name(OsStr::new(name)), "{name}");
        }
        for name in ["papertiger", "/opt/kubectl-papertiger/papertiger", "kubectl", ""] {
            assert!(!is_plugin_name(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn no_help_of_the_plugin_names_a_command_of_another_name() {
        fn check(command: &mut Command) {
            for text in [command.render_help(), command.render_long_help()].map(|help| help.to_string()) {
                for (at, _) in text.match_indices("papertiger ") {
                    let word = &text[at..].split_whitespace().nth(1).unwrap_or_default();
                    let is_command = Cli::command().get_subcommands().any(|known| known.get_name() == *word);
                    assert!(!is_command || text[..at].ends_with("kubectl "), "`papertiger {word}` in:\n{text}");
                    assert!(!text[..at].ends_with("kubectl kubectl "), "{text}");
                }
                assert!(text.contains("Usage: kubectl papertiger"), "{text}");
            }
            command.get_subcommands_mut().for_each(check);
        }
        let mut command = as_plugin(Cli::command());
        command.build();
        check(&mut command);
    }
}
