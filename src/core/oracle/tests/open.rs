//! What the specification leaves open.

use super::super::Undefined;
use super::{ALLOW, DENY, ROW, Row, X_INGRESS, check, open, x_b_on_host};

#[test]
fn what_is_undefined_surfaces_only_where_it_decides() {
    check(&[
        Row {
            says: "Pod → own Service → itself (hairpin): implementations differ.",
            policies: &[
                X_INGRESS,
                ("y", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"),
                (
                    "z",
                    "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{ports: [{port: 8080}]}]}",
                ),
            ],
            flows: &[
                ("x/a x/a tcp 8080 cluster-ip", open(Undefined::Hairpin)),
                ("x/a x/b tcp 8080 cluster-ip", DENY),
                // The address that the rule sees may be the node's.
                ("y/a y/a tcp 8080 cluster-ip", open(Undefined::Hairpin)),
                ("y/a y/b tcp 8080 cluster-ip", ALLOW),
                ("z/a z/a tcp 8080 cluster-ip", ALLOW),
                ("z/a z/a tcp 8081 cluster-ip", open(Undefined::Hairpin)),
                ("z/b z/b tcp 8080 cluster-ip", ALLOW),
            ],
            ..ROW
        },
        Row {
            says: "hostNetwork pod as subject: docs give two legal behaviours.",
            world: x_b_on_host,
            policies: &[(
                "x",
                "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{ports: [{port: 8081}]}], egress: [{ports: [{port: 8081}]}]}",
            )],
            flows: &[
                ("y/a x/b tcp 8080", open(Undefined::HostNetwork)),
                ("y/a x/b tcp 8081", ALLOW),
                ("x/b y/a tcp 8080", open(Undefined::HostNetwork)),
                ("x/b y/a tcp 8081", ALLOW),
                ("x/b x/a tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "hostNetwork pod as peer: treated as pod, or ignored = node IP.",
            world: x_b_on_host,
            policies: &[
                ("y", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: x}}}]}]}"),
                ("z", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.2/32}}]}]}"),
            ],
            flows: &[
                ("x/b y/a tcp 8080", open(Undefined::HostNetwork)),
                ("x/b z/a tcp 8080", open(Undefined::HostNetwork)),
                ("x/a y/a tcp 8080", ALLOW),
                ("x/b z/a tcp 8080 ipv6", DENY),
            ],
            ..ROW
        },
        Row {
            says: "A hostNetwork pod that counts as its node is as free as that node towards the pods on it.",
            world: x_b_on_host,
            policies: &[
                ("y", "{podSelector: {}, policyTypes: [Ingress]}"),
                ("z", "{podSelector: {}, policyTypes: [Egress]}"),
            ],
            flows: &[
                ("x/b y/b tcp 8080", open(Undefined::HostNetwork)),
                ("x/b y/a tcp 8080", DENY),
                ("z/b x/b tcp 8080", open(Undefined::HostNetwork)),
                ("z/a x/b tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "A hostNetwork pod's address in an ipBlock: both readings match once ipBlocks are known to match pods.",
            world: x_b_on_host,
            policies: &[("z", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.2/32}}]}]}")],
            blocks_match_pods: true,
            flows: &[("x/b z/a tcp 8080", ALLOW), ("x/a z/a tcp 8080", DENY)],
        },
        Row {
            says: "ipBlock that contains pod IPs: docs: \"should be cluster-external\".",
            policies: &[
                ("x", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.2.0/24, except: [10.0.2.2/32]}}]}]}"),
                (
                    "z",
                    "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.2.1/32}}], ports: [{port: 8080}]}]}",
                ),
            ],
            flows: &[
                ("y/a x/a tcp 8080", open(Undefined::IpBlockContainsPod)),
                // Whichever way it is read: not in the block, taken out of it, of another family, on another port.
                ("z/b x/a tcp 8080", DENY),
                ("y/b x/a tcp 8080", DENY),
                ("y/a x/a tcp 8080 ipv6", DENY),
                ("z/a y/a tcp 8080", open(Undefined::IpBlockContainsPod)),
                ("z/a y/a tcp 8080 cluster-ip", open(Undefined::IpBlockContainsPod)),
                ("z/a y/a tcp 8081", DENY),
            ],
            ..ROW
        },
        Row {
            says: "Another rule allows anyway: the block does not decide.",
            policies: &[
                ("x", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}, {ports: [{port: 8081}]}]}"),
                ("x", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}"),
            ],
            flows: &[
                ("y/a x/a tcp 8080", ALLOW),
                ("z/a x/a tcp 8081", ALLOW),
                ("z/a x/a tcp 8080", open(Undefined::IpBlockContainsPod)),
            ],
            ..ROW
        },
        Row {
            says: "Deny on one side wins over Undefined on the other.",
            policies: &[
                ("x", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}"),
                ("y", "{podSelector: {}, policyTypes: [Egress]}"),
            ],
            flows: &[("y/a x/a tcp 8080", DENY), ("z/a x/a tcp 8080", open(Undefined::IpBlockContainsPod))],
            ..ROW
        },
        Row {
            says: "Does a /32 ipBlock admit a pod address here? If yes, cidr and except are scored on pod addresses.",
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.2.0/24, except: [10.0.2.2/32]}}]}]}",
            )],
            blocks_match_pods: true,
            flows: &[
                ("y/a x/a tcp 8080", ALLOW),
                ("y/a x/a tcp 8080 cluster-ip", ALLOW),
                ("y/b x/a tcp 8080", DENY),
                ("z/a x/a tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "Named port + ipBlock or no pod behind the address: Undefined.",
            policies: &[
                ("x", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}"),
                (
                    "y",
                    "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}, {port: 8081}], to: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}",
                ),
            ],
            flows: &[
                ("x/a external:echo tcp 8080", open(Undefined::NamedPortWithoutPod)),
                ("x/a external:echo udp 8080", DENY),
                ("x/a node:n2 tcp 8080", open(Undefined::NamedPortWithoutPod)),
                ("x/a y/a tcp 8080", ALLOW),
                ("x/a y/a tcp 8081", DENY),
                ("y/a external:echo tcp 8080", open(Undefined::NamedPortWithoutPod)),
                ("y/a external:echo tcp 8081", ALLOW),
                ("y/a external:echo tcp 8080 ipv6", DENY),
            ],
            ..ROW
        },
        Row {
            says: "Named port + ipBlock stays open where ipBlocks are known to match pods.",
            policies: &[(
                "x",
                "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}], to: [{ipBlock: {cidr: 10.0.2.1/32}}]}]}",
            )],
            blocks_match_pods: true,
            flows: &[("x/a y/a tcp 8080", open(Undefined::NamedPortWithoutPod)), ("x/a y/b tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "ipBlock after NAT (LoadBalancer, NodePort): order of rewrite and policy undefined.",
            policies: &[
                ("x", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.9/32}}]}]}"),
                ("y", "{podSelector: {}, policyTypes: [Ingress]}"),
                (
                    "z",
                    "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.9/32}}]}, {ports: [{port: 8081}]}]}",
                ),
            ],
            flows: &[
                ("external:echo x/a tcp 8080", ALLOW),
                ("external:echo x/a tcp 8080 node-port", open(Undefined::AfterNat)),
                ("external:echo x/a tcp 8080 load-balancer", open(Undefined::AfterNat)),
                // The address may be a node's by then.
                ("z/a x/a tcp 8080 node-port", open(Undefined::AfterNat)),
                ("external:echo y/a tcp 8080 node-port", DENY),
                ("external:echo z/a tcp 8081 node-port", ALLOW),
                ("external:echo x/a tcp 8080 node-port ipv6", DENY),
            ],
            ..ROW
        },
        Row {
            says: "Service → external: rewritten too.",
            policies: &[(
                "x",
                "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.9/32}}]}]}",
            )],
            flows: &[
                ("x/a external:echo tcp 8080", ALLOW),
                ("x/a external:echo tcp 8080 cluster-ip", open(Undefined::AfterNat)),
            ],
            ..ROW
        },
        Row {
            says: "Established connections when policy or labels change: implementation-defined.",
            policies: &[X_INGRESS],
            flows: &[
                ("y/a x/a tcp 8080", DENY),
                ("y/a x/a tcp 8080 standing", open(Undefined::StandingConnection)),
                ("y/a x/a udp 8080 ipv6 standing", open(Undefined::StandingConnection)),
                ("x/a y/a tcp 8080 standing", ALLOW),
                ("y/a z/a tcp 8080 standing", ALLOW),
                // What is open for new connections is for this reason open, whatever stood before.
                ("x/a x/a tcp 8080 cluster-ip standing", open(Undefined::Hairpin)),
            ],
            ..ROW
        },
        Row {
            says: "An end that the world does not hold is not known.",
            flows: &[
                ("x/a w/a tcp 8080", open(Undefined::UnknownEnd)),
                ("external:other x/a tcp 8080", open(Undefined::UnknownEnd)),
                ("node:n9 x/a tcp 8080", open(Undefined::UnknownEnd)),
            ],
            ..ROW
        },
        Row {
            says: "An address that the world does not hold is not known, where an ipBlock asks for it.",
            world: |world| world.nodes.iter_mut().for_each(|node| node.addresses.clear()),
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.2/32}}], ports: [{port: 8080}]}]}",
            )],
            flows: &[
                ("node:n2 x/a tcp 8080", open(Undefined::UnknownEnd)),
                ("node:n2 x/a tcp 8081", DENY),
                ("node:n1 x/a tcp 8080", ALLOW),
            ],
            ..ROW
        },
    ]);
}

#[test]
fn every_reason_to_leave_a_flow_open_is_a_sentence_of_its_own() {
    let mut sentences = Undefined::ALL.map(|why| why.to_string()).to_vec();
    sentences.dedup();
    assert_eq!(sentences.len(), Undefined::ALL.len());
    assert!(sentences.iter().all(|sentence| !sentence.ends_with('.')));
    assert!(Undefined::ALL.is_sorted());
}
