//! The catalogue: which experiments there are, read from YAML and held against everything that can be known beforehand.

mod batch;
mod block;
mod blueprint;
mod case;
mod check;
mod embedded;
mod error;
mod every_node;
mod file;
mod footprint;
mod furnish;
mod hosts;
mod instance;
mod obstacle;
mod outline;
mod scope;
mod seat;
mod set;
mod shares;
mod template;
mod words;
mod yaml;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Foretold, Member, batches, foretold};
pub use blueprint::{Blueprint, NamespacePlan, PodPlan};
pub use case::{Action, Case, Step};
pub use error::{CatalogueError, Position, Problem};
pub use every_node::{PODS_ON_EACH, worlds_of_nodes};
pub use file::{AlsoKnownAs, Masked, schema};
pub use furnish::{furnish, furnished};
pub use hosts::{HOSTS, add_host_probes, control_port};
pub use instance::Instance;
pub use scope::LABELS_OF_GIVEN;
pub use seat::Seat;
pub use set::{Catalogue, SelectError};
pub use template::Template;
pub use words::{Feature, Profile, Property};
