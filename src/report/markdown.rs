//! Markdown as GitHub renders it, for a job's summary and for pull requests: the verdict, what is wrong, and the rest folded.

mod text;

use super::phrases::{self, Converged, Unscored};
use super::terminal;
use crate::core::verdict::{CaseResult, RunResult, Verdict};
use text::{escape, fence};

/// How many cases are shown with all their evidence: a summary of GitHub's holds 1 MiB.
const DETAILED_CASES: usize = 20;

/// The text.
pub fn render(result: &RunResult) -> String {
    let mut parts = vec![head(result)];
    parts.extend(cases(result));
    parts.extend(details(result));
    parts.extend(overview(result));
    parts.extend(latency(result));
    parts.extend(startup(result));
    parts.extend(lapses(result));
    let behaviours = result.behaviours.iter().map(|behaviour| behaviour.text.as_str());
    parts.extend(list("Left open by the specification", behaviours));
    parts.extend(list("Notes", result.notes.iter().map(String::as_str)));
    parts.join("\n\n") + "\n"
}

fn head(result: &RunResult) -> String {
    let sentences = [phrases::behaves_like(result), phrases::incomplete(result), phrases::on_purpose(result)];
    let mut parts =
        vec![format!("## papertiger: {}", result.verdict), format!("**{}**", escape(phrases::headline(result)))];
    parts.extend(sentences.into_iter().flatten().map(|sentence| escape(&sentence)));
    parts.push(format!("<sub>{}</sub>", phrases::setup(result).map(|part| escape(&part)).join(" · ")));
    parts.join("\n\n")
}

/// The cases that need to be read, then the others, folded.
fn cases(result: &RunResult) -> Vec<String> {
    let scored: Vec<&CaseResult> = result.cases.iter().filter(|case| phrases::is_scored(case)).collect();
    let (fine, other): (Vec<&CaseResult>, Vec<&CaseResult>) =
        scored.into_iter().partition(|case| case.verdict == Verdict::Enforced);
    let row = |case: &&CaseResult| {
        let converged = Converged::of(case).to_string();
        [case.verdict.to_string(), escape(&case.id), phrases::terms(case), converged]
    };
    let table_of = |cases: &[&CaseResult]| table(["Verdict", "Case", "Terms", "Converged"], cases.iter().map(row));
    let mut parts = Vec::new();
    if !other.is_empty() {
        parts.push(table_of(&other));
    }
    if !fine.is_empty() {
        parts.push(folded(&format!("ENFORCED: {}", super::page::count(fine.len(), "case")), &table_of(&fine)));
    }
    for Unscored { verdict, reason, cases } in phrases::unscored(&result.cases) {
        let summary = format!("{verdict}: {} ({})", super::page::count(cases.len(), "case"), escape(reason));
        parts.push(folded(&summary, &cases.into_iter().map(|case| escape(&case.id)).collect::<Vec<_>>().join(", ")));
    }
    parts
}

/// What a terminal shows of each case that failed or is unclear.
fn details(result: &RunResult) -> Vec<String> {
    let told = |case: &&CaseResult| case.verdict.is_failure() || case.verdict == Verdict::Inconclusive;
    let mut cases: Vec<&CaseResult> = result.cases.iter().filter(told).collect();
    cases.sort_by_key(|case| !case.verdict.is_failure());
    let detail = |case: &&CaseResult| {
        let summary = format!("{} {}: {}", case.verdict, escape(&case.id), escape(&case.title));
        folded(&summary, &fence("text", &terminal::one_case(case)))
    };
    let mut parts: Vec<String> = cases.iter().take(DETAILED_CASES).map(detail).collect();
    if cases.len() > DETAILED_CASES {
        parts.push(format!("… and {} more, which the other reports show.", cases.len() - DETAILED_CASES));
    }
    parts
}

fn overview(result: &RunResult) -> Vec<String> {
    let features = result.features.iter().map(|one| (one.verdict, one.feature.as_str()));
    let nodes = result.nodes.iter().map(|one| (one.verdict, one.name.as_str()));
    let mut parts = Vec::new();
    parts.extend(names("Features", phrases::by_verdict(features)));
    parts.extend(names("Nodes", phrases::by_verdict(nodes)));
    let about = phrases::about_nodes(result).into_iter();
    let about: Vec<String> = about.map(|(node, text)| format!("- {}: {}", escape(&node.name), escape(&text))).collect();
    if !about.is_empty() {
        parts.push(about.join("\n"));
    }
    parts
}

fn names(what: &str, groups: Vec<(Verdict, Vec<&str>)>) -> Option<String> {
    let row = |(verdict, names): (Verdict, Vec<&str>)| {
        [phrases::heading(verdict), names.into_iter().map(escape).collect::<Vec<_>>().join(", ")]
    };
    (!groups.is_empty()).then(|| table(["Verdict", what], groups.into_iter().map(row)))
}

fn latency(result: &RunResult) -> Option<String> {
    let rows = phrases::latencies(result);
    let heads = ["Latency", "Changes", "p50", "p90", "p99", "max", "± up to"];
    (!rows.is_empty()).then(|| table(heads, rows.into_iter()))
}

fn startup(result: &RunResult) -> Option<String> {
    let rows = phrases::startups(result).into_iter().map(|row| row.map(|cell| escape(&cell)));
    let [starts, open, p50, max, ready, within] = phrases::STARTUP_HEADS;
    let table = table(["Start-up", starts, open, p50, max, ready, within], rows);
    let remarks = phrases::startup_remarks(result).into_iter().map(|remark| escape(&remark));
    (!result.startups.is_empty()).then(|| [table].into_iter().chain(remarks).collect::<Vec<_>>().join("\n\n"))
}

fn lapses(result: &RunResult) -> Option<String> {
    let rows = phrases::lapses(result).into_iter().map(|row| row.map(|cell| escape(&cell)));
    (!result.lapses.is_empty()).then(|| format!("### Lapses\n\n{}", table(phrases::LAPSE_HEADS, rows)))
}

fn list<'a>(heading: &str, items: impl Iterator<Item = &'a str>) -> Option<String> {
    let items: Vec<String> = items.map(|item| format!("- {}", escape(item))).collect();
    (!items.is_empty()).then(|| format!("### {heading}\n\n{}", items.join("\n")))
}

/// Cells are escaped already.
fn table<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let mut lines = vec![line(&heads.map(str::to_owned)), line(&[const { "---" }; N].map(str::to_owned))];
    lines.extend(rows.map(|cells| line(&cells)));
    lines.join("\n")
}

/// Both are escaped already. The empty lines make what is inside Markdown again.
fn folded(summary: &str, content: &str) -> String {
    format!("<details>\n<summary>{summary}</summary>\n\n{content}\n\n</details>")
}
