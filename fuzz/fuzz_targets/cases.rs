//! Case files: the catalogue's reader and, where it finds nothing wrong, what becomes of the cases in a lane.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use papertiger::core::catalogue::Catalogue;
use papertiger::core::fault::plan;
use papertiger::core::model::manifest::{NetworkPolicy, to_yaml};
use papertiger::core::oracle::{Assumptions, decide};
use papertiger_fuzz::mutate_documents;

const SUFFIX: &str = "k3f9";

/// Of every so many flows one is asked for.
const SAMPLE: usize = 97;

fuzz_target!(|text: &str| {
    let catalogue = match Catalogue::parse(&[("any.yaml", text)]) {
        Ok(catalogue) => catalogue,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    for case in catalogue.cases() {
        let world = case.furnished(SUFFIX, &["n1", "n2"]);
        let _ = case.obstacle(&world, SUFFIX);
        let instance = case.instantiate(&world, SUFFIX);
        for state in instance.states(&world) {
            for policy in &state.policies {
                // What was accepted is what the API server accepts.
                assert_eq!(NetworkPolicy::from(policy).validate().as_ref(), Ok(policy), "{}", to_yaml(policy));
            }
            for flow in plan::candidates(&state.world).iter().step_by(SAMPLE) {
                decide(&state.policies, &state.world, flow, Assumptions { ip_block_matches_pods: true });
            }
        }
    }
});

// JSON is YAML, too.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_documents(data, size, max_size, seed, b'\n')
});
