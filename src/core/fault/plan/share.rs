//! What each case of a run has to show of the scopes, so that all cases together show every pair of a scope's parts for
//! every way of ignoring something.
//!
//! One case by itself shows every pair. Where many cases ask the same of a network, each of them need not ask it over both
//! families, by both paths and so on: a blocked attempt between two nodes is remembered there for minutes, and the room for
//! that bounds a run.

use super::pair::{PARTS, Pair, pairs_of, parts};
use super::witness::shown_between;
use crate::core::fault::{Experiment, Fault, Term};
use crate::core::model::flow::{Endpoint, Family, Path, Protocol};
use crate::core::model::policy::Direction;
use crate::core::verdict::{Placement, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// Combinations in which every two values of different parts stand together at least once; fewer would not do. Only one of
/// them is TCP between two nodes, which costs most.
const COMBINATIONS: [Scope; 5] = [
    combination(Family::Ipv4, Path::PodIp, Protocol::Tcp, Placement::CrossNode),
    combination(Family::Ipv4, Path::ClusterIp, Protocol::Udp, Placement::SameNode),
    combination(Family::Ipv6, Path::PodIp, Protocol::Udp, Placement::SameNode),
    combination(Family::Ipv6, Path::ClusterIp, Protocol::Tcp, Placement::SameNode),
    combination(Family::Ipv6, Path::ClusterIp, Protocol::Udp, Placement::CrossNode),
];

/// The places of those that ask nothing of two nodes.
const ON_ONE_NODE: [usize; 3] = [1, 2, 3];

const fn combination(family: Family, path: Path, protocol: Protocol, placement: Placement) -> Scope {
    Scope { family, path, protocol, placement }
}

/// What a case has to show of the scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// `None` where it has to show every pair that there is.
    taken: Option<Taken>,
}

/// The combinations that a case shows, as places in [`COMBINATIONS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Taken {
    /// Of the ways that are shown by this case in particular.
    by_way: BTreeMap<Way, BTreeSet<usize>>,
    /// Of all others.
    rest: usize,
}

/// A way of ignoring something that a case can show: a fault, in a direction where its terms have one.
pub type Way = (Fault, Option<Direction>);

impl Share {
    /// Every pair that there is.
    pub const WHOLE: Self = Self { taken: None };

    /// As little as can be: of a case whose terms nobody counts.
    pub const LEAST: Self = Self { taken: Some(Taken { by_way: BTreeMap::new(), rest: ON_ONE_NODE[0] }) };

    /// Whether it has to tell these faults apart. Each combination stands for a part of all pairs of faults.
    pub(super) fn tells(&self, one: Fault, other: Fault) -> bool {
        let part = (one as usize * Fault::ALL.len() + other as usize) % COMBINATIONS.len();
        self.taken.as_ref().is_none_or(|taken| taken.all().any(|combination| combination == part))
    }

    /// The pairs in which to show this way, of those in which it can be shown. There is at least one, where there are any.
    pub(super) fn of<'a>(&self, way: Way, shown: impl Iterator<Item = &'a Pair>) -> BTreeSet<Pair> {
        let shown: BTreeSet<Pair> = shown.copied().collect();
        let Some(taken) = &self.taken else { return shown };
        let values = |part: usize| shown.iter().filter_map(|pair| pair[part]).collect::<BTreeSet<usize>>();
        let values: [BTreeSet<usize>; PARTS] = std::array::from_fn(values);
        // What is outside the pod network is only there where a target has it.
        let outside = Some(Placement::Outside as usize).filter(|outside| values[PARTS - 1].contains(outside));
        let wanted = taken.of(way).flat_map(|combination| {
            let [family, path, protocol, placement] = parts(COMBINATIONS[combination]);
            let values = &values;
            let here = move |placement| pairs_of(nearest([family, path, protocol, placement], values));
            std::iter::once(placement).chain(outside).flat_map(here)
        });
        let wanted: BTreeSet<Pair> = wanted.filter(|pair| shown.contains(pair)).collect();
        if wanted.is_empty() { shown.into_iter().take(1).collect() } else { wanted }
    }
}

impl Taken {
    /// The combinations in which this way is shown: at least one.
    fn of(&self, way: Way) -> impl Iterator<Item = usize> {
        let taken = self.by_way.get(&way);
        taken.into_iter().flatten().copied().chain(taken.is_none().then_some(self.rest))
    }

    /// The combinations in which something is shown, some more than once.
    fn all(&self) -> impl Iterator<Item = usize> {
        self.by_way.values().flatten().copied().chain([self.rest])
    }

    fn has(&self, combination: usize) -> bool {
        self.by_way.values().any(|taken| taken.contains(&combination))
    }
}

/// A combination with the values that it does not have here replaced by others: a rule about TCP shows nothing over UDP.
fn nearest(parts: [usize; PARTS], values: &[BTreeSet<usize>; PARTS]) -> [usize; PARTS] {
    let nearest = |part: usize| {
        let value = parts[part];
        if values[part].contains(&value) { value } else { values[part].first().copied().unwrap_or(value) }
    };
    std::array::from_fn(nearest)
}

/// What a case can show, and what that costs.
#[derive(Clone, Debug)]
pub struct Able {
    /// The ways of ignoring something that show in it.
    pub ways: BTreeSet<Way>,
    /// Those of them that show by a Service too.
    pub by_service: BTreeSet<Way>,
    /// Its steps: what is blocked is blocked in each of them.
    pub steps: usize,
}

