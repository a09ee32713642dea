//! How the cases of a run share what has to be shown in every part of a network.

use super::case::Case;
use crate::core::fault::plan::{self, Able, Share};
use crate::core::model::flow::Protocol;
use crate::core::oracle::Assumptions;
use std::collections::BTreeMap;

/// Stands in for a lane's suffix where there is no lane yet.
pub(super) const SUFFIX: &str = "offline";

/// The share of each case of a run, by its id. Those that may turn out not to be scored, or not to run, share only among
/// themselves: nobody relies on them.
pub(super) fn shares(cases: &[Case]) -> BTreeMap<String, Share> {
    let mut groups: BTreeMap<(bool, &[Protocol]), Vec<&Case>> = BTreeMap::new();
    for case in cases.iter().filter(|case| case.shares()) {
        groups.entry((case.requires.is_some(), &case.protocols)).or_default().push(case);
    }
    let of_group = |group: Vec<&Case>| {
        let able: Vec<Able> = group.iter().map(|case| case.able()).collect();
        let ids = group.into_iter().map(|case| case.id.clone());
        ids.zip(plan::shares(&able)).collect::<Vec<_>>()
    };
    let observing = cases.iter().filter(|case| case.property.is_some());
    let observing = observing.map(|case| (case.id.clone(), Share::LEAST));
    groups.into_values().flat_map(of_group).chain(observing).collect()
}

impl Case {
    /// Whether it leaves something to others that they can show as well. What stays to the last and what concerns each node does
    /// not; of what is only observed nobody counts the terms.
    fn shares(&self) -> bool {
        !self.canary && !self.every_node && self.property.is_none()
    }

    fn able(&self) -> Able {
        plan::able(&self.experiment(&self.furnished(SUFFIX, &["n1", "n2"]), SUFFIX, Assumptions::default()))
    }
}
