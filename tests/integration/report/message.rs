//! A container's termination message.

use super::runs;
use papertiger::report::message::{LONGEST, render};

#[test]
fn what_is_wrong_comes_behind_the_headline() {
    insta::assert_snapshot!(render(&runs::egress_ignored()));
    insta::assert_snapshot!(render(&runs::inconclusive()));
    for (end, words) in runs::incomplete() {
        let result = papertiger::core::verdict::RunResult { end, ..runs::enforced() };
        let text = render(&result);
        assert!(text.starts_with(&result.headline) && text.contains(words), "{text}");
    }
}

#[test]
fn a_line_stays_a_line_and_the_message_is_kept_whole() {
    let mut hostile = runs::hostile();
    assert!(!render(&hostile).chars().any(|c| c.is_control() && c != '\n'));
    hostile.notes = vec!["note".repeat(100); 100];
    assert!(render(&hostile).len() <= LONGEST && render(&hostile).ends_with("…\n"));
}
