//! The moments in which what had held did not.

use super::words::{say, scroll};
use crate::core::verdict::RunResult;
use crate::report::phrases::{LAPSE_HEADS, lapses};
use maud::{Markup, html};

pub(super) fn render(result: &RunResult) -> Markup {
    if result.lapses.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="lapses" {
            h2 #lapses { "Lapses" }
            p {
                "What was right for a whole hold and then was not, without any change. Compare the times with the engine's logs \
                 and with what was done to the cluster."
            }
            (scroll("Lapses", table(result)))
        }
    }
}

fn table(result: &RunResult) -> Markup {
    html! {
        table {
            caption { "Moments in which policies did not hold" }
            thead { tr { @for head in LAPSE_HEADS { th scope="col" { (head) } } } }
            tbody {
                @for row in lapses(result) {
                    tr { @for cell in row { td { (say(&cell)) } } }
                }
            }
        }
    }
}
