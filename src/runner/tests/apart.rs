//! Cases that share a world: what ends one of them says nothing of the others.

use super::cuts::abandoned;
use super::*;

/// They take place together.
const TOGETHER: [&str; 3] = ["allow-by-pod", "allow-by-namespace", "allow-one-port"];

fn refusing(ids: &[&str], policy: &str) -> (RunResult, Vec<RunEvent>) {
    simulate(SimOptions { refuses: Some(policy.to_owned()), ..SimOptions::default() }, some_cases(ids))
}

#[test]
fn a_policy_that_is_refused_costs_no_other_case_its_verdict() {
    let (result, events) = refusing(&TOGETHER, "allow-b");
    let verdicts: Vec<(&str, Verdict)> = result.cases.iter().map(|case| (case.id.as_str(), case.verdict)).collect();
    let wanted = [Verdict::Inconclusive, Verdict::Enforced, Verdict::Enforced];
    assert_eq!(verdicts, TOGETHER.into_iter().zip(wanted).collect::<Vec<_>>(), "{}", story(&result));
    let cause = "applying the policy x/allow-b failed: this network does not accept it";
    assert_eq!(result.cases[0].reason.as_deref(), Some(cause));
    let note = "cases in one world were abandoned and run again, one by one: allow-by-pod, allow-by-namespace, allow-one-port: ";
    assert_eq!(result.notes, [format!("{note}{cause}")]);
    assert_eq!(abandoned(&events).len(), 4, "all together, and then the one that is refused");
}

#[test]
fn a_case_by_itself_is_not_run_again() {
    let (result, events) = refusing(&TOGETHER[..1], "allow-b");
    assert_eq!(result.cases[0].verdict, Verdict::Inconclusive, "{}", story(&result));
    assert_eq!(abandoned(&events).len(), 1);
    assert!(result.notes.is_empty(), "{:?}", result.notes);
}
