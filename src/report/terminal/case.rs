//! One case in full: what it proves, what its terms came to, and what was seen.

use super::{evidence, table, tone};
use crate::core::event::Phase;
use crate::core::verdict::{CaseResult, StepResult, TermResult, Verdict};
use crate::report::page::{Line, Page, Tone, count, duration_ms};
use crate::report::phrases::fails_over;

/// How much of each list is shown, unless more is asked for.
const TERMS: usize = 4;
const STEPS: usize = 2;

/// The case.
pub(super) fn detail(page: &mut Page, case: &CaseResult, verbose: u8) {
    let head = Line::new().toned("── ", Tone::Dim).toned(case.verdict.to_string(), tone(case.verdict));
    let head = head.toned(format!(" {} ", case.id), Tone::Strong);
    let rule = "─".repeat(page.width().saturating_sub(head.width()));
    page.line(head.toned(rule, Tone::Dim));
    page.paragraph(Line::new(), 0, &case.title, Tone::Plain);

    let explained = case.terms.iter().any(is_noteworthy);
    if let Some(reason) = case.reason.as_ref().filter(|_| !explained) {
        page.paragraph(Line::new(), 0, &format!("Why: {reason}"), Tone::Plain);
    }
    terms(page, case, verbose);
    steps(page, case, verbose);
    policies(page, case, verbose);
}

fn is_noteworthy(term: &TermResult) -> bool {
    term.verdict != Verdict::Enforced
}

/// Terms of which the same is said.
struct Group<'a> {
    terms: Vec<&'a TermResult>,
    scopes: Option<String>,
}

fn terms(page: &mut Page, case: &CaseResult, verbose: u8) {
    let mut terms: Vec<&TermResult> = case.terms.iter().filter(|term| verbose > 0 || is_noteworthy(term)).collect();
    if terms.is_empty() {
        return;
    }
    // What makes the case's verdict comes first.
    terms.sort_by_key(|term| !term.verdict.is_failure());
    let mut groups: Vec<Group<'_>> = Vec::new();
    for term in terms {
        let scopes = fails_over(&term.scopes);
        let same = |group: &&mut Group<'_>| {
            let known = group.terms[0];
            known.verdict == term.verdict && known.explanation == term.explanation && group.scopes == scopes
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.terms.push(term),
            None => groups.push(Group { terms: vec![term], scopes }),
        }
    }

    let most = if verbose > 0 { usize::MAX } else { TERMS };
    page.blank();
    for Group { terms, scopes } in groups.iter().take(most) {
        for term in terms.iter().take(most) {
            term_line(page, term);
        }
        more(page, 2, terms.len().saturating_sub(most), "term");
        page.paragraph(Line::new().to(4), 4, &terms[0].explanation, Tone::Plain);
        if let Some(scopes) = scopes {
            page.paragraph(Line::new().to(4), 4, scopes, Tone::Plain);
        }
    }
    more(page, 2, groups.iter().skip(most).map(|group| group.terms.len()).sum(), "term");
    let enforced = case.terms.iter().filter(|term| !is_noteworthy(term)).count();
    if verbose == 0 && enforced > 0 {
        let text = format!("{} {} enforced", count(enforced, "other term"), if enforced == 1 { "is" } else { "are" });
        page.line(Line::new().to(2).toned(text, Tone::Dim));
    }
}

fn term_line(page: &mut Page, term: &TermResult) {
    let line = Line::new().to(2).toned(term.verdict.to_string(), tone(term.verdict)).text(" ").text(&term.id);
    page.line(match term.latency_ms {
        Some(ms) if matches!(term.verdict, Verdict::Enforced | Verdict::Late) => {
            line.toned(format!("  ({} until right)", duration_ms(ms)), Tone::Dim)
        }
        Some(_) | None => line,
    });
}

fn more(page: &mut Page, indent: usize, number: usize, noun: &str) {
    if number > 0 {
        let text = format!("… and {} (-v shows them)", count(number, noun));
        page.line(Line::new().to(indent).toned(text, Tone::Dim));
    }
}

fn steps(page: &mut Page, case: &CaseResult, verbose: u8) {
    let is_wrong = |step: &StepResult| step.cells.iter().any(|cell| cell.wrong);
    let wanted = |step: &&StepResult| {
        is_wrong(step)
            || match step.phase {
                Phase::Step(_) => verbose > 0,
                Phase::Baseline | Phase::Removal => verbose > 1,
            }
    };
    let steps: Vec<&StepResult> = case.steps.iter().filter(wanted).collect();
    let shown = if verbose > 0 { steps.len() } else { STEPS };
    for step in steps.iter().take(shown) {
        page.blank();
        let wrong = step.cells.iter().filter(|cell| cell.wrong).count();
        let outcome = match (wrong, step.converged_ms) {
            (0, Some(ms)) => format!("right after {}", duration_ms(ms)),
            (0, None) => format!("not all of {} could be judged", count(step.cells.len(), "flow")),
            (wrong, _) => {
                let flows = count(step.cells.len(), "flow");
                format!("{wrong} of {flows} wrong after {}", duration_ms(step.duration_ms))
            }
        };
        let first = Line::new().to(2).toned(step.phase.to_string(), Tone::Strong).text(": ");
        page.paragraph(first, 4, &format!("{}; {outcome}", step.change), Tone::Plain);
        table::render(page, &step.cells);
        evidence::render(page, case, step, verbose);
    }
    if steps.len() > shown {
        let also: Vec<String> = steps.iter().skip(shown).map(|step| step.phase.to_string()).collect();
        page.line(Line::new().to(2).toned(format!("also wrong in {} (-v shows it)", also.join(", ")), Tone::Dim));
    }
}

/// The policies that hold what is not enforced, each once.
fn policies(page: &mut Page, case: &CaseResult, verbose: u8) {
    let terms = case.terms.iter().filter(|term| verbose > 0 || term.verdict.is_failure());
    let mut shown: Vec<&str> = Vec::new();
    for policy in terms.filter_map(|term| term.policy.as_deref()) {
        if shown.contains(&policy) {
            continue;
        }
        if shown.is_empty() {
            page.blank();
            page.line(Line::new().to(2).toned("policy", Tone::Strong));
        } else {
            page.line(Line::new().to(4).text("---"));
        }
        page.block(4, policy.trim_end(), Tone::Plain);
        shown.push(policy);
    }
}
