//! `papertiger verify` on a real cluster: whichever KUBECONFIG names. Nothing here knows what kind of cluster it is.
//!
//! `PAPERTIGER_TEST_CLUSTER` says what is known of it: `enforces` policies, or `ignores` them. Only the tests of `verdicts`
//! make sense on a cluster that ignores them.
//!
//! ```sh
//! PAPERTIGER_TEST_CLUSTER=enforces cargo test --release --test cluster -- --ignored --test-threads=1
//! ```

#![expect(clippy::panic, clippy::unwrap_used, reason = "a helper that panics fails its test")]

mod access;
mod accidents;
mod admission;
mod audit;
mod common;
mod endings;
mod given;
mod intruders;
mod moments;
mod nodes;
mod obstacles;
mod open;
mod policies;
mod verdicts;
