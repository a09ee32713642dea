//! The structs of `papertiger.dev/report/v1`. Fields are only ever added.

use super::words::{Direction, End, Expected, Family, Path, Placement, Protocol, Seen, Turn, Verdict, Way};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The schema that reports name.
pub const SCHEMA: &str = "papertiger.dev/report/v1";

/// What a run found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report {
    /// `papertiger.dev/report/v1`.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: &'static str,
    /// The run itself.
    pub run: Run,
    /// The verdict of the whole.
    pub verdict: Verdict,
    /// One sentence: what was found and what was covered.
    pub headline: String,
    /// What the network does, each of which explains everything that was seen; complete the words "as if".
    pub behaves_like: Vec<String>,
    /// The smallest sets of known faults that explain everything that was seen, each by itself, in the order of
    /// `behaves_like`.
    pub diagnoses: Vec<Diagnosis>,
    /// How many cases, terms, nodes and flows came out how.
    pub summary: Summary,
    /// The features that were tested.
    pub features: Vec<Feature>,
    /// The cases.
    pub cases: Vec<Case>,
    /// The nodes that could be tested; those that were not are `skipped`.
    pub nodes: Vec<Node>,
    /// How late changes took effect, over all cases.
    pub latency: Vec<Latency>,
    /// Every moment in which what had held did not, without any change.
    pub lapses: Vec<Lapse>,
    /// How long pods that start were without their policies.
    pub startup: Vec<Startup>,
    /// What the specification leaves open and this network was seen to do. Never scored.
    pub behaviours: Vec<Behaviour>,
    /// What a reader should know besides.
    pub notes: Vec<String>,
}

/// Something that the specification leaves open and this network was seen to do.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Behaviour {
    /// What it is about: `blocked-tcp`, `blocked-udp`, `blocked-sctp`, `ip-block-matches-pods`. There may be more in time.
    pub id: String,
    /// What the network does.
    pub text: String,
}

/// Faults that together explain everything that was seen.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// Their names, each with its scope where it does not hold everywhere, as `lab --fault` takes them.
    pub faults: Vec<String>,
}

/// How a run was done.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// When it began, by the wall clock (RFC 3339, UTC).
    pub started_at: String,
    /// How long it took.
    pub duration_ms: f64,
    /// How much of that was over when the last case was; the rest is cleaning up.
    pub verdict_ms: f64,
    /// Why it was over.
    pub end: End,
    /// The signal that interrupted it, or why it failed.
    pub end_detail: Option<String>,
    /// The version of papertiger.
    pub tool_version: String,
    /// `lab`, `cluster` or `sim`.
    pub target: String,
    /// The settings that shape what can be concluded.
    pub settings: Settings,
}

/// The settings of a run.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Settings {
    /// The profile's name.
    pub profile: String,
    /// How long a step may take until what is still wrong is a finding.
    pub settle_ms: u64,
    /// How long what is right must stay right.
    pub hold_ms: u64,
    /// How many blocked attempts a denied flow must show during the hold.
    pub hold_attempts: u32,
    /// How long the canary's policies stay in force at least.
    pub canary_ms: u64,
    /// How late a change may take effect; null where there is no limit.
    pub budget_ms: Option<u64>,
    /// How long the whole run may take.
    pub timeout_ms: u64,
    /// How many cases run side by side.
    pub lanes: usize,
    /// The seed of everything that was drawn.
    pub seed: u64,
    /// Faults that the target was told to have.
    pub faults: Vec<String>,
}

/// Counts. Verdicts that nothing has are left out.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Summary {
    /// Cases by verdict.
    pub cases: BTreeMap<Verdict, usize>,
    /// Terms by verdict.
    pub terms: BTreeMap<Verdict, usize>,
    /// Nodes by verdict.
    pub nodes: BTreeMap<Verdict, usize>,
    /// Flows in all steps of all cases.
    pub flows: Flows,
}

/// Flows by what was seen.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Flows {
    /// All that were probed.
    pub total: usize,
    /// Those that contradict what must happen.
    pub wrong: usize,
    /// Those of which nothing can be said.
    pub unclear: usize,
}

