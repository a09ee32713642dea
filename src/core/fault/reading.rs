//! How a network with a fault reads a case: the faults as models, side by side with the oracle.
//!
//! A structural fault is another policy in the place of the one that was written; a stale one is a change that was never
//! taken up. Either way the oracle then says what such a network does.

use super::experiment::Experiment;
use super::term::{ChangeKind, Part, Place, RulePart, Term};
use super::{Fault, FaultAt, Scope};
use crate::core::event::Phase;
use crate::core::model::change::{Change, PolicyName};
use crate::core::model::flow::{Flow, Protocol};
use crate::core::model::policy::{
    Direction, LabelSelector, Operator, Peer, Policy, PortMatch, PortRef, Requirement, Rule,
};
use crate::core::model::state::{State, UNKNOWN};
use crate::core::model::world::{Pod, World};
use crate::core::oracle::{self, Answer, Assumptions, selects};
use crate::core::verdict::{self, Verdict};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::sync::Arc;

/// The label that stands for not being a policy's subject, of which no policy speaks.
const PASSED_OVER: &str = "passed-over/by-the-engine";

/// How far a fault reaches.
#[derive(Clone, Copy, Debug)]
pub enum Reach<'a> {
    /// Everything is read in its way.
    Everywhere,
    /// Only this term is.
    Term(&'a Term),
}

/// What a network does that reads a case in its own way.
#[derive(Clone, Debug)]
pub struct Reading {
    states: Vec<State>,
    assumptions: Assumptions,
    selection: Selection,
}

/// Which of several policies on one pod count.
#[derive(Clone, Debug)]
enum Selection {
    /// All, as it should be.
    All,
    /// Only the first by name.
    First,
    /// A policy other than the first by name loses this rule.
    FirstFor { policy: PolicyName, direction: Direction, rule: usize },
    /// This policy isolates nobody; its rules count where another one isolates.
    NotIsolating { policy: PolicyName, direction: Direction },
}

impl Fault {
    /// Whether ignoring `term` is what this fault does.
    pub fn concerns(self, term: &Term) -> bool {
        match &term.place {
            Place::Policy { part, .. } => match part {
                Part::Target => self == Self::IgnoreTargetSelector,
                Part::Isolation(Direction::Ingress) => matches!(self, Self::NoEngine | Self::IgnoreIngress),
                Part::Isolation(Direction::Egress) => matches!(self, Self::NoEngine | Self::IgnoreEgress),
                Part::Rule { rule, part, .. } => match part {
                    RulePart::Whole => {
                        matches!(self, Self::IgnoreRules | Self::FirstPolicyOnly)
                            || (self == Self::FirstRuleOnly && *rule > 0)
                    }
                    RulePart::Peer(index) => {
                        matches!(self, Self::IgnoreRules | Self::IgnorePeers | Self::AndAsOr)
                            || (self == Self::FirstPeerOnly && *index > 0)
                    }
                    RulePart::NamespaceSelector(_) => self == Self::IgnoreNamespaceSelector,
                    RulePart::PodSelector(_) => self == Self::IgnorePodSelector,
                    RulePart::NamespaceExpression(..) | RulePart::PodExpression(..) => {
                        matches!(self, Self::IgnoreExpressions | Self::NotInNeedsKey)
                    }
                    RulePart::Cidr(_) => matches!(self, Self::IgnoreIpBlocks | Self::AnyIpBlock),
                    RulePart::Except(..) => self == Self::IgnoreExcept,
                    RulePart::Port(index) => {
                        matches!(self, Self::IgnoreRules | Self::IgnorePorts)
                            || (self == Self::FirstPortOnly && *index > 0)
                    }
                    RulePart::Protocol(_) => self == Self::IgnoreProtocol,
                    RulePart::PortName(_) => {
                        matches!(self, Self::IgnoreNamedPorts | Self::AnyNamedPort | Self::OneNumberPerName)
                    }
                    RulePart::EndPort(_) => self == Self::IgnoreEndPort,
                },
            },
            Place::Change { kind: ChangeKind::Replace, .. } => self == Self::StaleUpdate,
            Place::Change { kind: ChangeKind::Relabel, .. } => self == Self::IgnoreLabelChange,
            Place::Change { kind: ChangeKind::Recreate, .. } => self == Self::IgnoreNewPods,
            Place::Change { kind: ChangeKind::RecreateBare, .. } => {
                matches!(self, Self::IgnoreNewPods | Self::IgnoreBarePods)
            }
            Place::Change { kind: ChangeKind::Delete, .. } | Place::Removal => self == Self::StaleDelete,
        }
    }

