//! Metrics in the text format of Prometheus (0.0.4), for the textfile collector of its node exporter and for a Pushgateway.

use super::page::clean;
use super::phrases::{Flows, moment};
use crate::core::event::RunEnd;
use crate::core::verdict::latency::by_group;
use crate::core::verdict::{Quantiles, RunResult, Spread, Verdict};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The one gauge that outlives the run that it is of.
const SUCCESS: &str = "last_success_timestamp_seconds";

/// The text.
pub fn render(result: &RunResult) -> String {
    encode(gauges(result))
}

/// The text without the time of the last success, which a run that had none must not take away.
pub fn render_run(result: &RunResult) -> String {
    encode(gauges(result).into_iter().filter(|gauge| gauge.name != SUCCESS).collect())
}

/// The time of the last success alone; `None` where this run is none.
pub fn render_success(result: &RunResult) -> Option<String> {
    let success = gauges(result).into_iter().find(|gauge| gauge.name == SUCCESS);
    success.filter(|gauge| !gauge.samples.is_empty()).map(|gauge| encode(vec![gauge]))
}

fn encode(gauges: Vec<Gauge>) -> String {
    let mut registry = Registry::with_prefix("papertiger");
    registry.register_collector(Box::new(Gauges(gauges)));
    let mut text = String::new();
    // Only a writer can fail, and memory does not.
    let _ = prometheus_text::encode(&mut text, &registry);
    text
}

/// A gauge and all its samples. The library's own families forget the order.
#[derive(Debug)]
struct Gauge {
    name: &'static str,
    help: &'static str,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    labels: Vec<(&'static str, String)>,
    value: f64,
}

#[derive(Debug)]
struct Gauges(Vec<Gauge>);

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Gauge { name, help, samples } in self.0.iter().filter(|gauge| !gauge.samples.is_empty()) {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for Sample { labels, value } in samples {
                ConstGauge::new(*value).encode(family.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

fn gauges(result: &RunResult) -> Vec<Gauge> {
    let run = &result.run;
    let ended = moment(result, result.duration_us).map(|at| at.as_millisecond() as f64 / 1_000.0);
    let is_enforced = result.end == Some(RunEnd::Completed) && result.verdict == Verdict::Enforced;
    let flows = Flows::of_run(result);
    let terms = || result.cases.iter().flat_map(|case| &case.terms);
    vec![
        gauge(
            "run_info",
            "What the figures are of; always 1",
            [sample(
                1.0,
                [
                    ("run", run.run.as_str()),
                    ("target", &run.target),
                    ("profile", &run.settings.profile),
                    ("tool_version", &run.tool_version),
                ],
            )],
        ),
        gauge(
            "run_completed",
            "Whether the last run did all that it was to do",
            [sample(is(result.end == Some(RunEnd::Completed)), [])],
        ),
        gauge("run_duration_seconds", "How long the last run took", [sample(result.duration_us as f64 / 1e6, [])]),
        gauge(
            "last_run_timestamp_seconds",
            "When the last run ended, whatever it found",
            ended.map(|at| sample(at, [])),
        ),
        gauge(
            SUCCESS,
            "When a run last ended with ENFORCED; left out by a run that did not",
            ended.filter(|_| is_enforced).map(|at| sample(at, [])),
        ),
        gauge(
            "verdict",
            "The verdict of the last run: 1 at the one that it is",
            Verdict::WORST_FIRST
                .map(|verdict| sample(is(verdict == result.verdict), [("verdict", word(verdict).as_str())])),
        ),
        gauge(
            "feature_verdict",
            "The verdict of a feature, as a label; always 1",
            result.features.iter().map(|one| of_verdict("feature", &one.feature, one.verdict)),
        ),
        gauge(
            "node_verdict",
            "The verdict of a node, as a label; always 1",
            result.nodes.iter().map(|one| of_verdict("node", &one.name, one.verdict)),
        ),
        gauge(
            "case_verdict",
            "The verdict of a case, as a label; always 1",
            result.cases.iter().map(|one| of_verdict("case", &one.id, one.verdict)),
        ),
        gauge(
            "term_verdict",
            "The verdict of a term that is not ENFORCED, as a label; always 1",
            result.cases.iter().flat_map(|case| {
                case.terms.iter().filter(|term| term.verdict != Verdict::Enforced).map(|term| {
                    let verdict = word(term.verdict);
                    let labels = [
                        ("case", case.id.as_str()),
                        ("term", &term.id),
                        ("feature", &term.feature),
                        ("verdict", &verdict),
                    ];
                    sample(1.0, labels)
                })
            }),
        ),
        gauge(
            "terms",
            "How many terms came out with a verdict",
            Verdict::WORST_FIRST.map(|verdict| {
                let count = terms().filter(|term| term.verdict == verdict).count();
                sample(count as f64, [("verdict", word(verdict).as_str())])
            }),
        ),
        gauge(
            "flows",
            "How many flows were probed, over all cases and phases: all, wrong, or unclear",
            [
                sample(flows.all as f64, [("state", "all")]),
                sample(flows.wrong as f64, [("state", "wrong")]),
                sample(flows.unclear as f64, [("state", "unclear")]),
            ],
        ),
        gauge(
            "latency_seconds",
            "How late changes took effect; alone: measured with nothing beside it",
            by_group(&result.latencies()).into_iter().flat_map(|(turn, alone, quantiles)| {
                let Quantiles { changes: _, p50_ms, p90_ms, p99_ms, max_ms, resolution_ms: _, request_ms: _ } =
                    quantiles;
                [("p50", p50_ms), ("p90", p90_ms), ("p99", p99_ms), ("max", max_ms)].map(|(point, ms)| {
                    let (turn, alone) = (turn.to_string(), alone.to_string());
                    sample(ms / 1_000.0, [("turn", turn.as_str()), ("alone", &alone), ("point", point)])
                })
            }),
        ),
        gauge(
            "startup_window_seconds",
            "How long new pods were without their policies after their start",
            result.startups.iter().flat_map(|startup| {
                let Spread { p50_ms, p90_ms, max_ms } = startup.open_ms;
                let (pod, direction) = (startup.pod.to_string(), startup.direction.to_string());
                [("p50", p50_ms), ("p90", p90_ms), ("max", max_ms)].map(|(point, ms)| {
                    sample(ms / 1_000.0, [("pod", pod.as_str()), ("direction", &direction), ("point", point)])
                })
            }),
        ),
    ]
}

fn gauge(name: &'static str, help: &'static str, samples: impl IntoIterator<Item = Sample>) -> Gauge {
    Gauge { name, help, samples: samples.into_iter().collect() }
}

fn sample<const N: usize>(value: f64, labels: [(&'static str, &str); N]) -> Sample {
    Sample { labels: labels.map(|(name, value)| (name, clean(value))).into(), value }
}

fn of_verdict(label: &'static str, name: &str, verdict: Verdict) -> Sample {
    sample(1.0, [(label, name), ("verdict", &word(verdict))])
}

fn is(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn word(verdict: Verdict) -> String {
    verdict.to_string().to_lowercase()
}
