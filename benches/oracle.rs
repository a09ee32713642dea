//! How much of one core the reasoning takes: how many verdicts the oracle gives in a second, asked about every flow in every
//! phase of every case of the catalogue, and how long it takes to search the fault models for the flows that a batch of cases
//! has to probe, which its lane waits for. `cargo bench --bench oracle` prints a line of each; fewer than a million verdicts
//! fail it.

#![expect(clippy::print_stdout, reason = "it is a program that prints figures")]

use papertiger::core::catalogue::{Blueprint, Catalogue, batches, furnish};
use papertiger::core::fault::plan::{candidates, choose_together};
use papertiger::core::model::flow::Flow;
use papertiger::core::model::state::State;
use papertiger::core::model::world::World;
use papertiger::core::oracle::{Assumptions, answer};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What the project holds itself to, in verdicts per second.
const WANTED: f64 = 1e6;

/// The figure is of at least so long.
const LEAST: Duration = Duration::from_secs(3);

/// What the names in the world end in.
const SUFFIX: &str = "bench00";

fn main() -> ExitCode {
    let mut world = Blueprint::embedded().world(SUFFIX);
    furnish(&mut world, &["n1".to_owned(), "n2".to_owned()]);
    let (cases, assumptions) = (Catalogue::embedded(), Assumptions { ip_block_matches_pods: true });
    search(&cases, &world, assumptions);
    if verdicts_per_second(&cases, &world, assumptions) >= WANTED { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Searches for what each batch of the whole catalogue probes.
fn search(cases: &Catalogue, world: &World, assumptions: Assumptions) {
    let batches = batches(cases.cases().to_vec());
    let took = batches.iter().map(|batch| {
        let experiments = batch.experiments(world, SUFFIX, assumptions);
        let began = Instant::now();
        let flows: usize = black_box(choose_together(&experiments, 1)).iter().map(Vec::len).sum();
        (began.elapsed(), flows)
    });
    let took: Vec<(Duration, usize)> = took.collect();
    println!(
        "search: the flows of {} cases in {:.2} s on one core ({} batches, the slowest {:.2} s; {} flows)",
        cases.cases().len(),
        took.iter().map(|(took, _)| took.as_secs_f64()).sum::<f64>(),
        batches.len(),
        took.iter().map(|(took, _)| took.as_secs_f64()).fold(0.0, f64::max),
        took.iter().map(|(_, flows)| flows).sum::<usize>()
    );
}

/// How many verdicts the oracle gives in a second.
fn verdicts_per_second(cases: &Catalogue, world: &World, assumptions: Assumptions) -> f64 {
    let questions: Vec<(State, Vec<Flow>)> = cases
        .cases()
        .iter()
        .flat_map(|case| {
            let experiment = case.experiment(world, SUFFIX, assumptions);
            let flows = candidates(&experiment.world);
            experiment.states().into_iter().map(move |state| (state, flows.clone())).collect::<Vec<_>>()
        })
        .collect();

    let (began, mut verdicts) = (Instant::now(), 0_u64);
    while began.elapsed() < LEAST {
        for (State { policies, world }, flows) in &questions {
            for flow in flows {
                black_box(answer(policies, world, flow, assumptions));
            }
            verdicts += flows.len() as u64;
        }
    }
    let per_second = verdicts as f64 / began.elapsed().as_secs_f64();
    println!(
        "oracle: {:.2} million verdicts per second on one core ({} states of {} cases, {} verdicts in {:.1} s)",
        per_second / 1e6,
        questions.len(),
        cases.cases().len(),
        verdicts,
        began.elapsed().as_secs_f64()
    );
    per_second
}