    /// What a term is called that this fault ignores; `None` for faults that are not an engine's.
    pub fn verdict(self) -> Option<Verdict> {
        match self {
            Self::NoEngine
            | Self::IgnoreIngress
            | Self::IgnoreEgress
            | Self::IgnorePorts
            | Self::IgnoreProtocol
            | Self::IgnorePeers
            | Self::IgnoreNamespaceSelector
            | Self::IgnorePodSelector
            | Self::AndAsOr
            | Self::IgnoreExpressions
            | Self::AnyIpBlock
            | Self::IgnoreExcept
            | Self::AnyNamedPort
            | Self::OneNumberPerName
            | Self::IgnoreBarePods => Some(Verdict::Ignored),
            Self::FirstPolicyOnly
            | Self::FirstRuleOnly
            | Self::FirstPeerOnly
            | Self::FirstPortOnly
            | Self::IgnoreRules
            | Self::NotInNeedsKey
            | Self::IgnoreIpBlocks
            | Self::IgnoreEndPort
            | Self::IgnoreNamedPorts
            | Self::IgnoreTargetSelector => Some(Verdict::Overblocked),
            Self::StaleDelete | Self::StaleUpdate | Self::IgnoreLabelChange | Self::IgnoreNewPods => {
                Some(Verdict::Stale)
            }
            Self::Slow | Self::DeadReceiver | Self::WrongIdentity | Self::PacketLoss | Self::BurstLoss => None,
        }
    }

    /// Whether it is a misreading of policies, so that it predicts who reaches whom.
    pub fn is_misreading(self) -> bool {
        self.verdict().is_some()
    }
}

impl Reading {
    /// What the specification says.
    pub fn faithful(experiment: &Experiment) -> Self {
        Self { states: experiment.states(), assumptions: experiment.assumptions, selection: Selection::All }
    }

    /// How a network with `fault` reads `experiment`; `None` when the fault is not a misreading, or does not concern the
    /// term that it shall be confined to.
    pub fn new(experiment: &Experiment, fault: Fault, reach: Reach<'_>) -> Option<Self> {
        if !fault.is_misreading() {
            return None;
        }
        let term = match reach {
            Reach::Everywhere => return Some(Self::of_faults(experiment, &[fault])),
            Reach::Term(term) if fault.concerns(term) => term,
            Reach::Term(_) => return None,
        };
        // The first change of a phase is the case's own.
        let missed = |(phase, number), change: &Change, state: &State| {
            number == 0 && begins(term, phase) && fault.ignores(change, state)
        };
        let states = experiment.replay(Vec::new(), |at, change, state| !missed(at, change, state));
        let states = reread(states, |policy, world| misread_term(policy, fault, term, world));
        let made = |pod: &Pod| experiment.makes(term, &pod.id);
        let states = if fault == Fault::IgnoreBarePods { pass_over_bare(states, made) } else { states };
        Some(Self { states, assumptions: experiment.assumptions, selection: selection(fault, term) })
    }

    /// How a network with all these faults, everywhere, reads `experiment`.
    pub fn of_faults(experiment: &Experiment, faults: &[Fault]) -> Self {
        let takes_up = |change: &Change, state: &State| !faults.iter().any(|fault| fault.ignores(change, state));
        let left = experiment.left_over(takes_up);
        let states = experiment.replay(left, |_, change, state| takes_up(change, state));
        Self::of_states(states, faults, experiment.assumptions)
    }

    /// How a network with all these faults reads what it has taken up so far, as the only phase.
    pub fn of_state(state: State, faults: &[Fault], assumptions: Assumptions) -> Self {
        Self::of_states(vec![state], faults, assumptions)
    }

    fn of_states(states: Vec<State>, faults: &[Fault], assumptions: Assumptions) -> Self {
        let states = reread(states, |policy, world| misread(policy, faults, world));
        let passed_over = faults.contains(&Fault::IgnoreBarePods);
        let states = if passed_over { pass_over_bare(states, |_| true) } else { states };
        let first_only = faults.contains(&Fault::FirstPolicyOnly);
        let selection = if first_only { Selection::First } else { Selection::All };
        Self { states, assumptions, selection }
    }

