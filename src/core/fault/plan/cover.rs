//! Few candidates that serve every need.

use crate::core::model::flow::Flow;
use std::collections::HashSet;

/// Sets of candidates, at least one of each of which must be chosen.
pub(super) struct Needs {
    /// By candidate: a bit for each need that it serves.
    serves: Vec<Vec<u64>>,
    count: usize,
    seen: HashSet<Vec<usize>>,
}

impl Needs {
    pub(super) fn new(candidates: &[Flow]) -> Self {
        Self { serves: vec![Vec::new(); candidates.len()], count: 0, seen: HashSet::new() }
    }

    /// Adds a need; an empty one cannot be served and is none.
    pub(super) fn add(&mut self, flows: impl IntoIterator<Item = usize>) {
        let flows: Vec<usize> = flows.into_iter().collect();
        if flows.is_empty() || !self.seen.insert(flows.clone()) {
            return;
        }
        let (word, bit) = (self.count / 64, self.count % 64);
        for flow in flows {
            let served = &mut self.serves[flow];
            served.resize(served.len().max(word + 1), 0);
            served[word] |= 1 << bit;
        }
        self.count += 1;
    }
}

/// A set of candidates of small cost that serves every need, on top of those chosen already.
pub(super) fn cover(needs: &Needs, chosen: &[usize], costs: &[u64], seed: u64) -> Vec<usize> {
    let mut open = vec![u64::MAX; needs.count.div_ceil(64)];
    let mut chosen = chosen.to_vec();
    let before = chosen.len();
    let close = |open: &mut [u64], flow: usize| {
        open.iter_mut().zip(&needs.serves[flow]).for_each(|(open, served)| *open &= !served);
    };
    chosen.iter().for_each(|flow| close(&mut open, *flow));
    loop {
        let gain = |flow: usize| -> u64 {
            open.iter().zip(&needs.serves[flow]).map(|(open, served)| u64::from((open & served).count_ones())).sum()
        };
        let worth = |flow: usize| gain(flow) * GAIN / costs[flow];
        let best = (0..needs.serves.len()).max_by_key(|flow| (worth(*flow), shuffled(*flow, seed)));
        match best {
            Some(flow) if gain(flow) > 0 => {
                close(&mut open, flow);
                chosen.push(flow);
            }
            Some(_) | None => break,
        }
    }
    spare(needs, chosen, before, costs)
}

/// What is chosen without those whose needs the others serve, the dearest first. The first `kept` stay.
fn spare(needs: &Needs, mut chosen: Vec<usize>, kept: usize, costs: &[u64]) -> Vec<usize> {
    let mut dearest_first = chosen.split_off(kept);
    dearest_first.sort_by_key(|flow| std::cmp::Reverse(costs[*flow]));
    for place in 0..dearest_first.len() {
        let flow = dearest_first[place];
        let others = || chosen.iter().chain(&dearest_first[place + 1..]);
        let is_served = |(word, served): (usize, &u64)| {
            let by_others = others().fold(0, |all, other| all | needs.serves[*other].get(word).copied().unwrap_or(0));
            served & !by_others == 0
        };
        if !needs.serves[flow].iter().enumerate().all(is_served) {
            chosen.push(flow);
        }
    }
    chosen
}

/// More than any cost, so that every gain is worth something.
const GAIN: u64 = 1 << 32;

/// A number that orders candidates differently for each seed (the finaliser of SplitMix64).
fn shuffled(flow: usize, seed: u64) -> u64 {
    let mut value = seed.wrapping_add((flow as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
