//! The results.

use crate::common::{case, is_in, run, scope, step, term, witnesses, world, world_named};
use papertiger::core::catalogue::{Catalogue, Profile};
use papertiger::core::event::{Phase, RunEnd};
use papertiger::core::fault::{Fault, FaultAt};
use papertiger::core::model::flow::{Connection, Endpoint, Family, Flow, Path, PodId, Protocol};
use papertiger::core::model::policy::Direction;
use papertiger::core::oracle::Answer;
use papertiger::core::verdict::{
    Behaviour, CaseResult, Diagnosis, Lapse, NodeResult, RunResult, Seen, Spread, StartUp, Verdict, Way, judge,
};
use papertiger::runner::{self, Job, Settings};
use papertiger::target::sim::{SimOptions, SimTarget};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::sync::mpsc;

fn allow(_: &Flow) -> Answer {
    Answer::Allow
}

fn through(_: &Flow) -> Seen {
    Seen::Through
}

fn as_written(answer: Answer) -> Seen {
    match answer {
        Answer::Deny => Seen::Blocked,
        Answer::Allow | Answer::Undefined(_) => Seen::Through,
    }
}

/// No pod of x may send.
fn no_egress(flow: &Flow) -> Answer {
    if is_in(&flow.from, "x") { Answer::Deny } else { Answer::Allow }
}

/// Only TCP may reach x, and only from x.
fn tcp_from_x(flow: &Flow) -> Answer {
    let allowed = !is_in(&flow.to, "x") || is_in(&flow.from, "x") && flow.protocol == Protocol::Tcp;
    if allowed { Answer::Allow } else { Answer::Deny }
}

fn phases(
    apply: &str,
    expected: impl Fn(&Flow) -> Answer,
    seen: impl Fn(&Flow) -> Seen,
) -> Vec<papertiger::core::verdict::StepResult> {
    let world = world();
    vec![
        step(Phase::Baseline, "no policy yet", &world, allow, through),
        step(Phase::Step(0), apply, &world, expected, seen),
        step(Phase::Removal, "everything deleted", &world, allow, through),
    ]
}

fn ingress_case() -> CaseResult {
    let steps = phases("apply x/only-tcp", tcp_from_x, |flow| as_written(tcp_from_x(flow)));
    let seen = witnesses(&steps[1]);
    let words = "192 witnesses were as written";
    let terms = vec![
        term("x/only-tcp ingress", "ingress", Verdict::Enforced, words, seen.clone()),
        term("x/only-tcp ingress[0].from[0].podSelector", "podSelector", Verdict::Enforced, words, seen.clone()),
        term("x/only-tcp ingress[0].ports[0].protocol", "protocol", Verdict::Enforced, words, seen),
    ];
    let title = "A rule for one protocol keeps the others out.";
    case("allow-one-protocol-from-namespace", title, Verdict::Enforced, steps, terms)
}

pub(crate) fn enforced() -> RunResult {
    let steps = phases("apply x/deny-egress", no_egress, |flow| as_written(no_egress(flow)));
    let words = "120 witnesses were as written";
    let terms = vec![term("x/deny-egress egress", "egress", Verdict::Enforced, words, witnesses(&steps[1]))];
    let title = "A policy for egress without rules stops all that its pods send.";
    let deny = case("deny-egress", title, Verdict::Enforced, steps, terms);
    let mut open = case("ip-block-admits-pods", "", Verdict::Undefined, Vec::new(), Vec::new());
    open.reason = Some("the specification leaves this open: observed, not scored".into());
    let mut result =
        run(Verdict::Enforced, "4 of 4 terms enforced in 3 cases on 2 nodes", vec![deny, ingress_case(), open]);
    let text = "an `ipBlock` that holds a pod's address admits that pod".into();
    result.behaviours = vec![Behaviour { id: "ip-block-matches-pods".into(), text }];
    result
}

