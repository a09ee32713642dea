//! The command line.

use crate::common::papertiger;
use crate::record::{events, log};
use papertiger::carried::{self, Arch};
use std::path::PathBuf;
use tempfile::TempDir;

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

#[track_caller]
fn ran(args: &[&str]) -> Ran {
    let output = papertiger().args(args).output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

#[test]
fn without_a_command_there_is_help_and_code_2() {
    let ran = ran(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(ran.stderr);
}

#[test]
fn help_of_lab() {
    let short = ran(&["lab", "-h"]);
    assert_eq!(short.code, Some(0));
    insta::assert_snapshot!("lab_short_help", short.stdout);
    insta::assert_snapshot!("lab_long_help", ran(&["lab", "--help"]).stdout);
}

#[test]
fn help_of_report() {
    insta::assert_snapshot!(ran(&["report", "-h"]).stdout);
}

#[test]
fn wrong_usage_is_code_2_and_says_what_is_accepted() {
    let cases: [(&[&str], &[&str]); 13] = [
        (&["lab", "--fast"], &["--fast"]),
        (&["lab", "--settle", "60"], &["--settle", "500ms, 2s or 1m30s"]),
        (&["lab", "--settle", "0s"], &["--settle must be at least as long as --hold"]),
        (&["lab", "--hold", "10ms"], &["--hold must be at least 1s, not 10ms"]),
        (&["lab", "--settle=30s", "--timeout=30s"], &["--timeout must be longer than --settle, 30s, not 30s"]),
        (&["lab", "--size", "17"], &["--size", "1..=16"]),
        (&["lab", "--lanes", "0"], &["--lanes", "1..=32"]),
        (&["lab", "--report", "pdf=x"], &["--report", "there is no format `pdf`; formats: json"]),
        (&["lab", "--push", "gateway:9091"], &["--push", "write http://HOST:PORT"]),
        (&["lab", "--report", "report.json"], &["write FORMAT=PATH, such as json=report.json"]),
        (&["lab", "--report", "json=a", "--record", "a"], &["a is named twice"]),
        (&["lab", "--case", "a["], &["--case"]),
        (&["lab", "--fail-on", "red"], &["--fail-on", "late, startup, skipped"]),
    ];
    for (args, words) in cases {
        let ran = ran(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}: {}", ran.stderr);
        for words in words {
            assert!(ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
        }
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("--help"), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn variables_stand_for_flags() {
    let output = papertiger().args(["lab"]).env("PAPERTIGER_HOLD", "10ms").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("--hold must be at least 1s, not 10ms"));
    let output = papertiger().args(["lab"]).env("PAPERTIGER_QUIET", "perhaps").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let (_directory, path) = file("run.jsonl", &log());
    let mut command = papertiger();
    command.arg("report").arg(&path).envs([("PAPERTIGER_QUIET", "1"), ("PAPERTIGER_VERBOSE", "1")]);
    let shown = command.env("PAPERTIGER_OUTPUT", "json").output().unwrap();
    assert!(shown.stdout.starts_with(b"{"), "{}", String::from_utf8_lossy(&shown.stderr));
}

#[test]
fn a_recorded_run_is_rendered_again() {
    let (directory, path) = file("run.jsonl", &log());
    let report = directory.path().join("report.json");
    let output = papertiger()
        .arg("report")
        .arg(&path)
        .args(["--color=always", "--report", &format!("json={}", report.display())])
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("interrupted (SIGINT)") && stdout.contains("\x1b["), "{stdout}");
    assert_eq!(output.status.code(), Some(130));
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["run"]["end"], "interrupted");
    let shown = papertiger().arg("report").arg(&path).args(["-o", "json"]).output().unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&shown.stdout).unwrap(), report);
    let plain = papertiger().arg("report").arg(&path).output().unwrap();
    assert!(!plain.stdout.contains(&0x1b));
}

