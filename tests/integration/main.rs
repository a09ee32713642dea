//! The binary as users run it, and reports as they read them.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails its test")]

mod cli;
mod common;
mod record;
mod report;