/// A group of terms that users speak of.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Feature {
    /// Its name.
    pub feature: String,
    /// Folded over its terms.
    pub verdict: Verdict,
}

/// A node.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Folded over what this node had to enforce.
    pub verdict: Verdict,
    /// The same of ingress alone, to its pods; null where nothing of it was seen.
    pub server: Option<Verdict>,
    /// The same of egress alone, from its pods.
    pub client: Option<Verdict>,
    /// Why it was not tested, or nothing can be said of it, where that is so and known.
    pub reason: Option<String>,
}

/// How late changes took effect, from the request of each to the last observation that was still as before it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Latency {
    /// What flows had to turn to.
    pub turn: Turn,
    /// Whether nothing else was probed meanwhile, and these flows closely.
    pub alone: bool,
    /// Of how many changes.
    pub changes: usize,
    /// The median.
    pub p50_ms: f64,
    /// Nine of ten changes were not later.
    pub p90_ms: f64,
    /// 99 of 100 changes were not later.
    pub p99_ms: f64,
    /// No change was later.
    pub max_ms: f64,
    /// How much later a change may have been than it was seen to be: the interval between two attempts, and what the clocks
    /// of pods may be off. The most of any.
    pub resolution_ms: f64,
    /// How long requests took to be accepted: a change may have been sooner by that. The longest of any.
    pub request_ms: f64,
}

/// A moment in which what had held did not.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Lapse {
    /// The case whose policies these are.
    pub case: String,
    /// What was wrong.
    pub way: Way,
    /// When that was first seen, by the wall clock (RFC 3339, UTC), to the second.
    pub at: String,
    /// When that was first seen, since the run began.
    pub from_ms: f64,
    /// How long it lasted until it was first seen to be right again; null where it never was.
    pub lasted_ms: Option<f64>,
    /// On how many flows.
    pub flows: usize,
    /// One of them.
    pub example: String,
    /// The nodes that were to decide on them.
    pub nodes: Vec<String>,
}

/// What the starts of a pod under policies have shown, in one direction. Times are from the first instruction in the pod.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Startup {
    /// The case that started it.
    pub case: String,
    /// The pod.
    pub pod: String,
    /// Its node.
    pub node: String,
    /// Which way its flows went.
    pub direction: Direction,
    /// How many of its starts were watched to the end.
    pub starts: usize,
    /// How many more never came right: that is a matter of the case's verdict.
    pub unsettled: usize,
    /// In how many of `starts` something got through that must not.
    pub open: usize,
    /// How long something got through that must not, at the longest.
    pub open_ms: f64,
    /// How that is spread over the starts; 0 in one in which nothing got through.
    pub open_spread: Spread,
    /// How many connections got through that must not.
    pub leaks: u32,
    /// How many connections were opened then and kept in use.
    pub opened: usize,
    /// How many of these were still good when new ones were blocked.
    pub kept: usize,
    /// How long until everything had got through that may; null where nothing may.
    pub ready_spread: Option<Spread>,
    /// The same without any policy; null where that was not watched.
    pub ready_without_spread: Option<Spread>,
    /// How much longer each may have been open than it was seen to be: the interval between two attempts, and what the clocks
    /// of pods may be off. The most of any.
    pub resolution_ms: f64,
}

/// How times are spread.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Spread {
    /// The median.
    pub p50_ms: f64,
    /// Nine of ten were not longer.
    pub p90_ms: f64,
    /// None was longer.
    pub max_ms: f64,
}

/// A case.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Case {
    /// Its id.
    pub id: String,
    /// What it proves.
    pub title: String,
    /// Folded over its terms.
    pub verdict: Verdict,
    /// Why, where that is not `enforced`.
    pub reason: Option<String>,
    /// Its phases, as far as they were run: a baseline, steps, the removal.
    pub steps: Vec<Step>,
    /// Its terms.
    pub terms: Vec<Term>,
    /// How late its changes took effect.
    pub latency: Vec<Latency>,
}

