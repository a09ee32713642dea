//! Text on a page of a fixed width. Everything that is put on it is cleaned here, so no name of an object can move the
//! cursor, recolour the terminal or break a line.

use owo_colors::OwoColorize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// So much of somebody else's words is told.
const TOLD: usize = 200;

/// Wider lines are hard to read, and reports are pasted into places that do not wrap.
pub const WIDEST: usize = 80;

/// What a piece of text wants to look like. Words carry the meaning; this only helps to find them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// A heading.
    Strong,
    /// Beside the point.
    Dim,
    /// As it should be.
    Good,
    /// Wrong.
    Bad,
    /// To be looked at.
    Warn,
}

/// A line in the making.
#[derive(Clone, Debug, Default)]
pub struct Line {
    spans: Vec<(String, Tone)>,
    width: usize,
}

/// Lines, as they are printed.
#[derive(Debug)]
pub struct Page {
    color: bool,
    width: usize,
    text: String,
}

impl Line {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Plain text at the end.
    pub fn text(self, text: impl AsRef<str>) -> Self {
        self.toned(text, Tone::Plain)
    }

    /// Text of a tone at the end.
    pub fn toned(mut self, text: impl AsRef<str>, tone: Tone) -> Self {
        let text = clean(text.as_ref());
        self.width += text.width();
        match self.spans.last_mut() {
            Some((last, known)) if *known == tone => last.push_str(&text),
            Some(_) | None => self.spans.push((text, tone)),
        }
        self
    }

    /// Spaces up to a column; one at least, unless the line is empty.
    pub fn to(self, column: usize) -> Self {
        let least = usize::from(self.width > 0);
        let spaces = column.saturating_sub(self.width).max(least);
        self.text(" ".repeat(spaces))
    }

    /// Text that ends before a column.
    pub fn right(self, column: usize, text: &str, tone: Tone) -> Self {
        let start = column.saturating_sub(clean(text).width());
        self.to(start).toned(text, tone)
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.width
    }
}

impl Page {
    /// An empty page.
    pub fn new(width: usize, color: bool) -> Self {
        // Below this nothing can be laid out; narrower terminals fold it themselves.
        Self { color, width: width.max(40), text: String::new() }
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.width
    }

    /// A line, cut where the page ends.
    pub fn line(&mut self, line: Line) {
        let mut left = self.width;
        let count = line.spans.len();
        for (index, (text, tone)) in line.spans.into_iter().enumerate() {
            let text = if index + 1 == count { text.trim_end().to_owned() } else { text };
            let shown = truncate(&text, left);
            left = left.saturating_sub(shown.width());
            self.paint(&shown, tone);
        }
        self.end();
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.end();
    }

    /// A paragraph, indented; its first line follows what `first` holds.
    pub fn paragraph(&mut self, first: Line, indent: usize, text: &str, tone: Tone) {
        let mut line = first;
        let mut fresh = true;
        for word in clean(text).split_whitespace() {
            let gap = usize::from(!fresh);
            if !fresh && line.width + gap + word.width() > self.width {
                self.line(std::mem::take(&mut line));
                line = Line::new().to(indent);
                fresh = true;
            }
            line = if fresh { line.toned(word, tone) } else { line.toned(format!(" {word}"), tone) };
            fresh = false;
        }
        self.line(line);
    }

    /// Parts, indented; none is broken over two lines.
    pub fn list(&mut self, indent: usize, parts: &[String], separator: &str, tone: Tone) {
        let mut line = Line::new().to(indent);
        for (index, part) in parts.iter().enumerate() {
            let end = if index + 1 == parts.len() { "" } else { separator };
            let needed = clean(part).width() + end.trim_end().width();
            if line.width() > indent && line.width() + needed > self.width {
                self.line(std::mem::replace(&mut line, Line::new().to(indent)));
            }
            line = line.toned(part, tone).toned(end, tone);
        }
        self.line(line);
    }

    /// Lines of text, indented, each cut where the page ends.
    pub fn block(&mut self, indent: usize, text: &str, tone: Tone) {
        for line in text.lines() {
            self.line(Line::new().to(indent).toned(line, tone));
        }
    }

