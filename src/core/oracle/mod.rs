//! What the specification says of a flow.
//!
//! A connection is allowed when the sender's egress side and the receiver's ingress side both allow it. A side allows
//! when nothing isolates its pod, or when a rule of a policy that does so matches. Where the specification leaves a
//! match open, the doubt is carried along (`fit`) and becomes the answer only if it decides: a rule that allows anyway,
//! or the other side's denial, outweighs it.
//!
//! Answers hold after all policies have been handled: for new connections, and for one that stands already as far as
//! nothing denies it.

mod end;
mod fit;
mod peers;
mod ports;
mod selector;
mod side;
mod undefined;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod naive;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use undefined::Undefined;

use self::end::Ends;
use self::side::Side;
use crate::core::model::change::PolicyName;
use crate::core::model::flow::{Connection, Flow, PodId};
use crate::core::model::policy::{Direction, Policy};
use crate::core::model::world::World;
use serde::{Deserialize, Serialize};

/// What the specification leaves open and this run has settled by observing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumptions {
    /// An `ipBlock` that contains a pod's address admits that pod. `false` means that this is not known.
    pub ip_block_matches_pods: bool,
}

impl Assumptions {
    /// All that can be settled is.
    pub const SETTLED: Self = Self { ip_block_matches_pods: true };
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

/// An answer and what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub answer: Answer,
    /// What decided: the rules that allow (none where nothing isolates), the isolations that deny, or the rules and
    /// isolations of which the specification does not say what they do to this flow.
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
pub fn decide(policies: &[Policy], world: &World, flow: &Flow, assumptions: Assumptions) -> Decision {
    let sides = sides(world, flow, assumptions);
    let answers = sides.each_ref().map(|side| side.answer(policies));
    let answer = both(answers);
    let mut because = Vec::new();
    for (side, its_answer) in sides.iter().zip(answers) {
        if agree(answer, its_answer) {
            side.because(policies, its_answer, &mut because);
        }
    }
    Decision { answer: over(flow.connection, answer), because }
}

/// The answer of [`decide`] without its reasons: allocates nothing.
pub fn answer(policies: &[Policy], world: &World, flow: &Flow, assumptions: Assumptions) -> Answer {
    over(flow.connection, both(sides(world, flow, assumptions).map(|side| side.answer(policies))))
}

/// What the specification says of new connections on one side of `flow`: the sender's egress or the receiver's ingress.
pub fn side(
    policies: &[Policy],
    world: &World,
    flow: &Flow,
    direction: Direction,
    assumptions: Assumptions,
) -> Decision {
    let side = Side::new(Ends::of(world, flow), flow, direction, assumptions);
    let answer = side.answer(policies);
    let mut because = Vec::new();
    side.because(policies, answer, &mut because);
    Decision { answer, because }
}

/// Whether `policy` selects the pod `id` by namespace and labels, whatever its phase and network.
pub fn selects(policy: &Policy, id: &PodId, world: &World) -> bool {
    world.pod(id).is_some_and(|pod| selector::subject(policy, pod))
}

/// The sender's side first, as a packet meets them.
fn sides<'a>(world: &'a World, flow: &'a Flow, assumptions: Assumptions) -> [Side<'a>; 2] {
    let ends = Ends::of(world, flow);
    [Direction::Egress, Direction::Ingress].map(|direction| Side::new(ends, flow, direction, assumptions))
}

/// Both sides must allow; a denial decides whatever the other side may do.
pub fn both([egress, ingress]: [Answer; 2]) -> Answer {
    match (egress, ingress) {
        (Answer::Deny, _) | (_, Answer::Deny) => Answer::Deny,
        (open @ Answer::Undefined(_), Answer::Allow | Answer::Undefined(_)) => open,
        (Answer::Allow, other @ (Answer::Allow | Answer::Undefined(_))) => other,
    }
}

/// What an answer for new connections means for these.
pub fn over(connection: Connection, answer: Answer) -> Answer {
    match (connection, answer) {
        (Connection::Standing, Answer::Deny) => Answer::Undefined(Undefined::StandingConnection),
        (Connection::New | Connection::Standing, answer) => answer,
    }
}

/// Whether a side's answer is of the kind that decided.
fn agree(decided: Answer, side: Answer) -> bool {
    match decided {
        Answer::Allow => side == Answer::Allow,
        Answer::Deny => side == Answer::Deny,
        Answer::Undefined(_) => matches!(side, Answer::Undefined(_)),
    }
}
