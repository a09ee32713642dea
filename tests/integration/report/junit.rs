//! JUnit XML, read by a parser that knows nothing of it.

use super::runs;
use papertiger::core::verdict::{RunResult, Verdict};
use papertiger::report::junit::render;
use roxmltree::{Document, Node};

/// What readers count: tests, failures, errors, skipped.
type Counts = [usize; 4];

fn said(element: Node<'_, '_>) -> Counts {
    ["tests", "failures", "errors", "skipped"]
        .map(|name| element.attribute(name).map_or(0, |number| number.parse().unwrap()))
}

fn counted(element: Node<'_, '_>) -> Counts {
    ["testcase", "failure", "error", "skipped"]
        .map(|name| element.descendants().filter(|n| n.has_tag_name(name)).count())
}

/// The counts of a report, which every element has right.
#[track_caller]
fn counts(result: &RunResult) -> Counts {
    let text = render(result);
    let document = Document::parse(&text).unwrap();
    jenkins_takes(document.root_element());
    for element in document.descendants().filter(|n| n.has_tag_name("testsuite")) {
        assert_eq!(said(element), counted(element), "{text}");
    }
    assert_eq!(said(document.root_element())[..3], counted(document.root_element())[..3], "{text}");
    let mut names: Vec<_> = document
        .descendants()
        .filter(|n| n.has_tag_name("testcase"))
        .map(|n| (n.attribute("classname").unwrap(), n.attribute("name").unwrap()))
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "each test has a name of its own: {text}");
    counted(document.root())
}

/// What may be said of an element: what must be there, what else may, and what may stand inside.
struct Rule {
    name: &'static str,
    needed: &'static [&'static str],
    allowed: &'static [&'static str],
    inside: &'static [&'static str],
}

const BECAUSE: &[&str] = &["type", "message"];

/// What Jenkins's schema of JUnit (`junit-10.xsd` of its xUnit plugin) says of the elements that we write.
const JENKINS: [Rule; 9] = [
    Rule {
        name: "testsuites",
        needed: &[],
        allowed: &["name", "time", "tests", "failures", "errors"],
        inside: &["testsuite"],
    },
    Rule {
        name: "testsuite",
        needed: &["name", "tests", "failures", "errors"],
        allowed: &["time", "skipped", "timestamp", "hostname", "id", "package"],
        inside: &["properties", "testcase", "system-out", "system-err"],
    },
    Rule { name: "properties", needed: &[], allowed: &[], inside: &["property"] },
    Rule { name: "property", needed: &["name", "value"], allowed: &[], inside: &[] },
    Rule {
        name: "testcase",
        needed: &["name"],
        allowed: &["time", "classname", "group"],
        inside: &["skipped", "error", "failure", "system-out", "system-err"],
    },
    Rule { name: "failure", needed: &[], allowed: BECAUSE, inside: &[] },
    Rule { name: "error", needed: &[], allowed: BECAUSE, inside: &[] },
    Rule { name: "skipped", needed: &[], allowed: BECAUSE, inside: &[] },
    Rule { name: "system-out", needed: &[], allowed: &[], inside: &[] },
];

#[track_caller]
fn jenkins_takes(element: Node<'_, '_>) {
    let name = element.tag_name().name();
    let Rule { needed, allowed, inside, .. } = JENKINS.iter().find(|rule| rule.name == name).expect(name);
    for attribute in *needed {
        assert!(element.has_attribute(*attribute), "{name} has no {attribute}");
    }
    for attribute in element.attributes() {
        assert!(needed.contains(&attribute.name()) || allowed.contains(&attribute.name()), "{name} {attribute:?}");
    }
    if let Some(time) = element.attribute("time") {
        let (whole, part) = time.split_once('.').unwrap_or((time, ""));
        assert!((whole.to_owned() + part).chars().all(|c| c.is_ascii_digit()) && part.len() <= 3, "{name} {time}");
    }
    for child in element.children().filter(Node::is_element) {
        assert!(inside.contains(&child.tag_name().name()), "{child:?} in {name}");
        jenkins_takes(child);
    }
}

#[test]
fn each_verdict_is_what_readers_of_junit_know() {
    // "IGNORED a failure, INCONCLUSIVE an error, SKIPPED skipped". The first test is the run's, then each term in two scopes.
    assert_eq!(counts(&runs::enforced()), [1 + 4 * 2 + 1, 0, 0, 1]);
    assert_eq!(counts(&runs::egress_ignored()), [1 + 5 * 2 + 1, 2, 2, 1]);
    assert_eq!(counts(&runs::partial()), [1 + 2 * 2, 2, 0, 0]);
    assert_eq!(counts(&runs::inconclusive()), [1 + 2 + 1, 0, 1 + 2 + 1, 0]);
    for verdict in Verdict::WORST_FIRST {
        let mut result = runs::enforced();
        result.cases.truncate(1);
        result.cases[0].verdict = verdict;
        result.cases[0].terms[0].verdict = verdict;
        result.cases[0].terms[0].scopes.clear();
        let expected = match verdict {
            Verdict::Enforced | Verdict::Late => [2, 0, 0, 0],
            Verdict::Inconclusive => [2, 0, 1, 0],
            Verdict::Skipped | Verdict::Undefined => [2, 0, 0, 1],
            _ => [2, 1, 0, 0],
        };
        assert_eq!(counts(&result), expected, "{verdict}");
    }
}

#[test]
fn a_run_that_proves_nothing_is_red_although_no_test_of_its_own_is() {
    let nothing = RunResult { verdict: Verdict::Inconclusive, cases: Vec::new(), ..runs::enforced() };
    assert_eq!(counts(&nothing), [1, 0, 1, 0]);
    for (end, _) in runs::incomplete() {
        assert_eq!(counts(&RunResult { end, ..runs::enforced() })[2], 1);
    }
}

#[test]
fn a_term_that_fails_in_no_scope_of_its_own_still_fails() {
    let mut result = runs::partial();
    let term = &mut result.cases[0].terms[0];
    term.verdict = Verdict::Flapping;
    for scope in &mut term.scopes {
        scope.verdict = Verdict::Enforced;
    }
    assert_eq!(counts(&result), [1 + 5, 2, 0, 0]);
}

#[test]
fn names_are_text_and_nothing_else() {
    let text = render(&runs::hostile());
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    assert_eq!(counts(&runs::hostile())[1], 2);
    let mut result = runs::egress_ignored();
    result.cases[1].terms[0].explanation = "a \"]]> <b>&amp; ' \u{0}\u{ffff}".into();
    let text = render(&result);
    let document = Document::parse(&text).unwrap();
    let failure = document.descendants().find(|n| n.has_tag_name("failure")).unwrap();
    let message = failure.attribute("message").unwrap();
    assert!(message.starts_with("IGNORED: a \"]]> <b>&amp; ' "), "{message:?}");
}

#[test]
fn whole_runs_are_read() {
    for (result, verdict) in runs::simulated() {
        let [tests, failures, errors, _] = counts(result);
        assert!(tests > 1_000, "{tests}");
        assert_eq!(failures > 0, verdict.is_failure(), "{verdict}: {failures} failures");
        assert_eq!(errors > 0, *verdict != Verdict::Enforced, "{verdict}: {errors} errors");
    }
}

#[test]
fn partial() {
    insta::assert_snapshot!(render(&runs::partial()));
}