    /// What happens to `flow` in the phase of that index.
    pub fn answer(&self, phase: usize, flow: &Flow) -> Answer {
        match self.selection {
            Selection::All => {
                let State { policies, world } = &self.states[phase];
                oracle::answer(policies, world, flow, self.assumptions)
            }
            Selection::First | Selection::FirstFor { .. } | Selection::NotIsolating { .. } => {
                let sides = [Direction::Egress, Direction::Ingress].map(|direction| self.side(phase, flow, direction));
                oracle::over(flow.connection, oracle::both(sides))
            }
        }
    }

    /// Whether it can say something else of a phase than `other`, which goes by every policy.
    pub(super) fn can_differ(&self, other: &Self, phase: usize) -> bool {
        let (state, others) = (&self.states[phase], &other.states[phase]);
        state != others || !matches!(self.selection, Selection::All) && !state.policies.is_empty()
    }

    /// What one side alone says of `flow`: the sender's for egress, the receiver's for ingress.
    pub fn side(&self, phase: usize, flow: &Flow, direction: Direction) -> Answer {
        let State { policies, world } = &self.states[phase];
        let decide = |policies: &[Policy]| oracle::side(policies, world, flow, direction, self.assumptions).answer;
        let subject = match direction {
            Direction::Ingress => flow.to.pod(),
            Direction::Egress => flow.from.pod(),
        };
        let (Some(subject), false) = (subject, matches!(self.selection, Selection::All)) else {
            return decide(policies);
        };
        let selecting: Vec<&Policy> = policies
            .iter()
            .filter(|policy| policy.rules(direction).is_some() && selects(policy, subject, world))
            .collect();
        let first = selecting.iter().map(|policy| &policy.name).min();
        let is_first = |policy: &Policy| Some(&policy.name) == first;
        let counted: Vec<Policy> = selecting
            .iter()
            .filter_map(|policy| {
                let mut counted = (*policy).clone();
                match &self.selection {
                    Selection::First if !is_first(policy) => return None,
                    Selection::FirstFor { policy: confined, direction: of, rule }
                        if *of == direction && policy.key() == *confined && !is_first(policy) =>
                    {
                        remove_at(counted.rules_mut(direction).get_or_insert_default(), *rule);
                    }
                    Selection::NotIsolating { policy: confined, direction: of }
                        if *of == direction && policy.key() == *confined && selecting.len() == 1 =>
                    {
                        return None;
                    }
                    Selection::All | Selection::First | Selection::FirstFor { .. } | Selection::NotIsolating { .. } => {
                    }
                }
                Some(counted)
            })
            .collect();
        decide(&counted)
    }
}

fn selection(fault: Fault, term: &Term) -> Selection {
    match (fault, &term.place) {
        (Fault::FirstPolicyOnly, Place::Policy { policy, part: Part::Rule { direction, rule, .. } }) => {
            Selection::FirstFor { policy: policy.clone(), direction: *direction, rule: *rule }
        }
        (Fault::FirstPolicyOnly, Place::Policy { .. } | Place::Change { .. } | Place::Removal) => Selection::All,
        (_, Place::Policy { policy, part: Part::Isolation(direction) }) => {
            Selection::NotIsolating { policy: policy.clone(), direction: *direction }
        }
        (_, Place::Policy { .. } | Place::Change { .. } | Place::Removal) => Selection::All,
    }
}

impl Fault {
    /// Whether an engine with this fault, which has taken up `state`, never takes up `change`.
    pub fn ignores(self, change: &Change, state: &State) -> bool {
        match change {
            Change::Apply { .. } => false,
            Change::Replace { .. } => self == Self::StaleUpdate,
            // Labels are known when the first policy comes; it is later changes that go unnoticed.
            Change::Relabel { .. } => self == Self::IgnoreLabelChange && !state.policies.is_empty(),
            Change::Recreate { .. } => self == Self::IgnoreNewPods && !state.policies.is_empty(),
            Change::Delete { .. } => self == Self::StaleDelete,
        }
    }
}

/// Whether a term is the change that begins a phase.
fn begins(term: &Term, phase: Phase) -> bool {
    match (&term.place, phase) {
        (Place::Change { step, .. }, Phase::Step(now)) => *step == now,
        (Place::Removal, Phase::Removal) => true,
        (
            Place::Policy { .. } | Place::Change { .. } | Place::Removal,
            Phase::Baseline | Phase::Step(_) | Phase::Removal,
        ) => false,
    }
}

