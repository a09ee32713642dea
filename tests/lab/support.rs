//! A small world, flows in it, and what becomes of them.

use crate::stub::{self, PORTS};
use papertiger::core::catalogue::Case;
use papertiger::core::fault::FaultAt;
use papertiger::core::model::change::{Change, PolicyName};
use papertiger::core::model::flow::{Connection, Endpoint, Family, Flow, Path, PodId, Protocol};
use papertiger::core::model::policy::{LabelSelector, Peer, Policy, PortMatch, PortRef, Rule};
use papertiger::core::model::world::{
    ContainerPort, External, Labels, NAMESPACE_NAME_LABEL, Namespace, Phase, Pod, Service, World,
};
use papertiger::runner::{Job, Settings};
use papertiger::target::lab::{LabLane, LabOptions, LabTarget};
use papertiger::target::{Dial, Lane, LaneNames, Stand, Target, TargetError, identity};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const DEADLINE: Duration = Duration::from_secs(10);

/// Three namespaces of three pods, and two hosts outside.
pub(crate) fn world(suffix: &str) -> World {
    let port = |protocol, port, service_port| ContainerPort {
        name: format!("serve-{service_port}-{}", protocol_word(protocol)),
        protocol,
        port,
        service_port: Some(service_port),
    };
    let ports: Vec<_> = [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .flat_map(|protocol| [port(protocol, PORTS[0], 80), port(protocol, PORTS[1], 81)])
        .collect();
    let namespaces = ["x", "y", "z"].map(|id| {
        let name = format!("{id}-{suffix}");
        let labels = labels(&[("ns", id), (NAMESPACE_NAME_LABEL, &name)]);
        Namespace { id: id.to_owned(), name, labels }
    });
    let mut pods = Vec::new();
    for namespace in ["x", "y", "z"] {
        for pod in ["a", "b", "c"] {
            pods.push(Pod {
                id: PodId::new(namespace, pod),
                name: pod.to_owned(),
                labels: labels(&[("pod", pod)]),
                node: String::new(),
                addresses: Vec::new(),
                host_network: false,
                bare: false,
                phase: Phase::Running,
                ports: ports.clone(),
                service: Some(Service::planned(pod)),
            });
        }
    }
    // One pod gives two names to each other's numbers.
    let crossed = pods.iter_mut().filter(|pod| pod.id == PodId::new("z", "c")).flat_map(|pod| &mut pod.ports);
    let (mut first, mut second): (Vec<_>, Vec<_>) =
        crossed.filter(|port| port.protocol == Protocol::Udp).partition(|port| port.port == PORTS[0]);
    first.iter_mut().zip(&mut second).for_each(|(one, other)| std::mem::swap(&mut one.name, &mut other.name));
    let external = |id: &str| External { id: id.to_owned(), addresses: Vec::new(), ports: ports.clone() };
    World {
        nodes: Vec::new(),
        namespaces: namespaces.into(),
        pods,
        externals: vec![external("echo"), external("echo-2")],
    }
}

fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn selector(pairs: &[(&str, &str)]) -> LabelSelector {
    LabelSelector { match_labels: labels(pairs), match_expressions: Vec::new() }
}

pub(crate) fn lab(faults: &[&str]) -> Result<LabTarget> {
    lab_of(2, faults)
}

pub(crate) fn lab_of(nodes: usize, faults: &[&str]) -> Result<LabTarget> {
    Ok(LabTarget::new(LabOptions { nodes, faults: parsed(faults)?, ..LabOptions::new(world)? })?)
}

/// A lab of two nodes with worlds of another kind.
pub(crate) fn lab_like(world: fn(&str) -> World, faults: &[&str]) -> Result<LabTarget> {
    Ok(LabTarget::new(LabOptions { faults: parsed(faults)?, ..LabOptions::new(world)? })?)
}

fn parsed(faults: &[&str]) -> Result<Vec<FaultAt>> {
    Ok(faults.iter().map(|fault| fault.parse()).collect::<std::result::Result<_, _>>()?)
}

/// Opens a lane and waits until its agents listen.
pub(crate) async fn lane(lab: &LabTarget, number: u32) -> Result<LabLane> {
    let names = LaneNames { run: "abcdef".to_owned(), lane: number, token: "secret".to_owned() };
    let lane = lab.open_lane(names, Stand::Spread).await?;
    listening(&lane, endpoints(lane.world())).await?;
    Ok(lane)
}

async fn listening(lane: &LabLane, endpoints: impl IntoIterator<Item = Endpoint>) -> Result {
    for endpoint in endpoints {
        let mut stream = lane.dial().connect(&endpoint).await?;
        let mut ready = [0];
        tokio::time::timeout(DEADLINE, stream.read_exact(&mut ready)).await??;
    }
    Ok(())
}

/// Makes a change, and waits until new agents listen.
pub(crate) async fn make(lane: &mut LabLane, change: &Change) -> Result {
    lane.apply(change).await?;
    if let Change::Recreate { subject, bare: _ } = change {
        let new: Vec<Endpoint> = lane.world().held_by(subject).map(|pod| pod.id.clone().into()).collect();
        listening(lane, new).await?;
    }
    Ok(())
}

pub(crate) fn endpoints(world: &World) -> Vec<Endpoint> {
    world.endpoints().collect()
}

/// Every flow between two different ends, to the first port of each protocol.
pub(crate) fn matrix(world: &World) -> Vec<Flow> {
    let ends = endpoints(world);
    let mut flows = Vec::new();
    for from in &ends {
        for to in ends.iter().filter(|to| *to != from) {
            for path in [Path::PodIp, Path::ClusterIp] {
                if path == Path::ClusterIp && (to.pod().is_none() || from.pod().is_none()) {
                    continue;
                }
                if to.pod().is_none() && from.pod().is_none() {
                    continue;
                }
                for family in [Family::Ipv4, Family::Ipv6] {
                    for protocol in [Protocol::Tcp, Protocol::Udp] {
                        let (from, to, connection) = (from.clone(), to.clone(), Connection::New);
                        flows.push(Flow { from, to, path, family, protocol, port: PORTS[0], connection });
                    }
                }
            }
        }
    }
    flows
}

/// `x/a > y/b`, and then any of `v6`, `udp`, `81` and `svc`.
pub(crate) fn flow(text: &str) -> Flow {
    let words: Vec<&str> = text.split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    Flow {
        from: words[0].parse().expect("an endpoint"),
        to: words[2].parse().expect("an endpoint"),
        path: if has("svc") { Path::ClusterIp } else { Path::PodIp },
        family: if has("v6") { Family::Ipv6 } else { Family::Ipv4 },
        protocol: if has("udp") { Protocol::Udp } else { Protocol::Tcp },
        port: if has("81") { PORTS[1] } else { PORTS[0] },
        connection: Connection::New,
    }
}

/// Who answers on each flow.
pub(crate) fn answers(lane: &LabLane, flows: &[Flow]) -> Result<Vec<Option<String>>> {
    let mut by_source: BTreeMap<&Endpoint, Vec<usize>> = BTreeMap::new();
    for (index, flow) in flows.iter().enumerate() {
        by_source.entry(&flow.from).or_default().push(index);
    }
    let mut answers = vec![None; flows.len()];
    let found = thread::scope(|scope| {
        let sources: Vec<_> = by_source
            .into_iter()
            .map(|(source, indices)| scope.spawn(move || answers_from(lane, source, flows, &indices)))
            .collect();
        sources.into_iter().map(|source| source.join().expect("no panic")).collect::<Vec<_>>()
    });
    for found in found {
        for (index, answer) in found? {
            answers[index] = answer;
        }
    }
    Ok(answers)
}

fn answers_from(
    lane: &LabLane,
    source: &Endpoint,
    flows: &[Flow],
    indices: &[usize],
) -> std::result::Result<Vec<(usize, Option<String>)>, TargetError> {
    let network = lane.network(source).expect("a network");
    // Threads are born into the network of the thread that starts them.
    network.run(|| {
        thread::scope(|scope| {
            let ask = |index: usize| {
                let to = lane.world().dial(&flows[index]).expect("an address");
                let protocol = flows[index].protocol;
                scope.spawn(move || (index, stub::ask(to, protocol)))
            };
            let threads: Vec<_> = indices.iter().copied().map(ask).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        })
    })
}

/// Fails unless exactly the flows that `open` holds of are answered, by the right one.
pub(crate) fn expect(lane: &LabLane, flows: &[Flow], open: impl Fn(&Flow) -> bool) -> Result {
    let mut answers = answers(lane, flows)?;
    // On a busy machine a probe may run out of time: only silence that lasts counts. One answer is enough against a flow
    // that should be closed.
    for _ in 0..3 {
        let silent: Vec<usize> = (0..flows.len()).filter(|i| answers[*i].is_none() && open(&flows[*i])).collect();
        let again: Vec<Flow> = silent.iter().map(|index| flows[*index].clone()).collect();
        for (index, answer) in silent.into_iter().zip(self::answers(lane, &again)?) {
            answers[index] = answer;
        }
    }
    let mut wrong = Vec::new();
    for (flow, answer) in flows.iter().zip(answers) {
        let expected = open(flow).then(|| identity("abcdef-0", &flow.to));
        let answer = answer.map(|answer| answer.replace(&suffix(lane), "abcdef-0"));
        if answer != expected {
            wrong.push(format!("{flow}: {answer:?} instead of {expected:?}"));
        }
    }
    let count = wrong.len();
    wrong.truncate(8);
    if count == 0 { Ok(()) } else { Err(format!("{count} wrong:\n  {}", wrong.join("\n  ")).into()) }
}

fn suffix(lane: &LabLane) -> String {
    lane.world().namespaces[0].name.trim_start_matches("x-").to_owned()
}

/// Whether a flow is open: one answer says so, only silence that lasts says the contrary.
pub(crate) fn is_open(lane: &LabLane, text: &str) -> Result<bool> {
    let flow = flow(text);
    let expected = identity(&suffix(lane), &flow.to);
    for _ in 0..3 {
        if answers(lane, std::slice::from_ref(&flow))?.pop().flatten().as_ref() == Some(&expected) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Waits until a flow is open, or until it is not.
pub(crate) fn until(lane: &LabLane, text: &str, open: bool) -> Result<Duration> {
    let start = Instant::now();
    while is_open(lane, text)? != open {
        if start.elapsed() > DEADLINE {
            return Err(format!("{text} did not become {}", if open { "open" } else { "closed" }).into());
        }
    }
    Ok(start.elapsed())
}

/// A policy that selects every pod of a namespace.
pub(crate) fn policy(name: &str, ingress: Option<Vec<Rule>>, egress: Option<Vec<Rule>>) -> Policy {
    let (namespace, name) = name.split_once('/').expect("NAMESPACE/NAME");
    Policy {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        pod_selector: LabelSelector::default(),
        ingress,
        egress,
    }
}

pub(crate) fn on_pod(pod: &str, policy: Policy) -> Policy {
    Policy { pod_selector: selector(&[("pod", pod)]), ..policy }
}

pub(crate) fn rule(peers: Vec<Peer>, ports: Vec<PortMatch>) -> Rule {
    Rule { ports, peers }
}

pub(crate) fn pods(namespaces: Option<LabelSelector>, pods: Option<LabelSelector>) -> Peer {
    Peer::Pods { namespace_selector: namespaces, pod_selector: pods }
}

pub(crate) fn block(cidr: &str, except: &[&str]) -> Peer {
    let net = |text: &str| text.parse().expect("a block");
    Peer::IpBlock { cidr: net(cidr), except: except.iter().map(|text| net(text)).collect() }
}

pub(crate) fn port(protocol: Protocol, number: u16) -> PortMatch {
    PortMatch { protocol, port: Some(PortRef::Number(number)), end_port: None }
}

pub(crate) async fn apply(lane: &mut LabLane, policies: Vec<Policy>) -> std::result::Result<(), TargetError> {
    lane.apply(&Change::Apply { policies }).await?;
    lane.settled().await
}

pub(crate) async fn delete(lane: &mut LabLane, policies: Vec<PolicyName>) -> std::result::Result<(), TargetError> {
    lane.apply(&Change::Delete { policies }).await?;
    lane.settled().await
}

/// The children of a process, the dead ones that nobody has waited for among them.
pub(crate) fn children_of(parent: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end while the list is read.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        if after_name.split(' ').nth(1) == Some(&parent.to_string()) {
            children.push(pid);
        }
    }
    Ok(children)
}

/// A run of these cases on so many lanes.
pub(crate) fn job(cases: Vec<Case>, lanes: usize) -> Job {
    Job {
        run: "abcdef".to_owned(),
        token: "secret".to_owned(),
        started_at: "2026-01-01T00:00:00Z".to_owned(),
        cases,
        settings: Settings {
            profile: "standard".to_owned(),
            settle: Duration::from_secs(30),
            hold: Duration::from_secs(1),
            hold_attempts: 20,
            canary: Duration::ZERO,
            churn: false,
            budget: None,
            timeout: Duration::from_secs(600),
            lanes,
            seed: 7,
            faults: Vec::new(),
            panic_in: None,
        },
    }
}
