//! What is different between two runs: of two networks, or of one before and after a change to it.

use super::verdict::Verdict;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a run found, as far as two can be compared: a part of what a JSON report holds, under its names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// Which run.
    pub run: Run,
    /// The verdict of the whole.
    pub verdict: Verdict,
    /// Its cases.
    pub cases: Vec<Case>,
    /// Its nodes.
    pub nodes: Vec<Node>,
}

/// Which run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// `completed`, or why it was over before.
    pub end: String,
    /// The version of papertiger.
    pub tool_version: String,
    /// `lab`, `cluster` or `sim`.
    pub target: String,
}

impl Run {
    /// Whether it did all that it was to do. Else what it lacks may only not have been reached.
    pub fn is_complete(&self) -> bool {
        self.end == "completed"
    }
}

/// A case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Case {
    /// Its id.
    pub id: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why, where that is not ENFORCED.
    pub reason: Option<String>,
    /// Its terms.
    pub terms: Vec<Term>,
}

/// A term.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Term {
    /// Its id.
    pub id: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why.
    pub explanation: String,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why, where that is known.
    pub reason: Option<String>,
}

/// What a verdict is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A term of a case.
    Term {
        /// The case.
        case: String,
        /// The term.
        term: String,
    },
    /// A case.
    Case(String),
    /// A node.
    Node(String),
}

impl Subject {
    /// The case that it belongs to.
    pub fn case(&self) -> Option<&str> {
        match self {
            Self::Term { case, .. } | Self::Case(case) => Some(case),
            Self::Node(_) => None,
        }
    }
}

/// Which way a verdict went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
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

impl Turn {
    /// All of them, as they are to be read.
    pub const ALL: [Self; 6] = [Self::Worse, Self::Unproven, Self::Gone, Self::Other, Self::Better, Self::New];

    /// From one verdict to another; `None` where both are the same, or nothing was tested either time.
    fn between(old: Option<Verdict>, new: Option<Verdict>) -> Option<Self> {
        let grade = |verdict: Option<Verdict>| verdict.and_then(Grade::of);
        match (grade(old), grade(new)) {
            (None, None) => None,
            (None, Some(_)) => Some(Self::New),
            (Some(_), None) => Some(Self::Gone),
            (Some(_), Some(_)) if old == new => None,
            (Some(_), Some(Grade::Unclear)) => Some(Self::Unproven),
            (Some(old), Some(new)) if old < new => Some(Self::Worse),
            (Some(old), Some(new)) if old > new => Some(Self::Better),
            (Some(_), Some(_)) => Some(Self::Other),
        }
    }
}

/// How bad a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Good,
    Unclear,
    Fails,
    FailsThroughout,
}

impl Grade {
    /// `None` of what says that nothing was tested.
    fn of(verdict: Verdict) -> Option<Self> {
        match verdict {
            Verdict::Enforced | Verdict::Late => Some(Self::Good),
            Verdict::Inconclusive => Some(Self::Unclear),
            Verdict::Partial | Verdict::Overblocked | Verdict::Stale | Verdict::Flapping => Some(Self::Fails),
            Verdict::Ignored => Some(Self::FailsThroughout),
            Verdict::Skipped | Verdict::Undefined => None,
        }
    }
}

/// A verdict that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub subject: Subject,
    /// Which way it went.
    pub turn: Turn,
    /// What it was; `None` where there was none.
    pub old: Option<Verdict>,
    /// What it is; `None` where there is none.
    pub new: Option<Verdict>,
    /// Why it is what it is, where that is known.
    pub why: Option<String>,
}

/// What is different between two runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// The run that came first.
    pub old: Run,
    /// The other.
    pub new: Run,
    /// The verdict of the whole, then and now.
    pub verdicts: [Verdict; 2],
    /// What changed, the worst first.
    pub changes: Vec<Change>,
    /// How many terms are what they were.
    pub unchanged: usize,
}

impl Diff {
    /// How many changes went this way.
    pub fn count(&self, turn: Turn) -> usize {
        self.changes.iter().filter(|change| change.turn == turn).count()
    }
}

/// Compares two runs by the ids of cases and terms and the names of nodes.
pub fn diff(old: &Found, new: &Found) -> Diff {
    let (before, after) = (known(old), known(new));
    let subjects = before.keys().chain(after.keys().filter(|subject| !before.contains_key(subject)));
    let change = |subject: &Subject| {
        let of = |known: &BTreeMap<Subject, Known>| known.get(subject).map(|known| known.verdict);
        let (old, new) = (of(&before), of(&after));
        let turn = Turn::between(old, new)?;
        // A term that is gone has no words of its own; why its case was not run is known.
        let case = subject.case().map(|case| Subject::Case(case.to_owned()));
        let told = [Some(subject), case.as_ref()].into_iter().flatten().find_map(|subject| after.get(subject));
        Some(Change { subject: subject.clone(), turn, old, new, why: told.and_then(|known| known.why.clone()) })
    };
    let mut changes: Vec<Change> = subjects.clone().filter_map(change).collect();
    // What the terms of a case say need not be said of the case again.
    let terms: BTreeSet<(String, Turn)> = changes
        .iter()
        .filter(|change| matches!(change.subject, Subject::Term { .. }))
        .filter_map(|change| Some((change.subject.case()?.to_owned(), change.turn)))
        .collect();
    changes.retain(|change| match &change.subject {
        Subject::Case(case) => !terms.contains(&(case.clone(), change.turn)),
        Subject::Term { .. } | Subject::Node(_) => true,
    });
    let changed = changes.iter().filter(|change| matches!(change.subject, Subject::Term { .. })).count();
    let all = subjects.filter(|subject| matches!(subject, Subject::Term { .. })).count();
    changes.sort_by(|a, b| (a.turn, &a.subject).cmp(&(b.turn, &b.subject)));
    Diff {
        old: old.run.clone(),
        new: new.run.clone(),
        verdicts: [old.verdict, new.verdict],
        changes,
        unchanged: all - changed,
    }
}

/// A verdict and why.
struct Known {
    verdict: Verdict,
    why: Option<String>,
}

/// Everything that has a verdict.
fn known(found: &Found) -> BTreeMap<Subject, Known> {
    let cases = found.cases.iter().flat_map(|case| {
        let of_case = (Subject::Case(case.id.clone()), Known { verdict: case.verdict, why: case.reason.clone() });
        let of_term = |term: &Term| {
            let subject = Subject::Term { case: case.id.clone(), term: term.id.clone() };
            (subject, Known { verdict: term.verdict, why: Some(term.explanation.clone()) })
        };
        std::iter::once(of_case).chain(case.terms.iter().map(of_term))
    });
    let nodes = found
        .nodes
        .iter()
        .map(|node| (Subject::Node(node.name.clone()), Known { verdict: node.verdict, why: node.reason.clone() }));
    cases.chain(nodes).collect()
}

#[cfg(test)]
mod tests;
