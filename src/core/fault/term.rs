//! Terms: the smallest parts of a case that can be ignored, each with a stable id.

use crate::core::catalogue::Seat;
use crate::core::model::change::{Change, PolicyName};
use crate::core::model::flow::{Endpoint, Flow};
use crate::core::model::policy::{Direction, Peer, Policy, PortRef};
use std::fmt;

/// A term and its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// Where it stands.
    pub place: Place,
}

/// Where a term stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In a policy.
    Policy {
        /// Which one.
        policy: PolicyName,
        /// Where in it.
        part: Part,
    },
    /// The change of a step, counted from 0.
    Change {
        /// The step's index.
        step: usize,
        /// What it does.
        kind: ChangeKind,
    },
    /// The deletion after the last step.
    Removal,
}

/// A part of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// `spec.podSelector`, where it is not empty.
    Target,
    /// The isolation of the selected pods in a direction.
    Isolation(Direction),
    /// A rule or a part of one.
    Rule {
        /// The rule's direction.
        direction: Direction,
        /// The rule's index in its list.
        rule: usize,
        /// The part within the rule.
        part: RulePart,
    },
}

/// A part of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RulePart {
    /// All of it.
    Whole,
    /// An item of `from` or `to`.
    Peer(usize),
    /// The `namespaceSelector` of a peer, where it is not empty.
    NamespaceSelector(usize),
    /// The `podSelector` of a peer, where it is not empty.
    PodSelector(usize),
    /// An item of a `namespaceSelector`'s `matchExpressions`: peer and index.
    NamespaceExpression(usize, usize),
    /// An item of a `podSelector`'s `matchExpressions`: peer and index.
    PodExpression(usize, usize),
    /// The `cidr` of a peer.
    Cidr(usize),
    /// An item of `except`: peer and index.
    Except(usize, usize),
    /// An item of `ports`.
    Port(usize),
    /// The protocol of an item of `ports`.
    Protocol(usize),
    /// The name of an item of `ports`, where it has one.
    PortName(usize),
    /// The `endPort` of an item of `ports`, where it has one.
    EndPort(usize),
}

/// A change that an engine can fail to take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// A policy is replaced.
    Replace,
    /// Labels change.
    Relabel,
    /// A policy is deleted.
    Delete,
    /// A pod, or a namespace with its pods, is made again.
    Recreate,
    /// A pod is made again without a controller.
    RecreateBare,
}

impl Term {
    /// Its stable id: `x/web ingress[0].from[1].podSelector`, `step[2] relabel`, `removal`.
    pub fn id(&self) -> String {
        self.to_string()
    }

    /// The same in another seat.
    pub(super) fn moved(&self, seat: &Seat) -> Self {
        let place = match &self.place {
            Place::Policy { policy, part } => Place::Policy { policy: seat.policy(policy), part: part.clone() },
            place @ (Place::Change { .. } | Place::Removal) => place.clone(),
        };
        Self { place }
    }

    /// The policy that holds it.
    pub fn policy(&self) -> Option<&PolicyName> {
        match &self.place {
            Place::Policy { policy, .. } => Some(policy),
            Place::Change { .. } | Place::Removal => None,
        }
    }

    /// The direction that it belongs to, where it belongs to one.
    pub fn direction(&self) -> Option<Direction> {
        match &self.place {
            Place::Policy { part: Part::Isolation(direction) | Part::Rule { direction, .. }, .. } => Some(*direction),
            Place::Policy { part: Part::Target, .. } | Place::Change { .. } | Place::Removal => None,
        }
    }

    /// Whether ignoring it can matter to a flow, as far as that can be told by the flow's ends: a policy decides on the pods of
    /// its own namespace.
    pub(super) fn can_touch(&self, flow: &Flow) -> bool {
        let Place::Policy { policy, .. } = &self.place else { return true };
        let inside = |end: &Endpoint| end.pod().is_some_and(|pod| pod.namespace == policy.namespace);
        match self.direction() {
            Some(Direction::Ingress) => inside(&flow.to),
            Some(Direction::Egress) => inside(&flow.from),
            None => inside(&flow.to) || inside(&flow.from),
        }
    }

    /// Whether it is the isolation of a direction.
    pub fn is_isolation(&self) -> bool {
        matches!(&self.place, Place::Policy { part: Part::Isolation(_), .. })
    }

