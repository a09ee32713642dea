//! The prober's exam with real packets: every fault of the lab is found in exactly the terms that it touches and named, and
//! there is no alarm without one.

mod health;
mod sample;

use crate::common::papertiger;
use papertiger::core::catalogue::{Case, Catalogue, Foretold, Profile, foretold};
use papertiger::core::event::{Event, Phase, RunEvent};
use papertiger::core::fault::{Experiment, Fault, FaultAt, touched};
use papertiger::core::model::flow::Flow;
use papertiger::core::model::world::World;
use papertiger::core::oracle::Assumptions;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

const SEED: u64 = 7;

/// Verdicts that say that a term is not enforced as written.
const FAILING: [&str; 5] = ["ignored", "partial", "overblocked", "stale", "flapping"];

/// Who owns nothing: `nobody`.
const NOBODY: u32 = 65_534;

/// Declares a test for each fault, so that each has a name in the list of tests.
macro_rules! exam {
    ($($name:ident = $fault:ident,)+) => {
        $(
            #[test]
            fn $name() {
                examine(Fault::$fault);
            }
        )+

        #[test]
        fn every_fault_is_examined() {
            assert_eq!([$(Fault::$fault),+], Fault::ALL);
        }
    };
}

exam! {
    no_engine = NoEngine,
    ignore_ingress = IgnoreIngress,
    ignore_egress = IgnoreEgress,
    ignore_ports = IgnorePorts,
    ignore_protocol = IgnoreProtocol,
    ignore_peers = IgnorePeers,
    ignore_namespace_selector = IgnoreNamespaceSelector,
    ignore_pod_selector = IgnorePodSelector,
    and_as_or = AndAsOr,
    ignore_expressions = IgnoreExpressions,
    not_in_needs_key = NotInNeedsKey,
    ignore_except = IgnoreExcept,
    ignore_ip_blocks = IgnoreIpBlocks,
    any_ip_block = AnyIpBlock,
    ignore_end_port = IgnoreEndPort,
    ignore_named_ports = IgnoreNamedPorts,
    any_named_port = AnyNamedPort,
    one_number_per_name = OneNumberPerName,
    first_policy_only = FirstPolicyOnly,
    first_rule_only = FirstRuleOnly,
    first_peer_only = FirstPeerOnly,
    first_port_only = FirstPortOnly,
    ignore_rules = IgnoreRules,
    ignore_target_selector = IgnoreTargetSelector,
    stale_delete = StaleDelete,
    stale_update = StaleUpdate,
    ignore_label_change = IgnoreLabelChange,
    ignore_new_pods = IgnoreNewPods,
    ignore_bare_pods = IgnoreBarePods,
    slow = Slow,
    dead_receiver = DeadReceiver,
    wrong_identity = WrongIdentity,
    packet_loss = PacketLoss,
    burst_loss = BurstLoss,
}

/// What a run said.
struct Report {
    code: Option<i32>,
    json: Value,
    stderr: String,
}

impl Report {
    #[track_caller]
    #[expect(clippy::panic, reason = "what came instead of a report is what the reader of a failure needs")]
    fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{command:?}: {:?}: no report: {error}\n{stderr}", output.status.code()));
        Self { code: output.status.code(), json, stderr }
    }

    fn cases(&self) -> impl Iterator<Item = &Value> {
        self.json["cases"].as_array().unwrap().iter()
    }

    /// `case: term` of the terms that `of` picks.
    fn terms(&self, of: impl Fn(&Value) -> bool) -> BTreeSet<String> {
        let of_case = |case: &Value| -> Vec<String> {
            let terms = case["terms"].as_array().unwrap().iter().filter(|term| of(term));
            terms.map(|term| format!("{}: {}", text(&case["id"]), text(&term["id"]))).collect()
        };
        self.cases().flat_map(of_case).collect()
    }

    /// What the ids of terms begin with whose case was not scored: it relies on a property which such a network does not show,
    /// or on SCTP, which not every kernel has.
    fn unscored(&self) -> Vec<String> {
        let is_unscored = |case: &&Value| match text(&case["verdict"]) {
            "undefined" => true,
            "skipped" => text(&case["reason"]).starts_with("it needs SCTP"),
            _ => false,
        };
        self.cases().filter(is_unscored).map(|case| format!("{}: ", text(&case["id"]))).collect()
    }

    fn behaves_like(&self) -> Vec<&str> {
        self.json["behaves_like"].as_array().unwrap().iter().map(text).collect()
    }

    /// What a failed exam needs to be understood.
    fn story(&self) -> String {
        let mut story = format!("code {:?}: {}\n{}\n", self.code, text(&self.json["headline"]), self.stderr);
        for case in self.cases().filter(|case| case["verdict"] != "enforced") {
            let _ = writeln!(story, "{} {} {}", text(&case["verdict"]), text(&case["id"]), case["reason"]);
            for term in case["terms"].as_array().unwrap().iter().filter(|term| term["verdict"] != "enforced") {
                let (verdict, id) = (text(&term["verdict"]), text(&term["id"]));
                let _ = writeln!(story, "    {verdict} {id}: {}", text(&term["explanation"]));
            }
        }
        story
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn failing(term: &Value) -> bool {
    FAILING.contains(&text(&term["verdict"]))
}

/// A run of the standard profile, with what is wrong with the lab.
fn lab(program: &Path, seed: u64, faults: &[FaultAt]) -> Command {
    // What is never right waits for all of it. What comes right does not, however long a busy machine may take.
    let comes_right = |at: &FaultAt| [Fault::Slow, Fault::PacketLoss, Fault::BurstLoss].contains(&at.fault);
    let settle = if faults.iter().all(comes_right) { "30s" } else { "4s" };
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PAPERTIGER_")) {
        command.env_remove(name);
    }
    command.args(["lab", "--seed", &seed.to_string(), "--settle", settle, "-o", "json", "--quiet"]);
    command.args(faults.iter().flat_map(|at| ["--fault".to_owned(), at.to_string()]));
    command
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_papertiger"))
}