/// The states with every policy as `read` takes it. None speaks of a pod that is not known.
fn reread(states: Vec<State>, read: impl Fn(Policy, &World) -> Policy) -> Vec<State> {
    let of_state = |State { policies, world }: State| {
        let unknown = world.pods.iter().any(|pod| pod.labels.contains_key(UNKNOWN));
        let mut policies: Vec<Policy> = policies.into_iter().map(|policy| read(policy, &world)).collect();
        if unknown {
            policies.iter_mut().for_each(pass_over_unknown);
        }
        State { policies, world }
    };
    states.into_iter().map(of_state).collect()
}

/// The states with no policy having those pods without a controller as a subject that `which` says.
fn pass_over_bare(states: Vec<State>, which: impl Fn(&Pod) -> bool) -> Vec<State> {
    let of_state = |mut state: State| {
        for pod in Arc::make_mut(&mut state.world).pods.iter_mut().filter(|pod| pod.bare && which(pod)) {
            pod.labels.insert(PASSED_OVER.to_owned(), String::new());
        }
        let selectors = state.policies.iter_mut().map(|policy| &mut policy.pod_selector);
        selectors.for_each(|selector| selector.match_expressions.push(lacks(PASSED_OVER)));
        state
    };
    states.into_iter().map(of_state).collect()
}

/// What holds of a pod without this label.
fn lacks(key: &str) -> Requirement {
    Requirement { key: key.to_owned(), operator: Operator::DoesNotExist, values: Vec::new() }
}

/// Makes every selector of pods pass over those that are not known.
fn pass_over_unknown(policy: &mut Policy) {
    let known = lacks(UNKNOWN);
    policy.pod_selector.match_expressions.push(known.clone());
    for direction in Direction::ALL {
        let rules = policy.rules_mut(direction).iter_mut().flatten();
        for peer in rules.flat_map(|rule| &mut rule.peers) {
            if let Peer::Pods { pod_selector, .. } = peer {
                pod_selector.get_or_insert_default().match_expressions.push(known.clone());
            }
        }
    }
}

/// The policy that an engine with all these faults sees in the place of `policy`: it first takes the rules that it reads,
/// then of each what it knows, then as many items as it can hold, and only then reads these.
fn misread(mut policy: Policy, faults: &[Fault], world: &World) -> Policy {
    let has = |fault| faults.contains(&fault);
    if has(Fault::IgnoreTargetSelector) {
        policy.pod_selector = LabelSelector::default();
    }
    for direction in Direction::ALL {
        let section = match direction {
            Direction::Ingress => Fault::IgnoreIngress,
            Direction::Egress => Fault::IgnoreEgress,
        };
        let rules = policy.rules_mut(direction);
        if has(Fault::NoEngine) || has(section) {
            *rules = None;
        }
        let Some(rules) = rules else { continue };
        if has(Fault::IgnoreRules) {
            rules.clear();
        }
        if has(Fault::FirstRuleOnly) {
            rules.truncate(1);
        }
        // An empty list would mean everyone: a rule whose last peer or port matches nothing must go.
        rules.retain_mut(|rule| faults.iter().all(|fault| keep_matching(rule, *fault) == Left::Something));
        for rule in rules {
            if has(Fault::FirstPeerOnly) {
                rule.peers.truncate(1);
            }
            if has(Fault::FirstPortOnly) {
                rule.ports.truncate(1);
            }
            faults.iter().for_each(|fault| misread_rule(rule, *fault, world));
        }
    }
    policy
}

/// The policy that an engine sees which has `fault` where it reads `term`, and nowhere else.
fn misread_term(mut policy: Policy, fault: Fault, term: &Term, world: &World) -> Policy {
    let part = match &term.place {
        Place::Policy { policy: of, part } if *of == policy.key() => part,
        Place::Policy { .. } | Place::Change { .. } | Place::Removal => return policy,
    };
    match part {
        Part::Target => policy.pod_selector = LabelSelector::default(),
        Part::Isolation(_) => {}
        Part::Rule { direction, rule, part } => {
            let Some(rules) = policy.rules_mut(*direction) else { return policy };
            let whole = *part == RulePart::Whole;
            if whole && fault == Fault::FirstPolicyOnly {
                return policy;
            }
            let mut emptied = || {
                let rule = rules.get_mut(*rule);
                rule.is_some_and(|rule| misread_part(rule, *part, fault, world) == Left::Nothing)
            };
            if whole || emptied() {
                remove_at(rules, *rule);
            }
        }
    }
    policy
}

