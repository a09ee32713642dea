//! Pairs of a scope's parts.

use super::scope;
use crate::core::fault::Experiment;
use crate::core::model::flow::Flow;
use crate::core::verdict::Scope;
use std::collections::BTreeMap;

/// A scope with all but two of its parts left open.
pub(super) type Pair = [Option<usize>; PARTS];

/// How many parts a scope has.
pub(super) const PARTS: usize = 4;

/// The parts of a scope, each as a number.
pub(super) fn parts(scope: Scope) -> [usize; PARTS] {
    let Scope { family, path, protocol, placement } = scope;
    [family as usize, path as usize, protocol as usize, placement as usize]
}

/// A scope with all but two of its parts left open, in every way.
fn pairs(scope: Scope) -> Vec<Pair> {
    pairs_of(parts(scope))
}

pub(super) fn pairs_of(parts: [usize; PARTS]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for one in 0..parts.len() {
        for other in one + 1..parts.len() {
            let mut pair = [None; PARTS];
            pair[one] = Some(parts[one]);
            pair[other] = Some(parts[other]);
            pairs.push(pair);
        }
    }
    pairs
}

/// These flows by the pairs of a scope's parts that they are in.
pub(super) fn by_pair(
    experiment: &Experiment,
    candidates: &[Flow],
    flows: impl Iterator<Item = usize>,
) -> BTreeMap<Pair, Vec<usize>> {
    let mut by_pair: BTreeMap<Pair, Vec<usize>> = BTreeMap::new();
    for flow in flows {
        for pair in pairs(scope(&experiment.world, &candidates[flow])) {
            by_pair.entry(pair).or_default().push(flow);
        }
    }
    by_pair
}
