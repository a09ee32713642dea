//! Every node by itself, also where there are many.

use super::{Sim, named, run_on, settings, some_cases, story};
use crate::core::event::{Event, Untested};
use crate::core::verdict::{NodeResult, RunResult, Verdict};
use crate::target::sim::{SimOptions, SimTarget};
use std::collections::BTreeSet;
use std::fs;

fn on(nodes: usize, faults: &[&str]) -> SimOptions {
    SimOptions { nodes, faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(), ..SimOptions::default() }
}

fn run(options: SimOptions) -> RunResult {
    Sim::new(options, some_cases(&["every-node"])).run().0
}

/// The nodes of which anything else is said than that they enforce.
fn odd(result: &RunResult) -> Vec<(&str, Verdict, Option<Verdict>, Option<Verdict>)> {
    let odd = result.nodes.iter().filter(|node| node.verdict != Verdict::Enforced);
    odd.map(|node| (node.name.as_str(), node.verdict, node.server, node.client)).collect()
}

#[test]
fn many_nodes_are_several_worlds_in_which_each_enforces() {
    let result = run(on(70, &[]));
    let ids: Vec<&str> = result.cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids, ["every-node/1", "every-node/2", "every-node/3"]);
    assert_eq!((result.verdict, result.nodes.len()), (Verdict::Enforced, 70), "{}", story(&result));
    assert_eq!(odd(&result), [], "{}", story(&result));
    let proven = |node: &NodeResult| (node.server, node.client) == (Some(Verdict::Enforced), Some(Verdict::Enforced));
    assert!(result.nodes.iter().all(proven));
}

#[test]
fn one_node_without_its_agent_is_named_and_the_others_enforce() {
    let result = run(on(40, &["no-engine@node=n17"]));
    assert_eq!(result.verdict, Verdict::Partial, "{}", story(&result));
    let failing = [("n17", Verdict::Partial, Some(Verdict::Ignored), Some(Verdict::Ignored))];
    assert_eq!(odd(&result), failing, "{}", story(&result));
    assert_eq!(named(&result.diagnoses), "no-engine@node=n17");
}

/// An engine that decides at both ends: only what stays on the node gets through.
#[test]
fn a_node_that_its_peers_stand_in_for_is_named_by_what_stays_on_it() {
    let result = run(on(40, &["no-engine@within=n17"]));
    assert_eq!(result.verdict, Verdict::Partial, "{}", story(&result));
    let failing: Vec<&str> = odd(&result).iter().map(|(node, ..)| *node).collect();
    assert_eq!(failing, ["n17"], "{}", story(&result));
    assert_eq!(named(&result.diagnoses), "no-engine@within=n17");
}

#[test]
fn one_direction_of_one_node_is_told_from_the_other() {
    let result = run(on(40, &["ignore-egress@node=n17"]));
    let failing = [("n17", Verdict::Partial, Some(Verdict::Enforced), Some(Verdict::Ignored))];
    assert_eq!(odd(&result), failing, "{}", story(&result));
}

#[test]
fn a_mute_node_takes_nothing_from_its_neighbours() {
    let result = run(SimOptions { mute: Some("n17".to_owned()), ..on(40, &[]) });
    assert_eq!(odd(&result).iter().map(|odd| (odd.0, odd.1)).collect::<Vec<_>>(), [("n17", Verdict::Inconclusive)]);
    assert_eq!(result.verdict, Verdict::Inconclusive);
}

#[test]
fn a_node_that_takes_no_pod_is_not_tested() {
    let (_, mut events) = Sim::new(on(3, &[]), some_cases(&["every-node"])).run();
    let nodes = |events: &[_]| {
        let result = crate::core::verdict::judge(events).unwrap();
        result.nodes.iter().map(|node| (node.name.clone(), node.verdict)).collect::<Vec<_>>()
    };
    let reason = "finding a place for the probe pod x/a-2 failed: 0/3 nodes are available".to_owned();
    events[1].event = Event::NodeLeftOut(Untested { node: "n2".to_owned(), reason });
    assert_eq!(nodes(&events)[1], ("n2".to_owned(), Verdict::Enforced), "another lane has probed it");

    for event in &mut events {
        if let Event::CaseStarted(started) = &mut event.event {
            started.world.pods.retain(|pod| pod.node != "n2");
        }
    }
    assert_eq!(nodes(&events)[2], ("n2".to_owned(), Verdict::Skipped));
    assert!(crate::core::verdict::judge(&events).unwrap().headline.contains("2 of 3 nodes; 1 not tested (n2: "));
}

/// Controller, agents and network are one process here.
#[test]
#[ignore = "takes long, and measures the whole process"]
fn a_thousand_nodes_are_judged_within_bounds() {
    let mut settings = settings(7);
    settings.lanes = 8;
    let options = on(1_000, &["no-engine@node=n17", "no-engine@node=n900"]);
    let (result, events) = run_on(SimTarget::new(options), some_cases(&["every-node"]), settings);
    let failing: BTreeSet<&str> = odd(&result).iter().map(|odd| odd.0).collect();
    assert_eq!(failing, BTreeSet::from(["n17", "n900"]), "{}", result.headline);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let flows: usize = result.cases.iter().filter_map(|case| case.steps.first()).map(|step| step.cells.len()).sum();
    let lasted = result.duration_us as f64 / 1e6;
    println!(
        "{} nodes, {flows} flows, {} events: {lasted:.1} s on the run's clock, peak {peak}",
        result.nodes.len(),
        events.len()
    );
    let peak: u64 = peak.trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 200 * 1024, "{peak} kB");
}
