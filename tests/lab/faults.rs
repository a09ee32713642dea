//! Every fault has its effect, and only where it is switched on.

use crate::support::{
    Result, answers, apply, block, expect, flow, is_open, lab, labels, lane, make, matrix, on_pod, pods, policy, port,
    rule, selector, until,
};
use papertiger::core::fault::Fault;
use papertiger::core::model::change::{Change, Subject};
use papertiger::core::model::flow::{Family, Flow, Path, PodId, Protocol};
use papertiger::core::model::policy::{LabelSelector, Operator, Peer, Policy, PortMatch, PortRef, Requirement, Rule};
use papertiger::core::model::world::World;
use papertiger::target::lab::LabLane;
use papertiger::target::{Lane, Target};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

pub(crate) fn all(runtime: &Runtime, test: &mut dyn FnMut(&str, &dyn Fn() -> Result)) {
    test("faults-each", &|| each(runtime));
    for scope in [
        "node=n1",
        "within=n1",
        "family=ipv6",
        "protocol=udp",
        "path=cluster-ip",
        "path=pod-ip",
        "placement=same-node",
        "placement=cross-node",
        "node=n1+family=ipv6",
        "within=n1+path=cluster-ip",
        "node=n1+protocol=udp+path=pod-ip",
    ] {
        test(&format!("fault-scope-{scope}"), &|| runtime.block_on(scoped(scope)));
    }
    test("faults-together", &|| runtime.block_on(together()));
    test("fault-slow", &|| runtime.block_on(slow()));
    // Two crossings of one node at 2 % each: 20 are expected, fewer than 5 once in 10,000 runs. A busy machine adds some.
    test("fault-packet-loss", &|| runtime.block_on(loss("packet-loss", 5..=100)));
    // Of every 100 packets that one of the two nodes forwards ten are lost; each exchange is two, and a burst takes as many
    // exchanges as it has packets, or half as many.
    test("fault-burst-loss", &|| runtime.block_on(loss("burst-loss", 25..=250)));
    test("fault-refusals", &|| refusals());
}

/// A fault and a flow that shows it: open on a faithful network or not, and the opposite with the fault.
struct Witness {
    fault: Fault,
    changes: fn(&World) -> Vec<Change>,
    flow: &'static str,
    faithful: bool,
}

fn deny(_: &World) -> Vec<Change> {
    added(vec![policy("y/deny", Some(vec![]), None)])
}

fn added(policies: Vec<Policy>) -> Vec<Change> {
    vec![Change::Apply { policies }]
}

fn ingress(rules: Vec<Rule>) -> Vec<Change> {
    added(vec![policy("y/rules", Some(rules), None)])
}

fn from(key: &str, value: &str) -> papertiger::core::model::policy::Peer {
    let selector = selector(&[(key, value)]);
    if key == "ns" { pods(Some(selector), None) } else { pods(Some(LabelSelector::default()), Some(selector)) }
}

fn tcp(number: u16) -> PortMatch {
    port(Protocol::Tcp, number)
}

fn named(name: &str) -> PortMatch {
    PortMatch { port: Some(PortRef::Name(name.to_owned())), ..tcp(0) }
}

fn requiring(key: &str, operator: Operator, values: &[&str]) -> LabelSelector {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    let requirement = Requirement { key: key.to_owned(), operator, values };
    LabelSelector { match_expressions: vec![requirement], ..LabelSelector::default() }
}

fn echo_2(world: &World) -> Peer {
    block(&format!("{}/32", world.externals[1].addresses[0]), &[])
}

