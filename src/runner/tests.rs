//! The prober's own exam, in memory: every fault is found in every case that it touches, exactly where it touches it.

mod apart;
mod canary;
mod conntrack;
mod cuts;
mod foreign;
mod hostile;
mod latency;
mod nodes;
mod pairs;
mod scopes;
mod shapes;
mod standstill;
mod startup;
mod watch;
mod wires;

use super::{Interrupt, Job, Settings, run};
use crate::core::catalogue::{Case, Catalogue, Foretold, Profile, foretold};
use crate::core::event::{Event, Phase, RunEnd, RunEvent};
use crate::core::fault::{Experiment, Fault, FaultAt, touched};
use crate::core::oracle::Assumptions;
use crate::core::verdict::{Diagnosis, RunResult, Verdict, judge};
use crate::target::Target;
use crate::target::sim::{SimOptions, SimTarget};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::sync::mpsc;

const SEED: u64 = 7;

pub(super) fn settings(seed: u64) -> Settings {
    Settings {
        profile: "full".to_owned(),
        settle: Duration::from_secs(10),
        hold: Duration::from_secs(1),
        hold_attempts: 20,
        canary: Duration::ZERO,
        churn: false,
        budget: None,
        timeout: Duration::from_secs(100_000),
        lanes: 4,
        seed,
        faults: Vec::new(),
        panic_in: None,
    }
}

/// A run on a simulated network, on a clock that does not make anybody wait.
struct Sim {
    options: SimOptions,
    cases: Vec<Case>,
    settings: Settings,
}

impl Sim {
    fn new(options: SimOptions, cases: Vec<Case>) -> Self {
        Self { options, cases, settings: settings(SEED) }
    }

    fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    fn lanes(mut self, lanes: usize) -> Self {
        self.settings.lanes = lanes;
        self
    }

    fn run(self) -> (RunResult, Vec<RunEvent>) {
        let Self { options, cases, settings } = self;
        run_on(SimTarget::new(options), cases, settings)
    }
}

fn run_on<T: Target>(target: T, cases: Vec<Case>, settings: Settings) -> (RunResult, Vec<RunEvent>) {
    run_beside(std::future::pending(), target, cases, settings)
}

/// A run, and what goes on beside it.
fn run_beside<T: Target>(
    beside: impl Future<Output = ()> + Send + 'static,
    target: T,
    cases: Vec<Case>,
    settings: Settings,
) -> (RunResult, Vec<RunEvent>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let events = runtime.block_on(async {
        let (sender, mut events) = mpsc::unbounded_channel();
        let (_interrupt, interrupts) = mpsc::channel::<Interrupt>(1);
        let job = Job {
            run: "sim000".to_owned(),
            token: "token".to_owned(),
            started_at: "2026-01-01T00:00:00Z".to_owned(),
            cases,
            settings,
        };
        tokio::spawn(beside);
        run(target, job, sender, interrupts).await;
        let mut all = Vec::new();
        while let Some(event) = events.recv().await {
            all.push(event);
        }
        all
    });
    (judge(&events).unwrap(), events)
}

fn simulate(options: SimOptions, cases: Vec<Case>) -> (RunResult, Vec<RunEvent>) {
    Sim::new(options, cases).run()
}

fn with(fault: &str) -> SimOptions {
    SimOptions { faults: vec![fault.parse().unwrap()], ..SimOptions::default() }
}

/// What each diagnosis of a run names.
fn named(diagnoses: &[Diagnosis]) -> String {
    let names = |set: &Diagnosis| set.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ");
    diagnoses.iter().map(names).collect::<Vec<_>>().join(" or ")
}

/// `case: term` of every term with one of these verdicts.
fn terms(result: &RunResult, verdicts: impl Fn(Verdict) -> bool) -> BTreeSet<String> {
    let of_case = |case: &crate::core::verdict::CaseResult| -> Vec<String> {
        case.terms
            .iter()
            .filter(|term| verdicts(term.verdict))
            .map(|term| format!("{}: {}", case.id, term.id))
            .collect()
    };
    result.cases.iter().flat_map(of_case).collect()
}

/// What an `ipBlock` that holds a pod's address is known to do.
const ADMITS_PODS: Assumptions = Assumptions { ip_block_matches_pods: true };

/// The scored cases of a run of all, placed as the simulation places them.
fn score(nodes: &[&str]) -> Vec<Foretold> {
    let all = foretold(all_cases(), "sim0000", nodes, SEED, ADMITS_PODS).into_iter();
    all.filter(|foretold| foretold.case.property.is_none()).collect()
}

fn scored() -> &'static [Foretold] {
    static SCORED: LazyLock<Vec<Foretold>> = LazyLock::new(|| score(&["n1", "n2"]));
    &SCORED
}

