//! The lab's engine and the oracle, two readings of the specification, on policies that nobody thought of: what the oracle
//! says of each set is what packets do.

use crate::sample;
use crate::support::{Result, apply, delete, expect, lab_like, labels, lane, matrix, world};
use papertiger::core::model::change::{Change, Subject};
use papertiger::core::model::flow::Flow;
use papertiger::core::model::policy::Policy;
use papertiger::core::model::world::World;
use papertiger::core::oracle::{Answer, Assumptions, answer};
use papertiger::target::lab::LabLane;
use papertiger::target::{Lane, Target};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::cell::{Cell, RefCell};
use tokio::runtime::Runtime;

/// How many sets of policies are tried, unless `PAPERTIGER_RANDOM_POLICIES` says another number.
const SETS: u32 = 25;

/// How often a set that shows a difference is made smaller.
const SHRINKING: u32 = 30;

/// Every so many flows of the whole matrix are asked, others for each set.
const OF: usize = 7;

pub(crate) fn all(runtime: &Runtime, test: &mut dyn FnMut(&str, &dyn Fn() -> Result)) {
    test("random-policies", &|| random_policies(runtime, &[]));
    test("random-policies-notice", &|| match random_policies(runtime, &["ignore-ports"]) {
        Ok(()) => Err("nobody noticed that ports are ignored".into()),
        Err(_) => Ok(()),
    });
}

/// Ports that are called otherwise in every other pod.
fn renamed(suffix: &str) -> World {
    let mut world = world(suffix);
    for (index, pod) in world.pods.iter_mut().enumerate() {
        for port in &mut pod.ports {
            let first = port.service_port == Some(80);
            port.name = if first == index.is_multiple_of(2) { "http" } else { "web" }.to_owned();
        }
    }
    world
}

fn random_policies(runtime: &Runtime, faults: &[&str]) -> Result {
    let sets = match std::env::var("PAPERTIGER_RANDOM_POLICIES") {
        Ok(number) => number.parse()?,
        Err(_) => SETS,
    };
    let lab = lab_like(renamed, faults)?;
    let mut lane = runtime.block_on(lane(&lab, 0))?;
    for (namespace, team) in [("x", "red"), ("y", "blue")] {
        let pods: Vec<_> = lane.world().pods.iter().filter(|pod| pod.id.namespace == namespace).cloned().collect();
        for pod in pods {
            let labels = labels(&[("pod", &pod.id.pod), ("team", team)]);
            runtime.block_on(lane.apply(&Change::Relabel { subject: Subject::Pod(pod.id), labels }))?;
        }
    }
    let flows = matrix(lane.world());
    let config = Config { cases: sets, failure_persistence: None, max_shrink_iters: SHRINKING, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (lane, rounds) = (RefCell::new(lane), Cell::new(0));
    runner.run(&sample::policies(), |policies| {
        let round = rounds.replace(rounds.get() + 1);
        let asked: Vec<Flow> = flows.iter().skip(round % OF).step_by(OF).cloned().collect();
        let agreed = agree(runtime, &mut lane.borrow_mut(), &policies, &asked);
        agreed.map_err(|error| TestCaseError::fail(error.to_string()))
    })?;
    eprintln!("    {} sets of policies, {} flows each", rounds.get(), flows.len() / OF);
    runtime.block_on(lane.into_inner().close())?;
    Ok(runtime.block_on(lab.close())?)
}

/// Whether packets do what the oracle says. What the specification leaves open the lab does in its own way.
fn agree(runtime: &Runtime, lane: &mut LabLane, policies: &[Policy], flows: &[Flow]) -> Result {
    let world = lane.world().clone();
    let says = |flow: &Flow| answer(policies, &world, flow, Assumptions { ip_block_matches_pods: true });
    let decided: Vec<Flow> = flows.iter().filter(|flow| !matches!(says(flow), Answer::Undefined(_))).cloned().collect();
    runtime.block_on(apply(lane, policies.to_vec()))?;
    let agreed = expect(lane, &decided, |flow| says(flow) == Answer::Allow);
    runtime.block_on(delete(lane, policies.iter().map(Policy::key).collect()))?;
    agreed
}