/// A phase of a case.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Step {
    /// `baseline`, `step 1`, …, `removal`.
    pub phase: String,
    /// What was changed.
    pub change: String,
    /// From the request to the moment since which everything was right; null when it never was.
    pub converged_ms: Option<f64>,
    /// From the request to the moment at which everything had been right for a whole hold; null when it never was.
    pub held_ms: Option<f64>,
    /// How long what was wrong was given to come right; null where that does not apply.
    pub patience_ms: Option<f64>,
    /// From the request to the end of probing.
    pub duration_ms: f64,
    /// How many flows were probed.
    pub flows: Flows,
    /// Those that contradict what must happen.
    pub wrong_cells: Vec<Cell>,
}

/// A flow in a phase.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Cell {
    /// The flow.
    #[serde(flatten)]
    pub flow: Flow,
    /// The sender's node; null outside the cluster.
    pub from_node: Option<String>,
    /// The receiver's node; null outside the cluster.
    pub to_node: Option<String>,
    /// The sender's address.
    pub from_address: Option<String>,
    /// The address and port that were dialled.
    pub dialled: Option<String>,
    /// What must happen.
    pub expected: Expected,
    /// What happened.
    pub seen: Seen,
    /// Why nothing can be said.
    pub unclear: Option<String>,
    /// What the attempts of the phase came to, in order.
    pub attempts: Vec<Attempts>,
    /// UDP: how many datagrams the receiver counted.
    pub datagrams_arrived: Option<u32>,
    /// Whether it was tried again while nothing else was probed; `seen` is what was seen then.
    pub tried_alone: bool,
}

/// One directed way through the network.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Flow {
    /// Who opens the connection.
    pub from: String,
    /// Who shall answer.
    pub to: String,
    /// `pod-ip`, `cluster-ip`, `node-port` or `load-balancer`.
    pub path: Path,
    /// `ipv4` or `ipv6`.
    pub family: Family,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Protocol,
    /// The receiver's own port.
    pub port: u16,
    /// Whether it is tried over a connection that stood before the first policy; `false` where it is absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub standing: bool,
}

/// Consecutive attempts with the same outcome.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Attempts {
    /// The outcome.
    pub outcome: String,
    /// How many.
    pub count: u32,
    /// When the first began, since the run did.
    pub first_ms: f64,
    /// When the last began, since the run did.
    pub last_ms: f64,
}

/// The smallest part of a policy that can be ignored.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Term {
    /// Its stable id.
    pub id: String,
    /// The feature that it belongs to.
    pub feature: String,
    /// Whether it is the isolation of a direction.
    pub isolation: bool,
    /// The verdict, folded over scopes.
    pub verdict: Verdict,
    /// Why.
    pub explanation: String,
    /// The known misreadings that explain what was seen.
    pub faults: Vec<String>,
    /// Flows on which ignoring the term would show.
    pub witnesses: Witnesses,
    /// Where witnesses were seen. What is not listed was not tested.
    pub scopes: Vec<Scope>,
    /// From the request to the last wrong observation on its witnesses.
    pub latency_ms: Option<f64>,
    /// The policy that holds the term, as YAML.
    pub policy: Option<String>,
}

/// Flows on which ignoring a term would show.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Witnesses {
    /// How many there are.
    #[serde(flatten)]
    pub count: Flows,
    /// Ten of them at most: those that contradict the term first, then those of which nothing can be said.
    pub examples: Vec<WitnessExample>,
}

/// A witness.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WitnessExample {
    /// In which phase.
    pub phase: String,
    /// The flow.
    #[serde(flatten)]
    pub flow: Flow,
    /// What must happen.
    pub expected: Expected,
    /// What happened.
    pub seen: Seen,
}

/// Where witnesses were seen.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Scope {
    /// The IP family.
    pub family: Family,
    /// The path.
    pub path: Path,
    /// The protocol.
    pub protocol: Protocol,
    /// Where the two ends stand.
    pub placement: Placement,
    /// What was seen there.
    pub verdict: Verdict,
}
