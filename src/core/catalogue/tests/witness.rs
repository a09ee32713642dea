//! Whether the cases can tell a policy from its misreadings: every part of every policy is taken away in turn, and some
//! flow must notice.

use super::{CASES, world};
use crate::core::catalogue::{Action, Case, Property};
use crate::core::model::flow::{Connection, Endpoint, Family, Flow, Path};
use crate::core::model::policy::{Direction, LabelSelector, Peer, Policy, PortMatch, Rule};
use crate::core::model::state::State;
use crate::core::model::world::World;
use crate::core::oracle::{Answer, Assumptions, decide};
use std::collections::BTreeMap;

/// Parts that nothing can tell from their absence: the protocol beside a name that only a port of that protocol has, the name
/// of no port at all, an end of a range beyond which nobody listens, a rule for nobody, and a value that another expression
/// takes out again.
const MASKED: [&str; 9] = [
    "allow-named-port: x/allow-named: ingress[0].ports[0].protocol",
    "port-name-of-another-protocol: x/allow-a-name-of-udp: ingress[0].ports[0]",
    "same-port-name-on-different-numbers: x/out-by-name: egress[0].ports[0].protocol",
    "same-port-name-on-different-numbers: z/in-by-name: ingress[0].ports[0].protocol",
    "new-namespace-uses-a-named-port: x/offering: ingress[0].ports[0].protocol",
    "port-range-from-its-first-port: x/allow-range: ingress[0].ports[0].endPort",
    "port-range-of-one: x/to-range-of-one: egress[0].ports[0].endPort",
    "peer-that-nobody-is: x/allow-nobody: ingress[0]",
    "two-expressions-on-one-key: x/allow-b-by-two: ingress[0].peers[0].podSelector without pod In c-k3f9",
];

/// These cases are another suite's, and as that has them.
const TAKEN_OVER: &str = "upstream.yaml";

/// These consist of a great many parts that are meant to say nothing.
const LIMITS: &str = "limits.yaml";

fn flows(world: &World) -> Vec<Flow> {
    let pods = world.pods.iter().map(|pod| Endpoint::Pod(pod.id.clone()));
    let ends: Vec<Endpoint> = world.endpoints().collect();
    let mut flows = Vec::new();
    for from in pods {
        for to in ends.iter().filter(|to| **to != from) {
            for port in world.ports(to) {
                flows.extend([Family::Ipv4, Family::Ipv6].map(|family| Flow {
                    from: from.clone(),
                    to: to.clone(),
                    path: Path::PodIp,
                    family,
                    protocol: port.protocol,
                    port: port.port,
                    connection: Connection::New,
                }));
            }
        }
    }
    flows
}

fn answers(policies: &[Policy], world: &World, flows: &[Flow]) -> Vec<Answer> {
    let assumptions = Assumptions { ip_block_matches_pods: true };
    flows.iter().map(|flow| decide(policies, world, flow, assumptions).answer).collect()
}

/// Every way to take one part of `policy` away, with what to call it.
fn mutants(policy: &Policy) -> Vec<(String, Policy)> {
    let mut mutants = Vec::new();
    let mut mutant = |name: String, change: &dyn Fn(&mut Policy)| {
        let mut changed = policy.clone();
        change(&mut changed);
        mutants.push((name, changed));
    };
    for (name, selector) in weakened(&policy.pod_selector) {
        mutant(format!("podSelector {name}"), &|policy| policy.pod_selector = selector.clone());
    }
    for direction in Direction::ALL {
        let Some(rules) = policy.rules(direction) else { continue };
        mutant(format!("isolation, {direction}"), &|policy| *policy.rules_mut(direction) = None);
        for (i, rule) in rules.iter().enumerate() {
            let at = format!("{direction}[{i}]");
            mutant(at.clone(), &|policy| drop(rules_of(policy, direction).remove(i)));
            for (name, changed) in changed_rules(rule) {
                mutant(format!("{at}.{name}"), &|policy| rules_of(policy, direction)[i] = changed.clone());
            }
        }
    }
    mutants
}

fn rules_of(policy: &mut Policy, direction: Direction) -> &mut Vec<Rule> {
    policy.rules_mut(direction).as_mut().unwrap()
}

fn changed_rules(rule: &Rule) -> Vec<(String, Rule)> {
    let mut changed = Vec::new();
    let mut change = |name: String, change: &dyn Fn(&mut Rule)| {
        let mut rule = rule.clone();
        change(&mut rule);
        changed.push((name, rule));
    };
    if !rule.peers.is_empty() {
        change("peers".to_owned(), &|rule| rule.peers.clear());
    }
    if !rule.ports.is_empty() {
        change("ports".to_owned(), &|rule| rule.ports.clear());
    }
    for (i, port) in rule.ports.iter().enumerate() {
        if rule.ports.len() > 1 {
            change(format!("ports[{i}]"), &|rule| drop(rule.ports.remove(i)));
        }
        let items = [
            ("port", PortMatch { port: None, end_port: None, ..port.clone() }),
            ("endPort", PortMatch { end_port: None, ..port.clone() }),
            ("protocol", PortMatch { protocol: other(port), ..port.clone() }),
        ];
        for (name, item) in items.into_iter().filter(|(_, item)| item != port) {
            // A protocol that is ignored is every protocol: the other one is open beside the one that is written.
            let both = name == "protocol";
            change(format!("ports[{i}].{name}"), &|rule| {
                if both { rule.ports.push(item.clone()) } else { rule.ports[i] = item.clone() }
            });
        }
    }
    for (i, peer) in rule.peers.iter().enumerate() {
        if rule.peers.len() > 1 {
            change(format!("peers[{i}]"), &|rule| drop(rule.peers.remove(i)));
        }
        for (name, peer) in changed_peers(peer) {
            change(format!("peers[{i}].{name}"), &|rule| rule.peers[i] = peer.clone());
        }
    }
    changed
}