/// What is left of a rule.
#[derive(PartialEq, Eq)]
enum Left {
    Something,
    /// Its last peer or port is gone. An empty list would mean everyone, so the rule must go.
    Nothing,
}

/// Takes out the peers and ports of a rule that match nothing for an engine with `fault`.
fn keep_matching(rule: &mut Rule, fault: Fault) -> Left {
    let before = (rule.peers.len(), rule.ports.len());
    rule.peers.retain(|peer| !(fault == Fault::IgnoreIpBlocks && matches!(peer, Peer::IpBlock { .. })));
    rule.ports.retain(|port| !(fault == Fault::IgnoreNamedPorts && is_named(port)));
    let emptied = |before: usize, now: usize| now == 0 && before > 0;
    if emptied(before.0, rule.peers.len()) || emptied(before.1, rule.ports.len()) {
        Left::Nothing
    } else {
        Left::Something
    }
}

fn is_named(port: &PortMatch) -> bool {
    matches!(port.port, Some(PortRef::Name(_)))
}

/// Reads the items of a rule as an engine with `fault` does.
fn misread_rule(rule: &mut Rule, fault: Fault, world: &World) {
    match fault {
        Fault::IgnorePorts => rule.ports.clear(),
        Fault::IgnorePeers => rule.peers.clear(),
        Fault::IgnoreProtocol => rule.ports = rule.ports.iter().flat_map(any_protocol).collect(),
        Fault::AndAsOr => rule.peers = rule.peers.drain(..).flat_map(either).collect(),
        Fault::IgnoreNamespaceSelector
        | Fault::IgnorePodSelector
        | Fault::IgnoreExpressions
        | Fault::NotInNeedsKey
        | Fault::AnyIpBlock
        | Fault::IgnoreExcept => rule.peers.iter_mut().for_each(|peer| misread_peer(peer, fault)),
        Fault::AnyNamedPort | Fault::OneNumberPerName | Fault::IgnoreEndPort => {
            rule.ports.iter_mut().for_each(|port| misread_port(port, fault, world));
        }
        Fault::IgnoreIpBlocks | Fault::IgnoreNamedPorts => {}
        Fault::NoEngine
        | Fault::IgnoreIngress
        | Fault::IgnoreEgress
        | Fault::FirstPolicyOnly
        | Fault::FirstRuleOnly
        | Fault::FirstPeerOnly
        | Fault::FirstPortOnly
        | Fault::IgnoreRules
        | Fault::IgnoreTargetSelector
        | Fault::StaleDelete
        | Fault::StaleUpdate
        | Fault::IgnoreLabelChange
        | Fault::IgnoreNewPods
        | Fault::IgnoreBarePods
        | Fault::Slow
        | Fault::DeadReceiver
        | Fault::WrongIdentity
        | Fault::PacketLoss
        | Fault::BurstLoss => {}
    }
}