    /// The feature that users know it by.
    pub fn feature(&self) -> &'static str {
        match &self.place {
            Place::Policy { part, .. } => match part {
                Part::Target => "pod-selector",
                Part::Isolation(Direction::Ingress) => "ingress",
                Part::Isolation(Direction::Egress) => "egress",
                Part::Rule { part, .. } => match part {
                    RulePart::Whole => "rules",
                    RulePart::Peer(_) => "peers",
                    RulePart::NamespaceSelector(_) => "namespace-selector",
                    RulePart::PodSelector(_) => "pod-selector",
                    RulePart::NamespaceExpression(..) | RulePart::PodExpression(..) => "match-expressions",
                    RulePart::Cidr(_) => "ip-block",
                    RulePart::Except(..) => "except",
                    RulePart::Port(_) => "ports",
                    RulePart::Protocol(_) => "protocol",
                    RulePart::PortName(_) => "named-port",
                    RulePart::EndPort(_) => "end-port",
                },
            },
            Place::Change { kind: ChangeKind::Replace, .. } => "update",
            Place::Change { kind: ChangeKind::Relabel, .. } => "label-change",
            Place::Change { kind: ChangeKind::Recreate, .. } => "new-pods",
            Place::Change { kind: ChangeKind::RecreateBare, .. } => "bare-pods",
            Place::Change { kind: ChangeKind::Delete, .. } | Place::Removal => "deletion",
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Policy { policy, part } => {
                write!(f, "{policy} ")?;
                match part {
                    Part::Target => f.write_str("podSelector"),
                    Part::Isolation(direction) => direction.fmt(f),
                    Part::Rule { direction, rule, part } => {
                        write!(f, "{direction}[{rule}]")?;
                        let list = match direction {
                            Direction::Ingress => "from",
                            Direction::Egress => "to",
                        };
                        match part {
                            RulePart::Whole => Ok(()),
                            RulePart::Peer(peer) => write!(f, ".{list}[{peer}]"),
                            RulePart::NamespaceSelector(peer) => write!(f, ".{list}[{peer}].namespaceSelector"),
                            RulePart::PodSelector(peer) => write!(f, ".{list}[{peer}].podSelector"),
                            RulePart::NamespaceExpression(peer, item) => {
                                write!(f, ".{list}[{peer}].namespaceSelector.matchExpressions[{item}]")
                            }
                            RulePart::PodExpression(peer, item) => {
                                write!(f, ".{list}[{peer}].podSelector.matchExpressions[{item}]")
                            }
                            RulePart::Cidr(peer) => write!(f, ".{list}[{peer}].ipBlock.cidr"),
                            RulePart::Except(peer, except) => {
                                write!(f, ".{list}[{peer}].ipBlock.except[{except}]")
                            }
                            RulePart::Port(port) => write!(f, ".ports[{port}]"),
                            RulePart::Protocol(port) => write!(f, ".ports[{port}].protocol"),
                            RulePart::PortName(port) => write!(f, ".ports[{port}].port"),
                            RulePart::EndPort(port) => write!(f, ".ports[{port}].endPort"),
                        }
                    }
                }
            }
            Place::Change { step, kind } => write!(
                f,
                "step[{step}] {}",
                match kind {
                    ChangeKind::Replace => "replace",
                    ChangeKind::Relabel => "relabel",
                    ChangeKind::Delete => "delete",
                    ChangeKind::Recreate => "recreate",
                    ChangeKind::RecreateBare => "recreate bare",
                }
            ),
            Place::Removal => f.write_str("removal"),
        }
    }
}

/// All terms of a case, each once, in reading order. A removal that deletes nothing is none.
pub(super) fn terms(steps: &[Change], removal: &Change) -> Vec<Term> {
    let mut terms: Vec<Term> = Vec::new();
    let mut add = |place| {
        let term = Term { place };
        if !terms.contains(&term) {
            terms.push(term);
        }
    };
    for step in steps {
        match step {
            Change::Apply { policies } | Change::Replace { policies } => {
                for policy in policies {
                    for part in parts(policy) {
                        add(Place::Policy { policy: policy.key(), part });
                    }
                }
            }
            Change::Delete { .. } | Change::Relabel { .. } | Change::Recreate { .. } => {}
        }
    }
    for (step, change) in steps.iter().enumerate() {
        match change {
            Change::Apply { .. } => {}
            Change::Replace { .. } => add(Place::Change { step, kind: ChangeKind::Replace }),
            Change::Relabel { .. } => add(Place::Change { step, kind: ChangeKind::Relabel }),
            Change::Delete { .. } => add(Place::Change { step, kind: ChangeKind::Delete }),
            Change::Recreate { bare: false, .. } => add(Place::Change { step, kind: ChangeKind::Recreate }),
            Change::Recreate { bare: true, .. } => add(Place::Change { step, kind: ChangeKind::RecreateBare }),
        }
    }
    if matches!(removal, Change::Delete { policies } if !policies.is_empty()) {
        add(Place::Removal);
    }
    terms
}

/// The parts of a policy, in reading order.
fn parts(policy: &Policy) -> Vec<Part> {
    let mut parts = Vec::new();
    if !policy.pod_selector.is_empty() {
        parts.push(Part::Target);
    }
    for direction in Direction::ALL {
        let Some(rules) = policy.rules(direction) else { continue };
        parts.push(Part::Isolation(direction));
        for (rule, content) in rules.iter().enumerate() {
            let mut add = |part| parts.push(Part::Rule { direction, rule, part });
            add(RulePart::Whole);
            for (index, peer) in content.peers.iter().enumerate() {
                add(RulePart::Peer(index));
                match peer {
                    Peer::Pods { namespace_selector, pod_selector } => {
                        let whole = [RulePart::NamespaceSelector(index), RulePart::PodSelector(index)];
                        let items = [RulePart::NamespaceExpression, RulePart::PodExpression];
                        for ((selector, whole), item) in
                            [namespace_selector, pod_selector].into_iter().zip(whole).zip(items)
                        {
                            let Some(selector) = selector.as_ref().filter(|selector| !selector.is_empty()) else {
                                continue;
                            };
                            add(whole);
                            (0..selector.match_expressions.len()).for_each(|number| add(item(index, number)));
                        }
                    }
                    Peer::IpBlock { cidr: _, except } => {
                        add(RulePart::Cidr(index));
                        (0..except.len()).for_each(|item| add(RulePart::Except(index, item)));
                    }
                }
            }
            for (index, port) in content.ports.iter().enumerate() {
                add(RulePart::Port(index));
                add(RulePart::Protocol(index));
                if matches!(port.port, Some(PortRef::Name(_))) {
                    add(RulePart::PortName(index));
                }
                if port.end_port.is_some() {
                    add(RulePart::EndPort(index));
                }
            }
        }
    }
    parts
}
