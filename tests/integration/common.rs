//! Runs as they might have been, and the binary in an environment of its own.

use assert_cmd::Command;
use papertiger::core::event::{Arrived, Cell, Phase, RunEnd, RunSettings, RunStarted, SCHEMA};
use papertiger::core::model::flow::{Connection, Endpoint, Family, Flow, Path, PodId, Protocol};
use papertiger::core::model::observation::{Outcome, Streak};
use papertiger::core::model::world::{self, ContainerPort, Namespace, Node, Pod, Service, World};
use papertiger::core::oracle::Answer;
use papertiger::core::verdict::{
    CaseResult, CellResult, FeatureResult, NodeResult, Placement, RunResult, Scope, ScopeResult, Seen, StepResult,
    TermResult, Verdict, Witness,
};
use std::net::IpAddr;

pub(crate) const DENY_EGRESS: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  namespace: x
  name: deny-egress
spec:
  podSelector: {}
  policyTypes:
  - Egress
";

/// The binary, without whatever the caller's environment would tell it.
pub(crate) fn papertiger() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_papertiger"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let known = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "GITHUB_STEP_SUMMARY"];
        if name.starts_with("PAPERTIGER_") || known.contains(&name.as_str()) {
            command.env_remove(name);
        }
    }
    command.env("COLUMNS", "80");
    command
}

/// Namespaces x and y with pods a, b and c each, on two nodes in turn.
pub(crate) fn world() -> World {
    world_named(["n1", "n2"])
}

pub(crate) fn world_named(nodes: [&str; 2]) -> World {
    let ids = ["x/a", "x/b", "x/c", "y/a", "y/b", "y/c"];
    World {
        nodes: nodes.iter().map(|name| Node { name: (*name).into(), addresses: Vec::new() }).collect(),
        namespaces: ["x", "y"]
            .map(|id| Namespace { id: id.into(), name: format!("papertiger-{id}"), labels: world::Labels::new() })
            .into(),
        pods: ids.iter().enumerate().map(|(index, id)| pod(index, id, nodes[index % 2])).collect(),
        externals: Vec::new(),
    }
}

fn pod(index: usize, id: &str, node: &str) -> Pod {
    let addresses = |v4: &str, v6: &str| -> Vec<IpAddr> {
        vec![format!("{v4}.{index}").parse().unwrap(), format!("{v6}::{index}").parse().unwrap()]
    };
    Pod {
        id: id.parse().unwrap(),
        name: id.replace('/', "-"),
        labels: world::Labels::new(),
        node: node.into(),
        addresses: addresses("10.244.1", "fd00:1"),
        host_network: false,
        bare: false,
        phase: world::Phase::Running,
        ports: [(Protocol::Tcp, 80), (Protocol::Udp, 53)]
            .map(|(protocol, port)| ContainerPort {
                name: format!("p{port}"),
                protocol,
                port,
                service_port: Some(port + 8_000),
            })
            .into(),
        service: Some(Service { name: format!("s{index}"), addresses: addresses("10.96.0", "fd00:96") }),
    }
}

/// Every flow between two pods of a world: two families, two paths, TCP 80 and UDP 53.
pub(crate) fn flows(world: &World) -> Vec<Flow> {
    let mut flows = Vec::new();
    for from in &world.pods {
        for to in world.pods.iter().filter(|to| to.id != from.id) {
            for family in [Family::Ipv4, Family::Ipv6] {
                for path in [Path::PodIp, Path::ClusterIp] {
                    for (protocol, port) in [(Protocol::Tcp, 80), (Protocol::Udp, 53)] {
                        let (from, to) = (Endpoint::Pod(from.id.clone()), Endpoint::Pod(to.id.clone()));
                        flows.push(Flow { from, to, path, family, protocol, port, connection: Connection::New });
                    }
                }
            }
        }
    }
    flows
}

pub(crate) fn is_in(end: &Endpoint, namespace: &str) -> bool {
    end.pod().is_some_and(|pod: &PodId| pod.namespace == namespace)
}

/// A phase in which each flow must do what `expected` says and does what `seen` says.
pub(crate) fn step(
    phase: Phase,
    change: &str,
    world: &World,
    expected: impl Fn(&Flow) -> Answer,
    seen: impl Fn(&Flow) -> Seen,
) -> StepResult {
    let cells: Vec<CellResult> = flows(world)
        .into_iter()
        .map(|flow| {
            let (expected, seen) = (expected(&flow), seen(&flow));
            let wrong = match (expected, &seen) {
                (Answer::Allow, Seen::Blocked) | (Answer::Deny, Seen::Through) => true,
                (Answer::Allow | Answer::Deny | Answer::Undefined(_), _) => false,
            };
            CellResult { cell: cell(world, flow, expected, &seen), seen, wrong }
        })
        .collect();
    let wrong = cells.iter().any(|cell| cell.wrong || cell.seen != Seen::Through && cell.seen != Seen::Blocked);
    StepResult {
        phase,
        change: change.into(),
        requested_us: 990_000,
        converged_ms: (!wrong).then_some(84.3),
        held_ms: None,
        patience_ms: None,
        duration_ms: if wrong { 60_012.0 } else { 1_150.0 },
        pods: Vec::new(),
        cells,
    }
}

