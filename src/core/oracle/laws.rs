//! Laws that hold whatever the policies are, tried on every flow of a small world.

use super::sample::{any_policy, flows, policies, rule, world, worlds};
use super::{Answer, Assumptions, Undefined, both, decide, naive, selects};
use crate::core::model::flow::{Connection, Flow};
use crate::core::model::policy::{Direction, Policy, Rule};
use crate::core::model::world::World;
use proptest::prelude::*;
use proptest::sample::Index;

const UNSETTLED: Assumptions = Assumptions { ip_block_matches_pods: false };
const SETTLED: Assumptions = Assumptions { ip_block_matches_pods: true };

fn answer(policies: &[Policy], world: &World, flow: &Flow) -> Answer {
    super::answer(policies, world, flow, UNSETTLED)
}

/// How far a flow gets: what may get through lies between what must not and what must.
fn reach(policies: &[Policy], world: &World, flow: &Flow) -> u8 {
    match answer(policies, world, flow) {
        Answer::Deny => 0,
        Answer::Undefined(_) => 1,
        Answer::Allow => 2,
    }
}

/// Changes every rule list of every policy.
fn rewritten(policies: &[Policy], change: impl Fn(Direction, &mut Option<Vec<Rule>>)) -> Vec<Policy> {
    let mut policies = policies.to_vec();
    for policy in &mut policies {
        for direction in Direction::ALL {
            change(direction, policy.rules_mut(direction));
        }
    }
    policies
}

fn only(concerned: Direction, policies: &[Policy]) -> Vec<Policy> {
    rewritten(policies, |direction, rules| *rules = rules.take().filter(|_| direction == concerned))
}

