//! Policies that come and go beside the canary while it is watched, in lanes that have no case any more: what an engine has
//! to do all day, and may drop other rules over.

use super::agents::Agents;
use super::lane::{Shared, label_suffix};
use crate::core::catalogue::{Case, Instance};
use crate::core::event::Event;
use crate::core::model::change::Change;
use crate::target::{Lane, TargetError};
use std::time::Duration;
use tokio::time::timeout;

/// From one change to the next in a lane.
const PAUSE: Duration = Duration::from_secs(2);

/// Whether a case's first policies can come and go by themselves.
pub(super) fn can_churn(case: &Case) -> bool {
    !case.canary && case.property.is_none() && case.requires.is_none() && case.on_request.is_none()
}

/// Changes policies until the canary is watched no more. A lane that cannot be changed is left as it is.
pub(super) async fn churn<L: Lane>(shared: &Shared, lane: &mut L, agents: &Agents, number: u32) {
    let cases = shared.churning();
    let turn = usize::try_from(number).unwrap_or(0);
    for case in cases.iter().cycle().skip(turn % cases.len().max(1)) {
        let Instance { steps, .. } = case.instantiate(lane.world(), label_suffix(lane, agents));
        let Some(apply @ Change::Apply { policies }) = steps.first() else { continue };
        let delete = Change::Delete { policies: policies.iter().map(|policy| policy.key()).collect() };
        for change in [apply, &delete] {
            if let Err(error) = change_once(shared, lane, change).await {
                let text = format!("policies were changed no more beside the canary in lane {number}: {error}");
                shared.emit(Event::Note { text });
                return;
            }
            if timeout(PAUSE, shared.released()).await.is_ok() {
                return;
            }
        }
    }
}

async fn change_once<L: Lane>(shared: &Shared, lane: &mut L, change: &Change) -> Result<(), TargetError> {
    lane.apply(change).await?;
    shared.churned();
    Ok(())
}
