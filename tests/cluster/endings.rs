//! However a run ends, nothing of it stays in the cluster, and nothing else is touched.

use crate::common::{Cluster, Ended, RUN, Running, papertiger};
use kube::ResourceExt;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::time::Duration;

/// "No object with the run's label 30 s later."
const GONE_AFTER: Duration = Duration::from_secs(30);

/// A run that is in the middle of a case when its policy has been applied.
fn at_work(cluster: &Cluster, variables: &[(&str, &str)]) -> (Running, String) {
    let running = Running::start(&["--case", "default-deny-*", "--lanes", "1", "--hold", "20s"], variables);
    let namespace = cluster.wait_for_namespace("of the run", |ns| ns.metadata.deletion_timestamp.is_none());
    let run = namespace.labels()[RUN].clone();
    cluster.wait_for_policy(&run);
    (running, run)
}

fn ends_clean(signal: Signal, code: i32) {
    let cluster = Cluster::connect();
    let (running, _) = at_work(&cluster, &[]);
    running.signal(signal);
    let ended: Ended = running.end();
    ended.assert_code(code);
    cluster.wait_until_clean(GONE_AFTER);
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn ctrl_c_leaves_nothing() {
    ends_clean(Signal::SIGINT, 130);
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn sigterm_leaves_nothing() {
    ends_clean(Signal::SIGTERM, 143);
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn a_panic_leaves_nothing() {
    let cluster = Cluster::connect();
    let variables = [("PAPERTIGER_TEST_PANIC", "default-deny-egress")];
    let ended = Running::start(&["--case", "default-deny-*", "--lanes", "1"], &variables).end();
    ended.assert_code(4);
    assert!(ended.report()["run"]["end_detail"].as_str().unwrap().contains("told to panic"));
    cluster.wait_until_clean(GONE_AFTER);
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn after_sigkill_cleanup_takes_the_named_run_and_no_other() {
    let cluster = Cluster::connect();
    let (dead, run) = at_work(&cluster, &[]);
    dead.signal(Signal::SIGKILL);
    assert_eq!(dead.end().code, None);
    let left = cluster.namespaces();
    assert_eq!(left.len(), 3, "{left:?}");

    let cleanup = |arguments: &[&str]| {
        let output = papertiger().arg("cleanup").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    // It has not expired, so it may be at work.
    assert!(cleanup(&[]).contains(&format!("run {run}: left")));
    assert_eq!(cluster.namespaces(), left);

    let (alive, other) = second(&cluster, &left);
    assert!(cleanup(&["--run", &run]).contains(&format!("run {run}: removed")));
    let now = cluster.namespaces();
    assert!(now.is_disjoint(&left) && now.len() == 3, "{now:?}");

    alive.signal(Signal::SIGKILL);
    assert_eq!(alive.end().code, None);
    cluster.expire(&other);
    assert!(cleanup(&[]).contains(&format!("run {other}: removed")));
    assert_eq!(cluster.namespaces(), BTreeSet::new());
}

/// Another run, beside what the first has left.
fn second(cluster: &Cluster, left: &BTreeSet<String>) -> (Running, String) {
    let running = Running::start(&["--case", "default-deny-*", "--lanes", "1", "--hold", "20s"], &[]);
    let namespace = cluster.wait_for_namespace("of a second run", |namespace| !left.contains(&namespace.name_any()));
    let run = namespace.labels()[RUN].clone();
    cluster.wait_for_policy(&run);
    (running, run)
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn two_runs_at_once_both_end_right() {
    let cluster = Cluster::enforcing();
    let arguments = ["--case", "default-deny-*", "--case", "allow-by-*", "--lanes", "1"];
    let (one, other) = (Running::start(&arguments, &[]), Running::start(&arguments, &[]));
    one.end().assert_code(0);
    other.end().assert_code(0);
    cluster.wait_until_clean(GONE_AFTER);
}
