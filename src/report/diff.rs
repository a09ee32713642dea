//! What is different between two runs, as text and as JSON.

mod v1;

use super::page::{Line, Page, Tone, count};
use super::terminal::{Style, tone};
use crate::core::diff::{Change, Diff, Run, Subject, Turn};
use crate::core::verdict::Verdict;

/// The text.
pub fn render(diff: &Diff, style: Style) -> String {
    let mut page = Page::new(style.width, style.color);
    let (word, word_tone) = headline(diff);
    page.paragraph(Line::new().toned(word, word_tone).text("  "), 2, &counts(diff), Tone::Strong);
    let [old, new] = diff.verdicts;
    run(&mut page, "from", &diff.old, old);
    run(&mut page, "to", &diff.new, new);
    if !diff.new.is_complete() {
        let text = "The second run did not complete: what is gone may only not have been reached.";
        page.paragraph(Line::new().to(2), 2, text, Tone::Warn);
    }
    for turn in Turn::ALL {
        let changes: Vec<&Change> = diff.changes.iter().filter(|change| change.turn == turn).collect();
        if !changes.is_empty() {
            page.blank();
            page.line(Line::new().toned(heading(turn), Tone::Strong));
            groups(&changes).iter().for_each(|group| group.render(&mut page));
        }
    }
    page.finish()
}

/// The JSON, `papertiger.dev/diff/v1`.
pub fn json(diff: &Diff) -> String {
    // Only maps with keys that are no strings can fail, and there are none.
    let mut text = serde_json::to_string_pretty(&v1::Report::from(diff)).unwrap_or_default();
    text.push('\n');
    text
}

/// The JSON Schema of that, as committed in `schemas/diff-v1.json`.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(v1::Report)).unwrap_or_default();
    text.push('\n');
    text
}

fn headline(diff: &Diff) -> (&'static str, Tone) {
    if diff.count(Turn::Worse) > 0 {
        ("WORSE", Tone::Bad)
    } else if diff.count(Turn::Unproven) > 0 || !diff.new.is_complete() {
        ("UNPROVEN", Tone::Warn)
    } else if diff.changes.is_empty() {
        ("SAME", Tone::Good)
    } else {
        ("NOT WORSE", Tone::Good)
    }
}

/// "2 worse, 1 new, 331 terms as before"
fn counts(diff: &Diff) -> String {
    let known = Turn::ALL.map(|turn| (turn, diff.count(turn)));
    let mut parts: Vec<String> =
        known.into_iter().filter(|(_, n)| *n > 0).map(|(turn, n)| format!("{n} {}", word(turn))).collect();
    parts.push(format!("{} as before", count(diff.unchanged, "term")));
    parts.join(", ")
}

fn word(turn: Turn) -> &'static str {
    match turn {
        Turn::Worse => "worse",
        Turn::Unproven => "no longer proven",
        Turn::Gone => "gone",
        Turn::Other => "otherwise",
        Turn::Better => "better",
        Turn::New => "new",
    }
}

fn heading(turn: Turn) -> String {
    word(turn).to_uppercase()
}

fn run(page: &mut Page, which: &str, run: &Run, verdict: Verdict) {
    let Run { id, started_at, end: _, tool_version, target } = run;
    let line = Line::new().to(2).toned(which, Tone::Dim).to(7).toned(verdict.to_string(), tone(verdict)).text("  ");
    page.paragraph(line, 9, &format!("{target} {id} · {started_at} · papertiger {tool_version}"), Tone::Dim);
}

/// What changed in the same way, for the same reason, in one case or among nodes.
struct Group<'a> {
    first: &'a Change,
    names: Vec<&'a str>,
}

fn groups<'a>(changes: &[&'a Change]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for change in changes.iter().copied() {
        let like = |group: &&mut Group<'_>| {
            let first = group.first;
            first.subject.case() == change.subject.case()
                && (first.old, first.new, &first.why) == (change.old, change.new, &change.why)
        };
        let name = match &change.subject {
            Subject::Term { term, .. } => Some(term.as_str()),
            Subject::Case(_) => None,
            Subject::Node(name) => Some(name.as_str()),
        };
        match groups.iter_mut().find(like) {
            Some(group) => group.names.extend(name),
            None => groups.push(Group { first: change, names: name.into_iter().collect() }),
        }
    }
    groups
}

impl Group<'_> {
    fn render(&self, page: &mut Page) {
        let Change { subject, turn: _, old, new, why } = self.first;
        let verdict = |line: Line, verdict: &Option<Verdict>| match verdict {
            Some(verdict) => line.toned(verdict.to_string(), tone(*verdict)),
            None => line.toned("none", Tone::Dim),
        };
        let line = verdict(verdict(Line::new().to(2), old).text(" → "), new).text("  ");
        page.line(line.toned(subject.case().unwrap_or("nodes"), Tone::Strong));
        if !self.names.is_empty() {
            page.paragraph(Line::new().to(4), 4, &self.names.join(", "), Tone::Plain);
        }
        if let Some(why) = why {
            page.paragraph(Line::new().to(4), 4, &format!("({why})"), Tone::Dim);
        }
    }
}
