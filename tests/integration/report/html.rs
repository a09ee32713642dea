//! The page: that it is one, that it needs nothing besides, and that no name on it is anything but a name.

use super::runs;
use crate::common::{case, run};
use papertiger::core::event::RunEnd;
use papertiger::core::fault::Fault;
use papertiger::core::verdict::{Diagnosis, Latency, RunResult, Turn, Verdict};
use papertiger::report::html::render;
use std::collections::BTreeSet;

/// Elements that have no end.
const VOID: [&str; 3] = ["meta", "link", "wbr"];

/// The page, which is well-formed.
#[track_caller]
fn page(result: &RunResult) -> String {
    let page = render(result);
    let mut open: Vec<&str> = Vec::new();
    for tag in tags(&page).filter(|tag| !tag.starts_with('!')) {
        let name = tag.trim_start_matches('/').split([' ', '>']).next().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let names: Vec<&str> = attributes(tag).map(|(name, _)| name).collect();
        let unique: BTreeSet<&&str> = names.iter().collect();
        assert_eq!(names.len(), unique.len(), "browsers take the first of two alike: {tag}");
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

/// The attributes of a tag that have a value.
fn attributes(tag: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts: Vec<&str> = tag.split('"').collect();
    let names = parts.iter().step_by(2).map(|part| part.rsplit(' ').next().unwrap_or_default().trim_end_matches('='));
    names.zip(parts.iter().skip(1).step_by(2).copied()).collect::<Vec<_>>().into_iter()
}

/// The page's own style sheet.
fn style(page: &str) -> &str {
    page.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).unwrap().0
}

/// What a media query holds.
fn media<'a>(style: &'a str, query: &str) -> &'a str {
    let (_, rest) = style.split_once(&format!("@media {query}{{")).unwrap();
    let mut depth = 1;
    let end = rest.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    &rest[..end.unwrap()]
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
    timed.startups = vec![runs::startup()];
    timed.lapses = vec![runs::lapse()];
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
    assert_eq!(fine.matches("<svg").count(), 4, "what the changes turned, by example");
    assert_eq!(fine.matches("<pre").count(), 1, "the policy that was applied");
    assert!(fine.contains("Some of the flows that changes turn.") && !fine.contains("class=\"flows\""));
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
    assert_eq!(page.matches("<figure class=\"latency\"><figcaption>").count(), 2);
    let title = "<title>Share of 5 changes by latency: p50 3 ms, p90 12 s, p99 12 s, max 12 s</title>";
    assert!(page.contains(title), "{page}");
    assert!(page.contains("The budget is <strong>500 ms</strong>."));
    let curve = page.split("class=\"curve\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(curve, "M0 100H0V80H95V40H385V20H816V0H1000");
    assert!(!render(&runs::enforced()).contains("id=\"latency\""));
}

