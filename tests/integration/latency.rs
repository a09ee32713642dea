//! How late changes take effect, with real packets: an engine that is late is seen to be, by as much.

use crate::common::papertiger;
use serde_json::Value;

const DELAY_MS: f64 = 1_000.0;

/// The latencies of a run over the timed case, on an engine that is a second late.
fn measured(args: &[&str], code: i32) -> Value {
    let mut command = papertiger();
    command.args(["lab", "--delay", "1s", "--case", "enforcement-latency", "--profile", "full", "--hold", "1s"]);
    let output = command.args(["-o", "json", "--quiet"]).args(args).assert().code(code).get_output().stdout.clone();
    serde_json::from_slice(&output).unwrap()
}

#[test]
fn a_delay_is_measured_each_way() {
    let report = measured(&[], 0);
    let latencies = report["latency"].as_array().unwrap();
    let turns: Vec<&str> = latencies.iter().map(|latency| latency["turn"].as_str().unwrap()).collect();
    assert_eq!(turns, ["deny", "allow"]);
    for latency in latencies {
        let ms = |field: &str| latency[field].as_f64().unwrap();
        assert_eq!((latency["alone"].as_bool(), ms("changes")), (Some(true), 4.0));
        // A busy machine makes it later, nothing makes it sooner than it is.
        assert!(ms("p50_ms") + ms("resolution_ms") >= DELAY_MS, "{latency}");
    }
}

#[test]
fn what_is_later_than_the_budget_fails_where_that_is_asked_for() {
    let report = measured(&["--budget", "100ms", "--fail-on", "late"], 1);
    assert_eq!(report["verdict"], "late");
    assert_eq!(report["run"]["settings"]["budget_ms"], 100);
}
