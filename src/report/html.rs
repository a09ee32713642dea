//! One page for a browser: an auditor opens it long after the run, on whatever screen or on paper.
//!
//! Everything is in the one file. It runs no script and asks the network for nothing, and says so to the browser.

mod case;
mod cases;
mod closing;
mod evidence;
mod findings;
mod header;
mod lapses;
mod latency;
mod matrix;
mod nodes;
mod overview;
mod startup;
mod terms;
mod timeline;
mod words;

use crate::core::verdict::RunResult;
use maud::{DOCTYPE, PreEscaped, html};
use words::say;

/// Nothing in it may hold `</`.
const STYLE: &str = include_str!("html/style.css");

/// A name that would like to be markup is escaped; should one get through all the same, it can load and run nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// The page.
pub fn render(result: &RunResult) -> String {
    let run = &result.run;
    let anchored = cases::anchored(&result.cases);
    let page = html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(say(format!("papertiger {}", run.tool_version)));
                title { (result.verdict) " · " (say(&run.target)) " " (say(&run.run)) " · papertiger" }
                // Without it browsers ask for /favicon.ico.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the results" }
                (header::render(result))
                main #main {
                    (findings::render(result, &anchored))
                    (contents(result))
                    (overview::render(result))
                    (latency::render(result))
                    (startup::render(result))
                    (lapses::render(result))
                    (cases::table(result, &anchored))
                    (cases::details(&anchored))
                    (header::setup(result))
                    (closing::render(result))
                }
                footer {
                    p { "Made by papertiger " (say(&run.tool_version)) " from the events of run " (say(&run.run)) "." }
                }
            }
        }
    };
    let mut text = page.into_string();
    text.push('\n');
    text
}

fn contents(result: &RunResult) -> maud::Markup {
    html! {
        nav aria-label="Contents" {
            ul {
                li { a href="#glance" { "At a glance" } }
                li { a href="#features" { "Features" } }
                li { a href="#nodes" { "Nodes" } }
                @if !result.latencies().is_empty() {
                    li { a href="#latency" { "Latency" } }
                }
                @if !result.startups.is_empty() {
                    li { a href="#startup" { "Start-up" } }
                }
                @if !result.lapses.is_empty() {
                    li { a href="#lapses" { "Lapses" } }
                }
                li { a href="#cases" { "Cases" } }
                li { a href="#details" { "Each case" } }
                @if !result.behaviours.is_empty() {
                    li { a href="#open" { "Left open" } }
                }
                @if !result.notes.is_empty() {
                    li { a href="#notes" { "Notes" } }
                }
                li { a href="#run" { "The run" } }
                li { a href="#reading" { "How to read this" } }
            }
        }
    }
}