/// Reads one part of a rule as an engine with `fault` does.
fn misread_part(rule: &mut Rule, part: RulePart, fault: Fault, world: &World) -> Left {
    match part {
        RulePart::Whole => {}
        RulePart::Peer(index) => {
            if fault == Fault::IgnorePeers {
                rule.peers.clear();
            } else if fault == Fault::AndAsOr {
                if index < rule.peers.len() {
                    let peer = rule.peers.remove(index);
                    rule.peers.extend(either(peer));
                }
            } else {
                remove_at(&mut rule.peers, index);
                if rule.peers.is_empty() {
                    return Left::Nothing;
                }
            }
        }
        RulePart::NamespaceSelector(index) | RulePart::PodSelector(index) => {
            if let Some(peer) = rule.peers.get_mut(index) {
                misread_peer(peer, fault);
            }
        }
        RulePart::NamespaceExpression(index, item) | RulePart::PodExpression(index, item) => {
            let selector = rule.peers.get_mut(index).and_then(|peer| match (peer, part) {
                (Peer::Pods { namespace_selector, .. }, RulePart::NamespaceExpression(..)) => {
                    namespace_selector.as_mut()
                }
                (Peer::Pods { pod_selector, .. }, _) => pod_selector.as_mut(),
                (Peer::IpBlock { .. }, _) => None,
            });
            let Some(selector) = selector else { return Left::Something };
            if fault == Fault::NotInNeedsKey {
                not_in_needs_key(selector, |other| other == item);
            } else {
                remove_at(&mut selector.match_expressions, item);
            }
        }
        RulePart::Cidr(index) => {
            if fault == Fault::AnyIpBlock {
                rule.peers.get_mut(index).into_iter().for_each(|peer| misread_peer(peer, fault));
            } else {
                remove_at(&mut rule.peers, index);
                if rule.peers.is_empty() {
                    return Left::Nothing;
                }
            }
        }
        RulePart::Except(index, item) => {
            if let Some(Peer::IpBlock { cidr: _, except }) = rule.peers.get_mut(index) {
                remove_at(except, item);
            }
        }
        RulePart::Port(index) | RulePart::Protocol(index) | RulePart::PortName(index) | RulePart::EndPort(index) => {
            if matches!(fault, Fault::AnyNamedPort | Fault::OneNumberPerName | Fault::IgnoreEndPort) {
                rule.ports.get_mut(index).into_iter().for_each(|port| misread_port(port, fault, world));
            } else if fault == Fault::IgnorePorts {
                rule.ports.clear();
            } else if fault == Fault::IgnoreProtocol {
                if let Some(port) = rule.ports.get(index) {
                    let widened: Vec<PortMatch> = any_protocol(port).collect();
                    rule.ports.splice(index..=index, widened);
                }
            } else {
                remove_at(&mut rule.ports, index);
                if rule.ports.is_empty() {
                    return Left::Nothing;
                }
            }
        }
    }
    Left::Something
}

fn misread_peer(peer: &mut Peer, fault: Fault) {
    match peer {
        Peer::Pods { namespace_selector, pod_selector } => {
            for (selector, ignored) in
                [(namespace_selector, Fault::IgnoreNamespaceSelector), (pod_selector, Fault::IgnorePodSelector)]
            {
                let Some(selector) = selector else { continue };
                if fault == ignored {
                    *selector = LabelSelector::default();
                }
                if fault == Fault::IgnoreExpressions {
                    selector.match_expressions.clear();
                }
                if fault == Fault::NotInNeedsKey {
                    not_in_needs_key(selector, |_| true);
                }
            }
        }
        Peer::IpBlock { cidr, except } => {
            if fault == Fault::AnyIpBlock {
                *cidr = everywhere(cidr);
            }
            if fault == Fault::IgnoreExcept {
                except.clear();
            }
        }
    }
}

/// A port item as an engine with `fault` reads it.
fn misread_port(port: &mut PortMatch, fault: Fault, world: &World) {
    if fault == Fault::OneNumberPerName
        && let Some(PortRef::Name(name)) = &port.port
    {
        let mut offered = world.pods.iter().flat_map(|pod| &pod.ports);
        let first = offered.find(|offer| offer.name == *name && offer.protocol == port.protocol);
        port.port = first.map(|offer| PortRef::Number(offer.port)).or(port.port.take());
    }
    if fault == Fault::AnyNamedPort && is_named(port) {
        port.port = None;
    }
    if fault == Fault::IgnoreEndPort {
        port.end_port = None;
    }
}

/// Asks for the label of those `NotIn` that `which` picks.
fn not_in_needs_key(selector: &mut LabelSelector, which: impl Fn(usize) -> bool) {
    let keys: Vec<String> = selector
        .match_expressions
        .iter()
        .enumerate()
        .filter(|(index, requirement)| requirement.operator == Operator::NotIn && which(*index))
        .map(|(_, requirement)| requirement.key.clone())
        .collect();
    let exists = |key| Requirement { key, operator: Operator::Exists, values: Vec::new() };
    selector.match_expressions.extend(keys.into_iter().map(exists));
}

/// Every address of a block's family.
fn everywhere(block: &IpNet) -> IpNet {
    match block {
        IpNet::V4(_) => Ipv4Net::default().into(),
        IpNet::V6(_) => Ipv6Net::default().into(),
    }
}

/// A port item on every protocol.
fn any_protocol(port: &PortMatch) -> impl Iterator<Item = PortMatch> + use<> {
    let port = port.clone();
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .map(move |protocol| PortMatch { protocol, ..port.clone() })
}

