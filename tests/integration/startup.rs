//! How long a pod that starts is without its policies, with real packets: an engine that learns of it late is seen to.

use crate::common::papertiger;
use serde_json::Value;

fn measured(window: &str, args: &[&str], code: i32) -> Value {
    let mut command = papertiger();
    command.args(["lab", "--start-up", window, "--case", "start-under-policies", "--hold", "1s"]);
    let output = command.args(["-o", "json", "--quiet"]).args(args).assert().code(code).get_output().stdout.clone();
    serde_json::from_slice(&output).unwrap()
}

fn each_way(report: &Value) -> &[Value; 2] {
    let startups = report["startup"].as_array().unwrap();
    let ways: Vec<&str> = startups.iter().map(|startup| startup["direction"].as_str().unwrap()).collect();
    assert_eq!(ways, ["ingress", "egress"], "{report}");
    startups.as_array().unwrap()
}

#[test]
fn a_window_is_measured_each_way_and_is_no_verdict() {
    let report = measured("200ms", &[], 0);
    assert_eq!(report["verdict"], "enforced");
    assert!(report["headline"].as_str().unwrap().contains("new pods without their policies for up to "), "{report}");
    for startup in each_way(&report) {
        let ms = |field: &str| startup[field].as_f64().unwrap();
        assert_eq!((ms("starts"), ms("open"), ms("unsettled")), (3.0, 3.0, 0.0), "{startup}");
        // A busy machine makes it longer, nothing makes it shorter than it is.
        assert!(ms("open_ms") + ms("resolution_ms") >= 200.0, "{startup}");
        assert!(ms("leaks") >= 3.0, "{startup}");
        assert_eq!(ms("opened"), 3.0, "{startup}");
    }
}

#[test]
fn a_window_fails_a_run_that_asks_for_it() {
    let report = measured("200ms", &["--fail-on", "startup"], 1);
    assert_eq!(report["verdict"], "enforced");
}

#[test]
fn a_pod_that_is_protected_from_the_first_instruction_has_none() {
    let report = measured("0s", &["--fail-on", "startup"], 0);
    for startup in each_way(&report) {
        let ms = |field: &str| startup[field].as_f64().unwrap();
        assert_eq!(
            (ms("starts"), ms("open"), ms("open_ms"), ms("leaks"), ms("opened")),
            (3.0, 0.0, 0.0, 0.0, 0.0),
            "{startup}"
        );
    }
}
