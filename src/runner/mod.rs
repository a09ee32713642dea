//! Runs an experiment on a target, whichever it is: lanes take cases from a queue, every case goes through its phases, and
//! everything that happens becomes an event.

mod agents;
mod budget;
mod canary;
mod case;
mod churn;
mod clock;
mod lane;
mod link;
mod outage;
mod phase;
mod settings;
mod standing;
mod supervisor;
mod tempo;
#[cfg(test)]
mod tests;
mod turns;

pub use budget::ENTRIES_PER_NODE;
pub use settings::Settings;
pub use supervisor::{Interrupt, Job, run};
