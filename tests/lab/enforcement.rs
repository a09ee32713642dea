//! A faithful engine, packet by packet.

use crate::support::{
    self, Result, apply, block, expect, flow, lab, labels, lane, matrix, on_pod, pods, policy, port, rule, selector,
    until,
};
use papertiger::core::model::change::{Change, Subject};
use papertiger::core::model::flow::{Flow, PodId, Protocol};
use papertiger::core::model::policy::{LabelSelector, Operator, PortMatch, PortRef, Requirement};
use papertiger::target::lab::LabLane;
use papertiger::target::{Lane, Target};
use std::time::Instant;
use tokio::runtime::Runtime;

pub(crate) fn all(runtime: &Runtime, test: &mut dyn FnMut(&str, &dyn Fn() -> Result)) {
    test("isolation", &|| runtime.block_on(isolation()));
    test("peers", &|| runtime.block_on(peers()));
    test("expressions", &|| runtime.block_on(expressions()));
    test("ports", &|| runtime.block_on(ports()));
    test("blocks", &|| runtime.block_on(blocks()));
    test("labels-change", &|| runtime.block_on(labels_change()));
    test("latency", &|| runtime.block_on(latency()));
}

fn namespace(flow: &Flow, of_receiver: bool) -> &str {
    let end = if of_receiver { &flow.to } else { &flow.from };
    end.pod().map_or("", |pod| &pod.namespace)
}

fn pod(flow: &Flow, of_receiver: bool) -> &str {
    let end = if of_receiver { &flow.to } else { &flow.from };
    end.pod().map_or("", |pod| &pod.pod)
}

async fn delete(lane: &mut LabLane, names: &[&str]) -> Result {
    Ok(support::delete(lane, names.iter().map(|name| policy(name, None, None).key()).collect()).await?)
}

async fn isolation() -> Result {
    let lab = lab(&[])?;
    let mut lane = lane(&lab, 0).await?;
    let flows = matrix(lane.world());
    apply(&mut lane, vec![policy("y/in", Some(vec![]), None)]).await?;
    expect(&lane, &flows, |flow| namespace(flow, true) != "y")?;
    apply(&mut lane, vec![on_pod("b", policy("x/out", None, Some(vec![])))]).await?;
    let from_xb = |flow: &Flow| namespace(flow, false) == "x" && pod(flow, false) == "b";
    expect(&lane, &flows, |flow| namespace(flow, true) != "y" && !from_xb(flow))?;
    apply(&mut lane, vec![policy("y/all", Some(vec![rule(vec![], vec![])]), None)]).await?;
    expect(&lane, &flows, |flow| !from_xb(flow))?;
    delete(&mut lane, &["y/in", "y/all", "x/out"]).await?;
    expect(&lane, &flows, |_| true)?;
    lane.close().await?;
    Ok(lab.close().await?)
}

async fn peers() -> Result {
    let lab = lab(&[])?;
    let mut lane = lane(&lab, 0).await?;
    let flows = matrix(lane.world());
    let only_x = Some(selector(&[("ns", "x")]));
    let only_a = Some(selector(&[("pod", "a")]));
    let rules = vec![rule(vec![pods(only_x.clone(), only_a.clone())], vec![])];
    apply(&mut lane, vec![policy("y/both", Some(rules), None)]).await?;
    let is_y = |flow: &Flow| namespace(flow, true) == "y";
    let xa = |flow: &Flow| namespace(flow, false) == "x" && pod(flow, false) == "a";
    expect(&lane, &flows, |flow| !is_y(flow) || xa(flow))?;
    let rules =
        vec![rule(vec![pods(None, only_a)], vec![]), rule(vec![pods(Some(selector(&[("ns", "z")])), None)], vec![])];
    apply(&mut lane, vec![policy("y/more", Some(rules), None)]).await?;
    let more =
        |flow: &Flow| namespace(flow, false) == "z" || (namespace(flow, false) == "y" && pod(flow, false) == "a");
    expect(&lane, &flows, |flow| !is_y(flow) || xa(flow) || more(flow))?;
    let rules = vec![rule(vec![pods(only_x, None)], vec![])];
    apply(&mut lane, vec![policy("z/out", None, Some(rules))]).await?;
    let from_z = |flow: &Flow| namespace(flow, false) == "z";
    expect(&lane, &flows, |flow| {
        (!is_y(flow) || xa(flow) || more(flow)) && (!from_z(flow) || namespace(flow, true) == "x")
    })?;
    Ok(lab.close().await?)
}

