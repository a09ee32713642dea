//! What a run proves: observations × oracle × faults → verdicts and explanations.

mod behaviour;
mod case;
mod diagnosis;
mod fold;
mod foreign;
mod lapse;
pub mod latency;
mod relapse;
mod run;
pub mod seen;
mod startup;
mod term;

pub use behaviour::Behaviour;
pub use diagnosis::{Diagnosis, any_of};
pub use fold::{over_scopes, worst};
pub use lapse::{Lapse, Way};
pub use latency::{Latency, Quantiles, Turn};
pub use run::{NoRunError, describe, is_clean, judge, observe_property};
pub use startup::{Spread, StartUp};

use crate::core::event::{Cell, Phase, RunEnd, RunStarted};
use crate::core::model::flow::{Family, Path, Protocol};
use crate::core::model::world::{Pod, World};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is said of a term, and folded to case, feature, node and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Its witnesses were observed as written, beside controls.
    Enforced,
    /// Traffic that it forbids gets through.
    Ignored,
    /// Enforced in some scopes and not in others.
    Partial,
    /// Traffic that it allows is blocked.
    Overblocked,
    /// The network still acts as before a change.
    Stale,
    /// It was right, and then wrong again without any change.
    Flapping,
    /// It was right in the end, but later than the budget allows.
    Late,
    /// What was seen proves nothing.
    Inconclusive,
    /// It was not run.
    Skipped,
    /// The specification leaves it open: observed, never scored.
    Undefined,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforced => "ENFORCED",
            Self::Ignored => "IGNORED",
            Self::Partial => "PARTIAL",
            Self::Overblocked => "OVERBLOCKED",
            Self::Stale => "STALE",
            Self::Flapping => "FLAPPING",
            Self::Late => "LATE",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Skipped => "SKIPPED",
            Self::Undefined => "UNDEFINED",
        })
    }
}

impl RunResult {
    /// How late the changes of all cases took effect, where that was seen.
    pub fn latencies(&self) -> Vec<Latency> {
        self.cases.iter().flat_map(|case| &case.latencies).copied().collect()
    }
}

/// A run as its events tell it: the only input of every reporter.
#[derive(Clone, Debug, PartialEq)]
pub struct RunResult {
    /// How it was set up.
    pub run: RunStarted,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// How much of that was over when the last case was, in microseconds: the rest is cleaning up.
    pub verdict_us: u64,
    /// Why it was over; `None` when the log breaks off.
    pub end: Option<RunEnd>,
    /// The verdict of the whole.
    pub verdict: Verdict,
    /// One sentence: what was found and what was covered.
    pub headline: String,
    /// The smallest sets of faults that explain every observation of the run, each by itself; empty when nothing was wrong
    /// or nothing explains it.
    pub diagnoses: Vec<Diagnosis>,
    /// One entry for each feature that a case covers.
    pub features: Vec<FeatureResult>,
    /// One entry for each case that began, then one for each that did not.
    pub cases: Vec<CaseResult>,
    /// One entry for each node.
    pub nodes: Vec<NodeResult>,
    /// Every moment in which what had held did not, without any change.
    pub lapses: Vec<Lapse>,
    /// How long pods that start are without their policies, where that was watched.
    pub startups: Vec<StartUp>,
    /// What the specification leaves open and was observed; never scored.
    pub behaviours: Vec<Behaviour>,
    /// What a reader should know besides.
    pub notes: Vec<String>,
}

/// A feature's verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureResult {
    /// The feature.
    pub feature: String,
    /// Folded over its terms.
    pub verdict: Verdict,
}

/// A node's verdict: folded over the terms that this node had to enforce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeResult {
    /// The node.
    pub name: String,
    /// Folded over the witnesses that this node decides: ingress at the receiver's, egress at the sender's. ENFORCED only
    /// where something was blocked that no other node can have blocked.
    pub verdict: Verdict,
    /// The same of ingress alone, to the pods of this node; `None` where no witness was seen.
    pub server: Option<Verdict>,
    /// The same of egress alone, from the pods of this node.
    pub client: Option<Verdict>,
    /// Why it was not tested, or nothing can be said of it, where that is so and known.
    pub reason: Option<String>,
}

