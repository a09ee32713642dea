//! The run at a glance: a line for each case, then features and nodes by verdict.

use super::tone;
use crate::core::verdict::{CaseResult, RunResult, Verdict};
use crate::report::page::{Line, Page, Tone, clean, truncate};
use crate::report::phrases::{self, Converged, Unscored, is_scored};
use unicode_width::UnicodeWidthStr;

/// The room that terms keep where ids are long: "10 of 12 enforced".
const TERMS_WIDTH: usize = 20;
const VERDICT_WIDTH: usize = "INCONCLUSIVE".len();
const TIME_WIDTH: usize = "CONVERGED".len();

/// Names of healthy nodes beyond this many are counted.
const NAMES: usize = 12;

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
        let converged = Converged::of(case);
        let time_tone = match converged {
            Converged::NoStep => Tone::Dim,
            Converged::Never => tone(case.verdict),
            Converged::After(_) => Tone::Plain,
        };
        page.line(line.right(page.width(), &converged.to_string(), time_tone));
    }
}

/// Cases that say nothing about the verdict, with why.
pub(super) fn unscored(page: &mut Page, cases: &[CaseResult]) {
    for Unscored { verdict, reason, cases } in phrases::unscored(cases) {
        page.blank();
        let first = Line::new().toned(verdict.to_string(), tone(verdict)).to(VERDICT_WIDTH + 2);
        let ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        page.paragraph(first, VERDICT_WIDTH + 2, &ids.join(", "), Tone::Plain);
        page.paragraph(Line::new().to(VERDICT_WIDTH + 2), VERDICT_WIDTH + 2, &format!("({reason})"), Tone::Dim);
    }
}

/// The features, by verdict.
pub(super) fn features(page: &mut Page, result: &RunResult) {
    let named = result.features.iter().map(|feature| (feature.verdict, feature.feature.as_str()));
    by_verdict(page, "FEATURES", named, usize::MAX);
}

/// The nodes, by verdict.
pub(super) fn nodes(page: &mut Page, result: &RunResult, verbose: u8) {
    let named = result.nodes.iter().map(|node| (node.verdict, node.name.as_str()));
    let most = if verbose > 0 { usize::MAX } else { NAMES };
    by_verdict(page, "NODES", named, most);
    for (node, about) in phrases::about_nodes(result).into_iter().take(most) {
        let first = Line::new().to(VERDICT_WIDTH + 2);
        page.paragraph(first, VERDICT_WIDTH + 2, &format!("{}: {about}", node.name), Tone::Dim);
    }
}

fn by_verdict<'a>(page: &mut Page, heading: &str, named: impl Iterator<Item = (Verdict, &'a str)>, most: usize) {
    let groups = phrases::by_verdict(named);
    if groups.is_empty() {
        return;
    }
    page.blank();
    page.line(Line::new().toned(heading, Tone::Strong));
    for (verdict, names) in groups {
        let mut text = names.iter().take(most).copied().collect::<Vec<_>>().join(", ");
        if names.len() > most {
            text.push_str(&format!(" and {} more (-v)", names.len() - most));
        }
        let first = Line::new().toned(phrases::heading(verdict), tone(verdict)).to(VERDICT_WIDTH + 2);
        page.paragraph(first, VERDICT_WIDTH + 2, &text, Tone::Plain);
    }
}

/// "2 ignored, 1 enforced", or less where that is too long.
fn terms(case: &CaseResult, room: usize) -> String {
    let text = phrases::terms(case);
    if text.width() <= room {
        return text;
    }
    let enforced = case.terms.iter().filter(|term| term.verdict == Verdict::Enforced).count();
    format!("{enforced} of {} enforced", case.terms.len())
}
