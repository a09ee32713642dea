//! What was run, and what it came to.

use super::words::{class, rich, say, sentence};
use crate::core::event::RunSettings;
use crate::core::verdict::{RunResult, any_of};
use crate::report::page::duration_ms;
use crate::report::phrases::{self, took};
use maud::{Markup, html};

pub(super) fn render(result: &RunResult) -> Markup {
    let run = &result.run;
    let as_if = any_of(&result.diagnoses);
    let faults = &run.settings.faults;
    html! {
        header {
            p.tool { "papertiger: are NetworkPolicies enforced?" }
            h1 class={ "verdict " (class(result.verdict)) } {
                span.word { (result.verdict) }
                " "
                span.of { (say(&run.target)) " run " (say(&run.run)) }
            }
            p.headline { (rich(&headline(result, as_if.as_deref()))) }
            @if let Some(as_if) = &as_if {
                p.asif { "The network behaves as if " strong { (rich(&say(as_if))) } "." }
            }
            @if let Some(text) = phrases::incomplete(result) {
                p.alert { strong { "Incomplete. " } (say(text)) }
            }
            @if !faults.is_empty() {
                p.alert {
                    strong { "Faults on purpose: " } (say(faults.join(", "))) ". This network was told to misbehave."
                }
            }
            p.small {
                "Started " (say(started(result))) ", took " (took(result))
                " · profile " (say(&run.settings.profile)) " · papertiger " (say(&run.tool_version))
            }
        }
    }
}

fn started(result: &RunResult) -> String {
    result.run.started_at.replace('T', " ").replace('Z', " UTC")
}

/// The headline without the verdict that stands above it and the diagnosis that stands below.
fn headline(result: &RunResult, as_if: Option<&str>) -> String {
    let text = phrases::headline(result);
    let told = as_if.and_then(|as_if| text.strip_suffix(&format!("; behaves as if {as_if}")));
    sentence(told.unwrap_or(text))
}

/// How the run was made.
pub(super) fn setup(result: &RunResult) -> Markup {
    let run = &result.run;
    let RunSettings {
        profile,
        settle_ms,
        hold_ms,
        hold_attempts,
        canary_ms,
        budget_ms,
        timeout_ms,
        lanes,
        seed,
        faults: _,
    } = &run.settings;
    let ms = |ms: u64| duration_ms(ms as f64);
    let mut facts = vec![
        ("Target", run.target.clone()),
        ("Run", run.run.clone()),
        ("Started", started(result)),
        ("Took", took(result)),
        ("Version", run.tool_version.clone()),
        ("Profile", profile.clone()),
        ("Nodes", nodes(result)),
        ("Lanes", lanes.to_string()),
        ("Settle", ms(*settle_ms)),
        ("Hold", format!("{}, {hold_attempts} attempts", ms(*hold_ms))),
        ("Timeout", ms(*timeout_ms)),
        ("Budget", budget_ms.map_or_else(|| "none".to_owned(), ms)),
        ("Seed", seed.to_string()),
    ];
    if *canary_ms > 0 {
        facts.push(("Canary", format!("at least {}", ms(*canary_ms))));
    }
    html! {
        section aria-labelledby="run" {
            h2 #run { "How the run was made" }
            dl.facts {
                @for (name, value) in facts {
                    div { dt { (name) } dd { (say(value)) } }
                }
            }
        }
    }
}

fn nodes(result: &RunResult) -> String {
    let (probed, untested) = (result.run.nodes.len(), result.run.untested.len());
    if untested == 0 { probed.to_string() } else { format!("{probed} of {}", probed + untested) }
}
