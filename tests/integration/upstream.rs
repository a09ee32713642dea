//! The catalogue and the oracle, held against what Kubernetes' own end-to-end suite expects: `tests/data/upstream`.

use papertiger::core::catalogue::{Blueprint, Catalogue, furnish};
use papertiger::core::model::flow::{Endpoint, Family, Flow, Path, Protocol};
use papertiger::core::model::state::State;
use papertiger::core::model::world::{ContainerPort, Labels, World};
use papertiger::core::oracle::{Answer, Assumptions, answer};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A case of the suite.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upstream {
    upstream: String,
    number: usize,
    #[serde(rename = "protocols")]
    _protocols: Vec<Protocol>,
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

/// The suite's pods, which serve SCTP too.
fn world() -> World {
    let mut world = Blueprint::embedded().world("");
    furnish(&mut world, &["n1".to_owned(), "n2".to_owned()]);
    for pod in &mut world.pods {
        let sctp = |port: &ContainerPort| ContainerPort {
            name: port.name.replace("tcp", "sctp"),
            protocol: Protocol::Sctp,
            ..port.clone()
        };
        let ports: Vec<_> = pod.ports.iter().filter(|port| port.protocol == Protocol::Tcp).map(sctp).collect();
        pod.ports.extend(ports);
    }
    world
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
    let start = State { policies: Vec::new(), world: world() };
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
            let flow = Flow { from, to, path: Path::PodIp, family, protocol, port: our_port(port) };
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