const WITNESSES: [Witness; 30] = [
    Witness { fault: Fault::NoEngine, changes: deny, flow: "x/a > y/b", faithful: false },
    Witness { fault: Fault::IgnoreIngress, changes: deny, flow: "x/a > y/b svc", faithful: false },
    Witness {
        fault: Fault::IgnoreEgress,
        changes: |_| added(vec![policy("x/deny", None, Some(vec![]))]),
        flow: "x/a > external:echo v6",
        faithful: false,
    },
    Witness {
        fault: Fault::IgnorePorts,
        changes: |_| ingress(vec![rule(vec![], vec![tcp(8080)])]),
        flow: "x/a > y/b 81",
        faithful: false,
    },
    Witness {
        fault: Fault::IgnoreProtocol,
        changes: |_| ingress(vec![rule(vec![], vec![tcp(8080)])]),
        flow: "x/a > y/b udp",
        faithful: false,
    },
    Witness {
        fault: Fault::IgnoreNamespaceSelector,
        changes: |_| ingress(vec![rule(vec![from("ns", "x")], vec![])]),
        flow: "z/a > y/b",
        faithful: false,
    },
    Witness {
        fault: Fault::IgnorePodSelector,
        changes: |_| ingress(vec![rule(vec![from("pod", "a")], vec![])]),
        flow: "x/b > y/b",
        faithful: false,
    },
    Witness {
        fault: Fault::AndAsOr,
        changes: |_| {
            let both = pods(Some(selector(&[("ns", "x")])), Some(selector(&[("pod", "a")])));
            ingress(vec![rule(vec![both], vec![])])
        },
        flow: "x/b > y/b",
        faithful: false,
    },
    Witness {
        fault: Fault::IgnoreExcept,
        changes: |world| {
            let except = format!("{}/32", world.externals[1].addresses[0]);
            let peer = block("198.18.0.0/15", &[&except]);
            added(vec![policy("x/block", None, Some(vec![rule(vec![peer], vec![])]))])
        },
        flow: "x/a > external:echo-2",
        faithful: false,
    },
    Witness {
        fault: Fault::IgnoreExpressions,
        changes: |_| ingress(vec![rule(vec![pods(None, Some(requiring("pod", Operator::In, &["a"])))], vec![])]),
        flow: "y/c > y/b",
        faithful: false,
    },
    Witness {
        fault: Fault::NotInNeedsKey,
        changes: |_| ingress(vec![rule(vec![pods(None, Some(requiring("role", Operator::NotIn, &["a"])))], vec![])]),
        flow: "y/c > y/b",
        faithful: true,
    },
    Witness {
        fault: Fault::IgnoreIpBlocks,
        changes: |world| added(vec![policy("x/block", None, Some(vec![rule(vec![echo_2(world)], vec![])]))]),
        flow: "x/a > external:echo-2",
        faithful: true,
    },
    Witness {
        fault: Fault::AnyIpBlock,
        changes: |world| added(vec![policy("x/block", None, Some(vec![rule(vec![echo_2(world)], vec![])]))]),
        flow: "x/a > external:echo",
        faithful: false,
    },
    Witness {
        fault: Fault::IgnoreEndPort,
        changes: |_| ingress(vec![rule(vec![], vec![PortMatch { end_port: Some(8081), ..tcp(8080) }])]),
        flow: "x/a > y/b 81",
        faithful: true,
    },
    Witness {
        fault: Fault::IgnoreNamedPorts,
        changes: |_| ingress(vec![rule(vec![], vec![named("serve-80-tcp")])]),
        flow: "x/a > y/b",
        faithful: true,
    },
    Witness {
        fault: Fault::AnyNamedPort,
        changes: |_| ingress(vec![rule(vec![], vec![named("serve-80-tcp")])]),
        flow: "x/a > y/b 81",
        faithful: false,
    },
    Witness {
        fault: Fault::OneNumberPerName,
        changes: |_| {
            let udp = PortMatch { protocol: Protocol::Udp, ..named("serve-80-udp") };
            added(vec![policy("x/p", None, Some(vec![rule(vec![from("ns", "z")], vec![udp])]))])
        },
        flow: "x/a > z/c udp 81",
        faithful: true,
    },
    Witness {
        fault: Fault::FirstPolicyOnly,
        changes: |_| {
            let allow = |name, namespace| policy(name, Some(vec![rule(vec![from("ns", namespace)], vec![])]), None);
            added(vec![allow("y/second", "z"), allow("y/first", "x")])
        },
        flow: "z/a > y/b",
        faithful: true,
    },
    Witness {
        fault: Fault::FirstRuleOnly,
        changes: |_| ingress(vec![rule(vec![from("ns", "x")], vec![]), rule(vec![from("ns", "z")], vec![])]),
        flow: "z/a > y/b",
        faithful: true,
    },
    Witness {
        fault: Fault::FirstPeerOnly,
        changes: |_| ingress(vec![rule(vec![from("ns", "x"), from("ns", "z")], vec![])]),
        flow: "z/a > y/b",
        faithful: true,
    },
    Witness {
        fault: Fault::FirstPortOnly,
        changes: |_| ingress(vec![rule(vec![], vec![tcp(8080), tcp(8081)])]),
        flow: "x/a > y/b 81",
        faithful: true,
    },
    Witness {
        fault: Fault::IgnoreRules,
        changes: |_| ingress(vec![rule(vec![], vec![])]),
        flow: "x/a > y/b",
        faithful: true,
    },
    Witness {
        fault: Fault::IgnoreTargetSelector,
        changes: |_| added(vec![on_pod("a", policy("y/deny", Some(vec![]), None))]),
        flow: "x/a > y/b",
        faithful: true,
    },
    Witness {
        fault: Fault::StaleDelete,
        changes: |world| {
            let gone = Change::Delete { policies: vec![policy("y/deny", None, None).key()] };
            [deny(world), vec![gone]].concat()
        },
        flow: "x/a > y/b",
        faithful: true,
    },
    Witness {
        fault: Fault::StaleUpdate,
        changes: |world| {
            let open = policy("y/deny", Some(vec![rule(vec![], vec![])]), None);
            [deny(world), vec![Change::Replace { policies: vec![open] }]].concat()
        },
        flow: "x/a > y/b",
        faithful: true,
    },
    Witness {
        fault: Fault::IgnoreLabelChange,
        changes: |_| {
            let relabel = |value| Change::Relabel {
                subject: Subject::Pod(PodId::new("x", "a")),
                labels: labels(&[("role", value)]),
            };
            // Labels set up before the first policy count.
            let rules = ingress(vec![rule(vec![from("role", "client")], vec![])]);
            [vec![relabel("client")], rules, vec![relabel("none")]].concat()
        },
        flow: "x/a > y/b",
        faithful: false,
    },
    Witness {
        fault: Fault::IgnoreNewPods,
        changes: |world| {
            let again = Change::Recreate { subject: Subject::Pod(PodId::new("y", "b")), bare: false };
            [deny(world), vec![again]].concat()
        },
        flow: "x/a > y/b",
        faithful: false,
    },
    Witness {
        fault: Fault::IgnoreBarePods,
        changes: |world| {
            let again = Change::Recreate { subject: Subject::Pod(PodId::new("y", "b")), bare: true };
            [deny(world), vec![again]].concat()
        },
        flow: "x/a > y/b",
        faithful: false,
    },
    Witness { fault: Fault::DeadReceiver, changes: |_| vec![], flow: "x/a > y/b", faithful: true },
    Witness { fault: Fault::WrongIdentity, changes: |_| vec![], flow: "x/a > y/b", faithful: true },
];

