//! How long pods that start are without their policies.

use super::words::{say, scroll};
use crate::core::verdict::RunResult;
use crate::report::phrases::{STARTUP_HEADS, startup_remarks, startups};
use maud::{Markup, html};

pub(super) fn render(result: &RunResult) -> Markup {
    if result.startups.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="startup" {
            h2 #startup { "Start-up" }
            p {
                "Pods that were started while policies were in force, each watched from its first instruction on: for how long \
                 something got through that policies forbid, and until everything had got through that they allow. A window \
                 does not change the verdict; --fail-on startup fails the run."
            }
            (scroll("Start-up", table(result)))
            @for text in startup_remarks(result) { p.small { (say(&text)) } }
        }
    }
}

fn table(result: &RunResult) -> Markup {
    html! {
        table {
            caption { "Pods after their start" }
            thead {
                tr {
                    td {}
                    @for head in STARTUP_HEADS { th scope="col" { (head) } }
                }
            }
            tbody {
                @for [what, figures @ ..] in startups(result) {
                    tr {
                        th scope="row" { (say(&what)) }
                        @for figure in figures { td.number { (figure) } }
                    }
                }
            }
        }
    }
}