#[test]
fn a_run_is_reported_to_as_many_files_as_wanted() {
    let (directory, path) = file("run.jsonl", &log());
    let at = |name: &str| directory.path().join(name);
    let wanted = [("junit", "<testsuites "), ("markdown", "## papertiger: "), ("prometheus", "# HELP papertiger_")];
    let mut command = papertiger();
    command.arg("report").arg(&path).env("GITHUB_STEP_SUMMARY", at("summary"));
    for (format, _) in wanted {
        command.arg("--report").arg(format!("{format}={}", at(format).display()));
    }
    std::fs::write(at("summary"), "what another step wrote\n").unwrap();
    assert_eq!(command.output().unwrap().status.code(), Some(130));
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    for (format, begin) in wanted {
        assert!(read(format).contains(begin), "{}", read(format));
    }
    assert_eq!(read("summary"), format!("what another step wrote\n{}", read("markdown")));

    // Where no Markdown is asked for, nobody's summary is touched.
    let mut command = papertiger();
    command.arg("report").arg(&path).env("GITHUB_STEP_SUMMARY", at("untouched"));
    assert_eq!(command.output().unwrap().status.code(), Some(130));
    assert!(!at("untouched").exists());
}

#[test]
fn a_half_written_log_counts_as_far_as_it_goes() {
    let log = log();
    let (_directory, path) = file("run.jsonl", &log[..log.len() - 20]);
    let output = papertiger().arg("report").arg(&path).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("The event log breaks off."), "{stdout}");
    let last = format!("the event log breaks off in line {}", events().len());
    assert!(stdout.contains(&last), "{stdout}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn logs_that_cannot_be_used_are_code_2() {
    let (directory, path) = file("run.jsonl", b"hello\n");
    for (path, words) in [
        (path.clone(), "this is no event log"),
        (directory.path().join("missing"), "No such file"),
        (directory.path().to_owned(), "Is a directory"),
    ] {
        let ran = ran(&["report", path.to_str().unwrap()]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: cannot use the event log"), "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
}

#[test]
fn a_report_that_cannot_be_written_is_code_4_and_said_first() {
    let (_directory, path) = file("run.jsonl", &log());
    let ran = ran(&["report", path.to_str().unwrap(), "--report", "json=/nowhere/at/all.json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), ""), "{}", ran.stderr);
    assert_eq!(
        ran.stderr,
        "error: cannot write /nowhere/at/all.json\n  caused by: No such file or directory (os error 2)\n"
    );
}

#[test]
fn version_says_what_is_carried() {
    let version = env!("CARGO_PKG_VERSION");
    let archs: Vec<Arch> = carried::agents().iter().map(|agent| agent.arch).collect();
    let carried = match archs.as_slice() {
        [] => format!("none; for clusters {}", carried::way_out(&Arch::ALL)),
        archs => carried::list(archs),
    };
    assert_eq!(ran(&["version"]).stdout, format!("papertiger {version}\nagents carried: {carried}\n"));
    let json: serde_json::Value = serde_json::from_str(&ran(&["version", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["version"], version);
    let names: Vec<_> = archs.iter().map(|arch| arch.name()).collect();
    assert_eq!(json["agents"], serde_json::json!(names));
}

#[test]
fn completions_and_manual() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(ran(&["completions", shell]).stdout.contains("papertiger"), "{shell}");
    }
    assert!(ran(&["man"]).stdout.contains(".TH papertiger"));
}

#[test]
fn a_case_says_why_it_would_notice_what_is_ignored() {
    let explained = ran(&["cases", "explain", "allow-one-protocol"]);
    assert_eq!(explained.code, Some(0), "{}", explained.stderr);
    insta::assert_snapshot!(explained.stdout);
    let page: serde_json::Value =
        serde_json::from_str(&ran(&["cases", "explain", "allow-one-protocol", "-o", "json"]).stdout).unwrap();
    let terms = page["terms"].as_array().unwrap();
    assert!(terms.iter().all(|term| !term["ignored"].as_array().unwrap().is_empty()), "{page:#}");
    let protocol = terms.iter().find(|term| term["feature"] == "protocol").unwrap();
    assert_eq!(protocol["ignored"][0]["fault"], "ignore-protocol");
    assert_eq!(protocol["ignored"][0]["witnesses"][0]["expected"], "deny");
    let unknown = ran(&["cases", "explain", "allow-one-protocl"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean `allow-one-protocol`?"), "{}", unknown.stderr);
}
