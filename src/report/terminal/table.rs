//! Truth tables: from each sender to each receiver, over all protocols, ports, families and paths at once.

use crate::core::model::flow::Endpoint;
use crate::core::oracle::Answer;
use crate::core::verdict::{CellResult, Seen};
use crate::report::page::{Line, Page, Tone, clean, count, truncate};
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

/// More ends than this are no table that anybody reads.
const MOST_ENDS: usize = 24;

/// What all flows of each pair come to.
pub(in crate::report) type Signs<'a> = BTreeMap<(&'a Endpoint, &'a Endpoint), Sign>;

/// The rows and columns of a table.
pub(in crate::report) struct Ends<'a> {
    pub(in crate::report) senders: Vec<&'a Endpoint>,
    pub(in crate::report) receivers: Vec<&'a Endpoint>,
    /// How many ends are left out: of very many, those between which everything is as written.
    hidden: usize,
}

impl<'a> Ends<'a> {
    pub(in crate::report) fn of(signs: &Signs<'a>) -> Self {
        let odd = |sign: &Sign| match sign {
            Sign::Leak | Sign::Overblocked | Sign::Unclear => true,
            Sign::Open | Sign::Blocked | Sign::Both | Sign::Undefined => false,
        };
        let all: BTreeSet<&Endpoint> = signs.keys().flat_map(|(from, to)| [*from, *to]).collect();
        let too_many = all.len() > MOST_ENDS;
        let shown: Vec<_> = signs.iter().filter(|(_, sign)| !too_many || odd(sign)).map(|(ends, _)| *ends).collect();
        let senders: BTreeSet<&Endpoint> = shown.iter().map(|(from, _)| *from).collect();
        let receivers: BTreeSet<&Endpoint> = shown.iter().map(|(_, to)| *to).collect();
        let hidden = all.len() - senders.union(&receivers).count();
        Self { senders: senders.into_iter().collect(), receivers: receivers.into_iter().collect(), hidden }
    }

    /// What is not shown.
    pub(in crate::report) fn left_out(&self) -> Option<String> {
        let more = if self.senders.is_empty() { "" } else { " more" };
        (self.hidden > 0)
            .then(|| format!("… {}{more}, between which everything is as written", count(self.hidden, "pod")))
    }
}

/// The table of a phase, with a legend of the signs in it.
pub(super) fn render(page: &mut Page, cells: &[CellResult]) {
    let mut signs = Signs::new();
    for result in cells {
        let sign = Sign::of(result);
        let flow = &result.cell.flow;
        signs.entry((&flow.from, &flow.to)).and_modify(|known| *known = known.and(sign)).or_insert(sign);
    }
    let ends = Ends::of(&signs);
    let Ends { senders, receivers, .. } = &ends;
    if senders.is_empty() {
        ends.left_out().into_iter().for_each(|text| page.line(Line::new().to(INDENT).text(text)));
        return;
    }
    let names = Names::new(senders, receivers, page.width());

    for receivers in names.chunks(receivers, page.width()) {
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
        for from in senders {
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
    ends.left_out().into_iter().for_each(|text| page.line(Line::new().to(INDENT).text(text)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::flow::PodId;

    /// So many pods, each of which sends to the next; of one pair something is to be said.
    fn left_out(pods: usize, odd: Option<Sign>) -> (usize, usize, Option<String>) {
        let all: Vec<Endpoint> = (0..pods).map(|pod| PodId::new("x", format!("a-{pod}")).into()).collect();
        let next = |pod: usize| &all[(pod + 1) % pods];
        let sign = |pod: usize| odd.filter(|_| pod == 3).unwrap_or(Sign::Both);
        let signs: Signs<'_> = (0..pods).map(|pod| ((&all[pod], next(pod)), sign(pod))).collect();
        let ends = Ends::of(&signs);
        (ends.senders.len(), ends.receivers.len(), ends.left_out())
    }

    #[test]
    fn of_very_many_pods_only_those_are_shown_between_which_something_is_odd() {
        assert_eq!(left_out(24, None), (24, 24, None));
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(left_out(25, None), (0, 0, text("… 25 pods, between which everything is as written")));
        for odd in [Sign::Leak, Sign::Overblocked, Sign::Unclear] {
            assert_eq!(left_out(64, Some(odd)), (1, 1, text("… 62 pods more, between which everything is as written")));
        }
    }
}
