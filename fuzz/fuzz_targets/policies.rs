//! Manifests of NetworkPolicies: reading, validation, the way back, and what the oracle makes of them.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use papertiger::core::catalogue::furnished;
use papertiger::core::fault::plan;
use papertiger::core::model::flow::Flow;
use papertiger::core::model::manifest::{NetworkPolicy, to_yaml};
use papertiger::core::model::world::World;
use papertiger::core::oracle::{Assumptions, answer, decide};
use papertiger_fuzz::mutate_documents;
use std::sync::LazyLock;

/// Of every so many flows one is asked for.
const SAMPLE: usize = 41;

static WORLD: LazyLock<(World, Vec<Flow>)> = LazyLock::new(|| {
    let world = furnished("", &["n1", "n2"]);
    let flows = plan::candidates(&world).into_iter().step_by(SAMPLE).collect();
    (world, flows)
});

fuzz_target!(|text: &str| {
    let Ok(manifest) = serde_saphyr::from_str::<NetworkPolicy>(text) else { return };
    let Ok(policy) = manifest.validate() else { return };
    let yaml = to_yaml(&policy);
    let again: NetworkPolicy = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    let policies = [again.validate().unwrap_or_else(|errors| panic!("{errors:?}\n{yaml}"))];
    assert_eq!(policies[0], policy, "{yaml}");
    let (world, flows) = &*WORLD;
    for flow in flows {
        for ip_block_matches_pods in [false, true] {
            let assumptions = Assumptions { ip_block_matches_pods };
            let decision = decide(&policies, world, flow, assumptions);
            assert_eq!(decision.answer, answer(&policies, world, flow, assumptions), "{flow}\n{yaml}");
        }
    }
});

// JSON is YAML, too.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_documents(data, size, max_size, seed, b'\n')
});