/// A case's verdict and all that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseResult {
    /// Its id.
    pub id: String,
    /// What it proves.
    pub title: String,
    /// Folded over its terms.
    pub verdict: Verdict,
    /// Why, where that is not ENFORCED.
    pub reason: Option<String>,
    /// Where it ran; `None` when it did not begin.
    pub world: Option<World>,
    /// Its phases as far as they were run.
    pub steps: Vec<StepResult>,
    /// Its terms.
    pub terms: Vec<TermResult>,
    /// How late its changes took effect, where that was seen.
    pub latencies: Vec<Latency>,
}

/// A phase of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct StepResult {
    /// Which phase.
    pub phase: Phase,
    /// What was changed: "apply x/deny-all".
    pub change: String,
    /// When that was requested, in microseconds on the clock of the streaks.
    pub requested_us: u64,
    /// From the request to the moment since which everything was right, in milliseconds.
    pub converged_ms: Option<f64>,
    /// From the request to the moment at which everything had been right for a whole hold, in milliseconds.
    pub held_ms: Option<f64>,
    /// How long what was wrong was given to come right, in milliseconds.
    pub patience_ms: Option<f64>,
    /// From the request to the end of probing, in milliseconds.
    pub duration_ms: f64,
    /// The pods that were made again up to this phase, as they are in it.
    pub pods: Vec<Pod>,
    /// The flows that were probed, each with what must happen and what did.
    pub cells: Vec<CellResult>,
}

/// A flow in a phase.
#[derive(Clone, Debug, PartialEq)]
pub struct CellResult {
    /// What the log holds.
    pub cell: Cell,
    /// What that comes to.
    pub seen: Seen,
    /// Whether it contradicts what must happen, or did so after it had held.
    pub wrong: bool,
}

/// What the attempts on a flow in one phase come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Traffic got through at the end of the phase.
    Through,
    /// Nothing got through at the end of the phase, often and long enough to say so.
    Blocked,
    /// Neither can be said.
    Unclear {
        /// Why.
        why: String,
    },
}

/// A term's verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct TermResult {
    /// Its stable id: `x/deny-all ingress`, `x/web ingress[0].ports[1].protocol`, `step[2] replace`, `removal`.
    pub id: String,
    /// The feature that it belongs to.
    pub feature: String,
    /// Whether it is the isolation of a direction.
    pub isolation: bool,
    /// The verdict, folded over scopes.
    pub verdict: Verdict,
    /// One or more sentences: why.
    pub explanation: String,
    /// The faults that explain what was seen.
    pub faults: Vec<String>,
    /// Flows on which ignoring the term would show, and what was seen on them.
    pub witnesses: Vec<Witness>,
    /// The scopes that witnesses were seen in, each with its verdict.
    pub scopes: Vec<ScopeResult>,
    /// From the request to the last wrong observation on its witnesses, in milliseconds.
    pub latency_ms: Option<f64>,
    /// The policy that holds the term, as YAML; `None` for changes.
    pub policy: Option<String>,
}

/// A flow on which ignoring a term would show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// In which phase.
    pub phase: Phase,
    /// Its place among the phase's cells.
    pub cell: usize,
}

/// Where witnesses were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Scope {
    /// The IP family.
    pub family: Family,
    /// The path.
    pub path: Path,
    /// The protocol.
    pub protocol: Protocol,
    /// Whether both ends stand on one node, on two, or one of them outside.
    pub placement: Placement,
}

/// Where the two ends of a flow stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// On the same node.
    SameNode,
    /// On two nodes.
    CrossNode,
    /// One of them outside the cluster.
    Outside,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SameNode => "same node",
            Self::CrossNode => "cross node",
            Self::Outside => "outside",
        })
    }
}

/// A verdict in one scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeResult {
    /// Where.
    pub scope: Scope,
    /// What.
    pub verdict: Verdict,
}
