//! What a person reads at the end of a run: the verdict first, then the cases, then what is wrong with its evidence.

mod case;
pub(super) mod evidence;
mod latency;
mod startup;
mod summary;
pub(super) mod table;

use super::page::{Line, Page, Tone, WIDEST, count};
use super::phrases;
use crate::core::verdict::{CaseResult, RunResult, Verdict};

/// How it shall look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether there are colours. Nothing is said by them alone.
    pub color: bool,
    /// The widest that a line may be.
    pub width: usize,
    /// How much is shown: 0, 1 or more.
    pub verbose: u8,
}

/// How many cases are shown with all their evidence, unless more is asked for.
const DETAILED_CASES: usize = 3;

/// The text.
pub fn render(result: &RunResult, style: Style) -> String {
    let mut page = Page::new(style.width, style.color);
    headline(&mut page, result);
    setup(&mut page, result);
    summary::cases(&mut page, &result.cases);
    summary::unscored(&mut page, &result.cases);
    summary::features(&mut page, result);
    summary::nodes(&mut page, result, style.verbose);
    latency::table(&mut page, result);
    startup::table(&mut page, result);
    lapses(&mut page, result);
    details(&mut page, result, style.verbose);
    let behaviours: Vec<&str> = result.behaviours.iter().map(|behaviour| behaviour.text.as_str()).collect();
    list(&mut page, "LEFT OPEN BY THE SPECIFICATION", &behaviours);
    list(&mut page, "NOTES", &result.notes);
    page.finish()
}

/// A row of figures, each ending at its column.
fn in_columns(columns: [usize; 6], line: Line, texts: [String; 6], tone: Tone) -> Line {
    columns.iter().zip(texts).fold(line, |line, (end, text)| line.right(*end, &text, tone))
}

/// One case in full, for where a text of a fixed width can be shown.
pub(super) fn one_case(case: &CaseResult) -> String {
    let mut page = Page::new(WIDEST, false);
    case::detail(&mut page, case, 0);
    page.finish()
}

/// What a verdict looks like.
pub(super) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Enforced => Tone::Good,
        Verdict::Ignored | Verdict::Partial | Verdict::Overblocked | Verdict::Stale | Verdict::Flapping => Tone::Bad,
        Verdict::Late | Verdict::Inconclusive => Tone::Warn,
        Verdict::Skipped | Verdict::Undefined => Tone::Dim,
    }
}

fn headline(page: &mut Page, result: &RunResult) {
    let first = Line::new().toned(result.verdict.to_string(), tone(result.verdict)).text("  ");
    page.paragraph(first, 2, phrases::headline(result), Tone::Strong);
    if let Some(text) = phrases::behaves_like(result) {
        page.paragraph(Line::new().to(2), 2, &text, Tone::Plain);
    }
    if let Some(text) = phrases::incomplete(result) {
        page.paragraph(Line::new().to(2), 2, &text, Tone::Warn);
    }
}

fn setup(page: &mut Page, result: &RunResult) {
    page.list(2, &phrases::setup(result), " · ", Tone::Dim);
    if let Some(text) = phrases::on_purpose(result) {
        page.paragraph(Line::new().to(2), 2, &text, Tone::Warn);
    }
}

fn details(page: &mut Page, result: &RunResult, verbose: u8) {
    let wanted = |case: &&CaseResult| {
        verbose > 0 && !case.steps.is_empty()
            || case.verdict.is_failure()
            || matches!(case.verdict, Verdict::Inconclusive | Verdict::Late)
    };
    let mut cases: Vec<&CaseResult> = result.cases.iter().filter(wanted).collect();
    // What is wrong first, what is fine last, each in the order of the run.
    cases.sort_by_key(|case| match tone(case.verdict) {
        Tone::Bad => 0,
        Tone::Warn => 1,
        Tone::Plain | Tone::Strong | Tone::Dim | Tone::Good => 2,
    });
    let shown = if verbose > 0 { cases.len() } else { DETAILED_CASES };
    for case in cases.iter().take(shown) {
        page.blank();
        case::detail(page, case, verbose);
    }
    let hidden = cases.len().saturating_sub(shown);
    if hidden > 0 {
        page.blank();
        page.line(Line::new().toned(format!("… and {} (-v shows them)", count(hidden, "case")), Tone::Dim));
    }
}

fn lapses(page: &mut Page, result: &RunResult) {
    let rows = phrases::lapses(result);
    if rows.is_empty() {
        return;
    }
    page.blank();
    page.line(Line::new().toned("LAPSES", Tone::Strong));
    for [from, lasted, what, flows, nodes] in rows {
        let first = Line::new().to(2).toned(from, Tone::Bad).text("  ");
        let text = format!("{lasted}: {what} ({flows} of its flows, on {nodes})");
        page.paragraph(first, 4, &text, Tone::Plain);
    }
}

fn list(page: &mut Page, heading: &str, items: &[impl AsRef<str>]) {
    if items.is_empty() {
        return;
    }
    page.blank();
    page.line(Line::new().toned(heading, Tone::Strong));
    for item in items {
        page.paragraph(Line::new().text("  - "), 4, item.as_ref(), Tone::Plain);
    }
}
