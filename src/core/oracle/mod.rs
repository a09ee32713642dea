//! What the specification says of a flow.

use crate::core::model::change::PolicyName;
use crate::core::model::flow::{Flow, PodId};
use crate::core::model::policy::{Direction, Policy};
use crate::core::model::world::World;
use serde::{Deserialize, Serialize};

/// What the specification leaves open and this run has settled by observing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumptions {
    /// An `ipBlock` that contains a pod's address admits that pod.
    pub ip_block_matches_pods: bool,
}

/// What must happen to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It gets through.
    Allow,
    /// It does not; dropped or rejected is left to the engine.
    Deny,
    /// The specification leaves it open.
    Undefined(Undefined),
}

/// Why the specification leaves a flow open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undefined {
    /// An `ipBlock` that contains a pod's address would decide.
    IpBlockContainsPod,
}

/// An answer and what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub answer: Answer,
    /// What decided: the rules that allow, or the isolations that deny.
    pub because: Vec<Reason>,
}

/// A rule, or a direction's isolation, that decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The policy.
    pub policy: PolicyName,
    /// The direction.
    pub direction: Direction,
    /// The rule's place in its list; `None` is the isolation itself.
    pub rule: Option<usize>,
}

/// What the specification says of `flow` when `policies` are in force.
pub fn decide(_policies: &[Policy], _world: &World, _flow: &Flow, _assumptions: Assumptions) -> Decision {
    Decision { answer: Answer::Allow, because: Vec::new() }
}

/// Whether `policy` selects the pod `id`.
pub fn selects(_policy: &Policy, _id: &PodId, _world: &World) -> bool {
    false
}
