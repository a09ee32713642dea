//! Faults in a part of the network: each is found and named with its part, on three nodes, where no two parts are the same.

use super::{Sim, all_cases, named as named_by, of_profile, score, some_cases, story, terms};
use crate::core::catalogue::Foretold;
use crate::core::catalogue::{Case, Profile};
use crate::core::fault::{Fault, FaultAt, Scope, touched};
use crate::core::verdict::{CaseResult, Diagnosis, Verdict};
use crate::target::sim::SimOptions;
use std::sync::atomic::{AtomicUsize, Ordering};

const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// Everywhere, and every part of the network that a fault can be confined to.
fn places() -> impl Iterator<Item = Option<Scope>> {
    std::iter::once(None).chain(Scope::parts(NODES).map(Some))
}

/// What a run says of a network with one fault.
struct Said {
    found: bool,
    /// Whether the cases that rely on a property were scored.
    settled: bool,
    diagnoses: Vec<Diagnosis>,
    story: String,
}

fn say(at: &FaultAt, cases: Vec<Case>) -> Said {
    let options = SimOptions { nodes: NODES.len(), faults: vec![at.clone()], ..SimOptions::default() };
    let relying: Vec<String> =
        cases.iter().filter(|case| case.requires.is_some()).map(|case| case.id.clone()).collect();
    let (result, _) = Sim::new(options, cases).run();
    let open = |case: &CaseResult| case.verdict == Verdict::Undefined && relying.contains(&case.id);
    Said {
        found: result.verdict.is_failure(),
        settled: !result.cases.iter().any(open),
        story: story(&result),
        diagnoses: result.diagnoses,
    }
}

impl Said {
    fn names(&self, at: &FaultAt) -> bool {
        self.diagnoses.iter().any(|diagnosis| diagnosis.faults == [at.clone()])
    }

    /// Whether the fault is named, in its part or everywhere: a part that decides all that was probed is not told from it.
    fn names_fault(&self, at: &FaultAt) -> bool {
        self.names(at) || self.names(&at.fault.into())
    }
}

#[test]
fn a_fault_in_a_part_of_the_network_is_partial_and_named() {
    for fault in [
        "no-engine@node=n2",
        "no-engine@node=n3",
        "no-engine@within=n2",
        "ignore-ingress@family=ipv6",
        "ignore-egress@path=cluster-ip",
        "ignore-ingress@placement=same-node",
        "ignore-ports@protocol=udp",
        "no-engine@node=n2+family=ipv6",
        "no-engine@node=n2+protocol=udp",
        "no-engine@node=n3+path=cluster-ip",
        "no-engine@within=n2+family=ipv6",
        "no-engine@path=cluster-ip+placement=same-node",
        "ignore-egress@family=ipv6+protocol=udp",
    ] {
        let at: FaultAt = fault.parse().unwrap();
        let said = say(&at, of_profile(Profile::Quick));
        assert!(said.found && said.names(&at), "{fault}: {:?}\n{}", said.diagnoses, said.story);
        assert_eq!(said.diagnoses.len(), 1, "{fault}: {:?}", said.diagnoses);
    }
}

/// The names of faults, separated by commas, that the table is to be made of instead of all.
const ONLY: &str = "PAPERTIGER_TEST_FAULTS";

/// The confusion table: every misreading in every part, and what the run says it is.
#[test]
#[ignore = "takes half an hour on two cores; prints the confusion table"]
fn every_fault_in_every_part_is_named() {
    let scored = score(&NODES);
    let all: Vec<FaultAt> = Fault::ALL
        .into_iter()
        .filter(|fault| fault.is_misreading())
        .flat_map(|fault| places().map(move |scope| FaultAt { fault, scope }))
        .collect();
    let all: Vec<FaultAt> = match std::env::var(ONLY) {
        Ok(names) => names.split(',').map(|name| name.parse().unwrap()).collect(),
        Err(_) => all,
    };
    // Each of two threads takes the next that is left.
    let next = AtomicUsize::new(0);
    let examine = || {
        let mut counts = Counts::default();
        while let Some(at) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            counts.add(at, &scored);
        }
        counts
    };
    let Counts { seen, named, alone, mistaken } = std::thread::scope(|scope| {
        let [one, other] = [scope.spawn(examine), scope.spawn(examine)].map(|thread| thread.join().unwrap());
        one.and(other)
    });
    eprintln!("{seen} observable, {named} named, {alone} alone");
    assert!(mistaken.is_empty(), "{}", mistaken.join("\n"));
    assert!(alone * 100 >= seen * 95);
}

/// How many faults could be seen, were named, and were the only ones that were named.
#[derive(Default)]
struct Counts {
    seen: usize,
    named: usize,
    alone: usize,
    /// Those that were found and could not be, or could be and were not, or not by their name.
    mistaken: Vec<String>,
}

impl Counts {
    fn and(self, other: Self) -> Self {
        Self {
            seen: self.seen + other.seen,
            named: self.named + other.named,
            alone: self.alone + other.alone,
            mistaken: [self.mistaken, other.mistaken].concat(),
        }
    }

    fn add(&mut self, at: &FaultAt, scored: &[Foretold]) {
        let said = say(at, all_cases());
        // Where the property that a case relies on was not seen everywhere, the case is not scored.
        let counts = |scored: &&Foretold| scored.case.requires.is_none() || said.settled;
        let shows = scored
            .iter()
            .filter(counts)
            .any(|Foretold { experiment, flows, .. }| !touched(experiment, at, flows).is_empty());
        if said.found != shows {
            eprintln!("{at}: mistaken");
            self.mistaken.push(format!("{at}\n{}", said.story));
            return;
        }
        if !shows {
            eprintln!("{at}: not observable");
            return;
        }
        self.seen += 1;
        eprintln!("{at}: {}", named_by(&said.diagnoses));
        if said.names_fault(at) {
            self.named += 1;
            self.alone += usize::from(said.diagnoses.len() == 1);
        } else {
            self.mistaken.push(format!("{at} is called {}\n{}", named_by(&said.diagnoses), said.story));
        }
    }
}

/// A pod that a case has left without a controller is given one before the next case.
#[test]
fn what_has_no_controller_in_a_case_has_one_in_the_next() {
    let cases = some_cases(&["bare-pods-are-isolated", "new-target-is-isolated"]);
    let options = SimOptions { faults: vec!["ignore-bare-pods".parse().unwrap()], ..SimOptions::default() };
    let (result, _) = Sim::new(options, cases).lanes(1).run();
    let verdicts: Vec<_> = result.cases.iter().map(|case| (case.id.as_str(), case.verdict)).collect();
    let expected = [("bare-pods-are-isolated", Verdict::Ignored), ("new-target-is-isolated", Verdict::Enforced)];
    assert_eq!(verdicts, expected, "{}", story(&result));
}

/// Where an engine misses deletions of some traffic only, a policy that allows that traffic stays behind unseen.
#[test]
fn what_an_earlier_case_left_behind_is_no_finding_of_the_next() {
    let at: FaultAt = "stale-delete@protocol=tcp".parse().unwrap();
    let cases = some_cases(&["any-port-of-a-protocol", "deny-ingress-to-one-pod"]);
    let options = SimOptions { faults: vec![at.clone()], ..SimOptions::default() };
    let (result, _) = Sim::new(options, cases).lanes(1).run();
    assert!(result.diagnoses.iter().any(|diagnosis| diagnosis.faults == [at.clone()]), "{:?}", result.diagnoses);
    let wrong = terms(&result, |verdict| verdict == Verdict::Ignored);
    assert!(wrong.is_empty(), "{}", story(&result));
}
