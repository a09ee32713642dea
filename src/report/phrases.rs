//! What several reports say in the same words.

use super::page::{count, duration_ms};
use crate::core::event::{Phase, RunEnd};
use crate::core::verdict::{CaseResult, RunResult, Verdict, any_of};

/// The headline without the verdict that it begins with, for where that stands beside it.
pub(super) fn headline(result: &RunResult) -> &str {
    let verdict = result.verdict.to_string();
    result.headline.strip_prefix(&verdict).unwrap_or(&result.headline).trim_start_matches([':', ' '])
}

/// What the network behaves like, where the headline does not say so already.
pub(super) fn behaves_like(result: &RunResult) -> Option<String> {
    let as_if = any_of(&result.diagnoses).filter(|as_if| !result.headline.contains(as_if))?;
    Some(format!("The network behaves as if {as_if}."))
}

/// Why a run did not complete; `None` of one that did.
pub(super) fn incomplete(result: &RunResult) -> Option<String> {
    let why = match &result.end {
        Some(RunEnd::Completed) => return None,
        Some(RunEnd::Interrupted { signal }) => format!("The run was interrupted ({signal})"),
        Some(RunEnd::TimedOut) => {
            let timeout = duration_ms(result.run.settings.timeout_ms as f64);
            format!("The run took longer than --timeout ({timeout})")
        }
        Some(RunEnd::Failed { message }) => format!("The run failed: {message}"),
        None => "The event log breaks off".to_owned(),
    };
    Some(format!("{why}. It did not complete: what follows is what was seen until then."))
}

/// How the run was done, in parts.
pub(super) fn setup(result: &RunResult) -> [String; 8] {
    let run = &result.run;
    let settings = &run.settings;
    [
        format!("{} {}", run.target, run.run),
        format!("profile {}", settings.profile),
        count(run.nodes.len(), "node"),
        count(settings.lanes, "lane"),
        format!("settle {}", duration_ms(settings.settle_ms as f64)),
        format!("hold {}", duration_ms(settings.hold_ms as f64)),
        format!("seed {}", settings.seed),
        format!("took {}", duration_ms(result.duration_us as f64 / 1_000.0)),
    ]
}

/// The faults that were asked for.
pub(super) fn on_purpose(result: &RunResult) -> Option<String> {
    let faults = &result.run.settings.faults;
    (!faults.is_empty()).then(|| format!("faults on purpose: {}", faults.join(", ")))
}

/// Whether a case says anything about the verdict.
pub(super) fn is_scored(case: &CaseResult) -> bool {
    !matches!(case.verdict, Verdict::Skipped | Verdict::Undefined)
}

/// Cases of which the same is said, with what is said of them.
pub(super) struct Unscored<'a> {
    pub(super) verdict: Verdict,
    pub(super) reason: &'a str,
    pub(super) cases: Vec<&'a CaseResult>,
}

/// Cases that say nothing about the verdict, by why.
pub(super) fn unscored(cases: &[CaseResult]) -> Vec<Unscored<'_>> {
    let mut groups: Vec<Unscored<'_>> = Vec::new();
    for case in cases.iter().filter(|case| !is_scored(case)) {
        let reason = case.reason.as_deref().unwrap_or("no reason was given");
        match groups.iter_mut().find(|group| group.verdict == case.verdict && group.reason == reason) {
            Some(group) => group.cases.push(case),
            None => groups.push(Unscored { verdict: case.verdict, reason, cases: vec![case] }),
        }
    }
    groups
}

/// Names by verdict, worst first; a verdict without names is left out.
pub(super) fn by_verdict<'a>(named: impl Iterator<Item = (Verdict, &'a str)>) -> Vec<(Verdict, Vec<&'a str>)> {
    let named: Vec<(Verdict, &str)> = named.collect();
    let of = |verdict: Verdict| -> Vec<&str> {
        named.iter().filter(|(of, _)| *of == verdict).map(|(_, name)| *name).collect()
    };
    Verdict::WORST_FIRST
        .map(|verdict| (verdict, of(verdict)))
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .collect()
}

/// What a verdict is called where names stand behind it. What nobody looked at sounds like a choice when it is called
/// skipped.
pub(super) fn heading(verdict: Verdict) -> String {
    if verdict == Verdict::Skipped { "NOT TESTED".to_owned() } else { verdict.to_string() }
}

/// "2 ignored, 1 enforced"
pub(super) fn terms(case: &CaseResult) -> String {
    if case.terms.is_empty() {
        return "none".to_owned();
    }
    let of = |verdict: Verdict| case.terms.iter().filter(|term| term.verdict == verdict).count();
    let word = |verdict: Verdict| match verdict {
        // As long as both columns beside it, otherwise.
        Verdict::Inconclusive => "unclear".to_owned(),
        other => other.to_string().to_lowercase(),
    };
    let counts = Verdict::WORST_FIRST.map(|verdict| (verdict, of(verdict)));
    let parts = counts.into_iter().filter(|(_, count)| *count > 0);
    parts.map(|(verdict, n)| format!("{n} {}", word(verdict))).collect::<Vec<_>>().join(", ")
}

/// How long the slowest step of a case took to become right.
pub(super) enum Converged {
    /// There was no step.
    NoStep,
    /// A step did not.
    Never,
    /// So many milliseconds.
    After(f64),
}

impl Converged {
    /// Of a case.
    pub(super) fn of(case: &CaseResult) -> Self {
        let mut steps = case.steps.iter().filter(|step| matches!(step.phase, Phase::Step(_))).peekable();
        if steps.peek().is_none() {
            return Self::NoStep;
        }
        match steps.map(|step| step.converged_ms).collect::<Option<Vec<f64>>>() {
            Some(times) => Self::After(times.into_iter().fold(0.0, f64::max)),
            None => Self::Never,
        }
    }
}

impl std::fmt::Display for Converged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoStep => f.write_str("-"),
            Self::Never => f.write_str("never"),
            Self::After(ms) => f.write_str(&duration_ms(*ms)),
        }
    }
}
