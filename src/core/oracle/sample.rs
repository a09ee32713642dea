//! A world of three namespaces with three pods each, and generators of policies over it, for tests.

use crate::core::model::flow::{Connection, Endpoint, Family, Flow, Path, PodId, Protocol};
use crate::core::model::manifest::NetworkPolicy;
use crate::core::model::policy::{
    Direction, LabelSelector, Operator, Peer, Policy, PortMatch, PortRef, Requirement, Rule,
};
use crate::core::model::world::{
    ContainerPort, External, Labels, NAMESPACE_NAME_LABEL, Namespace, Node, Phase, Pod, Service, World,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Pods a and c stand on node n1, b on n2. `x/a` is 10.0.1.1 and 2001:db8::1:1, and so on; its Service 10.96.1.1.
///
/// All listen on `http` (TCP 8080), `alt` (TCP 8081), `dns` and a second `http` (UDP 8080, 8081) and `assoc`
/// (SCTP 8080), and on `web`: TCP 9001 in the pods a, 9002 in b and 9003 in c. The namespaces' objects are called
/// `lane-x`, …; pods carry `pod`, and those of x and y `team`. Outside is `echo`, 203.0.113.9.
pub(crate) fn world() -> World {
    World {
        nodes: (1..=2)
            .map(|n| Node { name: format!("n{n}"), addresses: both([192, 0, 2, n], [0x2001, 0xdb8, 0xf, n.into()]) })
            .collect(),
        namespaces: ["x", "y", "z"].map(namespace).into(),
        pods: (1..=3).flat_map(|x| (1..=3).map(move |a| pod(x, a))).collect(),
        externals: vec![External {
            id: "echo".to_owned(),
            addresses: both([203, 0, 113, 9], [0x2001, 0xdb8, 0xe, 9]),
            ports: ports(1),
        }],
    }
}

fn namespace(id: &str) -> Namespace {
    let name = format!("lane-{id}");
    Namespace { id: id.to_owned(), labels: labels(&[("ns", id), (NAMESPACE_NAME_LABEL, &name)]), name }
}

fn pod(x: u8, a: u8) -> Pod {
    let letters = |from: u8, n: u8| char::from(from + n - 1).to_string();
    let (namespace, name) = (letters(b'x', x), letters(b'a', a));
    let mut labels = labels(&[("pod", &name)]);
    match x {
        1 => labels.insert("team".to_owned(), "red".to_owned()),
        2 => labels.insert("team".to_owned(), "blue".to_owned()),
        _ => None,
    };
    Pod {
        name: format!("probe-{name}"),
        id: PodId::new(namespace, &name),
        labels,
        node: if a == 2 { "n2" } else { "n1" }.to_owned(),
        addresses: both([10, 0, x, a], [0x2001, 0xdb8, x.into(), a.into()]),
        host_network: false,
        bare: false,
        phase: Phase::Running,
        ports: ports(a),
        service: Some(Service { name, addresses: both([10, 96, x, a], [0x2001, 0xdb8, 0x96, (x * 16 + a).into()]) }),
    }
}

fn ports(a: u8) -> Vec<ContainerPort> {
    [
        ("http", Protocol::Tcp, 8080),
        ("alt", Protocol::Tcp, 8081),
        ("dns", Protocol::Udp, 8080),
        ("http", Protocol::Udp, 8081),
        ("assoc", Protocol::Sctp, 8080),
        ("web", Protocol::Tcp, 9000 + u16::from(a)),
    ]
    .map(|(name, protocol, port)| ContainerPort {
        name: name.to_owned(),
        protocol,
        port,
        service_port: Some(port - 8000),
    })
    .into()
}

fn both(v4: [u8; 4], [a, b, c, d]: [u16; 4]) -> Vec<IpAddr> {
    vec![Ipv4Addr::from(v4).into(), Ipv6Addr::new(a, b, 0, 0, 0, 0, c, d).into()]
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The policy `name` of a namespace, from the YAML of its spec.
pub(crate) fn policy(namespace: &str, name: &str, spec: &str) -> Policy {
    let header = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";
    let text = format!("{header}metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n");
    let manifest: NetworkPolicy = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{spec}: {e}"));
    manifest.validate().unwrap_or_else(|e| panic!("{spec}: {e:?}"))
}

/// `x/a y/b tcp 8080`, and then `ipv6`, a path or `standing` where they are not IPv4, the pod's own address and new
/// connections.
pub(crate) fn flow(text: &str) -> Flow {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [from, to, protocol, port, rest @ ..] = words.as_slice() else { panic!("`{text}` is no flow") };
    let mut flow = Flow {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        path: Path::PodIp,
        family: Family::Ipv4,
        protocol: match *protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            other => panic!("`{other}` is no protocol"),
        },
        port: port.parse().unwrap(),
        connection: Connection::New,
    };
    for word in rest {
        match *word {
            "ipv6" => flow.family = Family::Ipv6,
            "cluster-ip" => flow.path = Path::ClusterIp,
            "node-port" => flow.path = Path::NodePort,
            "load-balancer" => flow.path = Path::LoadBalancer,
            "standing" => flow.connection = Connection::Standing,
            other => panic!("`{other}` is neither family, path nor connection"),
        }
    }
    flow
}

/// Between all ends of a world, at least one of which is a pod: some ports, both families, all paths.
pub(crate) fn flows(world: &World) -> Vec<Flow> {
    let ends: Vec<Endpoint> = world
        .pods
        .iter()
        .map(|pod| pod.id.clone().into())
        .chain(world.nodes.iter().map(|node| Endpoint::Node(node.name.clone())))
        .chain(world.externals.iter().map(|external| Endpoint::External(external.id.clone())))
        .collect();
    let ways = [
        (Path::PodIp, Family::Ipv4, Protocol::Tcp, 8080),
        (Path::PodIp, Family::Ipv6, Protocol::Tcp, 8081),
        (Path::PodIp, Family::Ipv4, Protocol::Udp, 8080),
        (Path::PodIp, Family::Ipv4, Protocol::Tcp, 9002),
        (Path::ClusterIp, Family::Ipv4, Protocol::Tcp, 8080),
        (Path::NodePort, Family::Ipv6, Protocol::Sctp, 8080),
    ];
    let mut flows = Vec::new();
    for from in &ends {
        for to in ends.iter().filter(|to| from.pod().or(to.pod()).is_some()) {
            for (path, family, protocol, port) in ways {
                let (from, to, connection) = (from.clone(), to.clone(), Connection::New);
                flows.push(Flow { from, to, path, family, protocol, port, connection });
            }
        }
    }
    flows
}

/// The world as it is, or with one pod on its node's network.
pub(crate) fn worlds() -> impl Strategy<Value = World> {
    option::weighted(0.3, 0..9_usize).prop_map(|on_host| {
        let mut world = world();
        if let Some(i) = on_host {
            world.pods[i].host_network = true;
            let node = world.pods[i].node.clone();
            world.pods[i].addresses = world.addresses(&Endpoint::Node(node)).to_vec();
        }
        world
    })
}

/// Up to four policies with names of their own.
pub(crate) fn policies() -> impl Strategy<Value = Vec<Policy>> {
    vec(any_policy(), 0..=4).prop_map(|mut policies| {
        for (i, policy) in policies.iter_mut().enumerate() {
            policy.name = format!("policy-{i}");
        }
        policies
    })
}

/// A policy that concerns at least one direction.
pub(crate) fn any_policy() -> impl Strategy<Value = Policy> {
    let concerned = select(vec![&Direction::ALL[..1], &Direction::ALL[1..], &Direction::ALL[..]]);
    (select(vec!["x", "y", "z"]), selector(), concerned, rules(), rules()).prop_map(
        |(namespace, pod_selector, concerned, ingress, egress)| Policy {
            namespace: namespace.to_owned(),
            name: "added".to_owned(),
            pod_selector,
            ingress: concerned.contains(&Direction::Ingress).then_some(ingress),
            egress: concerned.contains(&Direction::Egress).then_some(egress),
        },
    )
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    vec(rule(), 0..=3)
}

/// A rule.
pub(crate) fn rule() -> impl Strategy<Value = Rule> {
    (vec(port(), 0..=2), vec(peer(), 0..=3)).prop_map(|(ports, peers)| Rule { ports, peers })
}

fn port() -> impl Strategy<Value = PortMatch> {
    let number = select(vec![8080, 8081, 9002]).prop_map(|number| (Some(PortRef::Number(number)), None));
    let range = (8000..=9100_u16, 0..=1000_u16).prop_map(|(a, n)| (Some(PortRef::Number(a)), Some(a + n)));
    let name = select(vec!["http", "dns", "web", "none"]).prop_map(|name| (Some(PortRef::Name(name.to_owned())), None));
    let protocol = select(vec![Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    (protocol, prop_oneof![Just((None, None)), number, range, name])
        .prop_map(|(protocol, (port, end_port))| PortMatch { protocol, port, end_port })
}

fn peer() -> impl Strategy<Value = Peer> {
    let pods = (option::of(selector()), option::of(selector()))
        .prop_filter("a peer specifies something", |(namespaces, pods)| namespaces.is_some() || pods.is_some())
        .prop_map(|(namespace_selector, pod_selector)| Peer::Pods { namespace_selector, pod_selector });
    let block = |cidr: &'static str, except: &'static [&'static str]| {
        subsequence(except, 0..=except.len()).prop_map(move |except| Peer::IpBlock {
            cidr: cidr.parse().unwrap(),
            except: except.into_iter().map(|block| block.parse().unwrap()).collect(),
        })
    };
    prop_oneof![
        4 => pods,
        1 => block("0.0.0.0/0", &["10.0.0.0/16", "192.0.2.1/32", "203.0.113.8/30"]),
        1 => block("10.0.0.0/14", &["10.0.1.0/24", "10.0.2.1/32"]),
        1 => block("2001:db8::/32", &["2001:db8::1:0/112", "2001:db8::e:9/128"]),
    ]
}

/// Over the labels of both pods and namespaces, so that each is absent somewhere.
fn selector() -> impl Strategy<Value = LabelSelector> {
    let requirement = (label(), vec(label(), 1..=2), 0..4_u8).prop_map(|((key, value), more, operator)| {
        let values = [value].into_iter().chain(more.into_iter().map(|(_, value)| value)).collect();
        let (operator, values) = match operator {
            0 => (Operator::In, values),
            1 => (Operator::NotIn, values),
            2 => (Operator::Exists, Vec::new()),
            _ => (Operator::DoesNotExist, Vec::new()),
        };
        Requirement { key, operator, values }
    });
    prop_oneof![
        2 => Just(LabelSelector::default()),
        2 => label().prop_map(|label| LabelSelector { match_labels: [label].into(), ..LabelSelector::default() }),
        2 => (vec(label(), 0..=1), vec(requirement, 1..=2)).prop_map(|(labels, match_expressions)| LabelSelector {
            match_labels: labels.into_iter().collect(),
            match_expressions,
        }),
    ]
}

fn label() -> impl Strategy<Value = (String, String)> {
    // Values that YAML could take for something else belong to no pod; they are there for the manifests.
    select(vec![
        ("pod", "a"),
        ("pod", "b"),
        ("ns", "x"),
        ("ns", "y"),
        ("team", "red"),
        ("team", "blue"),
        ("team", ""),
        ("team", "true"),
        ("team", "1e3"),
        ("papertiger.dev/team", "null"),
        (NAMESPACE_NAME_LABEL, "lane-z"),
    ])
    .prop_map(|(key, value)| (key.to_owned(), value.to_owned()))
}
