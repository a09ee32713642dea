//! Text that stays text, whatever it is made of.

use crate::report::page::clean;

/// Text within a line. Nothing in it is markup, a link, a mention or the end of a table's cell, neither in Markdown nor
/// within the tags of HTML, where a backslash would be shown.
pub(super) fn escape(text: &str) -> String {
    let text = clean(text);
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '#' | '|' | '~' | '$' => {
                escaped.push_str(&format!("&#{};", u32::from(c)));
            }
            // Mentions are looked for when entities have been read.
            '@' => escaped.push_str("&#64;&#8203;"),
            c => escaped.push(c),
        }
    }
    escaped.replace("://", "&#58;//").replace("www.", "&#119;ww.")
}

/// A block of code. Its fence is longer than any in it.
pub(super) fn fence(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end())
}