fn examine(fault: Fault) {
    let report = Report::of(lab(program(), SEED, &[fault.into()]));
    match fault {
        Fault::Slow | Fault::PacketLoss => is_healthy(&report),
        Fault::BurstLoss => is_no_alarm(&report),
        Fault::DeadReceiver | Fault::WrongIdentity => is_not_the_engines(&report),
        Fault::NoEngine
        | Fault::IgnoreIngress
        | Fault::IgnoreEgress
        | Fault::IgnorePorts
        | Fault::IgnoreProtocol
        | Fault::IgnorePeers
        | Fault::IgnoreNamespaceSelector
        | Fault::IgnorePodSelector
        | Fault::AndAsOr
        | Fault::IgnoreExpressions
        | Fault::NotInNeedsKey
        | Fault::IgnoreExcept
        | Fault::IgnoreIpBlocks
        | Fault::AnyIpBlock
        | Fault::IgnoreEndPort
        | Fault::IgnoreNamedPorts
        | Fault::AnyNamedPort
        | Fault::OneNumberPerName
        | Fault::FirstPolicyOnly
        | Fault::FirstRuleOnly
        | Fault::FirstPeerOnly
        | Fault::FirstPortOnly
        | Fault::IgnoreRules
        | Fault::IgnoreTargetSelector
        | Fault::StaleDelete
        | Fault::StaleUpdate
        | Fault::IgnoreLabelChange
        | Fault::IgnoreNewPods
        | Fault::IgnoreBarePods => is_found(&report, fault),
    }
    if fault == Fault::NoEngine {
        nothing_is_enforced(&report);
    }
}

/// Every scored term is enforced.
#[track_caller]
fn is_healthy(report: &Report) {
    assert_eq!(report.code, Some(0), "{}", report.story());
    let enforced = report.terms(|term| term["verdict"] == "enforced");
    let unscored = report.unscored();
    let mut all: BTreeSet<String> = experiments().iter().flat_map(Scored::terms).collect();
    all.retain(|term| !unscored.iter().any(|case| term.starts_with(case)));
    let missing: Vec<_> = all.difference(&enforced).collect();
    let others = report.terms(|term| term["verdict"] != "enforced");
    assert!(missing.is_empty() && others.is_empty(), "missing: {missing:#?}\n{}", report.story());
}

/// A fault beside the engine proves nothing about it.
#[track_caller]
fn is_not_the_engines(report: &Report) {
    assert_eq!(report.code, Some(3), "{}", report.story());
    let alarms = report.terms(failing);
    assert!(alarms.is_empty(), "{alarms:#?}\n{}", report.story());
}

/// So much is lost that little may be provable, and nothing is called wrong.
#[track_caller]
fn is_no_alarm(report: &Report) {
    let alarms = report.terms(failing);
    assert!(matches!(report.code, Some(0 | 3)) && alarms.is_empty(), "{alarms:#?}\n{}", report.story());
}

/// The terms that fail are those that the fault's model says, and the report names it.
#[track_caller]
fn is_found(report: &Report, fault: Fault) {
    let found = report.terms(failing);
    let unscored = report.unscored();
    let relies =
        |scored: &Scored| scored.case.requires.is_some() && unscored.contains(&format!("{}: ", scored.case.id));
    let assumptions = Assumptions { ip_block_matches_pods: !experiments().iter().any(relies) };
    let at = FaultAt::from(fault);
    let mut expected: BTreeSet<String> =
        experiments().iter().flat_map(|scored| scored.touched(&at, assumptions)).collect();
    expected.retain(|term| !unscored.iter().any(|case| term.starts_with(case)));
    let missed: Vec<_> = expected.difference(&found).collect();
    let alarms: Vec<_> = found.difference(&expected).collect();
    assert!(
        report.code == Some(1) && !expected.is_empty() && missed.is_empty() && alarms.is_empty(),
        "{fault}\nmissed: {missed:#?}\nfalse: {alarms:#?}\n{}",
        report.story()
    );
    assert!(report.behaves_like().contains(&at.describe().as_str()), "{:?}\n{}", report.behaves_like(), report.story());
}