/// One rule for each part of each rule; a rule without parts stays as it is.
fn split(policies: &[Policy], parts: impl Fn(&Rule) -> Vec<Rule>) -> Vec<Policy> {
    rewritten(policies, |_, rules| {
        for rules in rules.iter_mut() {
            let apart = |rule: &Rule| match parts(rule) {
                parts if parts.is_empty() => vec![rule.clone()],
                parts => parts,
            };
            *rules = rules.iter().flat_map(apart).collect();
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_oracle_answers_where_an_optimist_and_a_pessimist_agree(world in worlds(), policies in policies()) {
        for flow in flows(&world) {
            let readings = [true, false].map(|optimist| naive::allows(&policies, &world, &flow, optimist));
            let answer = answer(&policies, &world, &flow);
            let agrees = match readings {
                [true, true] => answer == Answer::Allow,
                [false, false] => answer == Answer::Deny,
                [true, false] => matches!(answer, Answer::Undefined(_)),
                [false, true] => false,
            };
            prop_assert!(agrees, "{flow}: optimist and pessimist say {readings:?}, the oracle {answer:?}");
        }
    }

    #[test]
    fn one_more_rule_in_an_isolated_direction_never_takes_reach(
        policies in policies(), rule in rule(), which: Index, place: Index
    ) {
        prop_assume!(!policies.is_empty());
        let (world, which) = (world(), which.index(policies.len()));
        for direction in Direction::ALL {
            let mut more = policies.clone();
            if let Some(rules) = more[which].rules_mut(direction) {
                rules.insert(place.index(rules.len() + 1), rule.clone());
            }
            for flow in flows(&world) {
                prop_assert!(reach(&more, &world, &flow) >= reach(&policies, &world, &flow), "{flow}");
            }
        }
    }

    #[test]
    fn one_more_policy_over_isolated_pods_never_takes_reach(policies in policies(), added in any_policy(), which: Index) {
        prop_assume!(!policies.is_empty());
        let (world, like) = (world(), &policies[which.index(policies.len())]);
        let added = Policy {
            namespace: like.namespace.clone(),
            pod_selector: like.pod_selector.clone(),
            ingress: added.ingress.filter(|_| like.ingress.is_some()),
            egress: added.egress.filter(|_| like.egress.is_some()),
            ..added
        };
        let more = [policies.clone(), vec![added]].concat();
        for flow in flows(&world) {
            prop_assert!(reach(&more, &world, &flow) >= reach(&policies, &world, &flow), "{flow}");
        }
    }

    #[test]
    fn the_order_of_policies_and_rules_is_irrelevant(
        world in worlds(),
        (policies, shuffled) in policies().prop_flat_map(|policies| (Just(policies.clone()), Just(policies).prop_shuffle()))
    ) {
        let shuffled = rewritten(&shuffled, |_, rules| rules.iter_mut().for_each(|rules| {
            rules.reverse();
            for rule in rules {
                rule.ports.reverse();
                rule.peers.reverse();
            }
        }));
        for flow in flows(&world) {
            prop_assert_eq!(answer(&shuffled, &world, &flow), answer(&policies, &world, &flow), "{}", flow);
        }
    }

    #[test]
    fn a_policy_leaves_pods_alone_that_it_does_not_select(
        world in worlds(), policies in policies(), added in any_policy()
    ) {
        let more = [policies.clone(), vec![added.clone()]].concat();
        for flow in flows(&world) {
            let touches = |end: Option<_>, direction| {
                added.rules(direction).is_some() && end.is_some_and(|id| selects(&added, id, &world))
            };
            if !touches(flow.from.pod(), Direction::Egress) && !touches(flow.to.pod(), Direction::Ingress) {
                let with = decide(&more, &world, &flow, UNSETTLED);
                prop_assert_eq!(with, decide(&policies, &world, &flow, UNSETTLED), "{}", flow);
            }
        }
    }

    #[test]
    fn ingress_and_egress_are_independent(world in worlds(), policies in policies()) {
        let ways = [Direction::Egress, Direction::Ingress].map(|direction| only(direction, &policies));
        for flow in flows(&world) {
            let apart = both(ways.each_ref().map(|policies| answer(policies, &world, &flow)));
            prop_assert_eq!(answer(&policies, &world, &flow), apart, "{}", flow);
        }
    }

    #[test]
    fn a_rule_says_what_one_rule_for_each_of_its_peers_says(world in worlds(), policies in policies()) {
        let apart = split(&policies, |rule| {
            rule.peers.iter().map(|peer| Rule { peers: vec![peer.clone()], ..rule.clone() }).collect()
        });
        for flow in flows(&world) {
            prop_assert_eq!(answer(&apart, &world, &flow), answer(&policies, &world, &flow), "{}", flow);
        }
    }

    #[test]
    fn a_rule_says_what_one_rule_for_each_of_its_ports_says(world in worlds(), policies in policies()) {
        let apart = split(&policies, |rule| {
            rule.ports.iter().map(|port| Rule { ports: vec![port.clone()], ..rule.clone() }).collect()
        });
        for flow in flows(&world) {
            prop_assert_eq!(answer(&apart, &world, &flow), answer(&policies, &world, &flow), "{}", flow);
        }
    }

    #[test]
    fn settling_an_open_question_changes_no_answer_that_stood(world in worlds(), policies in policies()) {
        for flow in flows(&world) {
            let answer = answer(&policies, &world, &flow);
            if !matches!(answer, Answer::Undefined(_)) {
                prop_assert_eq!(super::answer(&policies, &world, &flow, SETTLED), answer, "{}", flow);
            }
        }
    }

    #[test]
    fn of_a_standing_connection_only_its_end_is_open(world in worlds(), policies in policies()) {
        for flow in flows(&world) {
            let new = answer(&policies, &world, &flow);
            let standing = answer(&policies, &world, &Flow { connection: Connection::Standing, ..flow.clone() });
            let left = if new == Answer::Deny { Answer::Undefined(Undefined::StandingConnection) } else { new };
            prop_assert_eq!(standing, left, "{}", flow);
        }
    }

    #[test]
    fn reasons_name_what_decided(world in worlds(), policies in policies()) {
        for flow in flows(&world) {
            let decision = decide(&policies, &world, &flow, UNSETTLED);
            prop_assert_eq!(decision.answer, answer(&policies, &world, &flow));
            prop_assert!(decision.answer == Answer::Allow || !decision.because.is_empty(), "{flow}");
            for reason in &decision.because {
                let policy = policies.iter().find(|policy| policy.key() == reason.policy).unwrap();
                let subject = match reason.direction {
                    Direction::Ingress => flow.to.pod(),
                    Direction::Egress => flow.from.pod(),
                };
                prop_assert!(subject.is_some_and(|id| selects(policy, id, &world)), "{flow}");
                let rules = policy.rules(reason.direction).unwrap();
                prop_assert!(reason.rule.is_none_or(|i| i < rules.len()), "{flow}");
                prop_assert!(decision.answer != Answer::Allow || reason.rule.is_some(), "{flow}");
                prop_assert!(decision.answer != Answer::Deny || reason.rule.is_none(), "{flow}");
            }
        }
    }
}

#[test]
fn without_policies_everything_gets_through() {
    let world = world();
    for flow in flows(&world) {
        assert_eq!(answer(&[], &world, &flow), Answer::Allow, "{flow}");
    }
}
