//! The page: that it is one, that it needs nothing besides, and that no name on it is anything but a name.

use super::runs;
use crate::common::{case, run};
use papertiger::core::event::RunEnd;
use papertiger::core::verdict::{Latency, RunResult, Turn, Verdict};
use papertiger::report::html::render;
use std::collections::BTreeSet;

/// Elements that have no end.
const VOID: [&str; 2] = ["meta", "link"];

/// The page, which is well-formed.
#[track_caller]
fn page(result: &RunResult) -> String {
    let page = render(result);
    let mut open: Vec<&str> = Vec::new();
    for tag in tags(&page).filter(|tag| !tag.starts_with('!')) {
        let name = tag.trim_start_matches('/').split([' ', '>']).next().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag} ends what is not open");
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} do not end");
    page
}

/// What stands in angle brackets. Texts and attributes hold none: they are escaped.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    page.split('<').skip(1).map(|rest| rest.split_once('>').map_or(rest, |(tag, _)| tag))
}

/// The values of an attribute, in order.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    tags(page).flat_map(|tag| tag.split(start.as_str()).skip(1)).filter_map(|rest| rest.split('"').next()).collect()
}

/// How often an element occurs.
fn count(page: &str, name: &str) -> usize {
    tags(page).filter(|tag| tag.split([' ', '>']).next() == Some(name)).count()
}

/// Latencies of so many milliseconds.
fn latencies(turn: Turn, ms: &[u64]) -> Vec<Latency> {
    let latency = |ms: &u64| Latency {
        turn,
        alone: false,
        last_wrong_us: ms * 1_000,
        right_us: ms * 1_000 + 900,
        request_us: 700,
        clock_us: 100,
    };
    ms.iter().map(latency).collect()
}

fn all() -> [RunResult; 7] {
    let mut timed = runs::enforced();
    timed.cases[0].latencies = latencies(Turn::Deny, &[0, 3, 3, 84, 12_000]);
    [
        runs::enforced(),
        runs::egress_ignored(),
        runs::partial(),
        runs::inconclusive(),
        runs::hostile(),
        timed,
        run(Verdict::Skipped, "nothing ran", Vec::new()),
    ]
}

#[test]
fn it_is_one_page_that_needs_nothing_besides() {
    for result in all() {
        let page = page(&result);
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en-GB\">"));
        for name in ["script", "img", "iframe", "object", "embed", "form", "base", "use", "image"] {
            assert_eq!(count(&page, name), 0, "{name}");
        }
        for forbidden in ["http:", "https:", "//", "url(", "@import", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(values(&page, "content").iter().any(|policy| policy.starts_with("default-src 'none'")));
        assert!(tags(&page).all(|tag| !tag.split(' ').any(|attribute| attribute.starts_with("on"))));
    }
}

#[test]
fn every_link_leads_somewhere() {
    for result in all() {
        let page = page(&result);
        let ids = values(&page, "id");
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "an id occurs twice");
        for target in values(&page, "href").into_iter().filter(|target| *target != "data:,") {
            assert!(target.strip_prefix('#').is_some_and(|id| unique.contains(id)), "{target}");
        }
        for label in values(&page, "aria-labelledby") {
            assert!(unique.contains(label), "{label}");
        }
    }
    let twice = runs::egress_ignored().cases.remove(1);
    assert!(page(&run(Verdict::Ignored, "", vec![twice.clone(), twice])).contains("#case-2-deny-egress"));
}

#[test]
fn it_can_be_read_without_eyes() {
    for result in all() {
        let page = page(&result);
        for (name, number) in [("h1", 1), ("main", 1), ("header", 1), ("nav", 1), ("title", 1 + count(&page, "svg"))] {
            assert_eq!(count(&page, name), number, "{name}");
        }
        assert_eq!(count(&page, "table"), count(&page, "caption"));
        assert!(tags(&page).filter(|tag| tag.starts_with("svg")).all(|tag| tag.contains("role=\"img\"")));
        assert!(tags(&page).filter(|tag| tag.split(' ').next() == Some("th")).all(|tag| tag.contains("scope=\"")));
        let level = |tag: &str| tag.strip_prefix('h')?.get(..1)?.parse::<u8>().ok();
        let levels: Vec<u8> = tags(&page).filter_map(level).collect();
        assert_eq!(levels[0], 1);
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    }
}

#[test]
fn the_verdict_is_a_word_and_says_what_it_looks_like() {
    let page = page(&runs::egress_ignored());
    assert!(page.contains("<h1 class=\"verdict bad\"><span class=\"word\">IGNORED</span>"), "{page}");
    assert!(page.contains("The network behaves as if <strong>egress were absent from every policy</strong>."));
    assert!(page.contains("<p class=\"headline\">3 of 5 terms enforced in 3 cases on 2 nodes; 1 case skipped.</p>"));
    assert!(page.contains("Faults on purpose: </strong>ignore-egress"));
    for (result, word) in
        [(runs::enforced(), "good\"><span class=\"word\">ENFORCED"), (runs::inconclusive(), "INCONCLUSIVE")]
    {
        assert!(render(&result).contains(word), "{word}");
    }
}