fn cell(world: &World, flow: Flow, expected: Answer, seen: &Seen) -> Cell {
    let source = world.address(&flow.from, flow.family).unwrap();
    let streak =
        |outcome: Outcome, count: u32, first_us: u64, last_us: u64| Streak { outcome, count, first_us, last_us };
    let connected = |count, first, last| streak(Outcome::Connected { source }, count, first, last);
    let streaks = match seen {
        Seen::Through => vec![connected(21, 1_000_000, 2_050_000)],
        Seen::Blocked => vec![connected(1, 1_000_000, 1_000_000), streak(Outcome::TimedOut, 24, 1_050_000, 2_250_000)],
        Seen::Unclear { .. } => vec![streak(Outcome::NoEcho, 20, 1_000_000, 2_000_000)],
    };
    let arrived = (flow.protocol == Protocol::Udp).then_some(Arrived { count: 21, first_us: 1, last_us: 2 });
    Cell { flow, expected, streaks, arrived, alone: None }
}

/// A term with every cell of `phase` that `of` picks as a witness.
pub(crate) fn term(
    id: &str,
    feature: &str,
    verdict: Verdict,
    explanation: &str,
    witnesses: Vec<Witness>,
) -> TermResult {
    TermResult {
        id: id.into(),
        feature: feature.into(),
        isolation: id.ends_with("gress"),
        verdict,
        explanation: explanation.into(),
        faults: Vec::new(),
        witnesses,
        scopes: vec![scope(Family::Ipv4, verdict), scope(Family::Ipv6, verdict)],
        latency_ms: None,
        policy: Some(DENY_EGRESS.into()),
    }
}

pub(crate) fn scope(family: Family, verdict: Verdict) -> ScopeResult {
    let scope = Scope { family, path: Path::PodIp, protocol: Protocol::Tcp, placement: Placement::CrossNode };
    ScopeResult { scope, verdict }
}

pub(crate) fn witnesses(step: &StepResult) -> Vec<Witness> {
    let denied = |(_, cell): &(usize, &CellResult)| cell.cell.expected == Answer::Deny;
    let cells = step.cells.iter().enumerate().filter(denied);
    cells.map(|(cell, _)| Witness { phase: step.phase, cell }).collect()
}

/// A completed run of these cases.
pub(crate) fn run(verdict: Verdict, headline: &str, cases: Vec<CaseResult>) -> RunResult {
    let mut features: Vec<FeatureResult> = Vec::new();
    for term in cases.iter().flat_map(|case| &case.terms) {
        if !features.iter().any(|known| known.feature == term.feature) {
            features.push(FeatureResult { feature: term.feature.clone(), verdict: term.verdict });
        }
    }
    let nodes = ["n1", "n2"]
        .map(|name| NodeResult {
            name: name.into(),
            verdict,
            server: Some(verdict),
            client: Some(verdict),
            reason: None,
        })
        .into();
    RunResult {
        run: RunStarted {
            schema: SCHEMA.into(),
            run: "k3x9qa".into(),
            tool_version: "0.1.0".into(),
            target: "lab".into(),
            nodes: vec!["n1".into(), "n2".into()],
            untested: Vec::new(),
            started_at: "2026-11-23T20:00:00Z".into(),
            settings: RunSettings {
                profile: "standard".into(),
                settle_ms: 60_000,
                hold_ms: 1_000,
                hold_attempts: 20,
                canary_ms: 0,
                budget_ms: None,
                timeout_ms: 900_000,
                lanes: 4,
                seed: 7,
                faults: Vec::new(),
            },
            cases: cases.iter().map(|case| case.id.clone()).collect(),
        },
        duration_us: 14_200_000,
        verdict_us: 11_000_000,
        end: Some(RunEnd::Completed),
        verdict,
        headline: format!("{verdict}: {headline}"),
        diagnoses: Vec::new(),
        features,
        cases,
        nodes,
        lapses: Vec::new(),
        startups: Vec::new(),
        behaviours: Vec::new(),
        notes: Vec::new(),
    }
}

pub(crate) fn case(
    id: &str,
    title: &str,
    verdict: Verdict,
    steps: Vec<StepResult>,
    terms: Vec<TermResult>,
) -> CaseResult {
    CaseResult {
        id: id.into(),
        title: title.into(),
        verdict,
        reason: None,
        world: (!steps.is_empty()).then(world),
        steps,
        terms,
        latencies: Vec::new(),
    }
}
