//! The catalogue and the oracle, held against what Kubernetes' own end-to-end suite expects: `tests/data/upstream`.

use papertiger::core::catalogue::{Case, Catalogue, furnished};
use papertiger::core::model::flow::{Connection, Endpoint, Family, Flow, Path, Protocol};
use papertiger::core::model::state::State;
use papertiger::core::model::world::{Labels, World};
use papertiger::core::oracle::{Answer, Assumptions, answer};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A case of the suite.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upstream {
    upstream: String,
    number: usize,
    protocols: Vec<Protocol>,
    #[serde(default, rename = "note")]
    _note: String,
    steps: Vec<Step>,
}

/// The policies and labels that are in force, and what must happen then.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    policies: Vec<Value>,
    #[serde(default)]
    labels: BTreeMap<String, Labels>,
    expect: Vec<Expected>,
}

/// Who reaches whom: a row for each sender, a column for each receiver, in the order of the world.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    port: u16,
    protocol: Protocol,
    matrix: Vec<String>,
}

impl Upstream {
    /// What the catalogue calls it: the same text is used for each protocol.
    fn name(&self) -> String {
        match self.protocols[..] {
            [Protocol::Udp] => format!("using UDP {}", self.upstream),
            [Protocol::Sctp] => format!("using SCTP {}", self.upstream),
            _ => self.upstream.clone(),
        }
    }
}

fn suite() -> &'static [Upstream] {
    static SUITE: LazyLock<Vec<Upstream>> = LazyLock::new(|| {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/upstream");
        let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut cases: Vec<Upstream> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .flat_map(|path| serde_saphyr::from_str::<Vec<Upstream>>(&fs::read_to_string(path).unwrap()).unwrap())
            .collect();
        cases.sort_by_key(|case| case.number);
        cases
    });
    &SUITE
}

fn world() -> World {
    furnished("", &["n1", "n2"])
}

/// Our pods may not bind the suite's ports.
fn our_port(port: u16) -> u16 {
    8_000 + port
}

fn translated(mut policy: Value) -> Value {
    for (direction, rules) in policy["spec"].as_object_mut().unwrap() {
        if !["ingress", "egress"].contains(&direction.as_str()) {
            continue;
        }
        for port in rules.as_array_mut().unwrap().iter_mut().filter_map(|rule| rule["ports"].as_array_mut()).flatten() {
            if let Some(number) = port["port"].as_u64() {
                port["port"] = our_port(number.try_into().unwrap()).into();
            }
        }
    }
    policy
}

/// What is in force in a step of the suite.
fn state(step: &Step) -> State {
    let start = State { policies: Vec::new(), world: world().into() };
    if step.policies.is_empty() {
        return start;
    }
    let policies: Vec<Value> = step.policies.iter().cloned().map(translated).collect();
    let case = json!([{
        "id": "upstream", "title": "A step.", "profile": "full", "covers": ["ingress"],
        "labels": step.labels, "steps": [{ "apply": policies }],
    }]);
    let catalogue = Catalogue::parse(&[("upstream.yaml", case.to_string())]).unwrap();
    let instance = catalogue.cases()[0].instantiate(&start.world, "");
    instance.setup.iter().chain(&instance.steps).fold(start, State::after)
}

/// The matrix of one port as our oracle works it out, in the suite's form.
fn matrix(state: &State, port: u16, protocol: Protocol) -> Vec<String> {
    let pods = &state.world.pods;
    let mark = |from: &Endpoint, to: &Endpoint| {
        let answers = [Family::Ipv4, Family::Ipv6].map(|family| {
            let (from, to) = (from.clone(), to.clone());
            let (path, port, connection) = (Path::PodIp, our_port(port), Connection::New);
            let flow = Flow { from, to, path, family, protocol, port, connection };
            answer(&state.policies, &state.world, &flow, Assumptions { ip_block_matches_pods: true })
        });
        match answers {
            _ if from == to => '.',
            [Answer::Allow, Answer::Allow] => '+',
            [Answer::Deny, Answer::Deny] => '-',
            _ => '?',
        }
    };
    let ends: Vec<Endpoint> = pods.iter().map(|pod| Endpoint::Pod(pod.id.clone())).collect();
    ends.iter().map(|from| ends.iter().map(|to| mark(from, to)).collect()).collect()
}

#[test]
fn every_case_of_the_suite_is_here_once() {
    let numbers: Vec<usize> = suite().iter().map(|case| case.number).collect();
    assert_eq!(numbers, (1..=48).collect::<Vec<_>>());
    let order: Vec<String> = world().pods.iter().map(|pod| pod.id.to_string()).collect();
    assert_eq!(order, ["x/a", "x/b", "x/c", "y/a", "y/b", "y/c", "z/a", "z/b", "z/c"]);
}

