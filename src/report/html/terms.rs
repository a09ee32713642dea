//! The terms of a case: what each came to, and in which scopes.

use super::words::{badge, capital, class, path, rich, say, scroll, sentence};
use crate::core::model::flow::{Family, Path, Protocol};
use crate::core::verdict::{CaseResult, Placement, Scope, ScopeResult, TermResult};
use crate::report::page::{count, duration_ms};
use crate::report::phrases;
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// The terms, those that fail first.
pub(super) fn table(case: &CaseResult, fine: bool) -> Markup {
    if case.terms.is_empty() {
        return html! { p.quiet { "No term was scored in this case." } };
    }
    let mut terms: Vec<&TermResult> = case.terms.iter().collect();
    terms.sort_by_key(|term| !term.verdict.is_failure());
    let table = html! {
        table.terms {
            caption { (count(case.terms.len(), "term")) ", what fails first" }
            thead {
                tr {
                    @for head in ["Verdict", "Term", "Feature", "Last wrong", "Why, and where it was tested"] {
                        th scope="col" { (head) }
                    }
                }
            }
            tbody {
                @for term in terms {
                    tr {
                        td { (badge(term.verdict)) }
                        th scope="row" { code { (path(&term.id)) } }
                        td { (say(&term.feature)) }
                        td.number { (term.latency_ms.map_or_else(|| "–".to_owned(), duration_ms)) }
                        td.why {
                            (rich(&sentence(&term.explanation)))
                            @if !term.faults.is_empty() && !fine {
                                " " span.quiet { "Faults that fit: " (say(term.faults.join("; "))) "." }
                            }
                            (scopes(&term.scopes))
                        }
                    }
                }
            }
        }
    };
    html! {
        h4 { "Terms" }
        (scroll("Terms", table))
    }
}

/// Scopes of one verdict take a line, others a table.
fn scopes(scopes: &[ScopeResult]) -> Markup {
    let Some(first) = scopes.first() else { return html! {} };
    if scopes.iter().any(|scope| scope.verdict != first.verdict) { grid(scopes) } else { line(scopes) }
}

fn line(scopes: &[ScopeResult]) -> Markup {
    html! { @if let Some(text) = tested(scopes) { " " span.quiet { (capital(&text)) "." } } }
}

/// "tested in 3 of the 8 scopes of: IPv4 × TCP, UDP × pod IP, ClusterIP × same node, cross node"
pub(super) fn tested(scopes: &[ScopeResult]) -> Option<String> {
    fn values<T: Ord + Copy + Display>(scopes: &[ScopeResult], of: impl Fn(&Scope) -> T) -> (usize, String) {
        let values: BTreeSet<T> = scopes.iter().map(|result| of(&result.scope)).collect();
        (values.len(), values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }
    let dimensions = [
        values(scopes, |scope| scope.family),
        values(scopes, |scope| scope.protocol),
        values(scopes, |scope| scope.path),
        values(scopes, |scope| scope.placement),
    ];
    let all: usize = dimensions.iter().map(|(number, _)| number).product();
    let names: Vec<String> = dimensions.into_iter().map(|(_, names)| names).collect();
    let number = match scopes.len() {
        0 => return None,
        1 => "1 scope".to_owned(),
        number if number == all => format!("all {number} scopes of"),
        number => format!("{number} of the {all} scopes of"),
    };
    Some(format!("tested in {number}: {}", names.join(" × ")))
}

/// A row for each family and protocol, a column for each path and placement.
fn grid(scopes: &[ScopeResult]) -> Markup {
    let mut rows: BTreeMap<(Family, Protocol), BTreeMap<(Path, Placement), ScopeResult>> = BTreeMap::new();
    for result in scopes {
        let Scope { family, path, protocol, placement } = result.scope;
        rows.entry((family, protocol)).or_default().insert((path, placement), *result);
    }
    let columns: BTreeSet<(Path, Placement)> = rows.values().flat_map(BTreeMap::keys).copied().collect();
    html! {
        table.scopes {
            caption { "By scope, " (count(scopes.len(), "scope")) }
            thead {
                tr {
                    td {}
                    @for (path, placement) in &columns { th scope="col" { (path) ", " (placement) } }
                }
            }
            tbody {
                @for ((family, protocol), row) in &rows {
                    tr {
                        th scope="row" { (family) " " (protocol) }
                        @for column in &columns {
                            @match row.get(column) {
                                Some(ScopeResult { verdict, .. }) => {
                                    td class=(class(*verdict)) { (phrases::short(*verdict)) }
                                }
                                None => { td.untested { "not tested" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