fn other(port: &PortMatch) -> crate::core::model::flow::Protocol {
    use crate::core::model::flow::Protocol::{Sctp, Tcp, Udp};
    match port.protocol {
        Tcp => Udp,
        Udp | Sctp => Tcp,
    }
}

fn changed_peers(peer: &Peer) -> Vec<(String, Peer)> {
    match peer {
        Peer::Pods { namespace_selector, pod_selector } => {
            let mut changed = Vec::new();
            for (name, selector) in namespace_selector.iter().flat_map(weakened) {
                let peer = Peer::Pods { namespace_selector: Some(selector), pod_selector: pod_selector.clone() };
                changed.push((format!("namespaceSelector {name}"), peer));
            }
            for (name, selector) in pod_selector.iter().flat_map(weakened) {
                let peer = Peer::Pods { namespace_selector: namespace_selector.clone(), pod_selector: Some(selector) };
                changed.push((format!("podSelector {name}"), peer));
            }
            if namespace_selector.is_some() {
                let peer = Peer::Pods {
                    namespace_selector: None,
                    pod_selector: Some(pod_selector.clone().unwrap_or_default()),
                };
                changed.push(("namespaceSelector absent".to_owned(), peer));
            }
            changed
        }
        Peer::IpBlock { cidr, except } => (0..except.len())
            .map(|i| {
                let mut except = except.clone();
                except.remove(i);
                (format!("except[{i}]"), Peer::IpBlock { cidr: *cidr, except })
            })
            .collect(),
    }
}

/// The selector without each of its requirements.
fn weakened(selector: &LabelSelector) -> Vec<(String, LabelSelector)> {
    let mut weakened = Vec::new();
    for key in selector.match_labels.keys() {
        let mut without = selector.clone();
        without.match_labels.remove(key);
        weakened.push((format!("without {key}"), without));
    }
    for (i, requirement) in selector.match_expressions.iter().enumerate() {
        let mut without = selector.clone();
        without.match_expressions.remove(i);
        weakened.push((format!("without {} {:?}", requirement.key, requirement.operator), without));
        for value in requirement.values.iter().filter(|_| requirement.values.len() > 1) {
            let mut without = selector.clone();
            without.match_expressions[i].values.retain(|kept| kept != value);
            weakened.push((format!("without {} {:?} {value}", requirement.key, requirement.operator), without));
        }
    }
    weakened
}

/// Each part of the case's policies, and whether some flow of some step notices its absence.
fn parts(case: &Case, world: &World, flows: &[Flow]) -> BTreeMap<String, bool> {
    let mut parts = BTreeMap::new();
    for State { policies, world } in case.instantiate(world, "k3f9").states(world) {
        let expected = answers(&policies, &world, flows);
        for (i, policy) in policies.iter().enumerate() {
            for (name, mutant) in mutants(policy) {
                let mut policies = policies.clone();
                policies[i] = mutant;
                let seen = parts.entry(format!("{}: {}: {name}", case.id, policy.key())).or_default();
                *seen |= answers(&policies, &world, flows) != expected;
            }
        }
    }
    parts
}

#[test]
fn every_part_of_every_policy_has_a_witness() {
    let world = world();
    let flows = flows(&world);
    let unseen: Vec<String> = CASES
        .cases()
        .iter()
        .filter(|case| ![TAKEN_OVER, LIMITS].contains(&case.file.as_str()))
        // What a case is only to show is open, and no part of it decides.
        .filter(|case| case.property.is_none_or(Property::can_be_assumed))
        .flat_map(|case| parts(case, &world, &flows))
        .filter_map(|(part, seen)| (!seen).then_some(part))
        .collect();
    assert_eq!(unseen, MASKED, "parts that no flow tells from their absence");
}

#[test]
fn every_step_changes_some_flow_and_leaves_some_open() {
    let world = world();
    let flows = flows(&world);
    for case in CASES.cases() {
        let states = case.instantiate(&world, "k3f9").states(&world);
        let answers: Vec<Vec<Answer>> =
            states.iter().map(|state| answers(&state.policies, &state.world, &flows)).collect();
        for (i, step) in answers.windows(2).enumerate().take(case.steps.len()) {
            // What is made again shall be as it was.
            let may_stay = case.file == TAKEN_OVER || matches!(case.steps[i].action, Action::Recreate { .. });
            assert!(step[0] != step[1] || may_stay, "step {i} of {} changes nothing", case.id);
            assert!(step[1].contains(&Answer::Allow), "step {i} of {} leaves no control", case.id);
        }
        assert!(answers.iter().any(|answers| answers.contains(&Answer::Deny)), "{} denies nothing", case.id);
        assert!(answers[answers.len() - 1].iter().all(|answer| *answer == Answer::Allow), "{} leaves a trace", case.id);
    }
}