#[test]
fn the_oracle_agrees_with_the_suite() {
    let mut wrong = Vec::new();
    for case in suite() {
        for (index, step) in case.steps.iter().enumerate() {
            let state = state(step);
            for Expected { port, protocol, matrix: expected } in &step.expect {
                let found = matrix(&state, *port, *protocol);
                if found != *expected {
                    let step = index + 1;
                    wrong.push(format!(
                        "{} {}, step {step}, {protocol} {port}:\nsuite:\n{}\noracle:\n{}",
                        case.number,
                        case.upstream,
                        expected.join("\n"),
                        found.join("\n")
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A case of ours that names one of the suite's comes to the very same matrices, in the same order.
#[test]
fn the_catalogue_has_every_case_of_the_suite() {
    let catalogue = Catalogue::embedded();
    let mut wrong = Vec::new();
    for case in suite() {
        let name = case.name();
        let named: Vec<&Case> =
            catalogue.cases().iter().filter(|ours| ours.also_known_as.upstream.contains(&name)).collect();
        if !named.iter().any(|ours| comes_to_the_same(ours, case)) {
            let ids: Vec<&str> = named.iter().map(|case| case.id.as_str()).collect();
            wrong.push(format!("{} {name}: {ids:?}", case.number));
        }
    }
    let names: BTreeSet<String> = suite().iter().map(Upstream::name).collect();
    for case in catalogue.cases() {
        let unknown = case.also_known_as.upstream.iter().filter(|name| !names.contains(*name));
        wrong.extend(unknown.map(|name| format!("{}: the suite has no `{name}`", case.id)));
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

fn comes_to_the_same(ours: &Case, case: &Upstream) -> bool {
    let world = world();
    let states = ours.instantiate(&world, "").states(&world);
    let mut states = states.iter();
    case.steps.iter().all(|step| {
        let same = |state: &&State| {
            step.expect.iter().all(|expected| matrix(state, expected.port, expected.protocol) == expected.matrix)
        };
        states.find(same).is_some()
    })
}

/// Every tag by which cyclonus sorts its cases.
const CYCLONUS: [&str; 39] = [
    "create-policy",
    "update-policy",
    "delete-policy",
    "create-pod",
    "delete-pod",
    "set-pod-labels",
    "create-namespace",
    "delete-namespace",
    "set-namespace-labels",
    "target-namespace",
    "target-pod-selector",
    "ingress",
    "egress",
    "policy-stack",
    "deny-all",
    "allow-all",
    "any-peer",
    "any-port-protocol",
    "multi-peer",
    "multi-port/protocol",
    "all-pods",
    "pods-by-label",
    "all-namespaces",
    "namespaces-by-label",
    "policy-namespace",
    "namespaces-by-default-label",
    "ip-block-no-except",
    "ip-block-with-except",
    "any-port",
    "numbered-port",
    "named-port",
    "end-port",
    "tcp",
    "udp",
    "sctp",
    "pathological",
    "conflict",
    "example",
    "upstream-e2e",
];

#[test]
fn the_table_of_other_suites_is_current() {
    let catalogue = Catalogue::embedded();
    let ours = |name: &str, has: &dyn Fn(&Case) -> bool| {
        let ids: Vec<String> =
            catalogue.cases().iter().filter(|case| has(case)).map(|case| format!("`{}`", case.id)).collect();
        assert!(!ids.is_empty(), "no case of ours is known as `{name}`");
        ids.join(", ")
    };
    let mut table = "# Cases of other suites\n\n\
        What papertiger's cases are called elsewhere. A test writes this page from `also-known-as` in `probes/`, and holds\n\
        the cases of the Kubernetes suite against its own expectations, in `tests/data/upstream`.\n\n\
        ## Kubernetes end-to-end tests (`Netpol`)\n\n| | Case | Ours |\n|---|---|---|\n"
        .to_owned();
    for case in suite() {
        let name = case.name();
        let ids = ours(&name, &|ours| ours.also_known_as.upstream.contains(&name));
        table.push_str(&format!("| {} | {name} | {ids} |\n", case.number));
    }
    table.push_str("\n## cyclonus\n\n| Tag | Ours |\n|---|---|\n");
    for tag in CYCLONUS {
        let ids = ours(tag, &|ours| ours.also_known_as.cyclonus.iter().any(|ours| ours == tag));
        table.push_str(&format!("| {tag} | {ids} |\n"));
    }
    for case in catalogue.cases() {
        let unknown = case.also_known_as.cyclonus.iter().find(|tag| !CYCLONUS.contains(&tag.as_str()));
        assert_eq!(unknown, None, "{}: cyclonus has no such tag", case.id);
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/other-suites.md");
    if std::env::var_os("PAPERTIGER_BLESS").is_some() {
        fs::write(&path, &table).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == table,
        "docs/other-suites.md is out of date: run `PAPERTIGER_BLESS=1 cargo test --test integration the_table` and commit it"
    );
}
