//! `papertiger diff`.

use crate::common::papertiger;
use crate::record::log;
use crate::report::runs;
use papertiger::core::event::RunEnd;
use papertiger::core::verdict::RunResult;
use papertiger::report::json;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Files to compare.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// The exit code, stdout and stderr.
fn compared(old: &Path, new: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = papertiger().arg("diff").arg(old).arg(new).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_code_says_which_way_it_went() {
    let files = Files::new();
    let enforced = files.put("enforced", json::render(&runs::enforced()));
    let ignored = files.put("ignored", json::render(&runs::egress_ignored()));
    let unclear = files.put("unclear", json::render(&runs::inconclusive()));
    let cut = files.put("cut", json::render(&RunResult { end: Some(RunEnd::TimedOut), ..runs::enforced() }));
    for (old, new, code, word) in [
        (&enforced, &enforced, 0, "SAME"),
        (&enforced, &ignored, 1, "WORSE"),
        (&ignored, &enforced, 0, "NOT WORSE"),
        (&ignored, &unclear, 3, "UNPROVEN"),
        (&unclear, &ignored, 1, "WORSE"),
        (&enforced, &cut, 3, "UNPROVEN"),
        (&cut, &enforced, 0, "SAME"),
    ] {
        let (ended, stdout, stderr) = compared(old, new, &[]);
        assert_eq!((ended, stderr.as_str()), (Some(code), ""), "{stdout}");
        assert!(stdout.starts_with(&format!("{word}  ")), "{stdout}");
    }
}

#[test]
fn from_enforced_to_ignored() {
    let files = Files::new();
    let old = files.put("old", json::render(&runs::enforced()));
    let new = files.put("new", json::render(&runs::egress_ignored()));
    insta::assert_snapshot!(compared(&old, &new, &[]).1);
    let coloured = compared(&old, &new, &["--color", "always"]).1;
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), compared(&old, &new, &[]).1);
    assert!(coloured.contains("\x1b["));
    let report: serde_json::Value = serde_json::from_str(&compared(&old, &new, &["-o", "json"]).1).unwrap();
    insta::assert_json_snapshot!(report["changes"][0]);
}

#[test]
fn a_log_is_as_good_as_its_report() {
    let files = Files::new();
    let recorded = files.put("run.jsonl", log());
    let report = papertiger().arg("report").arg(&recorded).args(["-o", "json"]).output().unwrap();
    let report = files.put("run.json", report.stdout);
    let (code, stdout, _) = compared(&recorded, &report, &[]);
    assert!(stdout.contains("as before") && !stdout.contains("WORSE"), "{stdout}");
    assert_eq!(code, Some(3), "that run was interrupted");
}

#[test]
fn hostile_names_do_no_harm() {
    let files = Files::new();
    let old = files.put("old", json::render(&runs::enforced()));
    let new = files.put("new", json::render(&runs::hostile()));
    let (_, stdout, _) = compared(&old, &new, &[]);
    assert!(!stdout.chars().any(|c| c.is_control() && c != '\n'), "{stdout:?}");
}

#[test]
fn what_cannot_be_compared_is_code_2() {
    let files = Files::new();
    let good = files.put("good", json::render(&runs::enforced()));
    let whole = json::render(&runs::enforced());
    for (name, bytes, words) in [
        ("text", "hello\n", "neither a JSON report nor an event log"),
        ("empty", "", "neither a JSON report nor an event log"),
        ("list", "[]", "neither a JSON report nor an event log"),
        ("half", &whole[..whole.len() / 2], "it is no whole JSON report"),
        ("other", r#"{"schema": "papertiger.dev/report/v9"}"#, "its schema is `papertiger.dev/report/v9`"),
        ("poor", r#"{"schema": "papertiger.dev/report/v1", "verdict": "enforced"}"#, "missing field"),
    ] {
        let bad = files.put(name, bytes);
        for (old, new) in [(&good, &bad), (&bad, &good)] {
            let (code, stdout, stderr) = compared(old, new, &[]);
            assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
            let expected = format!("error: cannot compare {}\n", bad.display());
            assert!(stderr.starts_with(&expected) && stderr.contains(words), "{stderr}");
        }
    }
    let (code, _, stderr) = compared(&good, Path::new("/nowhere"), &[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("No such file"), "{stderr}");
}

#[test]
fn the_json_is_as_its_committed_schema_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/diff-v1.json");
    let current = papertiger::report::diff::schema();
    if std::env::var_os("PAPERTIGER_BLESS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == current, "schemas/diff-v1.json is not current: run tests with PAPERTIGER_BLESS=1");
    let validator = jsonschema::validator_for(&serde_json::from_str(&current).unwrap()).unwrap();
    let files = Files::new();
    let results = [runs::enforced(), runs::egress_ignored(), runs::partial(), runs::inconclusive(), runs::hostile()];
    let paths: Vec<PathBuf> =
        results.iter().zip('a'..).map(|(run, name)| files.put(&name.to_string(), json::render(run))).collect();
    for (old, new) in paths.iter().zip(paths.iter().skip(1)) {
        let report = serde_json::from_str(&compared(old, new, &["-o", "json"]).1).unwrap();
        let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}