/// `case: term` of every term that the fault's model says is touched, where this is what the run has settled.
fn expected(fault: &FaultAt, assumptions: Assumptions) -> BTreeSet<String> {
    let of_case = |Foretold { case, experiment, flows }: &Foretold| {
        let experiment = Experiment { assumptions: case.assumptions(assumptions), ..experiment.clone() };
        let terms = touched(&experiment, fault, flows)
            .into_iter()
            .map(|term| experiment.id(&term))
            .filter(|id| case.mask(id).is_none());
        terms.map(|term| format!("{}: {term}", case.id)).collect::<Vec<_>>()
    };
    scored().iter().flat_map(of_case).collect()
}

fn all_cases() -> Vec<Case> {
    Catalogue::embedded().cases().to_vec()
}

fn of_profile(profile: Profile) -> Vec<Case> {
    Catalogue::embedded().select(&[] as &[&str], Some(profile)).unwrap().into_iter().cloned().collect()
}

fn some_cases(ids: &[&str]) -> Vec<Case> {
    ids.iter().map(|id| Catalogue::embedded().case(id).unwrap().clone()).collect()
}

/// What a failed exam needs to be understood.
fn story(result: &RunResult) -> String {
    let mut story = format!("{}\n", result.headline);
    for case in result.cases.iter().filter(|case| case.verdict != Verdict::Enforced) {
        story.push_str(&format!("{} {} {:?}\n", case.verdict, case.id, case.reason));
        for term in case.terms.iter().filter(|term| term.verdict != Verdict::Enforced) {
            story.push_str(&format!("    {} {}: {}\n", term.verdict, term.id, term.explanation));
        }
    }
    story
}

/// What a run tells of a property.
fn of_property<'a>(result: &'a RunResult, property: &str) -> Vec<&'a str> {
    let told = result.behaviours.iter().filter(|behaviour| behaviour.id.starts_with(property));
    told.map(|behaviour| behaviour.text.as_str()).collect()
}

const GOES_ON: [&str; 2] = [
    "a TCP connection that stood before a policy which denies it goes on",
    "a UDP conversation between two ports that stood before a policy which denies it goes on",
];

