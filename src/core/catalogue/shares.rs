//! How the cases of a run share what has to be shown in every part of a network.

use super::batch::{Batch, Member};
use super::blueprint::Blueprint;
use super::case::Case;
use crate::core::fault::plan::{self, Able, Share};
use crate::core::model::flow::{Endpoint, Protocol};
use crate::core::oracle::Assumptions;
use std::collections::BTreeMap;

/// Stands in for a lane's suffix where there is no lane yet.
pub(super) const SUFFIX: &str = "offline";

/// Gives each case its share, wherever it takes place. Those that may turn out not to be scored, or not to run, share only among
/// themselves: nobody relies on them.
pub(super) fn share_out(batches: &mut [Batch], blueprint: &Blueprint) {
    let mut groups: BTreeMap<(bool, Vec<Protocol>), Vec<&mut Member>> = BTreeMap::new();
    for member in batches.iter_mut().flat_map(|batch| &mut batch.members) {
        let case = &member.case;
        if case.property.is_some() {
            member.share = Share::LEAST;
        } else if case.shares() {
            groups.entry((case.requires.is_some(), case.protocols.clone())).or_default().push(member);
        }
    }
    for group in groups.into_values() {
        let able: Vec<Able> = group.iter().map(|member| member.able(blueprint)).collect();
        group.into_iter().zip(plan::shares(&able)).for_each(|(member, share)| member.share = share);
    }
}

impl Case {
    /// Whether it leaves something to others that they can show as well. What stays to the last and what concerns each node does
    /// not; of what is only observed nobody counts the terms.
    pub(super) fn shares(&self) -> bool {
        !self.canary && !self.every_node && self.property.is_none()
    }
}

impl Member {
    fn able(&self, blueprint: &Blueprint) -> Able {
        let Self { case, seat, .. } = self;
        let has_service = |end: &Endpoint| blueprint.has_service(&seat.endpoint(end));
        let experiment = case.experiment(&case.furnished(SUFFIX, &["n1", "n2"]), SUFFIX, Assumptions::default());
        plan::able(&experiment, has_service)
    }
}
