//! The binary as kubectl runs it.

use assert_cmd::Command;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

fn called(name: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let directory = TempDir::new().unwrap();
    let link = directory.path().join(name);
    symlink(env!("CARGO_BIN_EXE_papertiger"), &link).unwrap();
    let output = Command::new(link).args(args).env("COLUMNS", "80").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_and_errors_name_the_command_that_was_typed() {
    let (code, help, _) = called("kubectl-papertiger", &["verify", "--help"]);
    assert_eq!(code, Some(0));
    assert!(help.contains("Usage: kubectl papertiger verify [OPTIONS]"), "{help}");
    assert!(help.contains("\n  kubectl papertiger verify --dry-run\n"), "{help}");
    let (_, help, _) = called("kubectl_papertiger", &["--help"]);
    assert!(help.contains("Run `kubectl papertiger COMMAND --help`"), "{help}");

    // Ours, clap's, and one that comes later.
    let (code, _, error) = called("kubectl-papertiger", &["lab", "--hold", "10ms"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("Usage: kubectl papertiger lab"), "{error}");
    let (code, _, error) = called("kubectl-papertiger", &["lab", "--fast"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("Usage: kubectl papertiger lab"), "{error}");
    let (_, _, error) = called("papertiger", &["lab", "--fast"]);
    assert!(error.contains("Usage: papertiger lab") && !error.contains("kubectl"), "{error}");
}

#[test]
fn what_is_installed_is_the_same_under_both_names() {
    for args in [&["man"][..], &["completions", "bash"], &["completions", "zsh"], &["version"], &["--version"]] {
        let plain = called("papertiger", args);
        assert_eq!(plain.0, Some(0), "{args:?}");
        assert_eq!(called("kubectl-papertiger", args), plain, "{args:?}");
    }
}