#[test]
fn connections_that_stood_are_cut_or_go_on_and_neither_is_scored() {
    let named = |case: &Case| case.id == "standing-connections";
    let cases = || all_cases().into_iter().filter(named).collect();
    let observed = |options| {
        let (result, _) = simulate(options, cases());
        assert_eq!(result.cases[0].verdict, Verdict::Undefined);
        of_property(&result, "standing-connections").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(observed(SimOptions::default()), GOES_ON);
    let cuts = SimOptions { cuts_standing_connections: true, ..SimOptions::default() };
    assert_eq!(observed(cuts), GOES_ON.map(|text| text.replace("goes on", "is cut")));
    let late = SimOptions { cuts_standing_connections: true, ..with("slow") };
    assert_eq!(observed(late), GOES_ON.map(|text| text.replace("goes on", "is cut")), "however late");
    assert!(observed(with("no-engine")).is_empty(), "nothing was denied, so it says nothing that they go on");
}

#[test]
fn a_kubelet_gets_through_or_not_and_neither_is_scored() {
    let observed = |options| {
        let cases = all_cases().into_iter().filter(|case| case.id == "kubelet").collect();
        let (result, _) = simulate(options, cases);
        assert_eq!(result.cases[0].verdict, Verdict::Undefined);
        of_property(&result, "kubelet").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    const PROBE: &str = "a kubelet's probe, over TCP, of an isolated pod on its node";
    assert_eq!(observed(SimOptions::default()), [format!("{PROBE} gets through")]);
    let blocks = SimOptions { blocks_kubelets: true, ..SimOptions::default() };
    assert_eq!(observed(blocks), [format!("{PROBE} is blocked")]);
    assert!(observed(with("no-engine")).is_empty(), "nothing was denied, so it says nothing that it gets through");
}

#[test]
fn a_healthy_network_enforces_every_term_whatever_flows_are_drawn() {
    for seed in [SEED, 1, 2, 901_643_088, 3_251_960_821] {
        let (result, events) = Sim::new(SimOptions::default(), all_cases()).seed(seed).run();
        assert_eq!(result.verdict, Verdict::Enforced, "{seed}: {}", story(&result));
        let others = terms(&result, |verdict| verdict != Verdict::Enforced);
        assert!(others.is_empty(), "{seed}: {}", story(&result));
        let behaviours: Vec<&str> = result.behaviours.iter().map(|behaviour| behaviour.text.as_str()).collect();
        let dropped = ["TCP", "UDP", "SCTP"].map(|protocol| format!("blocked {protocol} is dropped without an answer"));
        assert_eq!(behaviours[..3], dropped);
        assert_eq!(behaviours[3], "an `ipBlock` that holds a pod's address admits that pod");
        assert_eq!(of_property(&result, "standing-connections"), GOES_ON);
        let itself = "by its own Service and under a policy that allows nothing, gets through";
        let hairpins = ["TCP", "UDP"].map(|protocol| format!("{protocol} of a pod to itself, {itself}"));
        assert_eq!(of_property(&result, "hairpin"), hairpins);
        assert_eq!(of_property(&result, "named-port-to-ip-block").len(), 2);
        assert_eq!(result.end, Some(RunEnd::Completed));
        assert!(matches!(events.last().unwrap().event, Event::RunEnded { .. }));
    }
}

#[test]
fn late_and_lossy_networks_are_no_finding() {
    for fault in ["slow", "packet-loss"] {
        for seed in 0..3 {
            let (result, _) = simulate(SimOptions { seed, ..with(fault) }, all_cases());
            assert_eq!(result.verdict, Verdict::Enforced, "{fault} {seed}: {}", story(&result));
        }
    }
}

#[test]
fn where_packets_are_lost_in_bursts_nothing_is_called_wrong() {
    for seed in 0..3 {
        let (result, _) = simulate(SimOptions { seed, ..with("burst-loss") }, of_profile(Profile::Standard));
        let alarms = terms(&result, Verdict::is_failure);
        assert!(alarms.is_empty(), "{seed}: {}", story(&result));
    }
}

#[test]
fn every_misreading_is_found_in_exactly_the_terms_that_it_touches() {
    let mut failures = String::new();
    for fault in Fault::ALL.into_iter().filter(|fault| fault.is_misreading()) {
        let (result, _) = simulate(with(fault.name()), all_cases());
        let found = terms(&result, Verdict::is_failure);
        // A case that relies on a property which such a network does not show is not scored.
        let unscored: Vec<String> = (result.cases.iter())
            .filter(|case| case.verdict == Verdict::Undefined)
            .map(|case| format!("{}: ", case.id))
            .collect();
        let relies = |case: &Case| case.requires.is_some() && unscored.contains(&format!("{}: ", case.id));
        let assumptions = Assumptions { ip_block_matches_pods: !all_cases().iter().any(relies) };
        let mut expected = expected(&fault.into(), assumptions);
        expected.retain(|term| !unscored.iter().any(|case| term.starts_with(case)));
        let missed: Vec<_> = expected.difference(&found).collect();
        let alarms: Vec<_> = found.difference(&expected).collect();
        let named = result.diagnoses.contains(&Diagnosis { faults: vec![fault.into()] });
        if expected.is_empty() || !missed.is_empty() || !alarms.is_empty() || !named {
            failures.push_str(&format!(
                "{fault}\ntouched: {}\nmissed: {missed:#?}\nfalse: {alarms:#?}\nnamed: {:?}\n",
                expected.len(),
                result.diagnoses
            ));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn without_an_engine_no_allow_is_called_enforced() {
    let (result, _) = simulate(with("no-engine"), all_cases());
    for term in result.cases.iter().flat_map(|case| &case.terms) {
        let verdict = if term.isolation { Verdict::Ignored } else { Verdict::Inconclusive };
        assert_eq!(term.verdict, verdict, "{} {}", term.id, term.explanation);
    }
}

#[test]
fn what_is_not_the_engines_is_inconclusive() {
    for fault in ["dead-receiver", "wrong-identity"] {
        let (result, _) = simulate(with(fault), all_cases());
        assert_eq!(result.verdict, Verdict::Inconclusive, "{fault}: {}", story(&result));
    }
}

#[test]
fn an_interrupt_ends_the_run_and_what_was_seen_is_kept() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let events = runtime.block_on(async {
        let (sender, mut events) = mpsc::unbounded_channel();
        let (interrupt, interrupts) = mpsc::channel(1);
        let job = Job {
            run: "sim000".to_owned(),
            token: "token".to_owned(),
            started_at: "2026-01-01T00:00:00Z".to_owned(),
            cases: all_cases(),
            settings: settings(SEED),
        };
        let running = tokio::spawn(run(SimTarget::new(SimOptions::default()), job, sender, interrupts));
        let mut all = Vec::new();
        while let Some(event) = events.recv().await {
            if matches!(&event.event, Event::CaseEnded { case, .. } if case == "default-deny-ingress") {
                let _ = interrupt.try_send(Interrupt::Sigterm);
            }
            all.push(event);
        }
        running.await.unwrap();
        all
    });
    let result = judge(&events).unwrap();
    assert_eq!(result.end, Some(RunEnd::Interrupted { signal: "SIGTERM".to_owned() }));
    assert!(result.cases.iter().any(|case| case.verdict == Verdict::Enforced));
    assert!(result.cases.iter().any(|case| case.verdict == Verdict::Skipped));
}

#[test]
fn a_step_that_a_case_does_not_have_says_nothing() {
    let (result, mut events) = simulate(SimOptions::default(), some_cases(&["default-deny-ingress"]));
    let place = events.iter().rposition(|event| matches!(event.event, Event::PhaseEnded(_))).unwrap();
    let mut strange = events[place].clone();
    let Event::PhaseEnded(ended) = &mut strange.event else { panic!("{strange:?}") };
    ended.phase = Phase::Step(53_001_904);
    events.insert(place, strange);
    assert_eq!(judge(&events).unwrap(), result);
}