pub(crate) fn egress_ignored() -> RunResult {
    let steps = phases("apply x/deny-egress", no_egress, through);
    let seen = witnesses(&steps[1]);
    let words = "the network behaves as if egress were absent from every policy";
    let ignored = term("x/deny-egress egress", "egress", Verdict::Ignored, words, seen.clone());
    let words = "not observable while the network behaves as if egress were absent from every policy";
    let removal = term("removal", "removal", Verdict::Inconclusive, words, Vec::new());
    let title = "A policy for egress without rules stops all that its pods send.";
    let mut deny = case("deny-egress", title, Verdict::Ignored, steps, vec![ignored, removal]);
    deny.reason = Some("x/deny-egress egress: the network behaves as if …".into());
    let mut skipped = case("update-closes", "", Verdict::Skipped, Vec::new(), Vec::new());
    skipped.reason = Some("no lane was left to run it".into());
    let headline = "3 of 5 terms enforced in 3 cases on 2 nodes; 1 case skipped; behaves as if egress were absent from every \
                    policy";
    let mut result = run(Verdict::Ignored, headline, vec![ingress_case(), deny, skipped]);
    result.diagnoses = vec![Diagnosis { faults: vec![Fault::IgnoreEgress.into()] }];
    result.run.settings.faults = vec!["ignore-egress".into()];
    result.notes = vec!["the lab's nodes share one kernel".into()];
    result
}

/// Nothing is enforced over IPv6.
pub(crate) fn partial() -> RunResult {
    let seen = |flow: &Flow| match flow.family {
        Family::Ipv4 => as_written(tcp_from_x(flow)),
        Family::Ipv6 => Seen::Through,
    };
    let steps = phases("apply x/only-tcp", tcp_from_x, seen);
    let words = "the network behaves as if policies had no effect at all (over IPv6)";
    let terms = ["x/only-tcp ingress", "x/only-tcp ingress[0].ports[0].protocol"].map(|id| {
        let mut term = term(id, "ingress", Verdict::Partial, words, witnesses(&steps[1]));
        term.scopes = vec![scope(Family::Ipv4, Verdict::Enforced), scope(Family::Ipv6, Verdict::Ignored)];
        term
    });
    let title = "A rule for one protocol keeps the others out.";
    let case = case("allow-one-protocol-from-namespace", title, Verdict::Partial, steps, terms.into());
    run(Verdict::Partial, "0 of 2 terms enforced in 1 case on 2 nodes", vec![case])
}

/// y/b is dead.
pub(crate) fn inconclusive() -> RunResult {
    let why = "x/a → y/b TCP 80 over IPv4 by pod IP never connected before any policy (timed out)";
    let dead = |flow: &Flow| flow.to.to_string() == "y/b";
    let seen = |flow: &Flow| {
        if dead(flow) { Seen::Unclear { why: why.into() } } else { as_written(no_egress(flow)) }
    };
    let mut steps = phases("apply x/deny-egress", no_egress, seen);
    steps[0] = step(Phase::Baseline, "no policy yet", &world(), allow, |flow| match dead(flow) {
        true => Seen::Unclear { why: why.into() },
        false => Seen::Through,
    });
    let terms = vec![term("x/deny-egress egress", "egress", Verdict::Inconclusive, why, witnesses(&steps[1]))];
    let title = "A policy for egress without rules stops all that its pods send.";
    let mut deny = case("deny-egress", title, Verdict::Inconclusive, steps, terms);
    deny.reason = Some(format!("x/deny-egress egress: {why}"));
    let mut abandoned = case("deny-all", "No traffic at all.", Verdict::Inconclusive, Vec::new(), Vec::new());
    abandoned.reason = Some("its lane's agents stopped answering".into());
    run(Verdict::Inconclusive, "0 of 1 term enforced in 2 cases on 2 nodes", vec![deny, abandoned])
}

/// Runs of the profile `standard` on a simulated network, with the verdict of each: as many terms, flows and steps as people
/// see, and as large.
pub(crate) fn simulated() -> &'static [(RunResult, Verdict)] {
    static RUNS: LazyLock<Vec<(RunResult, Verdict)>> = LazyLock::new(|| {
        let runs = [
            (None, Verdict::Enforced),
            (Some("no-engine"), Verdict::Ignored),
            (Some("ignore-ports@family=ipv6"), Verdict::Partial),
            (Some("dead-receiver"), Verdict::Inconclusive),
        ];
        let simulated = runs.map(|(fault, verdict)| std::thread::spawn(move || (simulate(fault), verdict)));
        simulated.into_iter().map(|run| run.join().unwrap()).collect()
    });
    &RUNS
}

