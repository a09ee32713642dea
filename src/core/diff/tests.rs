use super::*;
use Turn::{Better, Gone, New, Other, Unproven, Worse};
use Verdict::{Enforced, Flapping, Ignored, Inconclusive, Late, Overblocked, Partial, Skipped, Stale, Undefined};

/// What a verdict was, what it is, which way that is.
const TURNS: &[(Option<Verdict>, Option<Verdict>, Option<Turn>)] = &[
    // "what got worse"
    (Some(Enforced), Some(Ignored), Some(Worse)),
    (Some(Enforced), Some(Partial), Some(Worse)),
    (Some(Late), Some(Overblocked), Some(Worse)),
    (Some(Inconclusive), Some(Stale), Some(Worse)),
    (Some(Partial), Some(Ignored), Some(Worse)),
    // An IGNORED that can no longer be seen is not mended.
    (Some(Enforced), Some(Inconclusive), Some(Unproven)),
    (Some(Ignored), Some(Inconclusive), Some(Unproven)),
    // "better"
    (Some(Ignored), Some(Enforced), Some(Better)),
    (Some(Ignored), Some(Partial), Some(Better)),
    (Some(Flapping), Some(Late), Some(Better)),
    (Some(Inconclusive), Some(Enforced), Some(Better)),
    // LATE fails a run only where it is asked to.
    (Some(Enforced), Some(Late), Some(Other)),
    (Some(Late), Some(Enforced), Some(Other)),
    (Some(Stale), Some(Overblocked), Some(Other)),
    // "new": "SKIPPED and UNDEFINED never change the code", they say that nothing was scored.
    (None, Some(Ignored), Some(New)),
    (Some(Skipped), Some(Enforced), Some(New)),
    (Some(Undefined), Some(Inconclusive), Some(New)),
    // "gone"
    (Some(Enforced), None, Some(Gone)),
    (Some(Ignored), Some(Skipped), Some(Gone)),
    // Nothing to say.
    (Some(Enforced), Some(Enforced), None),
    (Some(Ignored), Some(Ignored), None),
    (None, Some(Skipped), None),
    (Some(Skipped), Some(Undefined), None),
    (Some(Undefined), None, None),
];

#[test]
fn every_pair_of_verdicts_goes_one_way() {
    for &(old, new, turn) in TURNS {
        assert_eq!(Turn::between(old, new), turn, "{old:?} → {new:?}");
    }
    let verdicts = || Verdict::WORST_FIRST.into_iter().map(Some).chain([None]);
    for (old, new) in verdicts().flat_map(|old| verdicts().map(move |new| (old, new))) {
        let (there, back) = (Turn::between(old, new), Turn::between(new, old));
        let mirrored = match there {
            Some(Worse) => back == Some(Better) || back == Some(Unproven),
            Some(Better) => back == Some(Worse) || back == Some(Unproven),
            Some(Unproven) => back == Some(Worse) || back == Some(Better),
            Some(Gone) => back == Some(New),
            Some(New) => back == Some(Gone),
            Some(Other) => back == Some(Other),
            None => back.is_none(),
        };
        assert!(mirrored, "{old:?} → {new:?}: {there:?}, back {back:?}");
    }
}

/// Something by its name, and its verdict.
type Judged<'a> = (&'a str, Verdict);

fn found(cases: &[(&str, Verdict, &[Judged<'_>])], nodes: &[Judged<'_>]) -> Found {
    let text = str::to_owned;
    Found {
        run: Run {
            id: text("a"),
            started_at: text(""),
            end: text("completed"),
            tool_version: text(""),
            target: text("lab"),
        },
        verdict: Enforced,
        cases: cases
            .iter()
            .map(|(id, verdict, terms)| Case {
                id: text(id),
                verdict: *verdict,
                reason: (*verdict != Enforced).then(|| format!("{id} is {verdict}")),
                terms: terms
                    .iter()
                    .map(|(id, verdict)| Term {
                        id: text(id),
                        verdict: *verdict,
                        explanation: format!("{id}: {verdict}"),
                    })
                    .collect(),
            })
            .collect(),
        nodes: nodes.iter().map(|(name, verdict)| Node { name: text(name), verdict: *verdict, reason: None }).collect(),
    }
}

/// "CASE TERM", "CASE" or "node NAME", with which way it went.
fn said(diff: &Diff) -> Vec<(String, Turn)> {
    let name = |subject: &Subject| match subject {
        Subject::Term { case, term } => format!("{case} {term}"),
        Subject::Case(case) => case.clone(),
        Subject::Node(node) => format!("node {node}"),
    };
    diff.changes.iter().map(|change| (name(&change.subject), change.turn)).collect()
}

#[test]
fn what_is_the_same_is_counted_and_nothing_else_is_said() {
    let run =
        found(&[("one", Enforced, &[("a", Enforced), ("b", Enforced)]), ("two", Skipped, &[])], &[("n1", Enforced)]);
    let diff = diff(&run, &run);
    assert_eq!((said(&diff), diff.unchanged), (Vec::new(), 2));
}

#[test]
fn terms_speak_for_their_case() {
    let old = found(&[("one", Enforced, &[("a", Enforced), ("b", Enforced)])], &[]);
    let new = found(&[("one", Ignored, &[("a", Enforced), ("b", Ignored)])], &[]);
    let diff = diff(&old, &new);
    assert_eq!((said(&diff), diff.unchanged), (vec![("one b".into(), Worse)], 1));
    assert_eq!(diff.changes[0].why.as_deref(), Some("b: IGNORED"));
}

#[test]
fn a_case_that_is_wrong_by_itself_is_named_and_so_is_its_mending() {
    let right = found(&[("one", Enforced, &[("a", Enforced)])], &[]);
    let wrong = found(&[("one", Flapping, &[("a", Enforced)])], &[]);
    assert_eq!(said(&diff(&right, &wrong)), [("one".into(), Worse)]);
    assert_eq!(said(&diff(&wrong, &right)), [("one".into(), Better)]);
}

#[test]
fn what_is_gone_says_why_its_case_was_not_run() {
    let old = found(&[("one", Enforced, &[("a", Enforced)])], &[("n1", Enforced)]);
    let skipped = found(&[("one", Skipped, &[])], &[("n2", Ignored)]);
    let gone = diff(&old, &skipped);
    assert_eq!(said(&gone), [("one a".into(), Gone), ("node n1".into(), Gone), ("node n2".into(), New)]);
    assert_eq!(gone.changes[0].why.as_deref(), Some("one is SKIPPED"));
    let away = diff(&old, &found(&[], &[("n1", Enforced)]));
    assert_eq!(said(&away), [("one a".into(), Gone)]);
    assert_eq!(away.changes[0].why, None);
}

#[test]
fn the_worst_comes_first() {
    let old = found(&[("one", Ignored, &[("a", Ignored), ("b", Enforced), ("c", Enforced)])], &[("n1", Enforced)]);
    let new = found(&[("one", Ignored, &[("a", Enforced), ("b", Inconclusive), ("c", Ignored)])], &[("n1", Partial)]);
    let turns: Vec<Turn> = diff(&old, &new).changes.iter().map(|change| change.turn).collect();
    assert_eq!(turns, [Worse, Worse, Unproven, Better]);
}