#[test]
fn starts_and_lapses_are_told_where_there_are_any() {
    let mut result = runs::enforced();
    assert!(!render(&result).contains("id=\"startup\"") && !render(&result).contains("id=\"lapses\""));
    result.startups = vec![runs::startup()];
    result.lapses = vec![runs::lapse()];
    let page = page(&result);
    for said in [
        "<th scope=\"row\">egress of x/a on n1</th><td class=\"number\">20</td><td class=\"number\">19</td>",
        "255 connections of x/a got through that must not (egress); of 20 kept in use, 17 stayed open.",
        "1 more start of x/a never came right (egress): see the case protected.",
        "Without any policy everything had got through after 37 ms.",
        "<td>4.5 s</td><td>what is forbidden got through</td><td>6</td><td>n2</td>",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[test]
fn the_same_result_gives_the_same_bytes() {
    for (one, other) in all().iter().zip(&all()) {
        assert_eq!(render(one), render(other));
    }
}

#[test]
fn pages_stay_small() {
    for (result, verdict) in runs::simulated() {
        assert_eq!(result.verdict, *verdict, "{}", result.headline);
        let page = page(result);
        let cases = result.cases.len();
        assert!(page.len() < 15_000 * cases, "{verdict}: {} bytes of {cases} cases", page.len());
        assert!(count(&page, "svg") > 150, "{verdict}: {}", count(&page, "svg"));
    }
    let cases = |case: usize| vec![runs::egress_ignored().cases.swap_remove(case); 109];
    let fine = page(&run(Verdict::Enforced, "", cases(0))).len();
    assert!(fine < 1_000_000, "{fine}");
    let wrong = page(&run(Verdict::Ignored, "", cases(1))).len();
    assert!(wrong < 2_000_000, "{wrong}");
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

/// What a row of the first list says.
fn row<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (_, findings) = page.split_once("<section class=\"findings\"").unwrap();
    let (findings, _) = findings.split_once("</section>").unwrap();
    let (_, rest) = findings.split_once(&format!("<dt>{name}</dt><dd>"))?;
    rest.split_once("</dd>").map(|(row, _)| row)
}

#[test]
fn the_first_screen_says_what_is_wrong_where_and_what_to_do() {
    let at = |page: &str, what: &str| page.find(what).unwrap_or_else(|| panic!("{what} is missing"));
    for result in all() {
        let page = page(&result);
        let order = ["<h1", "id=\"findings\"", "<nav", "id=\"glance\"", "id=\"details\"", "id=\"run\""]
            .map(|part| at(&page, part));
        assert!(order.is_sorted(), "{order:?}");
    }
    let partial = page(&runs::partial());
    assert_eq!(row(&partial, "What"), Some("<p><span class=\"v bad\">PARTIAL</span> ingress</p>"));
    let places = "<p>Fails over IPv6, holds over IPv4.</p><p>On both nodes that were probed: n1, n2.</p>";
    assert_eq!(row(&partial, "Where"), Some(places));
    assert!(row(&partial, "Cases").unwrap().starts_with("<p>1 of 1: <a href=\"#case-1-allow-one-protocol"));

    let inconclusive = page(&runs::inconclusive());
    assert!(row(&inconclusive, "Why").unwrap().contains("never connected before any policy (timed out)."));
    assert!(row(&inconclusive, "Where").unwrap().contains("unclear flows go to y/b.</p>"), "{inconclusive}");
    assert_eq!(row(&inconclusive, "What"), None);

    let mut untested = runs::egress_ignored();
    untested.nodes[0].verdict = Verdict::Skipped;
    let untested = page(&untested);
    assert_eq!(
        row(&untested, "Where"),
        Some("<p>In all 2 scopes that were tested.</p><p>On the one node that was probed, n2.</p>")
    );
    assert_eq!(row(&untested, "Not tested"), Some("<p>1 case: no lane was left to run it.</p><p>1 node: n1.</p>"));
    assert_eq!(row(&page(&runs::enforced()), "Not tested"), None);
}

#[test]
fn every_verdict_comes_with_what_to_do() {
    let told = |result: &RunResult| row(&page(result), "Do").unwrap().to_owned();
    let mut advice: BTreeSet<String> =
        Verdict::WORST_FIRST.into_iter().map(|verdict| told(&RunResult { verdict, ..runs::partial() })).collect();
    // SKIPPED and UNDEFINED are one.
    assert_eq!(advice.len(), Verdict::WORST_FIRST.len() - 1, "{advice:?}");
    let mut nothing = RunResult { verdict: Verdict::Ignored, ..runs::partial() };
    nothing.diagnoses = vec![Diagnosis { faults: vec![Fault::NoEngine.into()] }];
    assert!(told(&nothing).contains("Look whether a policy engine is installed"));
    assert!(advice.insert(told(&nothing)), "no engine is a matter of its own");
}

#[test]
fn a_timeline_goes_from_before_the_change_until_after_the_last() {
    let page = page(&runs::egress_ignored());
    let (_, figure) = page.split_once("<figure class=\"time\">").unwrap();
    let (figure, _) = figure.split_once("</figure>").unwrap();
    let parts: Vec<&str> = figure.split("<div><b>").skip(1).map(|part| part.split("</b>").next().unwrap()).collect();
    assert_eq!(parts, ["Baseline", "Step 1", "Removal"]);
    let title = figure.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
    let through = "connected 21 times over 1.1 s";
    assert_eq!(title, format!("Baseline: {through}; Step 1, must be blocked: {through}; Removal: {through}"));
    let bar = figure.split_once("</title>").unwrap().1.split_once("</svg>").unwrap().0;
    // The middle part is the ground on which nothing may get through; each part has its own box.
    assert!(bar.starts_with("<path class=\"g\" d=\"M200 0h200v16h-200z\"></path>"), "{bar}");
    assert_eq!(
        bar.split_once("class=\"t\" d=\"").unwrap().1.split('"').next().unwrap().matches('z').count(),
        3,
        "{bar}"
    );
}

#[test]
fn nodes_have_a_map_of_what_went_wrong_between_them() {
    let page = page(&runs::inconclusive());
    let (_, map) = page.split_once("<table class=\"between\">").unwrap();
    let (map, _) = map.split_once("</table>").unwrap();
    let cells: Vec<&str> = map.split("<td class=\"").skip(1).map(|cell| cell.split("</td>").next().unwrap()).collect();
    assert!(cells.iter().any(|cell| cell.starts_with("u\">") && cell.contains(" unclear of ")), "{cells:?}");
    assert!(cells.iter().any(|cell| cell.starts_with("x\">0 of ")), "{cells:?}");

    // Of many nodes those are on the map that matter.
    let mut result = runs::egress_ignored();
    let world = result.cases[1].world.as_mut().unwrap();
    for (index, pod) in world.pods.iter_mut().enumerate() {
        pod.node = format!("node-{index}");
    }
    for index in 0..5 {
        let mut fine = runs::enforced().cases.remove(0);
        for (pod, node) in fine.world.as_mut().unwrap().pods.iter_mut().zip(index * 9..) {
            pod.node = format!("fine-{node}");
        }
        result.cases.push(fine);
    }
    let page = render(&result);
    let (_, map) = page.split_once("<table class=\"between\">").unwrap();
    let (map, rest) = map.split_once("</table>").unwrap();
    assert_eq!(map.matches("<th scope=\"row\">").count(), 12);
    assert!(map.contains("node-0") && map.contains("wrong of"), "{map}");
    assert!(rest.contains(" nodes with no more of them."));
}

#[test]
fn names_between_marks_are_set_like_names() {
    let mut result = runs::enforced();
    result.notes = vec!["`ports` and `<b>`".into(), "a mark ` alone".into()];
    let page = page(&result);
    assert!(page.contains("<li><code>ports</code> and <code>&lt;b&gt;</code>.</li><li>A mark ` alone.</li>"), "{page}");
}

#[test]
fn paper_shows_what_a_screen_folds() {
    let page = page(&runs::enforced());
    let print = media(style(&page), "print");
    for rule in [
        "details::details-content{content-visibility:visible;block-size:auto}",
        "thead{display:table-header-group}",
        ".scroll{overflow:visible}",
        "nav,.skip{display:none}",
    ] {
        assert!(print.contains(rule), "{rule}");
    }
    // Dark paper is a waste of ink.
    assert!(style(&page).contains("@media screen and (prefers-color-scheme:dark)"));
}

#[test]
fn what_a_telephone_shows_as_cards_keeps_the_names_of_its_columns() {
    let page = page(&runs::egress_ignored());
    let phone = media(style(&page), "screen and (max-width:36rem)");
    for (table, column) in [("cases", 4), ("terms", 3), ("terms", 4)] {
        let (_, heads) = page.split_once(&format!("<table class=\"{table}\">")).unwrap();
        let head = heads.split("<th scope=\"col\">").nth(column).unwrap().split("</th>").next().unwrap();
        let rule = format!("td:nth-child({column})::before{{content:\"{head}: \"}}");
        assert!(phone.split('.').any(|part| part.starts_with(table) && part.trim_end().ends_with(&rule)), "{rule}");
    }
}

#[test]
fn every_sign_of_a_heat_map_has_a_colour_and_a_word_to_be_heard() {
    let page = page(&runs::enforced());
    let style = style(&page);
    for class in ["o", "x", "h", "l", "b", "u", "d"] {
        assert!(style.contains(&format!(".map .{class}::after{{content:\"\" / \"")), "{class}");
        let coloured = style.lines().filter(|line| line.contains("background:"));
        assert!(
            coloured.into_iter().any(|line| line.split(['{', ',']).any(|one| one == format!(".{class}"))),
            "{class}"
        );
    }
}

/// How far apart two colours are in brightness, as WCAG counts it.
fn contrast(one: &str, other: &str) -> f64 {
    let brightness = |colour: &str| {
        let digits = colour.trim_start_matches('#');
        let digits = if digits.len() == 3 { digits.chars().flat_map(|c| [c, c]).collect() } else { digits.to_owned() };
        let part = |at: usize| {
            let share = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).unwrap()) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4) + 0.05
    };
    let (one, other) = (brightness(one), brightness(other));
    one.max(other) / one.min(other)
}

