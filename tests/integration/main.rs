//! The binary as users run it, and reports as they read them.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails its test")]

mod action;
mod broken;
mod cli;
mod common;
mod diff;
mod docs;
mod endings;
mod exam;
mod hostile;
mod http;
mod image;
mod image_push;
mod latency;
mod licences;
mod manifests;
mod nodes;
mod open;
mod plugin;
mod purity;
mod push;
mod readme;
mod record;
mod report;
mod rights;
mod startup;
mod upstream;
