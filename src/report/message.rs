//! A container's termination message: what `kubectl describe` shows of a Job's pod, and what is left of it when its log is
//! gone.

use super::page::clean;
use super::phrases;
use crate::core::verdict::{RunResult, Verdict};

/// What the kubelet keeps of a message, in bytes.
pub const LONGEST: usize = 4_096;

/// What stands where lines had to go.
const MORE: &str = "…\n";

/// The text: the headline, why the run did not complete, what is not enforced, and notes, as far as there is room.
pub fn render(result: &RunResult) -> String {
    let mut lines = vec![result.headline.clone()];
    lines.extend(phrases::incomplete(result));
    let terms = result.cases.iter().flat_map(|case| case.terms.iter().map(move |term| (case, term)));
    let wrong = terms.filter(|(_, term)| term.verdict.is_failure());
    lines.extend(wrong.map(|(case, term)| format!("{} {}: {}", term.verdict, case.id, term.id)));
    let unclear = result.cases.iter().filter(|case| case.verdict == Verdict::Inconclusive);
    lines.extend(unclear.map(|case| {
        let reason = case.reason.as_deref().unwrap_or("no reason was given");
        format!("{} {}: {reason}", case.verdict, case.id)
    }));
    lines.extend(result.notes.iter().cloned());
    fitting(lines.iter().map(|line| clean(line) + "\n"))
}

/// As many lines as there is room for.
fn fitting(lines: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for line in lines {
        if text.len() + line.len() + MORE.len() > LONGEST {
            // A first line that is too long alone is better cut than left out.
            if text.is_empty() {
                text.push_str(&line[..line.floor_char_boundary(LONGEST - MORE.len())]);
            }
            text.push_str(MORE);
            break;
        }
        text.push_str(&line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_said_than_is_kept() {
        let lines = |count: usize, length: usize| vec!["ü".repeat(length) + "\n"; count];
        for (count, length) in [(1, 10), (1, 2_046), (1, 9_000), (3, 1_000), (5_000, 1)] {
            let text = fitting(lines(count, length).into_iter());
            assert!(text.len() <= LONGEST && text.ends_with('\n'), "{count} lines of {length}: {}", text.len());
            let whole = count * (2 * length + 1) + MORE.len() <= LONGEST;
            assert_eq!(text.ends_with(MORE), !whole, "{count} lines of {length}");
        }
    }
}