#[test]
fn what_is_wrong_is_open_and_what_is_fine_is_not() {
    let page = page(&runs::egress_ignored());
    let details: Vec<&str> = tags(&page).filter(|tag| tag.starts_with("details")).collect();
    assert_eq!(details, ["details class=\"case\" open", "details class=\"case\""]);
    let (wrong, fine) = page.split_once("<details class=\"case\">").unwrap();
    for words in [
        "120 of 240 flows wrong",
        "x/a → x/b TCP 80 over IPv4 by pod IP",
        "<dt>Expected</dt><dd>must be blocked</dd>",
        "title=\"open, must be blocked: TCP 80, UDP 53\">!</td>",
        "kind: NetworkPolicy\nmetadata:",
    ] {
        assert!(wrong.contains(words), "{words}");
    }
    assert_eq!(wrong.matches("<svg").count(), 12, "a bar for each of the first flows");
    assert!(!fine.contains("<svg") && !fine.contains("<pre"));
    assert!(fine.contains("title=\"blocked, as written: UDP 53; open, as written: TCP 80\">/</td>"), "{fine}");
}

#[test]
fn names_are_only_names() {
    let hostile = page(&runs::hostile());
    assert!(hostile.chars().all(|c| c == '\n' || !c.is_control()), "a control character is left");
    assert!(!hostile.contains('\u{202e}'));

    let evil = "</style></title><script>alert(1)</script><b onclick=\"x\">&amp;'\x1b[31m";
    let mut result = runs::partial();
    for text in [&mut result.headline, &mut result.run.run, &mut result.run.target, &mut result.run.started_at] {
        *text = evil.to_owned();
    }
    result.run.tool_version = evil.to_owned();
    result.run.settings.profile = evil.to_owned();
    result.run.settings.faults = vec![evil.to_owned()];
    result.end = Some(RunEnd::Failed { message: evil.to_owned() });
    result.nodes[0].name = evil.to_owned();
    result.nodes[0].reason = Some(evil.to_owned());
    result.features[0].feature = evil.to_owned();
    result.notes = vec![evil.to_owned()];
    let broken = &mut result.cases[0];
    for text in [&mut broken.id, &mut broken.title, &mut broken.steps[1].change, &mut broken.terms[0].explanation] {
        *text = evil.to_owned();
    }
    broken.reason = Some(evil.to_owned());
    broken.terms[0].id = evil.to_owned();
    broken.terms[0].faults = vec![evil.to_owned()];
    broken.terms[0].policy = Some(evil.to_owned());
    let mut skipped = case(evil, evil, Verdict::Skipped, Vec::new(), Vec::new());
    skipped.reason = Some(evil.to_owned());
    result.cases.push(skipped);
    let page = page(&result);
    assert!(!page.contains('\x1b'));
    assert_eq!(count(&page, "script") + count(&page, "b onclick"), 0);
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;b onclick=&quot;x&quot;&gt;&amp;amp;'";
    assert!(page.matches(escaped).count() >= 15, "{}", page.matches(escaped).count());
}

#[test]
fn a_run_that_did_not_complete_says_so() {
    for (end, words) in runs::incomplete() {
        let page = page(&RunResult { end, ..runs::enforced() });
        assert!(page.contains("<strong>Incomplete. </strong>") && page.contains(words), "{words}");
    }
    assert!(!page(&runs::enforced()).contains("Incomplete"));
}

#[test]
fn latencies_are_drawn_and_told() {
    let mut result = runs::enforced();
    result.run.settings.budget_ms = Some(500);
    result.cases[0].latencies = latencies(Turn::Deny, &[0, 3, 3, 84, 12_000]);
    result.cases[1].latencies = latencies(Turn::Allow, &[7]);
    let page = page(&result);
    assert_eq!(count(&page, "svg"), 2);
    let title = "<title>Share of 5 changes by latency: p50 3 ms, p90 12 s, p99 12 s, max 12 s</title>";
    assert!(page.contains(title), "{page}");
    assert!(page.contains("The budget is <strong>500 ms</strong>."));
    let curve = page.split("class=\"curve\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(curve, "M0 100H0V80H95V40H385V20H816V0H1000");
    assert!(!render(&runs::enforced()).contains("id=\"latency\""));
}

#[test]
fn the_same_result_gives_the_same_bytes() {
    for (one, other) in all().iter().zip(&all()) {
        assert_eq!(render(one), render(other));
    }
}

#[test]
fn pages_stay_small() {
    const MIB: usize = 1 << 20;
    let cases = |case: usize| vec![runs::egress_ignored().cases.swap_remove(case); 109];
    let fine = page(&run(Verdict::Enforced, "", cases(0))).len();
    assert!(fine < MIB / 2, "{fine}");
    let wrong = page(&run(Verdict::Ignored, "", cases(1))).len();
    assert!(wrong < 2 * MIB, "{wrong}");
}

#[test]
fn a_node_that_matters_need_not_be_looked_for() {
    let mut result = runs::enforced();
    let node = result.nodes.remove(0);
    result.nodes = vec![node.clone(); 1_000];
    result.nodes[700].verdict = Verdict::Ignored;
    result.nodes[700].name = "broken".into();
    let page = page(&result);
    assert!(page.contains("1000 nodes: 1 IGNORED, 999 ENFORCED."));
    let (shown, folded) = page.split_once("<details class=\"more\">").unwrap();
    assert!(shown.contains("<li class=\"bad\"><b>IGNORED</b> <code>broken</code></li>"));
    assert_eq!(folded.matches("<b>ENFORCED</b>").count(), 999);
    assert!(page.len() < 1 << 19, "{}", page.len());
}
