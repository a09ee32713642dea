//! The text of the rules. What packets make of it is for the tests with real packets.

use super::compile::{Place, compile};
use super::dispatch::plan;
use super::view::{Faults, View};
use crate::core::fault::{Fault, FaultAt};
use crate::core::model::change::{Change, Subject};
use crate::core::model::flow::{PodId, Protocol};
use crate::core::model::policy::{LabelSelector, Peer, Policy, PortMatch, PortRef, Rule};
use crate::core::model::world::{ContainerPort, Labels, NAMESPACE_NAME_LABEL, Namespace, Phase, Pod, World};

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn pod(id: &str, number: u8, web: u16) -> Pod {
    let id: PodId = id.parse().unwrap();
    let port = ContainerPort { name: "web".to_owned(), protocol: Protocol::Tcp, port: web, service_port: Some(80) };
    Pod {
        name: id.pod.clone(),
        labels: labels(&[("pod", &id.pod)]),
        id,
        node: "n1".to_owned(),
        addresses: vec![[10, 0, 0, number].into(), format!("fd00::{number}").parse().unwrap()],
        host_network: false,
        bare: false,
        phase: Phase::Running,
        ports: vec![port],
        service: None,
    }
}

fn world() -> World {
    let namespace = |id: &str| Namespace {
        id: id.to_owned(),
        name: format!("{id}-1"),
        labels: labels(&[("ns", id), (NAMESPACE_NAME_LABEL, &format!("{id}-1"))]),
    };
    let mut gone = pod("x/gone", 9, 8080);
    gone.phase = Phase::Completed;
    World {
        nodes: Vec::new(),
        namespaces: vec![namespace("x"), namespace("y")],
        pods: vec![pod("x/a", 1, 8080), pod("x/b", 2, 9090), pod("y/a", 3, 8080), gone],
        externals: Vec::new(),
    }
}

fn place(marks: bool) -> Place {
    let links = [("x/a", "pod1-0"), ("y/a", "pod1-2")];
    Place { table: "t".to_owned(), links: links.map(|(id, link)| (id.parse().unwrap(), link.to_owned())).into(), marks }
}

fn rules(faults: &[&str], policies: Vec<Policy>) -> String {
    let faults: Vec<FaultAt> = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let (variants, dispatch) = plan(&faults, "n1");
    let mut views: Vec<View> = variants.into_iter().map(|faults| View::new(world(), faults)).collect();
    views.iter_mut().for_each(|view| view.tell(&Change::Apply { policies: policies.clone() }));
    compile(&place(super::dispatch::needs_marks(&faults)), &views, &dispatch)
}

fn on_y(ingress: Option<Vec<Rule>>, egress: Option<Vec<Rule>>) -> Policy {
    let pod_selector = LabelSelector::default();
    Policy { namespace: "y".to_owned(), name: "policy".to_owned(), pod_selector, ingress, egress }
}

fn from_pod(value: &str) -> Peer {
    let pods = LabelSelector { match_labels: labels(&[("pod", value)]), match_expressions: Vec::new() };
    Peer::Pods { namespace_selector: Some(LabelSelector::default()), pod_selector: Some(pods) }
}

/// The lines of the only chain that allows anything.
fn allowed(faults: &[&str], policy: Policy) -> Vec<String> {
    let text = rules(faults, vec![policy]);
    text.lines().map(str::trim).filter(|line| line.ends_with("return")).map(str::to_owned).collect()
}

