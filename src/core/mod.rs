//! The pure part: the words of the field, what the specification says, and what a set of observations proves.
//!
//! Nothing here touches a clock, a file, a socket, the environment or an async runtime.

pub mod model;
pub mod wire;

#[cfg(feature = "cli")]
pub mod catalogue;
#[cfg(feature = "cli")]
pub mod diff;
#[cfg(feature = "cli")]
pub mod event;
#[cfg(feature = "cli")]
pub mod fault;
#[cfg(feature = "cli")]
pub mod oracle;
#[cfg(feature = "cli")]
pub mod verdict;
