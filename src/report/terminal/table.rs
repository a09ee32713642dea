//! Truth tables: from each sender to each receiver, over all protocols, ports, families and paths at once.

use crate::core::model::flow::Endpoint;
use crate::core::oracle::Answer;
use crate::core::verdict::{CellResult, Seen};
use crate::report::page::{Line, Page, Tone, clean, truncate};
use std::collections::{BTreeMap, BTreeSet};
use unicode_width::UnicodeWidthStr;

const INDENT: usize = 2;
const CORNER: &str = "from \\ to";

/// Longer names are cut where they head a row.
const NAME_WIDTH: usize = 32;

/// Numbers that stand for names: three digits serve more ends than one table can hold.
const NUMBER_WIDTH: usize = 3;

/// What all flows from one sender to one receiver come to; the worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::report) enum Sign {
    Open,
    Blocked,
    /// Some flows open and some blocked, all as they must be.
    Both,
    Undefined,
    Unclear,
    Overblocked,
    Leak,
}

impl Sign {
    pub(in crate::report) const ALL: [Self; 7] =
        [Self::Open, Self::Blocked, Self::Both, Self::Leak, Self::Overblocked, Self::Unclear, Self::Undefined];

    pub(in crate::report) fn of(result: &CellResult) -> Self {
        match (result.wrong, &result.cell.expected, &result.seen) {
            (true, Answer::Deny, _) => Self::Leak,
            (true, _, _) => Self::Overblocked,
            (false, Answer::Undefined(_), _) => Self::Undefined,
            (false, _, Seen::Unclear { .. }) => Self::Unclear,
            (false, _, Seen::Through) => Self::Open,
            (false, _, Seen::Blocked) => Self::Blocked,
        }
    }

    pub(in crate::report) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Open, Self::Blocked) | (Self::Blocked, Self::Open) => Self::Both,
            _ => self.max(other),
        }
    }

    pub(in crate::report) fn show(self) -> (&'static str, Tone, &'static str) {
        match self {
            Self::Open => (".", Tone::Plain, "open, as written"),
            Self::Blocked => ("x", Tone::Good, "blocked, as written"),
            Self::Both => ("/", Tone::Good, "open and blocked by port or protocol, as written"),
            Self::Leak => ("!", Tone::Bad, "open, must be blocked"),
            Self::Overblocked => ("#", Tone::Bad, "blocked, must be open"),
            Self::Unclear => ("?", Tone::Warn, "unclear"),
            Self::Undefined => ("*", Tone::Dim, "left open by the specification"),
        }
    }
}

/// The table of a phase, with a legend of the signs in it.
pub(super) fn render(page: &mut Page, cells: &[CellResult]) {
    let mut signs: BTreeMap<(&Endpoint, &Endpoint), Sign> = BTreeMap::new();
    for result in cells {
        let sign = Sign::of(result);
        let flow = &result.cell.flow;
        signs.entry((&flow.from, &flow.to)).and_modify(|known| *known = known.and(sign)).or_insert(sign);
    }
    let senders: Vec<&Endpoint> = signs.keys().map(|(from, _)| *from).collect::<BTreeSet<_>>().into_iter().collect();
    let receivers: Vec<&Endpoint> = signs.keys().map(|(_, to)| *to).collect::<BTreeSet<_>>().into_iter().collect();
    let names = Names::new(&senders, &receivers, page.width());

    for receivers in names.chunks(&receivers, page.width()) {
        let mut head = Line::new().to(INDENT).toned(CORNER, Tone::Dim);
        let mut end = INDENT + names.row_width + 1;
        let ends: Vec<usize> = receivers
            .iter()
            .map(|to| {
                end += names.column(to).width() + 1;
                end
            })
            .collect();
        for (to, end) in receivers.iter().zip(&ends) {
            head = head.right(*end, &names.column(to), Tone::Dim);
        }
        page.line(head);
        for from in &senders {
            let mut line = Line::new().to(INDENT).text(names.row(from));
            for (to, end) in receivers.iter().zip(&ends) {
                let (mark, tone) = signs.get(&(*from, *to)).map_or((" ", Tone::Plain), |sign| {
                    let (mark, tone, _) = sign.show();
                    (mark, tone)
                });
                line = line.right(*end, mark, tone);
            }
            page.line(line);
        }
    }
    for to in receivers.iter().filter(|to| names.numbered.is_some() && !senders.contains(*to)) {
        page.line(Line::new().to(INDENT).text(names.row(to)));
    }
    let gaps = senders.iter().any(|from| receivers.iter().any(|to| from != to && !signs.contains_key(&(*from, *to))));
    legend(page, &signs.into_values().collect(), gaps);
}