/// What a case can show, where a Service leads to those who have one.
pub fn able(experiment: &Experiment, has_service: impl Fn(&Endpoint) -> bool) -> Able {
    let of_term = |term: Term| {
        let concerned = |fault: &Fault| fault.is_misreading() && fault.concerns(&term);
        let direction = term.direction();
        Fault::ALL.into_iter().filter(concerned).map(|fault| (fault, direction)).collect::<Vec<_>>()
    };
    let ways = experiment.terms().into_iter().flat_map(of_term).collect();
    let shown = shown_between(experiment).into_iter();
    let by_service = shown.filter(|(_, between)| between.iter().any(|(_, to)| has_service(to))).map(|(way, _)| way);
    Able { ways, by_service: by_service.collect(), steps: experiment.steps.len() }
}

/// The shares of these cases, in the same order: for each way, its cases together have every combination.
pub fn shares(cases: &[Able]) -> Vec<Share> {
    let mut by_way: BTreeMap<Way, Vec<usize>> = BTreeMap::new();
    for (case, able) in cases.iter().enumerate() {
        able.ways.iter().for_each(|way| by_way.entry(*way).or_default().push(case));
    }
    let mut rarest_first: Vec<(Way, Vec<usize>)> = by_way.into_iter().collect();
    rarest_first.sort_by_key(|(_, able)| able.len());
    let mut taken: Vec<Taken> = vec![Taken::default(); cases.len()];
    for (way, able) in rarest_first {
        for (combination, scope) in COMBINATIONS.iter().enumerate() {
            let by_service = scope.path == Path::ClusterIp;
            // Whoever shows something else there may show both on the same flow; otherwise whoever has least to do.
            let least = able.iter().min_by_key(|case| {
                let taken = &taken[**case];
                let cannot = by_service && !cases[**case].by_service.contains(&way);
                let steps = if ON_ONE_NODE.contains(&combination) { 0 } else { cases[**case].steps };
                (cannot, !taken.has(combination), steps, taken.all().count())
            });
            if let Some(case) = least {
                taken[*case].by_way.entry(way).or_default().insert(combination);
            }
        }
    }
    let share = |(case, taken): (usize, Taken)| {
        // What nobody needs of it costs least on one node, where it has to show something anyway.
        let rest = ON_ONE_NODE.into_iter().find(|combination| taken.has(*combination));
        let rest = rest.unwrap_or(ON_ONE_NODE[case % ON_ONE_NODE.len()]);
        Share { taken: Some(Taken { rest, ..taken }) }
    };
    taken.into_iter().enumerate().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_combinations_hold_every_pair_of_values_of_different_parts() {
        let held: BTreeSet<Pair> = COMBINATIONS.into_iter().flat_map(|scope| pairs_of(parts(scope))).collect();
        // Six pairs of parts, and two values of each.
        assert_eq!(held.len(), 6 * 4);
    }

    #[test]
    fn those_on_one_node_are_on_one_node() {
        for (place, scope) in COMBINATIONS.into_iter().enumerate() {
            assert_eq!(ON_ONE_NODE.contains(&place), scope.placement == Placement::SameNode);
        }
    }

    #[test]
    fn the_cases_of_each_way_have_every_combination_and_those_with_company_have_few() {
        let catalogue = crate::core::catalogue::Catalogue::embedded();
        let of_case = |case: &crate::core::catalogue::Case| {
            let world = case.furnished("test-0", &["n1", "n2"]);
            able(&case.experiment(&world, "test-0", crate::core::oracle::Assumptions::default()), |_| true)
        };
        let cases: Vec<Able> = catalogue.cases().iter().map(of_case).collect();
        let shares: Vec<Taken> = shares(&cases).into_iter().map(|share| share.taken.unwrap()).collect();
        let all: BTreeSet<Way> = cases.iter().flat_map(|able| able.ways.clone()).collect();
        for way in all {
            let able = cases.iter().zip(&shares).filter(|(able, _)| able.ways.contains(&way));
            let combinations: BTreeSet<usize> = able.flat_map(|(_, taken)| taken.of(way)).collect();
            assert_eq!(combinations.len(), COMBINATIONS.len(), "{way:?}");
        }
        let taken: usize = shares.iter().map(|taken| taken.all().collect::<BTreeSet<_>>().len()).sum();
        assert!(taken < 2 * cases.len(), "{taken} combinations for {} cases", cases.len());
    }

    #[test]
    fn a_share_is_of_what_can_be_shown_and_of_something_at_least() {
        let way = (Fault::ALL[0], None);
        let share = |combination: usize| Share { taken: Some(Taken { rest: combination, ..Taken::default() }) };
        let scope = |protocol, placement| combination(Family::Ipv4, Path::PodIp, protocol, placement);
        let shown =
            |scopes: &[Scope]| -> BTreeSet<Pair> { scopes.iter().flat_map(|scope| pairs_of(parts(*scope))).collect() };
        let tcp = shown(&[scope(Protocol::Tcp, Placement::SameNode), scope(Protocol::Tcp, Placement::CrossNode)]);
        assert_eq!(Share::WHOLE.of(way, tcp.iter()), tcp);
        // TCP stands in for UDP, and IPv4 by the pod's address for what is not there.
        assert_eq!(share(4).of(way, tcp.iter()), shown(&[scope(Protocol::Tcp, Placement::CrossNode)]));
        assert_eq!(share(1).of(way, tcp.iter()), shown(&[scope(Protocol::Tcp, Placement::SameNode)]));
        let outside = shown(&[scope(Protocol::Tcp, Placement::SameNode), scope(Protocol::Tcp, Placement::Outside)]);
        assert_eq!(share(1).of(way, outside.iter()), outside);
        assert_eq!(share(1).of(way, [].iter()), BTreeSet::new());
    }
}
