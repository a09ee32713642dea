//! `papertiger cases explain`.

use super::{json, offline};
use crate::cli::Form;
use crate::core::catalogue::Case;
use crate::core::event::Phase;
use crate::core::fault::{Explanation, Fault, Ignored, Noticed, Shown, Term, plan};
use crate::core::oracle::Answer;
use crate::core::verdict::Verdict;
use crate::report::page::clean_lines;
use serde::Serialize;

/// The flows of a run that draws this seed; any other's prove the same.
const SEED: u64 = 1;

/// An explanation as `-o json` prints it.
#[derive(Serialize)]
struct Page<'a> {
    id: &'a str,
    title: &'a str,
    flows: Vec<String>,
    terms: Vec<TermRow<'a>>,
    noticed: Vec<NoticedRow>,
    unnoticed: Vec<Fault>,
}

#[derive(Serialize)]
struct TermRow<'a> {
    id: String,
    feature: &'static str,
    masked: Option<&'a str>,
    ignored: Vec<IgnoredRow>,
}

#[derive(Serialize)]
struct IgnoredRow {
    fault: Fault,
    verdict: Option<Verdict>,
    as_if: &'static str,
    witnesses: Vec<WitnessRow>,
}

#[derive(Serialize)]
struct WitnessRow {
    phase: String,
    flow: String,
    expected: Answer,
}

#[derive(Serialize)]
struct NoticedRow {
    faults: Vec<Fault>,
    cells: usize,
}

pub(super) fn explain(case: &Case, form: Form) -> anyhow::Result<String> {
    let experiment = offline(case);
    let explanation = Explanation::of(&experiment, plan::choose(&experiment, SEED));
    match form {
        Form::Pretty => Ok(clean_lines(&pretty(case, &explanation))),
        Form::Json => json(&page(case, &explanation)),
    }
}

fn masked<'a>(case: &'a Case, term: &Term) -> Option<&'a str> {
    case.mask(&term.id()).map(|masked| masked.reason.as_str())
}

fn pretty(case: &Case, Explanation { flows, terms, noticed, unnoticed }: &Explanation) -> String {
    let mut text = format!("{}\n{}\n\n{} flows are probed.\n", case.id, case.title, flows.len());
    if case.property.is_some() {
        text.push_str("What it observes the specification leaves open: nothing of it is scored.\n");
    }
    text.push_str("\nIf one term alone were ignored\n");
    for (term, ways) in terms {
        text.push_str(&format!("\n  {term}\n"));
        if let Some(reason) = masked(case, term) {
            text.push_str(&format!("    not observable: {}\n", reason.trim_end()));
        }
        ways.iter().for_each(|way| text.push_str(&ignored(way)));
    }
    text.push_str("\nIf the network had one of these faults\n\n");
    for Noticed { faults, cells } in noticed {
        let names: Vec<&str> = faults.iter().map(|fault| fault.name()).collect();
        let alike = if names.len() > 1 { "; this case cannot tell them apart" } else { "" };
        text.push_str(&format!("  {}\n    {cells} cells would be wrong{alike}\n", names.join(", ")));
    }
    if !unnoticed.is_empty() {
        let names: Vec<&str> = unnoticed.iter().map(|fault| fault.name()).collect();
        text.push_str(&format!("\nOther cases notice\n\n  {}\n", names.join("\n  ")));
    }
    text
}

/// A way of ignoring a term, and one of the flows that would show it.
fn ignored(Ignored { fault, witnesses }: &Ignored) -> String {
    let mut text = format!("    as if {}\n", fault.as_if());
    let Some(Shown { phase, flow, expected }) = witnesses.first() else { return text };
    let would = match expected {
        Answer::Allow => "would be blocked",
        Answer::Deny | Answer::Undefined(_) => "would connect",
    };
    let when = match phase {
        Phase::Baseline | Phase::Step(_) => format!("in {phase}"),
        Phase::Removal => "after everything was deleted".to_owned(),
    };
    text.push_str(&format!("      {flow}\n      {would} {when}"));
    match witnesses.len() - 1 {
        0 => text.push('\n'),
        more => text.push_str(&format!("; so would {more} more\n")),
    }
    text
}

fn page<'a>(case: &'a Case, Explanation { flows, terms, noticed, unnoticed }: &Explanation) -> Page<'a> {
    let witness = |Shown { phase, flow, expected }: &Shown| WitnessRow {
        phase: phase.to_string(),
        flow: flow.to_string(),
        expected: *expected,
    };
    let way = |Ignored { fault, witnesses }: &Ignored| IgnoredRow {
        fault: *fault,
        verdict: fault.verdict(),
        as_if: fault.as_if(),
        witnesses: witnesses.iter().map(witness).collect(),
    };
    let term = |(term, ways): &(Term, Vec<Ignored>)| TermRow {
        id: term.id(),
        feature: term.feature(),
        masked: masked(case, term),
        ignored: ways.iter().map(way).collect(),
    };
    Page {
        id: &case.id,
        title: &case.title,
        flows: flows.iter().map(ToString::to_string).collect(),
        terms: terms.iter().map(term).collect(),
        noticed: noticed
            .iter()
            .map(|Noticed { faults, cells }| NoticedRow { faults: faults.clone(), cells: *cells })
            .collect(),
        unnoticed: unnoticed.clone(),
    }
}