#[test]
fn a_whole_table() {
    let port = PortMatch { protocol: Protocol::Tcp, port: Some(PortRef::Number(80)), end_port: Some(90) };
    let policy = on_y(Some(vec![Rule { ports: vec![port], peers: vec![from_pod("a")] }]), Some(vec![]));
    insta::assert_snapshot!(rules(&[], vec![policy]), @r#"
    table inet t
    delete table inet t
    table inet t {
      chain v0_egress_1 { # y/a
        drop
      }
      chain v0_ingress_1 { # y/a
        ip saddr { 10.0.0.1, 10.0.0.3 } tcp dport 80-90 return
        ip6 saddr { fd00::1, fd00::3 } tcp dport 80-90 return
        drop
      }
      chain v0 {
        iifname vmap { "pod1-2" : jump v0_egress_1 }
        oifname vmap { "pod1-2" : jump v0_ingress_1 }
      }
      chain forward {
        type filter hook forward priority filter; policy accept;
        ct state established,related accept
        goto v0
      }
    }
    "#);
}

#[test]
fn nothing_isolated_is_no_table() {
    assert_eq!(rules(&[], vec![]), "table inet t\ndelete table inet t\n");
    assert_eq!(rules(&["no-engine"], vec![on_y(Some(vec![]), None)]), rules(&[], vec![]));
    assert_eq!(
        rules(&["no-engine@node=n2"], vec![on_y(Some(vec![]), None)]),
        rules(&[], vec![on_y(Some(vec![]), None)])
    );
}

#[test]
fn an_empty_rule_allows_everything_and_an_empty_list_nothing() {
    assert_eq!(allowed(&[], on_y(Some(vec![Rule::default()]), None)), ["return"]);
    assert!(allowed(&[], on_y(Some(vec![]), None)).is_empty());
    // Peers that mean nobody allow nobody.
    let nobody = Rule { ports: vec![], peers: vec![from_pod("nobody")] };
    assert!(allowed(&[], on_y(Some(vec![nobody]), None)).is_empty());
}

#[test]
fn named_ports_are_the_destinations_own() {
    let web = PortMatch { protocol: Protocol::Tcp, port: Some(PortRef::Name("web".to_owned())), end_port: None };
    let rule = |peers| Rule { ports: vec![web.clone()], peers };
    let anyone = || vec![rule(vec![])];
    assert_eq!(allowed(&[], on_y(Some(anyone()), None)), ["tcp dport 8080 return"]);
    assert_eq!(
        allowed(&[], on_y(None, Some(anyone()))),
        [
            "ip daddr { 10.0.0.1, 10.0.0.3 } tcp dport 8080 return",
            "ip6 daddr { fd00::1, fd00::3 } tcp dport 8080 return",
            "ip daddr { 10.0.0.2 } tcp dport 9090 return",
            "ip6 daddr { fd00::2 } tcp dport 9090 return",
        ]
    );
    let block = Peer::IpBlock { cidr: "10.0.0.0/24".parse().unwrap(), except: vec!["10.0.0.1/32".parse().unwrap()] };
    assert_eq!(
        allowed(&[], on_y(None, Some(vec![rule(vec![block])]))),
        ["ip daddr { 10.0.0.3 } tcp dport 8080 return", "ip daddr { 10.0.0.2 } tcp dport 9090 return",]
    );
}

#[test]
fn blocks_are_of_one_family() {
    let block = |cidr: &str, except: &[&str]| {
        let except = except.iter().map(|text| text.parse().unwrap()).collect();
        Rule { ports: vec![], peers: vec![Peer::IpBlock { cidr: cidr.parse().unwrap(), except }] }
    };
    let rows = [
        (
            "10.0.0.0/8",
            vec!["10.1.0.0/16", "10.1.2.0/24"],
            "ip daddr 10.0.0.0/8 ip daddr != 10.1.0.0/16 ip daddr != 10.1.2.0/24 return",
        ),
        ("0.0.0.0/0", vec![], "meta nfproto ipv4 return"),
        ("::/0", vec!["fd00::/8"], "meta nfproto ipv6 ip6 daddr != fd00::/8 return"),
    ];
    for (cidr, except, line) in rows {
        assert_eq!(allowed(&[], on_y(None, Some(vec![block(cidr, &except)]))), [line]);
    }
}

#[test]
fn ignoring_the_protocol_widens_every_kind_of_port() {
    let item = |port| PortMatch { protocol: Protocol::Udp, port, end_port: None };
    let line =
        |port| allowed(&["ignore-protocol"], on_y(Some(vec![Rule { ports: vec![item(port)], peers: vec![] }]), None));
    assert_eq!(line(None), ["return"]);
    assert_eq!(line(Some(PortRef::Number(53))), ["meta l4proto { tcp, udp, sctp } th dport 53 return"]);
}

#[test]
fn scopes_lead_each_packet_to_its_variant() {
    let faults = ["no-engine@family=ipv6", "ignore-rules@path=pod-ip"];
    let text = rules(&faults, vec![on_y(Some(vec![Rule::default()]), None)]);
    insta::assert_snapshot!(text, @r#"
    table inet t
    delete table inet t
    table inet t {
      chain via_service {
        type filter hook forward priority filter - 10; policy accept;
        ct original ip daddr 10.96.0.0/16 ip dscp set cs1
        ct original ip6 daddr fd00:10:96::/112 ip6 dscp set cs1
      }
      chain v0 {
      }
      chain v1 {
      }
      chain v2_ingress_1 { # y/a
        drop
      }
      chain v2 {
        oifname vmap { "pod1-2" : jump v2_ingress_1 }
      }
      chain v3_ingress_1 { # y/a
        return
        drop
      }
      chain v3 {
        oifname vmap { "pod1-2" : jump v3_ingress_1 }
      }
      chain scope0 {
        ip dscp cs1 goto v1
        ip6 dscp cs1 goto v1
        goto v0
      }
      chain scope1 {
        ip dscp cs1 goto v3
        ip6 dscp cs1 goto v3
        goto v2
      }
      chain scope2 {
        meta nfproto ipv6 goto scope0
        goto scope1
      }
      chain forward {
        type filter hook forward priority filter; policy accept;
        ct state established,related accept
        goto scope2
      }
    }
    "#);
}

#[test]
fn an_engine_that_ignores_label_changes_goes_by_those_of_the_first_policy() {
    let relabelled = |value: &str| Change::Relabel {
        subject: Subject::Pod(PodId::new("x", "a")),
        labels: labels(&[("role", value)]),
    };
    let mut view = View::new(world(), Faults::from([Fault::IgnoreLabelChange]));
    let role = |view: &View| view.world.pods[0].labels.get("role").cloned();
    view.tell(&relabelled("before"));
    view.tell(&Change::Apply { policies: vec![on_y(None, None)] });
    view.tell(&relabelled("during"));
    assert_eq!(role(&view).as_deref(), Some("before"));
    view.tell(&Change::Delete { policies: vec![on_y(None, None).key()] });
    view.tell(&Change::Apply { policies: vec![on_y(None, None)] });
    assert_eq!(role(&view).as_deref(), Some("during"));
}

#[test]
fn an_engine_that_ignores_new_pods_knows_them_when_the_first_policy_comes() {
    let again = |address: &str| {
        let mut pod = world().pods[0].clone();
        pod.addresses = vec![address.parse().unwrap()];
        pod
    };
    let known = |view: &View| -> Vec<String> {
        let pod = &view.world.pods[0];
        pod.addresses.iter().filter(|_| pod.phase == Phase::Running).map(ToString::to_string).collect()
    };
    for (faults, while_in_force) in [(vec![], vec!["10.0.0.2"]), (vec![Fault::IgnoreNewPods], vec![])] {
        let mut view = View::new(world(), faults.into_iter().collect());
        view.meet(&[again("10.0.0.1")]);
        assert_eq!(known(&view), ["10.0.0.1"], "no policy is in force");
        view.tell(&Change::Apply { policies: vec![on_y(None, None)] });
        view.meet(&[again("10.0.0.2")]);
        assert_eq!(known(&view), while_in_force);
        view.tell(&Change::Recreate { subject: Subject::Namespace("y".to_owned()), bare: false });
        assert!(view.policies.is_empty(), "a namespace takes its policies along");
        view.tell(&Change::Apply { policies: vec![on_y(None, None)] });
        assert_eq!(known(&view), ["10.0.0.2"]);
    }
}

#[test]
fn a_namespace_keeps_the_label_with_its_name() {
    let mut world = world();
    assert!(world.relabel(&Subject::Namespace("x".to_owned()), &labels(&[(NAMESPACE_NAME_LABEL, "other")])));
    assert_eq!(world.namespaces[0].labels, labels(&[(NAMESPACE_NAME_LABEL, "x-1")]));
    assert!(!world.relabel(&Subject::Namespace("w".to_owned()), &labels(&[])));
}
