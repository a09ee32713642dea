//! The structs of `papertiger.dev/diff/v1`. Fields are only ever added.

use crate::core::diff::{self, Diff, Subject};
use crate::core::verdict::Verdict;
use schemars::JsonSchema;
use serde::Serialize;

/// The schema that it names.
const SCHEMA: &str = "papertiger.dev/diff/v1";

/// What is different between two runs.
#[derive(Serialize, JsonSchema)]
pub(super) struct Report {
    /// `papertiger.dev/diff/v1`.
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    /// The run that came first.
    old: Run,
    /// The other.
    new: Run,
    /// What changed, the worst first.
    changes: Vec<Change>,
    /// How many terms are what they were.
    unchanged: usize,
}

/// A run.
#[derive(Serialize, JsonSchema)]
struct Run {
    /// Its id.
    id: String,
    /// When it began (RFC 3339, UTC).
    started_at: String,
    /// Whether it did all that it was to do.
    completed: bool,
    /// The version of papertiger.
    tool_version: String,
    /// `lab`, `cluster` or `sim`.
    target: String,
    /// The verdict of the whole.
    verdict: Verdict,
}

/// A verdict that is not what it was.
#[derive(Serialize, JsonSchema)]
struct Change {
    /// Which way it went.
    turn: Turn,
    /// The case; `null` for nodes.
    case: Option<String>,
    /// The term; `null` for nodes and for cases as a whole.
    term: Option<String>,
    /// The node; `null` for cases and terms.
    node: Option<String>,
    /// What it was; `null` where there was none.
    old: Option<Verdict>,
    /// What it is; `null` where there is none.
    new: Option<Verdict>,
    /// Why it is what it is, where that is known.
    why: Option<String>,
}

/// Which way a verdict went.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Turn {
    /// It fails, or fails more.
    Worse,
    /// It was known, and is no longer.
    Unproven,
    /// It was tested, and is no longer.
    Gone,
    /// It is another verdict, neither better nor worse.
    Other,
    /// It fails no longer, or less.
    Better,
    /// It was not tested before.
    New,
}

impl From<&Diff> for Report {
    fn from(diff: &Diff) -> Self {
        let [old, new] = diff.verdicts;
        Self {
            schema: SCHEMA,
            old: run(&diff.old, old),
            new: run(&diff.new, new),
            changes: diff.changes.iter().map(Change::from).collect(),
            unchanged: diff.unchanged,
        }
    }
}

fn run(run: &diff::Run, verdict: Verdict) -> Run {
    let diff::Run { id, started_at, end: _, tool_version, target } = run.clone();
    Run { id, started_at, completed: run.is_complete(), tool_version, target, verdict }
}

impl From<&diff::Change> for Change {
    fn from(change: &diff::Change) -> Self {
        let diff::Change { subject, turn, old, new, why } = change;
        let (case, term, node) = match subject {
            Subject::Term { case, term } => (Some(case.clone()), Some(term.clone()), None),
            Subject::Case(case) => (Some(case.clone()), None, None),
            Subject::Node(node) => (None, None, Some(node.clone())),
        };
        let turn = match turn {
            diff::Turn::Worse => Turn::Worse,
            diff::Turn::Unproven => Turn::Unproven,
            diff::Turn::Gone => Turn::Gone,
            diff::Turn::Other => Turn::Other,
            diff::Turn::Better => Turn::Better,
            diff::Turn::New => Turn::New,
        };
        Self { turn, case, term, node, old: *old, new: *new, why: why.clone() }
    }
}