async fn change(lane: &mut LabLane, witness: &Witness) -> Result {
    for change in (witness.changes)(&lane.world().clone()) {
        make(lane, &change).await?;
    }
    Ok(lane.settled().await?)
}

fn each(runtime: &Runtime) -> Result {
    // Most of a row is waiting for probes that nobody answers.
    let wrong = std::thread::scope(|scope| {
        let rows = WITNESSES.chunks(5).map(|rows| {
            scope.spawn(move || {
                let wrong = rows.iter().filter_map(|witness| runtime.block_on(shows(witness)).err());
                wrong.map(|error| error.to_string()).collect::<Vec<_>>()
            })
        });
        let rows: Vec<_> = rows.collect();
        rows.into_iter().flat_map(|rows| rows.join().expect("no panic")).collect::<Vec<_>>()
    });
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

async fn shows(witness: &Witness) -> Result {
    let fault = witness.fault.name();
    for (faults, open) in [(vec![], witness.faithful), (vec![fault], !witness.faithful)] {
        let lab = lab(&faults)?;
        let mut lane = lane(&lab, 0).await?;
        change(&mut lane, witness).await?;
        expect(&lane, &[flow("y/b > z/c")], |_| true)?;
        let answered = is_open(&lane, witness.flow)?;
        if answered != open {
            return Err(format!("{} with the faults {faults:?}: {answered}", witness.flow).into());
        }
        lab.close().await?;
    }
    Ok(())
}

fn in_scope(scope: &str, flow: &Flow, world: &World) -> bool {
    if let Some((one, other)) = scope.split_once('+') {
        return in_scope(one, flow, world) && in_scope(other, flow, world);
    }
    let nodes = (world.node_of(&flow.from), world.node_of(&flow.to));
    match scope {
        "node=n1" => nodes.1 == Some("n1"),
        "within=n1" => nodes == (Some("n1"), Some("n1")),
        "family=ipv6" => flow.family == Family::Ipv6,
        "protocol=udp" => flow.protocol == Protocol::Udp,
        "path=cluster-ip" => flow.path == Path::ClusterIp,
        "path=pod-ip" => flow.path == Path::PodIp,
        "placement=same-node" => nodes.0.is_some() && nodes.0 == nodes.1,
        "placement=cross-node" => nodes.0.is_some() && nodes.1.is_some() && nodes.0 != nodes.1,
        _ => false,
    }
}

/// An engine that ignores ingress in one scope: every flow of the matrix that is denied elsewhere is open there.
async fn scoped(scope: &str) -> Result {
    let lab = lab(&[&format!("ignore-ingress@{scope}")])?;
    let mut lane = lane(&lab, 0).await?;
    apply(&mut lane, vec![policy("y/deny", Some(vec![]), None)]).await?;
    let to_y = |flow: &Flow| flow.to.pod().is_some_and(|pod| pod.namespace == "y");
    expect(&lane, &matrix(lane.world()), |flow| !to_y(flow) || in_scope(scope, flow, lane.world()))?;
    Ok(lab.close().await?)
}

async fn together() -> Result {
    let lab = lab(&[
        "ignore-egress@family=ipv6",
        "ignore-ports@protocol=tcp",
        "ignore-pod-selector",
        "stale-delete@node=n2",
    ])?;
    let mut lane = lane(&lab, 0).await?;
    let rules = |port| vec![rule(vec![from("pod", "a")], vec![tcp(port), self::port(Protocol::Udp, port)])];
    apply(&mut lane, vec![policy("y/rules", Some(rules(8081)), None), policy("x/out", None, Some(vec![]))]).await?;
    expect(&lane, &matrix(lane.world()), |flow| {
        let (from, to) = (flow.from.pod(), flow.to.pod());
        let egress = from.is_none_or(|pod| pod.namespace != "x") || flow.family == Family::Ipv6;
        let ingress = to.is_none_or(|pod| pod.namespace != "y") || (from.is_some() && flow.protocol == Protocol::Tcp);
        egress && ingress
    })?;
    let names = [policy("y/rules", None, None).key(), policy("x/out", None, None).key()];
    lane.apply(&Change::Delete { policies: names.into() }).await?;
    lane.settled().await?;
    for (text, open) in
        [("x/a > y/b udp", true), ("z/a > y/a udp", false), ("x/b > z/a", false), ("x/b > z/a v6", true)]
    {
        if is_open(&lane, text)? != open {
            return Err(format!("{text} after the deletion").into());
        }
    }
    Ok(lab.close().await?)
}

async fn slow() -> Result {
    let lab = lab(&["slow@protocol=udp"])?;
    let mut lane = lane(&lab, 0).await?;
    let start = Instant::now();
    apply(&mut lane, vec![policy("y/deny", Some(vec![]), None)]).await?;
    if is_open(&lane, "x/a > y/b")? || !is_open(&lane, "x/a > y/b udp")? {
        return Err("only UDP may be late".into());
    }
    until(&lane, "x/a > y/b udp", false)?;
    let late = start.elapsed();
    if late < Duration::from_millis(1900) {
        return Err(format!("late by {late:?} only").into());
    }
    Ok(lab.close().await?)
}

/// Of 500 datagrams to another node and back, so many are lost.
async fn loss(fault: &str, expected: RangeInclusive<usize>) -> Result {
    let lab = lab(&[fault])?;
    let lane = lane(&lab, 0).await?;
    let lost = answers(&lane, &vec![flow("x/a > y/b udp"); 500])?.iter().filter(|answer| answer.is_none()).count();
    if !expected.contains(&lost) {
        return Err(format!("{lost} of 500 exchanges failed").into());
    }
    Ok(lab.close().await?)
}

fn refusals() -> Result {
    for (fault, word) in [
        ("no-engine@node=n9", "n1, n2"),
        ("no-engine@within=n9", "n1, n2"),
        ("no-engine@path=node-port", "is no scope"),
        ("dead-receiver@family=ipv6", "cannot be limited"),
        ("packet-loss@placement=same-node", "cannot be limited"),
        ("packet-loss@node=n1+path=pod-ip", "cannot be limited to path=pod-ip"),
        ("no-engine@family=ipv6+node=n9", "n1, n2"),
    ] {
        let error = lab(&[fault]).err().ok_or_else(|| format!("{fault} was taken"))?.to_string();
        if !error.contains(word) {
            return Err(format!("{fault}: {error}").into());
        }
    }
    Ok(())
}
