//! Small pieces that every part of the page is made of.

use crate::core::verdict::Verdict;
use crate::report::page::{Tone, clean};
use crate::report::terminal::tone;
use maud::{Markup, html};

/// Text that came from outside, for the page to escape: without what would move, recolour or reverse it.
pub(super) fn say(text: impl AsRef<str>) -> String {
    clean(text.as_ref())
}

/// The same for text of several lines.
pub(super) fn say_lines(text: &str) -> String {
    text.trim_end().lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// The path of a term, which lines break before its dots.
pub(super) fn path(text: &str) -> Markup {
    let text = say(text);
    html! {
        @for (index, part) in text.split('.').enumerate() {
            @if index > 0 { wbr; "." }
            (part)
        }
    }
}

/// Text whose `names` are set like names.
pub(super) fn rich(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    // A name that does not end is a mark and nothing more.
    let closed = parts.len() % 2 == 1;
    html! {
        @if closed {
            @for (index, part) in parts.into_iter().enumerate() {
                @if index % 2 == 1 { code { (part) } } @else { (part) }
            }
        } @else {
            (text)
        }
    }
}

/// A sentence: it begins with a capital letter, and ends.
pub(super) fn sentence(text: &str) -> String {
    let text = say(text);
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{end}", capital(&text))
}

/// Text that begins with a capital letter, unless with what must stay as it is: `x/a`, `n1`.
pub(super) fn capital(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    match text.get(..1) {
        Some(letter) if first.chars().all(|c| c.is_ascii_lowercase()) => letter.to_ascii_uppercase() + &text[1..],
        Some(_) | None => text.to_owned(),
    }
}

/// The colour of a verdict. Its word always stands beside it.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match tone(verdict) {
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Warn => "warn",
        Tone::Plain | Tone::Strong | Tone::Dim => "dim",
    }
}

/// A verdict.
pub(super) fn badge(verdict: Verdict) -> Markup {
    html! { span class={ "v " (class(verdict)) } { (verdict) } }
}

/// What a verdict says.
pub(super) fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Enforced => "what it forbids was blocked, beside traffic that got through",
        Verdict::Ignored => "traffic that it forbids gets through",
        Verdict::Partial => "enforced in some scopes and not in others",
        Verdict::Overblocked => "traffic that it allows is blocked",
        Verdict::Stale => "the network still acts as before a change",
        Verdict::Flapping => "it was right, and then wrong again without any change",
        Verdict::Late => "it was right in the end, but later than the budget allows",
        Verdict::Inconclusive => "what was seen proves nothing",
        Verdict::Skipped => "it was not run",
        Verdict::Undefined => "the specification leaves it open: observed, never scored",
    }
}

/// Verdicts and what they say.
pub(super) fn meanings(verdicts: impl Iterator<Item = Verdict>) -> Markup {
    html! {
        dl.meanings {
            @for verdict in verdicts {
                div { dt { (badge(verdict)) } dd { (meaning(verdict)) } }
            }
        }
    }
}

/// A table that scrolls by itself where it is wider than the screen, for keyboards too.
pub(super) fn scroll(label: &str, table: Markup) -> Markup {
    html! { div.scroll tabindex="0" role="group" aria-label=(label) { (table) } }
}
