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

/// Longer names are replaced by numbers where they head a column.
const COLUMN_WIDTH: usize = 16;

/// What all flows from one sender to one receiver come to; the worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
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
    const ALL: [Self; 7] =
        [Self::Open, Self::Blocked, Self::Both, Self::Leak, Self::Overblocked, Self::Unclear, Self::Undefined];

    fn of(result: &CellResult) -> Self {
        match (result.wrong, &result.cell.expected, &result.seen) {
            (true, Answer::Deny, _) => Self::Leak,
            (true, _, _) => Self::Overblocked,
            (false, Answer::Undefined(_), _) => Self::Undefined,
            (false, _, Seen::Unclear { .. }) => Self::Unclear,
            (false, _, Seen::Through) => Self::Open,
            (false, _, Seen::Blocked) => Self::Blocked,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Open, Self::Blocked) | (Self::Blocked, Self::Open) => Self::Both,
            _ => self.max(other),
        }
    }

    fn show(self) -> (&'static str, Tone, &'static str) {
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

    for receivers in receivers.chunks(names.columns) {
        let mut head = Line::new().to(INDENT).toned(CORNER, Tone::Dim);
        for (column, to) in receivers.iter().enumerate() {
            head = head.right(names.right(column), &names.column(to), Tone::Dim);
        }
        page.line(head);
        for from in &senders {
            let mut line = Line::new().to(INDENT).text(names.row(from));
            for (column, to) in receivers.iter().enumerate() {
                let (sign, tone) = signs.get(&(*from, *to)).map_or((" ", Tone::Plain), |sign| {
                    let (sign, tone, _) = sign.show();
                    (sign, tone)
                });
                line = line.right(names.right(column), sign, tone);
            }
            page.line(line);
        }
    }
    for to in receivers.iter().filter(|to| names.numbered.is_some() && !senders.contains(*to)) {
        page.line(Line::new().to(INDENT).text(names.row(to)));
    }
    legend(page, &signs.into_values().collect());
}

fn legend(page: &mut Page, used: &BTreeSet<Sign>) {
    let mut line = Line::new().to(INDENT);
    for sign in Sign::ALL.into_iter().filter(|sign| used.contains(sign)) {
        let (mark, tone, meaning) = sign.show();
        if line.width() > INDENT && line.width() + 4 + meaning.width() + 2 > page.width() {
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
    column_width: usize,
    columns: usize,
}

impl Names {
    fn new(senders: &[&Endpoint], receivers: &[&Endpoint], page_width: usize) -> Self {
        let widest = |ends: &[&Endpoint]| ends.iter().map(|end| name(end).width()).max().unwrap_or(0);
        let columns_fit = |row: usize, column: usize| page_width.saturating_sub(INDENT + row + 1) / (column + 1);
        let (row_width, column_width) = (widest(senders).max(CORNER.len()), widest(receivers).max(2));
        let columns = columns_fit(row_width, column_width);
        if row_width <= NAME_WIDTH && column_width <= COLUMN_WIDTH && columns >= receivers.len() {
            return Self { numbered: None, row_width, column_width, columns: columns.max(1) };
        }
        let ends: BTreeSet<&Endpoint> = senders.iter().chain(receivers).copied().collect();
        let column_width = ends.len().to_string().len().max(2);
        let row_width = (widest(senders).min(NAME_WIDTH) + column_width + 1).max(CORNER.len());
        let numbers = ends.into_iter().enumerate().map(|(index, end)| (end.clone(), index + 1)).collect();
        let columns = columns_fit(row_width, column_width).max(1);
        Self { numbered: Some(numbers), row_width, column_width, columns }
    }

    fn row(&self, end: &Endpoint) -> String {
        let number = self.numbered.as_ref().and_then(|numbers| numbers.get(end));
        match number {
            Some(number) => {
                format!("{number:>width$} {}", truncate(&name(end), NAME_WIDTH), width = self.column_width)
            }
            None => name(end),
        }
    }

    fn column(&self, end: &Endpoint) -> String {
        match self.numbered.as_ref().and_then(|numbers| numbers.get(end)) {
            Some(number) => number.to_string(),
            None => name(end),
        }
    }

    /// Where the column of that index ends.
    fn right(&self, column: usize) -> usize {
        INDENT + self.row_width + 1 + (column + 1) * (self.column_width + 1)
    }
}

fn name(end: &Endpoint) -> String {
    clean(&end.to_string())
}
