//! Reports of results that were built by hand.

mod html;
mod json;
mod junit;
mod markdown;
mod message;
mod prometheus;
pub(crate) mod runs;

use crate::common::run;
use papertiger::core::verdict::{RunResult, Verdict};
use papertiger::report::terminal::{Style, render};
use unicode_width::UnicodeWidthStr;

const PLAIN: Style = Style { color: false, width: 80, verbose: 0 };

/// The text, whose lines all fit.
#[track_caller]
fn plain(result: &RunResult, verbose: u8) -> String {
    let text = render(result, Style { verbose, ..PLAIN });
    for line in text.lines() {
        assert!(line.width() <= 80, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert_eq!(line.trim_end(), line);
    }
    text
}

#[test]
fn enforced() {
    insta::assert_snapshot!(plain(&runs::enforced(), 0));
}

#[test]
fn enforced_verbose() {
    insta::assert_snapshot!(plain(&runs::enforced(), 1));
}

#[test]
fn egress_ignored() {
    insta::assert_snapshot!(plain(&runs::egress_ignored(), 0));
}

#[test]
fn egress_ignored_in_colour() {
    let text = render(&runs::egress_ignored(), Style { color: true, ..PLAIN });
    assert_eq!(anstream::adapter::strip_str(&text).to_string(), plain(&runs::egress_ignored(), 0));
    insta::assert_snapshot!(text.replace('\x1b', "␛"));
}

#[test]
fn partial() {
    insta::assert_snapshot!(plain(&runs::partial(), 0));
}

#[test]
fn inconclusive() {
    insta::assert_snapshot!(plain(&runs::inconclusive(), 0));
}

#[test]
fn hostile_names() {
    insta::assert_snapshot!(plain(&runs::hostile(), 0));
    let coloured = render(&runs::hostile(), Style { color: true, ..PLAIN });
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain(&runs::hostile(), 0));
}

#[test]
fn a_run_that_did_not_complete_says_so() {
    for (end, words) in runs::incomplete() {
        let text = plain(&RunResult { end, ..runs::enforced() }, 0);
        assert!(text.contains(words) && text.contains("did not complete"), "{text}");
    }
}

#[test]
fn any_width_will_do() {
    for width in [0, 20, 40, 60, 79, 80, 132] {
        let text = render(&runs::egress_ignored(), Style { width, ..PLAIN });
        assert!(text.lines().all(|line| line.width() <= width.max(40)), "{width}: {text}");
    }
}

#[test]
fn many_cases_do_not_bury_the_verdict() {
    let case = runs::egress_ignored().cases.remove(1);
    let result = run(Verdict::Ignored, "nothing is enforced", vec![case; 40]);
    let text = plain(&result, 0);
    assert!(text.contains("… and 37 cases (-v shows them)"), "{text}");
    assert!(text.lines().count() < 250, "{}", text.lines().count());
}

pub(crate) fn egress_ignored_step() -> papertiger::core::verdict::StepResult {
    runs::egress_ignored().cases.remove(1).steps.remove(1)
}
