//! papertiger applies known NetworkPolicies to probe pods of its own, sends real traffic across the expected matrix
//! and says, for every term of every rule, whether the network enforces it or accepted it without effect.
//!
//! The arrows between the modules: `commands` wires `cli`, `target`, `runner`, `report`, `image` and `registry`; `runner`
//! knows `target` and `core`; `agent` and `report` know `core`; `target` and `image` know what is `carried`; `registry` knows
//! `image`, and of `report` what makes somebody else's words harmless; `core` knows nobody and does nothing but think.

pub mod agent;
pub mod core;

#[cfg(feature = "cli")]
pub mod carried;
#[cfg(feature = "cli")]
mod causes;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod commands;
#[cfg(feature = "cli")]
pub mod exit;
#[cfg(feature = "cli")]
mod http_client;
#[cfg(feature = "cli")]
pub mod image;
#[cfg(feature = "cli")]
pub mod registry;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "cli")]
pub mod runner;
#[cfg(feature = "cli")]
pub mod target;