fn legend(page: &mut Page, used: &BTreeSet<Sign>, gaps: bool) {
    let mut line = Line::new().to(INDENT);
    let signs = Sign::ALL.into_iter().filter(|sign| used.contains(sign)).map(Sign::show);
    for (mark, tone, meaning) in signs.chain(gaps.then_some(("blank", Tone::Plain, "not probed"))) {
        if line.width() > INDENT && line.width() + mark.len() + 1 + meaning.width() > page.width() {
            page.line(std::mem::replace(&mut line, Line::new().to(INDENT)));
        }
        line = line.toned(mark, tone).toned(format!(" {meaning}   "), Tone::Dim);
    }
    page.line(line);
}

/// How ends are called: by name, or by number where names are too long to head a column.
struct Names {
    numbered: Option<BTreeMap<Endpoint, usize>>,
    row_width: usize,
}

impl Names {
    fn new(senders: &[&Endpoint], receivers: &[&Endpoint], page_width: usize) -> Self {
        let widest = |ends: &[&Endpoint]| ends.iter().map(|end| name(end).width()).max().unwrap_or(0);
        let row_width = widest(senders).max(CORNER.len());
        let columns: usize = receivers.iter().map(|end| name(end).width() + 1).sum();
        if INDENT + row_width + 1 + columns <= page_width {
            return Self { numbered: None, row_width };
        }
        let ends: BTreeSet<&Endpoint> = senders.iter().chain(receivers).copied().collect();
        let row_width = (NUMBER_WIDTH + 1 + widest(senders).min(NAME_WIDTH)).max(CORNER.len());
        let numbers = ends.into_iter().enumerate().map(|(index, end)| (end.clone(), index + 1)).collect();
        Self { numbered: Some(numbers), row_width }
    }

    /// The receivers, in as many parts as the page's width makes of them.
    fn chunks<'a>(&self, receivers: &'a [&'a Endpoint], page_width: usize) -> std::slice::Chunks<'a, &'a Endpoint> {
        let all = receivers.len().max(1);
        receivers.chunks(match self.numbered {
            None => all,
            Some(_) => (page_width.saturating_sub(INDENT + self.row_width + 1) / (NUMBER_WIDTH + 1)).clamp(1, all),
        })
    }

    fn row(&self, end: &Endpoint) -> String {
        match self.numbered.as_ref().and_then(|numbers| numbers.get(end)) {
            Some(number) => format!("{number:>NUMBER_WIDTH$} {}", truncate(&name(end), NAME_WIDTH)),
            None => name(end),
        }
    }

    fn column(&self, end: &Endpoint) -> String {
        match self.numbered.as_ref().and_then(|numbers| numbers.get(end)) {
            Some(number) => format!("{number:>NUMBER_WIDTH$}"),
            None => name(end),
        }
    }
}

/// Shorter than ends are called elsewhere: no pod is called without its namespace, so nothing else can be meant.
pub(in crate::report) fn name(end: &Endpoint) -> String {
    match end {
        Endpoint::Pod(_) | Endpoint::Node(_) => clean(&end.to_string()),
        Endpoint::External(name) => clean(name),
    }
}