/// On a clock that does not make anybody wait.
fn simulate(fault: Option<&str>) -> RunResult {
    let faults: Vec<FaultAt> = fault.iter().map(|fault| fault.parse().unwrap()).collect();
    let settings = Settings {
        profile: "standard".to_owned(),
        settle: Duration::from_secs(10),
        hold: Duration::from_secs(1),
        hold_attempts: 20,
        canary: Duration::ZERO,
        churn: false,
        budget: None,
        timeout: Duration::from_secs(100_000),
        lanes: 4,
        seed: 7,
        faults: faults.iter().map(ToString::to_string).collect(),
        panic_in: None,
    };
    let catalogue = Catalogue::embedded();
    let cases = catalogue.select(&[] as &[&str], Some(Profile::Standard)).unwrap();
    let job = Job {
        run: "sim000".to_owned(),
        token: "token".to_owned(),
        started_at: "2026-11-23T20:00:00Z".to_owned(),
        cases: cases.into_iter().cloned().collect(),
        settings,
    };
    let target = SimTarget::new(SimOptions { faults, ..SimOptions::default() });
    let clock = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let events = clock.block_on(async {
        let (sender, mut events) = mpsc::unbounded_channel();
        let (_interrupt, interrupts) = mpsc::channel(1);
        runner::run(target, job, sender, interrupts).await;
        let mut all = Vec::new();
        while let Some(event) = events.recv().await {
            all.push(event);
        }
        all
    });
    judge(&events).unwrap()
}

/// How a run may end before it has done all that it was to do, and what is said then.
pub(crate) fn incomplete() -> [(Option<RunEnd>, &'static str); 4] {
    [
        (Some(RunEnd::Interrupted { signal: "SIGINT".into() }), "interrupted (SIGINT)"),
        (Some(RunEnd::TimedOut), "longer than --timeout (15 min)"),
        (Some(RunEnd::Failed { message: "no agent answers".into() }), "The run failed: no agent answers"),
        (None, "The event log breaks off"),
    ]
}

/// Names that would like to be something else.
pub(crate) fn hostile() -> RunResult {
    let long = "n".repeat(63);
    let evil = "\x1b[2J\x1b]0;owned\x07node\r\nENFORCED\u{202e}";
    let mut world = world_named([&long, evil]);
    for (index, pod) in world.pods.iter_mut().enumerate() {
        pod.id.pod = format!("{}{}", "p".repeat(62), index);
    }
    let steps = vec![step(Phase::Step(0), &format!("apply x/{}", "d".repeat(253)), &world, no_egress, through)];
    let words = format!("as if {} {evil}", "e".repeat(90));
    let mut term =
        term(&format!("x/{} egress", "d".repeat(253)), "egress", Verdict::Ignored, &words, witnesses(&steps[0]));
    term.policy = Some(format!("kind: NetworkPolicy\nmetadata:\n  name: {}\n  labels: {{{evil}}}\n", "d".repeat(253)));
    let mut case = case(&"c".repeat(63), &format!("A {evil} title"), Verdict::Ignored, steps, vec![term]);
    case.world = Some(world);
    let mut result = run(Verdict::Ignored, "hostile", vec![case]);
    result.nodes = [long.as_str(), evil]
        .map(|name| NodeResult {
            name: name.into(),
            verdict: Verdict::Ignored,
            server: None,
            client: Some(Verdict::Ignored),
            reason: None,
        })
        .into();
    result.notes = vec![evil.into()];
    result.behaviours = vec![Behaviour { id: evil.into(), text: evil.into() }];
    assert!(result.cases[0].steps[0].cells.iter().all(|cell| matches!(cell.cell.flow.from, Endpoint::Pod(_))));
    result
}

/// A pod that was open for a while after most of its starts.
pub(super) fn startup() -> StartUp {
    let spread = |p50_ms: f64| Spread { p50_ms, p90_ms: 2.0 * p50_ms, max_ms: 3.0 * p50_ms };
    StartUp {
        case: "protected".to_owned(),
        pod: PodId::new("x", "a"),
        node: "n1".to_owned(),
        direction: Direction::Egress,
        starts: 20,
        unsettled: 1,
        open: 19,
        open_ms: spread(142.0),
        leaks: 255,
        opened: 20,
        kept: 17,
        ready_ms: None,
        ready_without_ms: Some(Spread { p50_ms: 36.0, p90_ms: 37.0, max_ms: 37.0 }),
        resolution_ms: 41.5,
    }
}

/// A moment in which policies did not hold.
pub(super) fn lapse() -> Lapse {
    Lapse {
        case: "canary".to_owned(),
        way: Way::Open,
        from_us: 12_000_000,
        to_us: Some(16_500_000),
        flows: 6,
        example: Flow {
            from: PodId::new("x", "a").into(),
            to: PodId::new("y", "b").into(),
            path: Path::PodIp,
            family: Family::Ipv4,
            protocol: Protocol::Tcp,
            port: 8080,
            connection: Connection::New,
        },
        nodes: BTreeSet::from(["n2".to_owned()]),
    }
}
