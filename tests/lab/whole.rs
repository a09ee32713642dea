//! Whole runs, with the real agent.

use crate::support::{Result, job};
use papertiger::core::catalogue::{Blueprint, Case, Catalogue, Profile};
use papertiger::core::event::{Event, RunEnd};
use papertiger::runner::{ENTRIES_PER_NODE, run};
use papertiger::target::Tracking;
use papertiger::target::lab::{LabOptions, LabTarget};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Between two looks at what the nodes track.
const LOOK: Duration = Duration::from_millis(100);

/// Fewer than this would mean that nothing came near the budget.
const MANY: usize = 2_000;

pub(crate) fn all(runtime: &Runtime, test: &mut dyn FnMut(&str, &dyn Fn() -> Result)) {
    test("conntrack-stays-within-the-budget", &|| runtime.block_on(conntrack()));
}

/// More than enough lanes, on nodes that remember as long as they do unless told otherwise, but for SYNs: one that is
/// forgotten sooner fills the room again instead of keeping everybody waiting.
async fn conntrack() -> Result {
    let blueprint = Blueprint::embedded();
    let lab = LabTarget::new(LabOptions {
        tracking: Tracking { syn_sent: Duration::from_secs(30), ..Tracking::LINUX },
        agent: env!("CARGO_BIN_EXE_papertiger").into(),
        ..LabOptions::new(move |suffix| blueprint.world(suffix))?
    })?;
    let (events, mut heard) = mpsc::unbounded_channel();
    let (_nobody, interrupts) = mpsc::channel(1);
    let running = tokio::spawn(run(lab.clone(), job(standard()?, 12), events, interrupts));
    let (mut peak, mut end) = (0, None);
    while !running.is_finished() {
        tokio::time::sleep(LOOK).await;
        peak = peak.max(lab.conntrack_entries()?.into_values().max().unwrap_or(0));
    }
    running.await?;
    while let Some(event) = heard.recv().await {
        if let Event::RunEnded { end: how, .. } = event.event {
            end = Some(how);
        }
    }
    eprintln!("    at most {peak} entries on a node");
    if end != Some(RunEnd::Completed) || !(MANY..=ENTRIES_PER_NODE as usize).contains(&peak) {
        return Err(format!("at most {peak} entries on a node, of {ENTRIES_PER_NODE}; the end: {end:?}").into());
    }
    Ok(())
}

fn standard() -> Result<Vec<Case>> {
    Ok(Catalogue::embedded().select(&[] as &[&str], Some(Profile::Standard))?.into_iter().cloned().collect())
}