async fn expressions() -> Result {
    let lab = lab(&[])?;
    let mut lane = lane(&lab, 0).await?;
    let requirement = |key: &str, operator, values: &[&str]| LabelSelector {
        match_labels: labels(&[]),
        match_expressions: vec![Requirement {
            key: key.to_owned(),
            operator,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        }],
    };
    let flows: Vec<Flow> = ["a", "b", "c"].map(|pod| flow(&format!("x/{pod} > y/b"))).into();
    for (expression, open) in [
        (requirement("pod", Operator::In, &["a", "c"]), ["a", "c"].as_slice()),
        (requirement("pod", Operator::NotIn, &["a"]), &["b", "c"]),
        (requirement("absent", Operator::NotIn, &["a"]), &["a", "b", "c"]),
        (requirement("absent", Operator::In, &["a"]), &[]),
        (requirement("pod", Operator::Exists, &[]), &["a", "b", "c"]),
        (requirement("pod", Operator::DoesNotExist, &[]), &[]),
        (requirement("absent", Operator::DoesNotExist, &[]), &["a", "b", "c"]),
    ] {
        let rules = vec![rule(vec![pods(Some(LabelSelector::default()), Some(expression))], vec![])];
        apply(&mut lane, vec![policy("y/expression", Some(rules), None)]).await?;
        expect(&lane, &flows, |flow| open.contains(&pod(flow, false)))?;
        delete(&mut lane, &["y/expression"]).await?;
    }
    Ok(lab.close().await?)
}

async fn ports() -> Result {
    let lab = lab(&[])?;
    let mut lane = lane(&lab, 0).await?;
    let mut flows = matrix(lane.world());
    flows.extend(flows.clone().into_iter().map(|flow| Flow { port: 8081, ..flow }));
    flows.retain(|flow| flow.to == PodId::new("y", "b").into());
    let any = |protocol| PortMatch { protocol, port: None, end_port: None };
    let named =
        |name: &str| PortMatch { protocol: Protocol::Tcp, port: Some(PortRef::Name(name.to_owned())), end_port: None };
    let range = |first, last| PortMatch { end_port: Some(last), ..port(Protocol::Tcp, first) };
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    type Open = fn(&Flow) -> bool;
    let rows: [(PortMatch, Open); 7] = [
        (port(tcp, 8080), |flow| flow.protocol == Protocol::Tcp && flow.port == 8080),
        (port(udp, 8081), |flow| flow.protocol == Protocol::Udp && flow.port == 8081),
        (any(tcp), |flow| flow.protocol == Protocol::Tcp),
        (range(8081, 9000), |flow| flow.protocol == Protocol::Tcp && flow.port == 8081),
        (range(8000, 8081), |flow| flow.protocol == Protocol::Tcp),
        (named("serve-81-tcp"), |flow| flow.protocol == Protocol::Tcp && flow.port == 8081),
        // The name belongs to UDP; the item says TCP.
        (named("serve-81-udp"), |_| false),
    ];
    for (item, open) in rows {
        let rules = || Some(vec![rule(vec![], vec![item.clone()])]);
        apply(&mut lane, vec![policy("y/ports", rules(), None)]).await?;
        expect(&lane, &flows, open).map_err(|error| format!("ingress {item:?}: {error}"))?;
        delete(&mut lane, &["y/ports"]).await?;
        apply(&mut lane, ["x", "y", "z"].map(|name| policy(&format!("{name}/ports"), None, rules())).into()).await?;
        expect(&lane, &flows, |flow| flow.from.pod().is_none() || open(flow))
            .map_err(|error| format!("egress {item:?}: {error}"))?;
        delete(&mut lane, &["x/ports", "y/ports", "z/ports"]).await?;
    }
    Ok(lab.close().await?)
}

