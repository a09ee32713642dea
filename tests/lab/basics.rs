//! The network itself: everything connects, lanes are apart, nothing stays behind.

use crate::support::{Result, apply, children_of, expect, flow, is_open, lab, lab_of, lane, make, matrix, policy};
use futures_util::future::try_join_all;
use papertiger::core::model::change::{Change, Subject};
use papertiger::core::model::flow::PodId;
use papertiger::target::lab::LabTarget;
use papertiger::target::{Dial, Lane, Target};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

pub(crate) fn all(runtime: &Runtime, test: &mut dyn FnMut(&str, &dyn Fn() -> Result)) {
    for nodes in [1, 2, 3] {
        test(&format!("everything-connects-{nodes}"), &|| runtime.block_on(everything_connects(nodes)));
    }
    test("lanes-are-apart", &|| runtime.block_on(lanes_are_apart()));
    test("close-leaves-nothing", &|| runtime.block_on(close_leaves_nothing()));
    test("kill-leaves-nothing", &kill_leaves_nothing);
    test("pods-are-made-again", &|| runtime.block_on(pods_are_made_again()));
    test("changes-are-checked", &|| runtime.block_on(changes_are_checked()));
}

async fn everything_connects(nodes: usize) -> Result {
    let lab = lab_of(nodes, &[])?;
    let start = Instant::now();
    let lane = lane(&lab, 0).await?;
    let opened = start.elapsed();
    let flows = matrix(lane.world());
    expect(&lane, &flows, |_| true)?;
    let tracked = lab.conntrack_entries()?;
    if tracked.len() != nodes || tracked.values().any(|count| *count == 0) {
        return Err(format!("tracked connections: {tracked:?}").into());
    }
    let start = Instant::now();
    lane.close().await?;
    eprintln!("    opened in {} ms, closed in {} ms", opened.as_millis(), start.elapsed().as_millis());
    Ok(lab.close().await?)
}

async fn lanes_are_apart() -> Result {
    let lab = lab(&[])?;
    let start = Instant::now();
    let mut lanes = try_join_all((0..6).map(|number| lane(&lab, number))).await?;
    eprintln!("    6 lanes opened in {} ms", start.elapsed().as_millis());
    apply(&mut lanes[0], ["x", "y", "z"].map(|name| policy(&format!("{name}/deny"), Some(vec![]), None)).into())
        .await?;
    expect(&lanes[0], &matrix(lanes[0].world()), |flow| flow.to.pod().is_none())?;
    expect(&lanes[1], &matrix(lanes[1].world()), |_| true)?;
    let mut addresses: Vec<_> =
        lanes.iter().flat_map(|lane| &lane.world().pods).flat_map(|pod| &pod.addresses).collect();
    let count = addresses.len();
    addresses.sort();
    addresses.dedup();
    if addresses.len() != count {
        return Err("two pods share an address".into());
    }
    Ok(lab.close().await?)
}

/// A pod that is made again has other addresses and another agent, its Service leads to it, nothing is left of the one
/// before, and policies know it.
async fn pods_are_made_again() -> Result {
    let lab = lab(&[])?;
    let mut lane = lane(&lab, 0).await?;
    let flows = matrix(lane.world());
    apply(&mut lane, vec![policy("y/deny", Some(vec![]), None)]).await?;
    let (before, links_before) = (lane.world().clone(), links(&lab, "n1")? + links(&lab, "n2")?);
    for subject in [Subject::Pod(PodId::new("y", "b")), Subject::Namespace("z".to_owned())] {
        make(&mut lane, &Change::Recreate { subject, bare: false }).await?;
    }
    lane.settled().await?;
    for (old, new) in before.pods.iter().zip(&lane.world().pods) {
        let again = old.id == PodId::new("y", "b") || old.id.namespace == "z";
        let moved = new.addresses.iter().all(|address| !old.addresses.contains(address));
        if moved != again || old.node != new.node {
            return Err(format!("{old:?} became {new:?}").into());
        }
    }
    let links_now = links(&lab, "n1")? + links(&lab, "n2")?;
    if links_now != links_before {
        return Err(format!("{links_before} links became {links_now}").into());
    }
    expect(&lane, &flows, |flow| flow.to.pod().is_none_or(|pod| pod.namespace != "y"))?;
    make(&mut lane, &Change::Recreate { subject: Subject::Namespace("y".to_owned()), bare: false }).await?;
    lane.settled().await?;
    expect(&lane, &flows, |_| true)?;
    Ok(lab.close().await?)
}