/// A peer with both selectors as two peers.
fn either(peer: Peer) -> Vec<Peer> {
    match peer {
        Peer::Pods { namespace_selector: Some(namespaces), pod_selector: Some(pods) } => vec![
            Peer::Pods { namespace_selector: Some(namespaces), pod_selector: None },
            Peer::Pods { namespace_selector: None, pod_selector: Some(pods) },
        ],
        one @ (Peer::Pods { .. } | Peer::IpBlock { .. }) => vec![one],
    }
}

fn remove_at<T>(list: &mut Vec<T>, index: usize) {
    if index < list.len() {
        list.remove(index);
    }
}

impl FaultAt {
    /// What the network does, to follow "as if".
    pub fn describe(&self) -> String {
        match &self.scope {
            None => self.fault.as_if().to_owned(),
            Some(scope) => format!("{} ({scope})", self.fault.as_if()),
        }
    }
}

impl Fault {
    /// What the network does, to follow "as if".
    pub fn as_if(self) -> &'static str {
        match self {
            Self::NoEngine => "nothing enforced policies at all",
            Self::IgnoreIngress => "ingress were absent from every policy",
            Self::IgnoreEgress => "egress were absent from every policy",
            Self::IgnorePorts => "`ports` were absent from every rule",
            Self::IgnoreProtocol => "a port item opened its port on every protocol",
            Self::IgnorePeers => "`from` and `to` were absent from every rule",
            Self::IgnoreNamespaceSelector => "a peer's `namespaceSelector` selected every namespace",
            Self::IgnorePodSelector => "a peer's `podSelector` selected every pod",
            Self::AndAsOr => "a peer with two selectors were two peers",
            Self::IgnoreExpressions => "a peer's `matchExpressions` were absent",
            Self::NotInNeedsKey => "`NotIn` did not hold of what lacks the label",
            Self::IgnoreExcept => "`except` were absent from every `ipBlock`",
            Self::IgnoreIpBlocks => "no `ipBlock` matched any address",
            Self::AnyIpBlock => "every `ipBlock` were 0.0.0.0/0 or ::/0",
            Self::IgnoreEndPort => "`endPort` were absent: only the first port of a range was open",
            Self::IgnoreNamedPorts => "no named port matched any port",
            Self::AnyNamedPort => "a named port matched every port of its protocol",
            Self::OneNumberPerName => "a port's name meant the same number in every pod",
            Self::FirstPolicyOnly => "only the first policy on a pod counted",
            Self::FirstRuleOnly => "only the first rule of a policy counted",
            Self::FirstPeerOnly => "only the first peer of a rule counted",
            Self::FirstPortOnly => "only the first port of a rule counted",
            Self::IgnoreRules => "no rule allowed anything",
            Self::IgnoreTargetSelector => "`spec.podSelector` selected every pod of the namespace",
            Self::StaleDelete => "deleted policies were still in force",
            Self::StaleUpdate => "a replaced policy kept its first version",
            Self::IgnoreLabelChange => "labels had not changed since the policy came",
            Self::IgnoreNewPods => "policies did not know the pods that came after them",
            Self::IgnoreBarePods => "no policy guarded a pod without a controller",
            Self::Slow => "every change took 2 s",
            Self::DeadReceiver => "a receiver were dead",
            Self::WrongIdentity => "another pod answered",
            Self::PacketLoss => "packets were lost",
            Self::BurstLoss => "packets were lost in bursts",
        }
    }
}

impl Scope {
    /// Whether a fault in this scope bears on what one side says of `flow`. A node decides egress of its own pods and
    /// ingress to them.
    pub fn reaches(&self, world: &World, flow: &Flow, place: verdict::Scope, direction: Direction) -> bool {
        match self {
            Self::Node(node) => {
                let decider = match direction {
                    Direction::Ingress => world.node_of(&flow.to),
                    Direction::Egress => world.node_of(&flow.from),
                };
                decider == Some(node)
            }
            Self::Within(node) => [&flow.from, &flow.to].iter().all(|end| world.node_of(end) == Some(node)),
            Self::Family(family) => place.family == *family,
            Self::Protocol(protocol) => place.protocol == *protocol,
            Self::Path(path) => place.path == *path,
            Self::Placement(placement) => place.placement == *placement,
            Self::Both(one, other) => {
                one.reaches(world, flow, place, direction) && other.reaches(world, flow, place, direction)
            }
        }
    }
}
