//! How many verdicts the oracle gives in a second on one core: what is in force in every phase of every case of the catalogue,
//! asked about every flow of the case's world. `cargo bench --bench oracle` prints a line; fewer than a million fail it.

#![expect(clippy::print_stdout, reason = "it is a program that prints a figure")]

use papertiger::core::catalogue::{Blueprint, Catalogue, furnish};
use papertiger::core::fault::plan::candidates;
use papertiger::core::model::flow::Flow;
use papertiger::core::model::state::State;
use papertiger::core::oracle::{Assumptions, answer};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What the project holds itself to, in verdicts per second.
const WANTED: f64 = 1e6;

/// The figure is of at least so long.
const LEAST: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let assumptions = Assumptions { ip_block_matches_pods: true };
    let suffix = "bench00";
    let mut world = Blueprint::embedded().world(suffix);
    furnish(&mut world, &["n1".to_owned(), "n2".to_owned()]);
    let cases = Catalogue::embedded();
    let questions: Vec<(State, Vec<Flow>)> = cases
        .cases()
        .iter()
        .flat_map(|case| {
            let experiment = case.experiment(&world, suffix, assumptions);
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
    if per_second >= WANTED { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
