//! The nouns: world, policy, flow, observation.

pub mod flow;
pub mod observation;

#[cfg(feature = "cli")]
pub mod change;
#[cfg(feature = "cli")]
pub mod manifest;
#[cfg(feature = "cli")]
pub mod nearest;
#[cfg(feature = "cli")]
pub mod policy;
#[cfg(feature = "cli")]
pub mod state;
#[cfg(feature = "cli")]
pub mod world;