#[test]
fn colours_are_far_enough_apart_by_day_and_by_night() {
    let page = page(&runs::enforced());
    let style = style(&page);
    let light = style.split_once(":root{").unwrap().1;
    let dark = media(style, "screen and (prefers-color-scheme:dark)").split_once(":root{").unwrap().1;
    for root in [light, dark] {
        let of = |name: &str| {
            let (_, value) = root.split_once(&format!("--{name}:")).unwrap();
            value.split([';', '}']).next().unwrap()
        };
        let text = [
            ("fg", "bg"),
            ("fg", "soft"),
            ("quiet", "bg"),
            ("quiet", "soft"),
            ("link", "bg"),
            ("good", "good-bg"),
            ("bad", "bad-bg"),
            ("warn", "warn-bg"),
            ("dim", "dim-bg"),
            ("open", "open-bg"),
            ("good", "open-bg"),
        ];
        for (one, other) in text {
            assert!(contrast(of(one), of(other)) >= 4.5, "{one} on {other}: {}", contrast(of(one), of(other)));
        }
        for (one, other) in [
            ("through", "bg"),
            ("stopped", "bg"),
            ("void", "bg"),
            ("through", "ground"),
            ("stopped", "ground"),
            ("focus", "bg"),
        ] {
            assert!(contrast(of(one), of(other)) >= 3.0, "{one} on {other}: {}", contrast(of(one), of(other)));
        }
    }
}
