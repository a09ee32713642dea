//! However a run ends, nothing of it stays in the cluster, and nothing else is touched.

use crate::common::{Cluster, Ended, PATIENCE, RUN, Running, papertiger};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams, PostParams};
use nix::sys::signal::Signal;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

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

/// How many runs are killed at a moment that is drawn.
const KILLS: &str = "PAPERTIGER_TEST_KILLS";

/// The longest that one is let run: by then it has begun its cases.
const LONGEST_LIFE_MS: u64 = 12_000;

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn whenever_a_run_is_killed_cleanup_takes_everything() {
    let cluster = Cluster::connect();
    let kills = std::env::var(KILLS).map_or(3, |text| text.parse().unwrap());
    for _ in 0..kills {
        let life = Duration::from_millis(fastrand::u64(0..LONGEST_LIFE_MS));
        let running = Running::start(&["--case", "default-deny-*", "--hold", "20s"], &[]);
        std::thread::sleep(life);
        running.signal(Signal::SIGKILL);
        assert_eq!(running.end().code, None);
        let left = cluster.namespaces().len();
        // What was in flight when it died may still come, and a cluster at its limits takes its time with namespaces: that is
        // told, and another cleanup takes what is left.
        let deadline = Instant::now() + 2 * PATIENCE;
        loop {
            let output = papertiger().args(["cleanup", "--all"]).output().unwrap();
            if output.status.success() && cluster.namespaces().is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "killed after {life:?}, something stays: {output:?}");
        }
        eprintln!("killed after {} ms: {left} namespaces were there, none is left", life.as_millis());
    }
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn a_namespace_that_will_not_go_is_told_and_taken_later() {
    let cluster = Cluster::connect();
    let (running, run) = at_work(&cluster, &[]);
    let namespace = cluster.namespaces().pop_first().unwrap();
    let held: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "papertiger-test-held", "finalizers": ["papertiger.dev/test-held"]},
    }))
    .unwrap();
    let maps = Api::<ConfigMap>::namespaced(cluster.client.clone(), &namespace);
    cluster.runtime.block_on(maps.create(&PostParams::default(), &held)).unwrap();
    running.signal(Signal::SIGINT);
    let ended = running.end();
    ended.assert_code(130);
    let notes = ended.report()["notes"].to_string();
    for part in [namespace.as_str(), "not everything was cleaned up", "finalizer", &format!("cleanup --run {run}")] {
        assert!(notes.contains(part), "`{part}` is not in: {notes}");
    }
    assert_eq!(cluster.namespaces(), BTreeSet::from([namespace]));

    let released = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    cluster.runtime.block_on(maps.patch("papertiger-test-held", &PatchParams::default(), &released)).unwrap();
    cluster.wait_until_clean(GONE_AFTER);
}