/// How many pods' cables end on a node.
fn links(lab: &LabTarget, node: &str) -> Result<usize> {
    let network = lab.node_network(node).ok_or("no such node")?;
    let table = network.run(|| std::fs::read_to_string("/proc/thread-self/net/dev"))??;
    Ok(table.lines().filter(|line| line.trim_start().starts_with("pod")).count())
}

async fn close_leaves_nothing() -> Result {
    let lab = lab(&[])?;
    let forgotten = lane(&lab, 0).await?;
    let closed = lane(&lab, 1).await?;
    let links = |name: &str| links(&lab, name);
    let before = links("n1")?;
    closed.close().await?;
    if links("n1")? >= before {
        return Err("closing a lane leaves its links".into());
    }
    // An opening that nobody waits for any more.
    drop(tokio::time::timeout(Duration::from_millis(1), lane(&lab, 2)).await);
    lab.close().await?;
    drop(forgotten);
    let (links, children) = (links("n1")?, children_of(std::process::id())?);
    if links > 0 || !children.is_empty() {
        return Err(format!("{links} links and the processes {children:?} are left").into());
    }
    Ok(())
}

/// The part of [`kill_leaves_nothing`] that is killed.
pub(crate) async fn hold() -> Result {
    let lab = lab(&[])?;
    let _lane = lane(&lab, 0).await?;
    println!("ready");
    std::future::pending().await
}

fn kill_leaves_nothing() -> Result {
    let mut holder =
        Command::new(std::env::current_exe()?).arg("hold").stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
    let mut line = String::new();
    BufReader::new(holder.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let agents = children_of(holder.id())?;
    holder.kill()?;
    holder.wait()?;
    if line.trim() != "ready" || agents.len() != 11 {
        return Err(format!("said {line:?} and had {} agents", agents.len()).into());
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    let alive =
        |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|text| text.contains("agent"));
    while agents.iter().any(alive) {
        if Instant::now() > deadline {
            return Err("agents outlive their controller".into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

async fn changes_are_checked() -> Result {
    let lab = lab(&[])?;
    let mut lane = lane(&lab, 0).await?;
    let deny = policy("y/deny", Some(vec![]), None);
    apply(&mut lane, vec![deny.clone()]).await?;
    let twice = apply(&mut lane, vec![deny.clone()]).await.expect_err("it exists").to_string();
    let nowhere = apply(&mut lane, vec![policy("w/deny", None, None)]).await.expect_err("no namespace").to_string();
    if !twice.contains("exists already") || !nowhere.contains("no namespace w") {
        return Err(format!("{twice}\n{nowhere}").into());
    }
    let dial = lane.dial();
    if dial.connect(&"x/a".parse()?).await.is_ok() || dial.connect(&"node:n1".parse()?).await.is_ok() {
        return Err("streams to agents that cannot have one".into());
    }
    if is_open(&lane, "x/a > y/b")? || flow("x/a > y/b svc v6 udp 81").port != 8081 {
        return Err("the first change must stay".into());
    }
    lab.close().await?;
    let late = apply(&mut lane, vec![policy("x/deny", Some(vec![]), None)]).await;
    if late.is_ok() { Err("a closed lab takes changes".into()) } else { Ok(()) }
}
