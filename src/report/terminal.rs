//! What a person reads at the end of a run: the verdict first, then the cases, then what is wrong with its evidence.

mod case;
mod evidence;
mod latency;
mod summary;
mod table;

use super::page::{Line, Page, Tone, count, duration_ms};
use crate::core::event::RunEnd;
use crate::core::verdict::{CaseResult, RunResult, Verdict, any_of};

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
    details(&mut page, result, style.verbose);
    let behaviours: Vec<&str> = result.behaviours.iter().map(|behaviour| behaviour.text.as_str()).collect();
    list(&mut page, "LEFT OPEN BY THE SPECIFICATION", &behaviours);
    list(&mut page, "NOTES", &result.notes);
    page.finish()
}

/// What a verdict looks like.
fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Enforced => Tone::Good,
        Verdict::Ignored | Verdict::Partial | Verdict::Overblocked | Verdict::Stale | Verdict::Flapping => Tone::Bad,
        Verdict::Late | Verdict::Inconclusive => Tone::Warn,
        Verdict::Skipped | Verdict::Undefined => Tone::Dim,
    }
}

fn headline(page: &mut Page, result: &RunResult) {
    let verdict = result.verdict.to_string();
    let text = result.headline.strip_prefix(&verdict).unwrap_or(&result.headline).trim_start_matches([':', ' ']);
    page.paragraph(Line::new().toned(&verdict, tone(result.verdict)).text("  "), 2, text, Tone::Strong);
    if let Some(as_if) = any_of(&result.diagnoses).filter(|as_if| !result.headline.contains(as_if)) {
        let text = format!("The network behaves as if {as_if}.");
        page.paragraph(Line::new().to(2), 2, &text, Tone::Plain);
    }
    let incomplete = match &result.end {
        Some(RunEnd::Completed) => return,
        Some(RunEnd::Interrupted { signal }) => format!("The run was interrupted ({signal})"),
        Some(RunEnd::TimedOut) => {
            let timeout = duration_ms(result.run.settings.timeout_ms as f64);
            format!("The run took longer than --timeout ({timeout})")
        }
        Some(RunEnd::Failed { message }) => format!("The run failed: {message}"),
        None => "The event log breaks off".to_owned(),
    };
    let text = format!("{incomplete}. It did not complete: what follows is what was seen until then.");
    page.paragraph(Line::new().to(2), 2, &text, Tone::Warn);
}

fn setup(page: &mut Page, result: &RunResult) {
    let run = &result.run;
    let settings = &run.settings;
    let parts = [
        format!("{} {}", run.target, run.run),
        format!("profile {}", settings.profile),
        count(run.nodes.len(), "node"),
        count(settings.lanes, "lane"),
        format!("settle {}", duration_ms(settings.settle_ms as f64)),
        format!("hold {}", duration_ms(settings.hold_ms as f64)),
        format!("seed {}", settings.seed),
        format!("took {}", duration_ms(result.duration_us as f64 / 1_000.0)),
    ];
    page.list(2, &parts, " · ", Tone::Dim);
    if !settings.faults.is_empty() {
        let text = format!("faults on purpose: {}", settings.faults.join(", "));
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
