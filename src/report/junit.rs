//! JUnit XML, for what shows tests: a suite for each case, a test for each term in each scope.

use super::page::clean;
use super::{phrases, terminal};
use crate::core::verdict::{CaseResult, RunResult, ScopeResult, TermResult, Verdict};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The suite that stands for the run itself.
const RUN: &str = "run";

/// The XML.
pub fn render(result: &RunResult) -> String {
    let mut report = Report::new("papertiger");
    report.set_time(Duration::from_micros(result.duration_us));
    report.add_test_suite(run_suite(result));
    report.add_test_suites(result.cases.iter().map(case_suite));
    // It is written to memory, and every name is XML once the library has cleaned it.
    without_total_of_skipped(report.to_string().unwrap_or_default())
}

/// Suites say how many tests were skipped. Jenkins's schema does not let the whole say so.
fn without_total_of_skipped(mut text: String) -> String {
    let of_whole = text.find("<testsuites ").and_then(|start| {
        let end = start + text[start..].find('>')?;
        let attribute = start + text[start..end].find(" skipped=\"")?;
        let value = attribute + " skipped=\"".len();
        Some(attribute..value + text[value..end].find('"')? + 1)
    });
    if let Some(attribute) = of_whole {
        text.replace_range(attribute, "");
    }
    text
}

/// Fails where the run as a whole proves nothing, however many of its tests have passed.
fn run_suite(result: &RunResult) -> TestSuite {
    let run = &result.run;
    let incomplete = phrases::incomplete(result);
    let status = match (&incomplete, result.verdict) {
        (Some(why), _) => because(TestCaseStatus::non_success(NonSuccessKind::Error), "incomplete", why),
        (None, Verdict::Inconclusive) => status(Verdict::Inconclusive, phrases::headline(result)),
        (None, _) => TestCaseStatus::success(),
    };
    let mut test = TestCase::new("completes and proves something", status);
    test.set_classname(RUN).set_time(Duration::from_micros(result.duration_us));
    let said = [Some(result.headline.clone()), phrases::behaves_like(result), phrases::on_purpose(result)];
    let said = said.into_iter().flatten().chain(result.notes.clone());
    test.set_system_out(said.map(|line| clean(&line)).collect::<Vec<_>>().join("\n"));
    let mut suite = TestSuite::new(RUN);
    let facts = [
        ("run", run.run.clone()),
        ("started_at", run.started_at.clone()),
        ("tool_version", run.tool_version.clone()),
        ("target", run.target.clone()),
        ("profile", run.settings.profile.clone()),
        ("seed", run.settings.seed.to_string()),
        ("verdict", result.verdict.to_string().to_lowercase()),
    ];
    suite.add_properties(facts.map(|(name, value)| (name.to_owned(), clean(&value))));
    suite.set_time(Duration::from_micros(result.duration_us)).add_test_case(test);
    suite
}

fn case_suite(case: &CaseResult) -> TestSuite {
    let mut suite = TestSuite::new(clean(&case.id));
    let took_ms: f64 = case.steps.iter().map(|step| step.duration_ms).sum();
    suite.set_time(Duration::from_secs_f64(took_ms.max(0.0) / 1_000.0));
    suite.add_test_cases(case.terms.iter().flat_map(|term| tests(case, term)));
    // What is said of a case and of none of its terms must not be lost.
    if case.terms.iter().all(|term| term.verdict != case.verdict) {
        let why = case.reason.as_deref().unwrap_or(&case.title);
        suite.add_test_case(named(case, "the case as a whole", status(case.verdict, why)));
    }
    if fails(case.verdict) {
        suite.set_system_out(terminal::one_case(case));
    }
    suite
}

/// A test for each scope that the term was seen in, and one of its own where none of them says what the term's verdict does.
fn tests(case: &CaseResult, term: &TermResult) -> Vec<TestCase> {
    let in_scope = |ScopeResult { scope, verdict }: &ScopeResult| {
        let name = format!("{} [{}, {}, {}, {}]", term.id, scope.family, scope.path, scope.protocol, scope.placement);
        named(case, &name, status(*verdict, &term.explanation))
    };
    let mut tests: Vec<TestCase> = term.scopes.iter().map(in_scope).collect();
    let is_told = term.scopes.iter().any(|scope| fails(scope.verdict) == fails(term.verdict));
    if !is_told {
        tests.push(named(case, &term.id, status(term.verdict, &term.explanation)));
    }
    tests
}

fn named(case: &CaseResult, name: &str, status: TestCaseStatus) -> TestCase {
    let mut test = TestCase::new(clean(name), status);
    test.set_classname(clean(&case.id));
    test
}

/// What readers of JUnit know is passed, failed, broken and skipped; the verdict is the type.
fn status(verdict: Verdict, why: &str) -> TestCaseStatus {
    let status = match verdict {
        // LATE fails a run only where `--fail-on` says so, and there the exit code does.
        Verdict::Enforced | Verdict::Late => TestCaseStatus::success(),
        Verdict::Ignored | Verdict::Partial | Verdict::Overblocked | Verdict::Stale | Verdict::Flapping => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
        Verdict::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Skipped | Verdict::Undefined => TestCaseStatus::skipped(),
    };
    because(status, &verdict.to_string().to_lowercase(), &format!("{verdict}: {why}"))
}

/// Whether a test with this verdict is red.
fn fails(verdict: Verdict) -> bool {
    verdict.is_failure() || verdict == Verdict::Inconclusive
}

/// What passed needs no words.
fn because(mut status: TestCaseStatus, kind: &str, message: &str) -> TestCaseStatus {
    status.set_type(kind).set_message(clean(message));
    status
}
