//! What the process says at its end, and why.

use crate::core::diff::{Diff, Turn};
use crate::core::event::RunEnd;
use crate::core::verdict::{RunResult, StartUp, TermResult, Verdict};
use std::process::ExitCode;

/// Every code that papertiger ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// 0: policies are enforced. With `--expect ignored`: none is, as expected. For other commands: done.
    Enforced,
    /// 1: something is not enforced as written (`diff`: got worse), or `--fail-on` names what was found. With `--expect ignored`: something
    /// is enforced.
    NotEnforced,
    /// 2: the command line or a file that it names is wrong.
    Usage,
    /// 3: what was seen proves nothing.
    Inconclusive,
    /// 4: the run could not be done, or its result could not be written.
    CouldNotRun,
    /// 130: ended by SIGINT, after cleaning up.
    Interrupted,
    /// 143: ended by SIGTERM, after cleaning up.
    Terminated,
}

/// What the caller expects of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// That it enforces policies.
    Enforced,
    /// That it ignores them: the negative control.
    Ignored,
}

/// What fails a run that would pass otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// Something was enforced later than the budget allows.
    Late,
    /// Pods were unprotected for a while after their start.
    Startup,
    /// A case was skipped or a node not tested.
    Skipped,
}

impl ExitStatus {
    /// The code.
    pub fn code(self) -> u8 {
        match self {
            Self::Enforced => 0,
            Self::NotEnforced => 1,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::CouldNotRun => 4,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The code of a result. A run that did not complete is never 0: what it found counts, else it proved nothing.
    pub fn of(result: &RunResult, expect: Option<Expect>, fail_on: &[FailOn]) -> Self {
        let judged = match expect {
            None | Some(Expect::Enforced) => expecting_enforced(result),
            Some(Expect::Ignored) => expecting_ignored(result),
        };
        match &result.end {
            Some(RunEnd::Completed) => {
                let tripped = fail_on.iter().any(|fail_on| fail_on.is_found_in(result));
                if judged == Self::Enforced && tripped { Self::NotEnforced } else { judged }
            }
            Some(RunEnd::Interrupted { signal }) if signal == "SIGTERM" => Self::Terminated,
            Some(RunEnd::Interrupted { .. }) => Self::Interrupted,
            Some(RunEnd::TimedOut) | None => judged.unless_passed(Self::Inconclusive),
            Some(RunEnd::Failed { .. }) if judged == Self::NotEnforced => Self::NotEnforced,
            Some(RunEnd::Failed { .. }) => Self::CouldNotRun,
        }
    }

    /// The code of a comparison.
    pub fn of_diff(diff: &Diff) -> Self {
        if diff.count(Turn::Worse) > 0 {
            Self::NotEnforced
        } else if diff.count(Turn::Unproven) > 0 || !diff.new.is_complete() {
            Self::Inconclusive
        } else {
            Self::Enforced
        }
    }

    fn unless_passed(self, instead: Self) -> Self {
        if self == Self::Enforced { instead } else { self }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

impl FailOn {
    /// Whether a result has what this names. It turns 0 into 1 and nothing else: 3 and 4 fail already, and say more.
    fn is_found_in(self, result: &RunResult) -> bool {
        let has = |verdict: Verdict| {
            result
                .cases
                .iter()
                .any(|case| case.verdict == verdict || case.terms.iter().any(|term| term.verdict == verdict))
        };
        match self {
            Self::Late => has(Verdict::Late),
            Self::Startup => result.startups.iter().any(StartUp::has_window),
            Self::Skipped => has(Verdict::Skipped) || result.nodes.iter().any(|node| node.verdict == Verdict::Skipped),
        }
    }
}

fn expecting_enforced(result: &RunResult) -> ExitStatus {
    let proved_something = result
        .cases
        .iter()
        .flat_map(|case| &case.terms)
        .any(|term| matches!(term.verdict, Verdict::Enforced | Verdict::Late));
    match result.verdict {
        Verdict::Ignored | Verdict::Partial | Verdict::Overblocked | Verdict::Stale | Verdict::Flapping => {
            ExitStatus::NotEnforced
        }
        Verdict::Enforced | Verdict::Late if proved_something => ExitStatus::Enforced,
        Verdict::Enforced | Verdict::Late => ExitStatus::Inconclusive,
        Verdict::Inconclusive | Verdict::Skipped | Verdict::Undefined => ExitStatus::Inconclusive,
    }
}

/// A scope whose witnesses prove nothing was not tested: it neither passes nor fails the negative control, and leaves it
/// open.
fn expecting_ignored(result: &RunResult) -> ExitStatus {
    let isolations: Vec<&TermResult> =
        result.cases.iter().flat_map(|case| &case.terms).filter(|term| term.isolation).collect();
    let verdicts = isolations.iter().flat_map(|term| tested_scopes(term));
    let mut status = if isolations.is_empty() { ExitStatus::Inconclusive } else { ExitStatus::Enforced };
    for verdict in verdicts {
        match verdict {
            Verdict::Ignored => {}
            Verdict::Inconclusive | Verdict::Skipped | Verdict::Undefined => status = ExitStatus::Inconclusive,
            Verdict::Enforced
            | Verdict::Partial
            | Verdict::Overblocked
            | Verdict::Stale
            | Verdict::Flapping
            | Verdict::Late => return ExitStatus::NotEnforced,
        }
    }
    status
}

fn tested_scopes(term: &TermResult) -> Vec<Verdict> {
    if term.scopes.is_empty() {
        return vec![term.verdict];
    }
    term.scopes.iter().map(|scope| scope.verdict).collect()
}

#[cfg(test)]
mod tests;
