//! The JSON report and its schema.

use super::runs;
use papertiger::core::event::RunEnd;
use papertiger::core::verdict::RunResult;
use papertiger::report::json;
use std::path::Path;

fn committed() -> String {
    std::fs::read_to_string(schema_path()).unwrap_or_default()
}

fn schema_path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/report-v1.json")
}

#[test]
fn the_committed_schema_is_current() {
    if std::env::var_os("PAPERTIGER_BLESS").is_some() {
        std::fs::write(schema_path(), json::schema()).unwrap();
    }
    assert!(committed() == json::schema(), "schemas/report-v1.json is not current: run tests with PAPERTIGER_BLESS=1");
}

#[test]
fn every_report_is_as_the_schema_says() {
    let schema: serde_json::Value = serde_json::from_str(&committed()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let interrupted = RunEnd::Interrupted { signal: "SIGTERM".into() };
    let results = [
        runs::enforced(),
        runs::egress_ignored(),
        runs::partial(),
        runs::inconclusive(),
        runs::hostile(),
        RunResult { end: None, ..runs::enforced() },
        RunResult { end: Some(interrupted), ..runs::enforced() },
    ];
    for result in results.iter().chain(runs::simulated().iter().map(|(result, _)| result)) {
        let report: serde_json::Value = serde_json::from_str(&json::render(result)).unwrap();
        let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    let wrong = serde_json::json!({ "schema": "papertiger.dev/report/v2" });
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn a_report_says_what_the_contract_promises() {
    let report: serde_json::Value = serde_json::from_str(&json::render(&runs::egress_ignored())).unwrap();
    assert_eq!(report["schema"], "papertiger.dev/report/v1");
    assert_eq!(report["verdict"], "ignored");
    assert_eq!(report["summary"]["cases"], serde_json::json!({ "enforced": 1, "ignored": 1, "skipped": 1 }));
    assert_eq!(report["features"][3], serde_json::json!({ "feature": "egress", "verdict": "ignored" }));
    let case = &report["cases"][1];
    assert_eq!(case["id"], "deny-egress");
    assert_eq!(case["steps"][1]["converged_ms"], serde_json::Value::Null);
    assert_eq!(case["steps"][1]["flows"], serde_json::json!({ "total": 240, "wrong": 120, "unclear": 0 }));
    insta::assert_json_snapshot!("wrong_cell", case["steps"][1]["wrong_cells"][0]);
    let mut term = case["terms"][0].clone();
    term["witnesses"]["examples"].as_array_mut().unwrap().truncate(1);
    insta::assert_json_snapshot!("term", term);
    insta::assert_json_snapshot!("run", report["run"]);
    for field in ["nodes", "startup", "notes"] {
        assert!(report[field].is_array(), "{field}");
    }
}