/// Without an engine every allow works, which proves nothing.
#[track_caller]
fn nothing_is_enforced(report: &Report) {
    let wrong = report.terms(|term| match term["isolation"] == true {
        true => term["verdict"] != "ignored",
        false => term["verdict"] == "enforced",
    });
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", report.story());
}

/// A case that is scored, placed as the lab places it.
struct Scored {
    case: Case,
    experiment: Experiment,
    flows: Vec<Flow>,
}

impl Scored {
    fn named(&self, ids: impl Iterator<Item = String>) -> Vec<String> {
        ids.filter(|id| self.case.mask(id).is_none()).map(|id| format!("{}: {id}", self.case.id)).collect()
    }

    /// `case: term` of all that can be told.
    fn terms(&self) -> Vec<String> {
        self.named(self.experiment.terms().iter().map(|term| self.experiment.id(term)))
    }

    /// `case: term` of what the fault's model says is touched, where this is what the run has settled.
    fn touched(&self, fault: &FaultAt, assumptions: Assumptions) -> Vec<String> {
        let experiment = Experiment { assumptions: self.case.assumptions(assumptions), ..self.experiment.clone() };
        self.named(touched(&experiment, fault, &self.flows).iter().map(|term| experiment.id(term)))
    }
}

fn experiments() -> &'static [Scored] {
    static EXPERIMENTS: LazyLock<Vec<Scored>> = LazyLock::new(|| experiments_on(&["n1", "n2"]));
    &EXPERIMENTS
}

fn experiments_on(nodes: &[&str]) -> Vec<Scored> {
    let catalogue = Catalogue::embedded();
    let cases = catalogue.select(&[] as &[&str], Some(Profile::Standard)).unwrap();
    let cases = cases.into_iter().cloned().collect();
    let admits_pods = Assumptions { ip_block_matches_pods: true };
    let all = foretold(cases, "lab0000", nodes, SEED, admits_pods).into_iter();
    let scored = all.filter(|foretold| foretold.case.property.is_none());
    scored.map(|Foretold { case, experiment, flows }| Scored { case, experiment, flows }).collect()
}

/// What the exam expects is worked out for the very network that the lab builds and the very flows that it probes.
#[test]
fn a_healthy_lab_has_no_alarm_and_is_the_one_that_is_expected() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("run.jsonl");
    let mut command = lab(program(), SEED, &[]);
    command.arg("--record").arg(&log);
    is_healthy(&Report::of(command));

    let (mut placed, mut probed, mut skipped) = (0, 0, 0);
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        match serde_json::from_str::<RunEvent>(line).unwrap().event {
            Event::CaseStarted(started) => {
                let Some(scored) = experiments().iter().find(|scored| scored.case.id == started.case) else { continue };
                assert_eq!(places(&started.world), places(&scored.experiment.world), "{}", started.case);
                placed += 1;
            }
            Event::PhaseEnded(ended) if ended.phase == Phase::Baseline => {
                let Some(scored) = experiments().iter().find(|scored| scored.case.id == ended.case) else { continue };
                let flows: BTreeSet<&Flow> = ended.cells.iter().map(|cell| &cell.flow).collect();
                assert_eq!(flows, scored.flows.iter().collect(), "{}", ended.case);
                probed += 1;
            }
            Event::CaseSkipped { .. } => skipped += 1,
            Event::RunStarted(_)
            | Event::LaneOpened { .. }
            | Event::PhaseStarted { .. }
            | Event::PhaseProgress { .. }
            | Event::PhaseEnded(_)
            | Event::PodStarted(_)
            | Event::CaseEnded { .. }
            | Event::PropertyObserved { .. }
            | Event::KubeletObserved { .. }
            | Event::ForeignPolicy(_)
            | Event::NodeLeftOut(_)
            | Event::Progress { .. }
            | Event::Note { .. }
            | Event::RunEnded { .. } => {}
        }
    }
    assert_eq!((placed + skipped, probed + skipped), (experiments().len(), experiments().len()));
}

/// Every pod and its node.
fn places(world: &World) -> Vec<(String, &str)> {
    world.pods.iter().map(|pod| (pod.id.to_string(), pod.node.as_str())).collect()
}

#[test]
fn an_ordinary_user_needs_no_rights() {
    // Somebody without rights may not even read the directory that the program was built in.
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = directory.path().join("papertiger");
    std::fs::copy(program(), &copy).unwrap();
    std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = lab(&copy, SEED, &[]);
    command.current_dir("/");
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    is_healthy(&Report::of(command));
}

#[test]
fn a_lab_that_cannot_have_the_fault_says_so() {
    let output = papertiger().args(["lab", "--fault", "ignore-prots"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("ignore-ports"), "{stderr}");
}
