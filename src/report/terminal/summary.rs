//! The run at a glance: a line for each case, then features and nodes by verdict.

use super::tone;
use crate::core::event::Phase;
use crate::core::verdict::{CaseResult, RunResult, Verdict};
use crate::report::page::{Line, Page, Tone, clean, duration_ms, truncate};
use unicode_width::UnicodeWidthStr;

/// The room that terms keep where ids are long: "10 of 12 enforced".
const TERMS_WIDTH: usize = 20;
const VERDICT_WIDTH: usize = "INCONCLUSIVE".len();
const TIME_WIDTH: usize = "CONVERGED".len();

/// Names of healthy nodes beyond this many are counted.
const NAMES: usize = 12;

/// Every verdict, worst first.
const WORST_FIRST: [Verdict; 10] = [
    Verdict::Ignored,
    Verdict::Partial,
    Verdict::Overblocked,
    Verdict::Stale,
    Verdict::Flapping,
    Verdict::Inconclusive,
    Verdict::Late,
    Verdict::Enforced,
    Verdict::Undefined,
    Verdict::Skipped,
];

/// A line for each case that was scored.
pub(super) fn cases(page: &mut Page, cases: &[CaseResult]) {
    let cases: Vec<&CaseResult> = cases.iter().filter(|case| is_scored(case)).collect();
    if cases.is_empty() {
        return;
    }
    let room = page.width().saturating_sub(VERDICT_WIDTH + TIME_WIDTH + 3 * 2);
    let id_width = cases.iter().map(|case| clean(&case.id).width()).max().unwrap_or(0).max("CASE".len());
    let terms_width = cases.iter().map(|case| terms(case, usize::MAX).width()).max().unwrap_or(0);
    let id_width = id_width.min(room.saturating_sub(terms_width.min(TERMS_WIDTH)));
    let terms_at = VERDICT_WIDTH + 2 + id_width + 2;
    page.blank();
    let head = Line::new().toned("VERDICT", Tone::Strong).to(VERDICT_WIDTH + 2).toned("CASE", Tone::Strong);
    let head = head.to(terms_at).toned("TERMS", Tone::Strong);
    page.line(head.right(page.width(), "CONVERGED", Tone::Strong));
    for case in cases {
        let id = truncate(&clean(&case.id), id_width);
        let line = Line::new().toned(case.verdict.to_string(), tone(case.verdict)).to(VERDICT_WIDTH + 2).text(id);
        let room = page.width().saturating_sub(terms_at + TIME_WIDTH + 2);
        let line = line.to(terms_at).text(terms(case, room));
        let (time, time_tone) = converged(case);
        page.line(line.right(page.width(), &time, time_tone));
    }
}

/// Cases that say nothing about the verdict, with why.
pub(super) fn unscored(page: &mut Page, cases: &[CaseResult]) {
    let mut groups: Vec<(Verdict, &str, Vec<&str>)> = Vec::new();
    for case in cases.iter().filter(|case| !is_scored(case)) {
        let reason = case.reason.as_deref().unwrap_or("no reason was given");
        match groups.iter_mut().find(|(verdict, known, _)| *verdict == case.verdict && *known == reason) {
            Some((_, _, ids)) => ids.push(&case.id),
            None => groups.push((case.verdict, reason, vec![&case.id])),
        }
    }
    for (verdict, reason, ids) in groups {
        page.blank();
        let first = Line::new().toned(verdict.to_string(), tone(verdict)).to(VERDICT_WIDTH + 2);
        page.paragraph(first, VERDICT_WIDTH + 2, &ids.join(", "), Tone::Plain);
        page.paragraph(Line::new().to(VERDICT_WIDTH + 2), VERDICT_WIDTH + 2, &format!("({reason})"), Tone::Dim);
    }
}

/// The features, by verdict.
pub(super) fn features(page: &mut Page, result: &RunResult) {
    let named = result.features.iter().map(|feature| (feature.verdict, feature.feature.as_str()));
    by_verdict(page, "FEATURES", &named.collect::<Vec<_>>(), usize::MAX);
}

/// The nodes, by verdict.
pub(super) fn nodes(page: &mut Page, result: &RunResult, verbose: u8) {
    let named = result.nodes.iter().map(|node| (node.verdict, node.name.as_str()));
    let most = if verbose > 0 { usize::MAX } else { NAMES };
    by_verdict(page, "NODES", &named.collect::<Vec<_>>(), most);
    for node in result.nodes.iter().take(most) {
        if let Some(reason) = &node.reason {
            let first = Line::new().to(VERDICT_WIDTH + 2);
            page.paragraph(first, VERDICT_WIDTH + 2, &format!("{}: {reason}", node.name), Tone::Dim);
        }
    }
}

fn is_scored(case: &CaseResult) -> bool {
    !matches!(case.verdict, Verdict::Skipped | Verdict::Undefined)
}

fn by_verdict(page: &mut Page, heading: &str, named: &[(Verdict, &str)], most: usize) {
    if named.is_empty() {
        return;
    }
    page.blank();
    page.line(Line::new().toned(heading, Tone::Strong));
    for verdict in WORST_FIRST {
        let names: Vec<&str> = named.iter().filter(|(of, _)| *of == verdict).map(|(_, name)| *name).collect();
        if names.is_empty() {
            continue;
        }
        let mut text = names.iter().take(most).copied().collect::<Vec<_>>().join(", ");
        if names.len() > most {
            text.push_str(&format!(" and {} more (-v)", names.len() - most));
        }
        // What nobody looked at sounds like a choice when it is called skipped.
        let word = if verdict == Verdict::Skipped { "NOT TESTED".to_owned() } else { verdict.to_string() };
        let first = Line::new().toned(word, tone(verdict)).to(VERDICT_WIDTH + 2);
        page.paragraph(first, VERDICT_WIDTH + 2, &text, Tone::Plain);
    }
}

/// "2 ignored, 1 enforced", or less where that is too long.
fn terms(case: &CaseResult, room: usize) -> String {
    let of = |verdict: Verdict| case.terms.iter().filter(|term| term.verdict == verdict).count();
    let counts = WORST_FIRST.map(|verdict| (verdict, of(verdict)));
    let parts = counts.iter().filter(|(_, count)| *count > 0);
    let word = |verdict: Verdict| match verdict {
        // As long as both columns beside it, otherwise.
        Verdict::Inconclusive => "unclear".to_owned(),
        other => other.to_string().to_lowercase(),
    };
    let text = parts.map(|(verdict, n)| format!("{n} {}", word(*verdict))).collect::<Vec<_>>().join(", ");
    if case.terms.is_empty() {
        "none".to_owned()
    } else if text.width() <= room {
        text
    } else {
        format!("{} of {} enforced", of(Verdict::Enforced), case.terms.len())
    }
}

/// How long the slowest step took to become right.
fn converged(case: &CaseResult) -> (String, Tone) {
    let mut steps = case.steps.iter().filter(|step| matches!(step.phase, Phase::Step(_))).peekable();
    if steps.peek().is_none() {
        return ("-".to_owned(), Tone::Dim);
    }
    match steps.map(|step| step.converged_ms).collect::<Option<Vec<f64>>>() {
        Some(times) => (duration_ms(times.into_iter().fold(0.0, f64::max)), Tone::Plain),
        None => ("never".to_owned(), tone(case.verdict)),
    }
}