    /// What stands on it.
    pub fn finish(self) -> String {
        self.text
    }

    fn end(&mut self) {
        let end = self.text.trim_end_matches(' ').len();
        self.text.truncate(end);
        self.text.push('\n');
    }

    fn paint(&mut self, text: &str, tone: Tone) {
        if text.trim().is_empty() || !self.color {
            self.text.push_str(text);
            return;
        }
        self.text.push_str(&match tone {
            Tone::Plain => text.to_owned(),
            Tone::Strong => text.bold().to_string(),
            Tone::Dim => text.dimmed().to_string(),
            Tone::Good => text.green().to_string(),
            Tone::Bad => text.red().bold().to_string(),
            Tone::Warn => text.yellow().to_string(),
        });
    }
}

/// Text without escape sequences, control characters, marks that turn the direction of writing, and what no XML may hold.
pub fn clean(text: &str) -> String {
    anstream::adapter::strip_str(text)
        .to_string()
        .chars()
        .map(|c| if c == '\t' || c == '\n' { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_format(*c))
        .collect()
}

/// The same for a text of several lines, which stay.
pub fn clean_lines(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| clean(line.trim_end_matches('\n')) + if line.ends_with('\n') { "\n" } else { "" })
        .collect()
}

fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// The beginning of somebody else's words, on one line and behind a colon; nothing where there are none.
pub fn told(text: &str) -> String {
    let beginning: String = clean(text.trim()).chars().take(TOLD).collect();
    if beginning.is_empty() { beginning } else { format!(": {beginning}") }
}

/// At most `width` columns of a text, with `…` where something is missing.
pub fn truncate(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let mut shown = String::new();
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        shown.push(c);
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

/// "1 case", "2 cases".
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A duration that a reader can compare: `85 ms`, `1.2 s`, `60 s`, `2 min 5 s`.
pub fn duration_ms(ms: f64) -> String {
    let seconds = (ms / 1_000.0).round();
    let (minutes, rest) = ((seconds / 60.0).floor(), seconds % 60.0);
    match ms {
        ms if ms.round() < 1_000.0 => format!("{ms:.0} ms"),
        ms if seconds < 60.0 && ms % 1_000.0 != 0.0 => format!("{:.1} s", ms / 1_000.0),
        _ if seconds <= 60.0 => format!("{seconds:.0} s"),
        _ if rest == 0.0 => format!("{minutes:.0} min"),
        _ => format!("{minutes:.0} min {rest:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cleaned() {
        let hostile = "a\x1b[31mred\x1b[0m\x1b]0;title\x07b\r\nc\u{9b}31m\u{202e}d\x08";
        assert_eq!(clean(hostile), "aredb c31md");
        assert_eq!(clean_lines(&format!("{hostile}\n\n  two\u{9b}\n")), "aredb\nc31md\n\n  two\n");
    }

    #[test]
    fn text_is_cut_by_columns() {
        assert_eq!(truncate("abcdef", 6), "abcdef");
        assert_eq!(truncate("abcdefg", 6), "abcde…");
        assert_eq!(truncate("漢字漢字", 5), "漢字…");
        assert_eq!(truncate("ab", 0), "");
    }

    #[test]
    fn paragraphs_wrap_and_words_that_are_too_long_are_cut() {
        let mut page = Page::new(40, false);
        let text = format!("{} {}", "word ".repeat(12), "x".repeat(63));
        page.paragraph(Line::new().text("why: "), 5, &text, Tone::Plain);
        let page = page.finish();
        assert!(page.lines().all(|line| line.width() <= 40), "{page}");
        assert!(page.lines().skip(1).all(|line| line.starts_with("     ")), "{page}");
        assert!(page.ends_with("x…\n"), "{page}");
    }

    #[test]
    fn durations_read_well() {
        let shown = [0.0, 84.6, 999.9, 1_000.0, 1_240.0, 59_400.0, 60_012.0, 125_000.0, 900_000.0].map(duration_ms);
        assert_eq!(shown, ["0 ms", "85 ms", "1.0 s", "1 s", "1.2 s", "59.4 s", "60 s", "2 min 5 s", "15 min"]);
    }
}
