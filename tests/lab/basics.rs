//! The network itself, and a faithful engine.

use crate::support::{Result, expect, lab, lane, matrix};
use papertiger::target::{Lane, Target};
use std::time::Instant;
use tokio::runtime::Runtime;

type Test<'a> = &'a mut dyn FnMut(&str, &dyn Fn() -> Result);

pub(crate) fn all(runtime: &Runtime, test: Test<'_>) {
    test("everything-connects", &|| runtime.block_on(everything_connects()));
}

async fn everything_connects() -> Result {
    let start = Instant::now();
    let lab = lab(&[])?;
    eprintln!("    nodes: {} ms", start.elapsed().as_millis());
    for number in 0..3 {
        let start = Instant::now();
        let lane = lane(&lab, number).await?;
        eprintln!("    lane open, agents listening: {} ms", start.elapsed().as_millis());
        let start = Instant::now();
        let flows = matrix(lane.world());
        expect(&lane, &flows, |_| true)?;
        eprintln!(
            "    {} flows: {} ms; tracked: {:?}",
            flows.len(),
            start.elapsed().as_millis(),
            lab.conntrack_entries()?
        );
        let start = Instant::now();
        lane.close().await?;
        eprintln!("    lane close: {} ms", start.elapsed().as_millis());
    }
    lab.close().await?;
    Ok(())
}
