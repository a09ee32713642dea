//! The specification sentence by sentence: every row quotes one and says what follows for some flows.

mod objects;
mod open;
mod verdicts;

use super::sample::{flow, policy, world};
use super::{Answer, Assumptions, Decision, Reason, Undefined, answer, decide, selects, side};
use crate::core::model::change::PolicyName;
use crate::core::model::flow::{Endpoint, PodId};
use crate::core::model::policy::{Direction, Policy};
use crate::core::model::world::{Phase, Pod, World};

const ALLOW: Answer = Answer::Allow;
const DENY: Answer = Answer::Deny;

const fn open(why: Undefined) -> Answer {
    Answer::Undefined(why)
}

/// What the specification says, as seen in one world under some policies.
struct Row<'a> {
    /// The sentence.
    says: &'static str,
    /// What is changed in the sample world.
    world: fn(&mut World),
    /// Namespace and spec of each policy.
    policies: &'static [(&'static str, &'static str)],
    /// Whether an ipBlock is known to match pods.
    blocks_match_pods: bool,
    /// Flows and their answers.
    flows: &'a [(&'static str, Answer)],
}

const ROW: Row<'static> = Row { says: "", world: |_| {}, policies: &[], blocks_match_pods: false, flows: &[] };

/// Pods of x behind an empty list of ingress rules.
const X_INGRESS: (&str, &str) = ("x", "{podSelector: {}, policyTypes: [Ingress]}");
/// Pods of x behind an empty list of egress rules.
const X_EGRESS: (&str, &str) = ("x", "{podSelector: {}, policyTypes: [Egress]}");

fn check(rows: &[Row<'_>]) {
    for row in rows {
        let mut world = world();
        (row.world)(&mut world);
        let policies = policies(row.policies);
        let assumptions = Assumptions { ip_block_matches_pods: row.blocks_match_pods };
        for (text, expected) in row.flows {
            let said = answer(&policies, &world, &flow(text), assumptions);
            assert_eq!(said, *expected, "{text}\n  under {:?}\n  although: {}", row.policies, row.says);
        }
    }
}

fn policies(specs: &[(&str, &str)]) -> Vec<Policy> {
    specs.iter().enumerate().map(|(i, (namespace, spec))| policy(namespace, &format!("p{i}"), spec)).collect()
}

fn pod<'a>(world: &'a mut World, id: &str) -> &'a mut Pod {
    let id: PodId = id.parse().unwrap();
    world.pods.iter_mut().find(|pod| pod.id == id).unwrap()
}

/// Moves `x/b` onto the network of its node, n2.
fn x_b_on_host(world: &mut World) {
    let addresses = world.addresses(&Endpoint::Node("n2".to_owned())).to_vec();
    let pod = pod(world, "x/b");
    pod.host_network = true;
    pod.addresses = addresses;
}

#[test]
fn reasons_name_every_rule_that_allows_and_every_isolation_that_denies() {
    let world = world();
    let policies = policies(&[
        (
            "x",
            "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}, {}, {ports: [{port: 8080}]}]}",
        ),
        ("y", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.1.0/24}}]}]}"),
        ("y", "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress]}"),
        ("z", "{podSelector: {}, policyTypes: [Ingress]}"),
        ("z", "{podSelector: {}, policyTypes: [Egress]}"),
    ]);
    let reason = |namespace: &str, i: usize, direction, rule| Reason {
        policy: PolicyName { namespace: namespace.to_owned(), name: format!("p{i}") },
        direction,
        rule,
    };
    let check = |text: &str, answer, because: &[Reason]| {
        let decision = decide(&policies, &world, &flow(text), Assumptions::default());
        assert_eq!(decision, Decision { answer, because: because.to_vec() }, "{text}");
    };
    use Direction::{Egress, Ingress};
    let free = [reason("x", 0, Egress, Some(1)), reason("x", 0, Egress, Some(2))];
    check("x/a external:echo tcp 8080", ALLOW, &free);
    check("y/a external:echo tcp 8080", ALLOW, &[]);
    // The side that denies, not the one that allows.
    check("x/a z/a tcp 8080", DENY, &[reason("z", 3, Ingress, None)]);
    check("z/b z/a tcp 8080", DENY, &[reason("z", 4, Egress, None), reason("z", 3, Ingress, None)]);
    check("x/a y/a tcp 8080", open(Undefined::IpBlockContainsPod), &[reason("y", 1, Ingress, Some(0))]);
    check("external:echo y/a tcp 8080", DENY, &[reason("y", 1, Ingress, None), reason("y", 2, Ingress, None)]);
    // What is open here is whether the isolation holds.
    check("z/a node:n1 tcp 8080", open(Undefined::OwnNode), &[reason("z", 4, Egress, None)]);
    check("z/a z/a tcp 8080", ALLOW, &[]);
}

#[test]
fn a_side_answers_for_itself() {
    let mut world = world();
    pod(&mut world, "y/b").phase = Phase::Terminating;
    let policies = policies(&[(
        "x",
        "{podSelector: {}, egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {pod: b}}}]}]}",
    )]);
    let check = |text: &str, direction, expected| {
        let decision = side(&policies, &world, &flow(text), direction, Assumptions::default());
        assert_eq!(decision.answer, expected, "{direction} of {text}");
    };
    check("x/a y/a tcp 8080", Direction::Egress, DENY);
    check("x/a y/a tcp 8080", Direction::Ingress, ALLOW);
    check("x/a z/b tcp 8080", Direction::Egress, ALLOW);
    check("x/a y/b tcp 8080", Direction::Egress, open(Undefined::NotRunning));
    check("x/a external:echo tcp 8080", Direction::Ingress, ALLOW);
}

#[test]
fn a_policy_selects_by_namespace_and_labels() {
    let world = world();
    let policy = policy("x", "some", "{podSelector: {matchLabels: {pod: a}}}");
    let selected: Vec<String> =
        world.pods.iter().filter(|pod| selects(&policy, &pod.id, &world)).map(|pod| pod.id.to_string()).collect();
    assert_eq!(selected, ["x/a"]);
    assert!(!selects(&policy, &PodId::new("w", "a"), &world));
}
