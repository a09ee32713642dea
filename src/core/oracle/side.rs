//! One side of a flow: is its pod isolated, and if so, does a rule allow the flow?

use super::end::{End, Ends};
use super::fit::Fit;
use super::undefined::Undefined;
use super::{Answer, Assumptions, Reason, peers, ports, selector};
use crate::core::model::flow::{Flow, Path};
use crate::core::model::policy::{Direction, Policy, Rule};
use crate::core::model::world::{Phase, Pod};
use std::iter;

/// The sender's egress or the receiver's ingress.
pub(super) enum Side<'a> {
    /// No policy has a say here.
    Settled(Answer),
    /// Policies may isolate a pod here.
    Guarded(Guard<'a>),
}

/// A pod that policies may isolate in one direction, and whom it deals with.
pub(super) struct Guard<'a> {
    pub(super) flow: &'a Flow,
    pub(super) direction: Direction,
    pub(super) assumptions: Assumptions,
    /// The pod on this side.
    pub(super) subject: &'a Pod,
    /// The other end.
    pub(super) peer: End<'a>,
}

impl<'a> Side<'a> {
    pub(super) fn new(ends: Option<Ends<'a>>, flow: &'a Flow, direction: Direction, assumptions: Assumptions) -> Self {
        let Some(Ends { from, to }) = ends else {
            return Self::Settled(Answer::Undefined(Undefined::UnknownEnd));
        };
        let (subject, peer) = match direction {
            Direction::Ingress => (to, from),
            Direction::Egress => (from, to),
        };
        // Policies select pods: neither a node nor a host outside has a side of its own.
        let End::Pod(subject, _) = subject else {
            return Self::Settled(Answer::Allow);
        };
        match subject.phase {
            Phase::Running => {}
            Phase::Terminating | Phase::Completed => {
                return Self::Settled(Answer::Undefined(Undefined::NotRunning));
            }
        }
        let guard = Guard { flow, direction, assumptions, subject, peer };
        if guard.is_exempt() { Self::Settled(Answer::Allow) } else { Self::Guarded(guard) }
    }

    pub(super) fn answer(&self, policies: &[Policy]) -> Answer {
        match self {
            Self::Settled(answer) => *answer,
            Self::Guarded(guard) => guard.answer(policies),
        }
    }

    /// Adds what led to `answer`, which must be this side's.
    pub(super) fn because(&self, policies: &[Policy], answer: Answer, because: &mut Vec<Reason>) {
        match self {
            Self::Settled(_) => {}
            Self::Guarded(guard) => guard.because(policies, answer, because),
        }
    }
}

impl Guard<'_> {
    /// Not isolated, or isolated and some rule of some isolating policy matches: no order, no deny rules.
    fn answer(&self, policies: &[Policy]) -> Answer {
        let mut isolated = false;
        let mut found = Fit::No;
        for (policy, rules) in self.isolating(policies) {
            isolated = true;
            let fits = rules.iter().map(|rule| self.fit(policy, rule));
            found = Fit::any(iter::once(found).chain(fits));
            if found == Fit::Yes {
                break;
            }
        }
        match (isolated, found, self.loophole()) {
            (false, _, _) | (true, Fit::Yes, _) => Answer::Allow,
            (true, Fit::No | Fit::Open(_), Some(why)) | (true, Fit::Open(why), None) => Answer::Undefined(why),
            (true, Fit::No, None) => Answer::Deny,
        }
    }

    fn because(&self, policies: &[Policy], answer: Answer, because: &mut Vec<Reason>) {
        let isolation_is_open = self.loophole().is_some();
        for (policy, rules) in self.isolating(policies) {
            let mut add = |rule| because.push(Reason { policy: policy.key(), direction: self.direction, rule });
            let fits = || rules.iter().map(|rule| self.fit(policy, rule)).enumerate();
            match answer {
                Answer::Allow => fits().filter(|(_, fit)| *fit == Fit::Yes).for_each(|(i, _)| add(Some(i))),
                Answer::Deny => add(None),
                Answer::Undefined(_) if isolation_is_open => add(None),
                Answer::Undefined(_) => {
                    fits().filter(|(_, fit)| matches!(fit, Fit::Open(_))).for_each(|(i, _)| add(Some(i)));
                }
            }
        }
    }

    /// The policies that isolate the pod in this direction, with their rules for it.
    fn isolating<'p>(&self, policies: &'p [Policy]) -> impl Iterator<Item = (&'p Policy, &'p Vec<Rule>)> {
        policies
            .iter()
            .filter_map(|policy| Some((policy, policy.rules(self.direction)?)))
            .filter(|(policy, _)| selector::subject(policy, self.subject))
    }

    /// Whether a rule matches: one of its ports and one of its peers. No peers means anyone.
    fn fit(&self, policy: &Policy, rule: &Rule) -> Fit {
        if rule.peers.is_empty() {
            return ports::fit(rule, None, self);
        }
        Fit::any(
            rule.peers.iter().map(|peer| peers::fit(peer, policy, self).and(|| ports::fit(rule, Some(peer), self))),
        )
    }

    /// What no policy can forbid: a pod to its own address, and a node to the pods that stand on it.
    fn is_exempt(&self) -> bool {
        let to_itself = self.is_same_pod() && self.flow.path == Path::PodIp;
        let from_own_node = self.direction == Direction::Ingress && self.peer_is_own_node();
        to_itself || from_own_node
    }

    /// Why an isolation may leave this flow alone although no rule allows it.
    fn loophole(&self) -> Option<Undefined> {
        if self.is_hairpin() {
            Some(Undefined::Hairpin)
        } else if self.subject.host_network || self.peer_shares_own_node() {
            Some(Undefined::HostNetwork)
        } else if self.direction == Direction::Egress && self.peer_is_own_node() {
            Some(Undefined::OwnNode)
        } else {
            None
        }
    }

    /// A pod that reaches itself by anything but its own address.
    pub(super) fn is_hairpin(&self) -> bool {
        self.is_same_pod() && self.flow.path != Path::PodIp
    }

    fn is_same_pod(&self) -> bool {
        match self.peer {
            End::Pod(peer, _) => peer.id == self.subject.id,
            End::Node(_) | End::External(_) => false,
        }
    }

    fn peer_is_own_node(&self) -> bool {
        match self.peer {
            End::Node(node) => node.name == self.subject.node,
            End::Pod(..) | End::External(_) => false,
        }
    }

    /// A pod on the network of the subject's own node: should it count as that node, it is as free as the node is.
    fn peer_shares_own_node(&self) -> bool {
        match self.peer {
            End::Pod(peer, _) => peer.host_network && peer.node == self.subject.node,
            End::Node(_) | End::External(_) => false,
        }
    }
}