async fn blocks() -> Result {
    let lab = lab(&[])?;
    let mut lane = lane(&lab, 0).await?;
    let flows = matrix(lane.world());
    let echo_2 = lane.world().external("echo-2").ok_or("no echo-2")?.addresses.clone();
    let to_outside = |flow: &Flow| flow.to.pod().is_none();
    let from_x = |flow: &Flow| namespace(flow, false) == "x";
    let to_echo_2 = |flow: &Flow| flow.to.to_string() == "external:echo-2";

    let except = format!("{}/32", echo_2[0]);
    let outside = [block("198.18.0.0/15", &[&except]), block("2001:db8:113::/48", &[])];
    apply(&mut lane, vec![policy("x/outside", None, Some(vec![rule(outside.into(), vec![])]))]).await?;
    let v4 = |flow: &Flow| flow.family == papertiger::core::model::flow::Family::Ipv4;
    expect(&lane, &flows, |flow| !from_x(flow) || (to_outside(flow) && !(to_echo_2(flow) && v4(flow))))?;
    delete(&mut lane, &["x/outside"]).await?;

    let anywhere = [block("0.0.0.0/0", &["10.0.0.0/8"]), block("::/0", &["fd00::/8"])];
    apply(&mut lane, vec![policy("x/anywhere", None, Some(vec![rule(anywhere.into(), vec![])]))]).await?;
    expect(&lane, &flows, |flow| !from_x(flow) || to_outside(flow))?;
    delete(&mut lane, &["x/anywhere"]).await?;

    // An empty block of one family says nothing about the other.
    let one_family = vec![rule(vec![block("0.0.0.0/0", &[])], vec![])];
    apply(&mut lane, vec![policy("y/v4", Some(one_family), None)]).await?;
    expect(&lane, &flows, |flow| namespace(flow, true) != "y" || v4(flow))?;
    Ok(lab.close().await?)
}

async fn labels_change() -> Result {
    let lab = lab(&[])?;
    let mut lane = lane(&lab, 0).await?;
    let friends = pods(Some(selector(&[("team", "red")])), Some(selector(&[("role", "client")])));
    apply(&mut lane, vec![policy("y/friends", Some(vec![rule(vec![friends], vec![])]), None)]).await?;
    until(&lane, "x/a > y/b", false)?;
    let name = lane.world().namespaces[0].labels["kubernetes.io/metadata.name"].clone();
    for (subject, new) in [
        (Subject::Namespace("x".to_owned()), labels(&[("team", "red")])),
        (Subject::Pod(PodId::new("x", "a")), labels(&[("role", "client")])),
    ] {
        lane.apply(&Change::Relabel { subject, labels: new }).await?;
    }
    until(&lane, "x/a > y/b", true)?;
    if lane.world().namespaces[0].labels != labels(&[("team", "red"), ("kubernetes.io/metadata.name", &name)]) {
        return Err(format!("labels: {:?}", lane.world().namespaces[0].labels).into());
    }
    lane.apply(&Change::Relabel { subject: Subject::Namespace("x".to_owned()), labels: labels(&[]) }).await?;
    until(&lane, "x/a > y/b", false)?;
    Ok(lab.close().await?)
}

/// How long a change takes; printed, and held against a figure that only a defect exceeds.
async fn latency() -> Result {
    let lab = lab(&[])?;
    let mut lane = lane(&lab, 0).await?;
    let mut times = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        apply(&mut lane, vec![policy("y/deny", Some(vec![]), None)]).await?;
        times.push(start.elapsed());
        delete(&mut lane, &["y/deny"]).await?;
    }
    times.sort();
    eprintln!("    change to enforced: median {:?}, worst {:?}", times[times.len() / 2], times[times.len() - 1]);
    if times[times.len() / 2].as_millis() > 500 { Err("too slow".into()) } else { Ok(lab.close().await?) }
}
