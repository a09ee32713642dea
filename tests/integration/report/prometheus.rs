//! Metrics, read by a parser that is not ours.

use super::runs;
use papertiger::core::event::RunEnd;
use papertiger::core::verdict::{RunResult, Verdict};
use papertiger::report::prometheus::render;
use prometheus_parse::{Scrape, Value};
use std::collections::BTreeSet;

/// The value of a metric with a label, where both are there.
fn value(scrape: &Scrape, metric: &str, label: Option<(&str, &str)>) -> Option<f64> {
    let mut samples = scrape.samples.iter().filter(|sample| sample.metric == format!("papertiger_{metric}"));
    let sample = samples.find(|sample| label.is_none_or(|(name, value)| sample.labels.get(name) == Some(value)))?;
    match sample.value {
        Value::Gauge(value) => Some(value),
        _ => None,
    }
}

fn scrape(result: &RunResult) -> Scrape {
    Scrape::parse(render(result).lines().map(|line| Ok(line.to_owned()))).unwrap()
}

#[test]
fn egress_ignored() {
    insta::assert_snapshot!(render(&runs::egress_ignored()));
}

#[test]
fn every_sample_is_there_once_and_of_a_described_gauge() {
    let by_hand = [runs::enforced(), runs::egress_ignored(), runs::partial(), runs::inconclusive(), runs::hostile()];
    for result in by_hand.iter().chain(runs::simulated().iter().map(|(result, _)| result)) {
        let text = render(result);
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let series: BTreeSet<&str> = lines.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
        assert_eq!(series.len(), lines.len(), "{text}");
        let scrape = scrape(result);
        assert_eq!(scrape.samples.len(), lines.len(), "{text}");
        for sample in &scrape.samples {
            assert!(matches!(sample.value, Value::Gauge(_)) && scrape.docs.contains_key(&sample.metric), "{sample:?}");
        }
    }
}

#[test]
fn alerts_can_tell_not_enforced_from_not_checked() {
    let ignored = scrape(&runs::egress_ignored());
    assert_eq!(value(&ignored, "verdict", Some(("verdict", "ignored"))), Some(1.0));
    assert_eq!(value(&ignored, "verdict", Some(("verdict", "enforced"))), Some(0.0));
    assert_eq!(value(&ignored, "feature_verdict", Some(("feature", "egress"))), Some(1.0));
    assert_eq!(value(&ignored, "flows", Some(("state", "wrong"))), Some(120.0));
    let ran = value(&ignored, "last_run_timestamp_seconds", None);
    assert!(ran.is_some_and(|at| at > 1.7e9), "{ran:?}");
    assert_eq!(value(&ignored, "last_success_timestamp_seconds", None), None);

    let enforced = scrape(&runs::enforced());
    assert_eq!(
        value(&enforced, "last_success_timestamp_seconds", None),
        value(&enforced, "last_run_timestamp_seconds", None)
    );
    let cut_short = scrape(&RunResult { end: Some(RunEnd::TimedOut), ..runs::enforced() });
    assert_eq!(value(&cut_short, "run_completed", None), Some(0.0));
    assert_eq!(value(&cut_short, "last_success_timestamp_seconds", None), None);
    for verdict in Verdict::WORST_FIRST {
        let scrape = scrape(&RunResult { verdict, ..runs::enforced() });
        let of = |verdict: &str| value(&scrape, "verdict", Some(("verdict", verdict))).unwrap();
        let sum: f64 = Verdict::WORST_FIRST.iter().map(|verdict| of(&verdict.to_string().to_lowercase())).sum();
        assert_eq!((of(&verdict.to_string().to_lowercase()), sum), (1.0, 1.0));
    }
}

#[test]
fn labels_hold_whatever_names_hold() {
    let mut result = runs::egress_ignored();
    result.nodes[0].name = "a \"quoted\\\" node\n# HELP x".into();
    let line = r#"papertiger_node_verdict{node="a \"quoted\\\" node # HELP x",verdict="ignored"} 1.0"#;
    assert!(render(&result).lines().any(|known| known == line), "{}", render(&result));
    assert_eq!(value(&scrape(&result), "node_verdict", Some(("node", "n2"))), Some(1.0));
    assert!(!render(&runs::hostile()).chars().any(|c| c.is_control() && c != '\n'));
}
