//! Markdown, read by a parser that is not ours.

use super::runs;
use papertiger::core::verdict::RunResult;
use papertiger::report::markdown::render;
use pulldown_cmark::{Event, Options, Parser, Tag};

/// The tags of HTML that we write ourselves.
const TAGS: [&str; 6] = ["<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>"];

fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
}

#[test]
fn enforced() {
    insta::assert_snapshot!(render(&runs::enforced()));
}

#[test]
fn egress_ignored() {
    insta::assert_snapshot!(render(&runs::egress_ignored()));
}

#[test]
fn inconclusive() {
    insta::assert_snapshot!(render(&runs::inconclusive()));
}

#[test]
fn every_table_has_rows_as_wide_as_its_head() {
    for result in [runs::enforced(), runs::egress_ignored(), runs::partial(), runs::inconclusive(), runs::hostile()] {
        let text = render(&result);
        let mut in_fence = false;
        let mut width = None;
        for line in text.lines() {
            in_fence ^= line.starts_with("```");
            let cells = line.starts_with('|').then(|| line.matches('|').count()).filter(|_| !in_fence);
            if let (Some(head), Some(row)) = (width, cells) {
                assert_eq!(head, row, "{text}");
            }
            width = cells;
        }
    }
}

#[test]
fn names_are_text_and_nothing_else() {
    let evil = "](http://evil) [x](y) <img src=x> `a` **b** | c | ~~d~~ @everyone www.evil.com $x$ \\";
    let mut result = runs::egress_ignored();
    result.headline = evil.into();
    result.notes = vec![evil.into(), format!("# {evil}"), "```\n</details>".into()];
    result.cases[1].title = evil.into();
    result.cases[2].reason = Some(evil.into());
    result.nodes[0].name = evil.into();
    result.cases[1].terms[0].explanation = "``` ```` </details>\n# gone".into();
    for result in [result, runs::hostile()] {
        let text = render(&result);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        for event in events(&text) {
            match event {
                Event::Html(html) | Event::InlineHtml(html) => {
                    let tags = html.split_inclusive('>').filter_map(|part| part.find('<').map(|at| part[at..].trim()));
                    assert!(tags.clone().all(|tag| TAGS.contains(&tag)), "{html}");
                }
                Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::Strikethrough) => {
                    panic!("{event:?} in {text}")
                }
                _ => {}
            }
        }
        let outside: Vec<&str> = text.split("\n```").step_by(2).collect();
        for sign in ["http://", "www.", "@everyone", "$x$"] {
            assert!(outside.iter().all(|part| !part.contains(sign)), "{sign}: {text}");
        }
        let count = |tag| outside.iter().map(|part| part.matches(tag).count()).sum::<usize>();
        assert_eq!(count("<details>"), count("</details>"), "{text}");
    }
}

#[test]
fn a_run_that_did_not_complete_says_so() {
    for (end, words) in runs::incomplete() {
        let text = render(&RunResult { end, ..runs::enforced() });
        assert!(text.contains("did not complete") && text.contains(words), "{text}");
    }
}

#[test]
fn many_cases_fit_a_summary() {
    let mut result = runs::egress_ignored();
    let case = result.cases.remove(1);
    result.cases = vec![case; 300];
    let text = render(&result);
    assert!(text.contains("… and 280 more") && text.len() < 1 << 20, "{}", text.len());
}
