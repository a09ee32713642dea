//! Rules 11 to 21: what follows for a flow.

use super::super::Undefined;
use super::{ALLOW, DENY, ROW, Row, X_EGRESS, X_INGRESS, check, open, pod};
use crate::core::model::world::{NAMESPACE_NAME_LABEL, Phase};

#[test]
fn rules_11_to_14_isolate_and_unite() {
    check(&[
        Row {
            says: "11. A pod is isolated in a direction iff some policy in its ns selects it and lists that direction.",
            policies: &[("x", "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress]}")],
            flows: &[
                ("y/a x/a tcp 8080", DENY),
                ("y/a x/b tcp 8080", ALLOW),
                ("x/a y/a tcp 8080", ALLOW),
                ("y/b y/a tcp 8080", ALLOW),
                ("external:echo x/a tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "12. Not isolated → that side allows.",
            flows: &[("y/a x/a tcp 8080", ALLOW), ("x/a external:echo udp 8080 ipv6", ALLOW)],
            ..ROW
        },
        Row {
            says: "12. Isolated → allowed iff at least one rule of any selecting policy matches. Union.",
            policies: &[
                X_INGRESS,
                ("x", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}"),
                ("x", "{podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{port: 8081}]}]}"),
            ],
            flows: &[
                ("y/a x/a tcp 8080", ALLOW),
                ("z/a x/a tcp 8080", DENY),
                ("z/a x/a tcp 8081", ALLOW),
                ("z/a x/b tcp 8081", DENY),
            ],
            ..ROW
        },
        Row {
            says: "12. Order, name and age are irrelevant; there is no deny rule.",
            policies: &[("x", "{podSelector: {}, ingress: [{}]}"), X_INGRESS],
            flows: &[("y/a x/a tcp 8080", ALLOW)],
            ..ROW
        },
        Row {
            says: "13. Connection allowed = src egress side allows AND dst ingress side allows.",
            policies: &[
                (
                    "x",
                    "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}",
                ),
                (
                    "y",
                    "{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: z}}}]}]}",
                ),
            ],
            flows: &[
                ("x/a y/b tcp 8080", ALLOW),
                ("x/a y/a tcp 8080", DENY),
                ("z/a y/a tcp 8080", ALLOW),
                ("x/a z/a tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "13. Replies of an allowed connection are implicitly allowed; no reverse rule is needed.",
            policies: &[("x", "{podSelector: {}, policyTypes: [Ingress, Egress], egress: [{}]}")],
            flows: &[("x/a y/a tcp 8080", ALLOW), ("y/a x/a tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "14. Rule match = (ports OR'ed) AND (peers OR'ed).",
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{ports: [{port: 8080}, {port: 8080, protocol: UDP}], from: [{namespaceSelector: {matchLabels: {ns: y}}}, {podSelector: {}}]}]}",
            )],
            flows: &[
                ("y/a x/a tcp 8080", ALLOW),
                ("x/b x/a udp 8080", ALLOW),
                ("y/a x/a tcp 8081", DENY),
                ("z/a x/a tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "14. Ports of one rule are not combined with peers of another.",
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{ports: [{port: 8080}], from: [{podSelector: {}}]}, {ports: [{port: 8081}], from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}",
            )],
            flows: &[
                ("x/b x/a tcp 8080", ALLOW),
                ("y/b x/a tcp 8081", ALLOW),
                ("y/b x/a tcp 8080", DENY),
                ("x/b x/a tcp 8081", DENY),
            ],
            ..ROW
        },
        Row {
            says: "14. except removes addresses from that one peer only.",
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.8/30]}}]}]}",
            )],
            flows: &[("external:echo x/a tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "14. Another peer or policy may still allow them.",
            policies: &[
                (
                    "x",
                    "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.8/30]}}, {ipBlock: {cidr: 203.0.113.9/32}}]}]}",
                ),
                ("y", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [203.0.113.9/32]}}]}]}"),
                ("y", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.112.0/23}}]}]}"),
            ],
            flows: &[("external:echo x/a tcp 8080", ALLOW), ("external:echo y/a tcp 8080", ALLOW)],
            ..ROW
        },
    ]);
}

#[test]
fn rules_15_to_19_find_ports_addresses_and_pods() {
    check(&[
        Row {
            says: "15. Ports are pod ports, after Service DNAT. Service port ≠ targetPort: use targetPort.",
            policies: &[
                ("x", "{podSelector: {}, ingress: [{ports: [{port: 8080}]}]}"),
                ("y", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"),
                (
                    "z",
                    "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 8080}], to: [{namespaceSelector: {}}]}]}",
                ),
            ],
            flows: &[
                ("x/b x/a tcp 8080 cluster-ip", ALLOW),
                ("x/b y/a tcp 8080 cluster-ip", DENY),
                ("z/b x/a tcp 8080 cluster-ip", ALLOW),
            ],
            ..ROW
        },
        Row {
            says: "16. Named port: looked up in containerPorts by name and protocol.",
            policies: &[("x", "{podSelector: {}, ingress: [{ports: [{port: http}]}]}")],
            flows: &[("y/a x/a tcp 8080", ALLOW), ("y/a x/a udp 8080", DENY), ("y/a x/a udp 8081", DENY)],
            ..ROW
        },
        Row {
            says: "16. The same name under another protocol is another port.",
            policies: &[("x", "{podSelector: {}, ingress: [{ports: [{port: http, protocol: UDP}]}]}")],
            flows: &[("y/a x/a udp 8081", ALLOW), ("y/a x/a udp 8080", DENY), ("y/a x/a tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "16. On the destination pod: ingress = selected pod; may be a different number per pod.",
            policies: &[("x", "{podSelector: {}, ingress: [{ports: [{port: web}]}]}")],
            flows: &[
                ("y/a x/a tcp 9001", ALLOW),
                ("y/a x/a tcp 9002", DENY),
                ("y/a x/b tcp 9002", ALLOW),
                ("y/b x/a tcp 9002", DENY),
                ("external:echo x/c tcp 9003", ALLOW),
            ],
            ..ROW
        },
        Row {
            says: "16. Egress = each peer pod, not the selected one.",
            policies: &[(
                "x",
                "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: web}], to: [{namespaceSelector: {}}]}]}",
            )],
            flows: &[
                ("x/a y/b tcp 9002", ALLOW),
                ("x/a y/b tcp 9001", DENY),
                ("x/b y/a tcp 9001", ALLOW),
                ("x/b y/a tcp 9002", DENY),
            ],
            ..ROW
        },
        Row {
            says: "16. No such name = no match.",
            policies: &[("x", "{podSelector: {}, ingress: [{ports: [{port: absent}]}]}")],
            flows: &[("y/a x/a tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "16. For ingress the name is the selected pod's, whoever the peer is.",
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{ports: [{port: http}], from: [{ipBlock: {cidr: 203.0.113.9/32}}]}]}",
            )],
            flows: &[("external:echo x/a tcp 8080", ALLOW), ("external:echo x/a tcp 8081", DENY)],
            ..ROW
        },
        Row {
            says: "17. ipBlock matches its own family only.",
            policies: &[
                ("x", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}"),
                ("y", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]}"),
            ],
            flows: &[
                ("external:echo x/a tcp 8080", ALLOW),
                ("external:echo x/a tcp 8080 ipv6", DENY),
                ("external:echo y/a tcp 8080", DENY),
                ("external:echo y/a tcp 8080 ipv6", ALLOW),
            ],
            ..ROW
        },
        Row {
            says: "17. Selectors match all IPs of the pod.",
            policies: &[("x", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")],
            flows: &[
                ("x/a x/b tcp 8080", ALLOW),
                ("x/a x/b tcp 8080 ipv6", ALLOW),
                ("y/a x/b tcp 8080", DENY),
                ("y/a x/b tcp 8080 ipv6", DENY),
            ],
            ..ROW
        },
        Row {
            says: "18. kubernetes.io/metadata.name is set on every ns by the API server.",
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: lane-y}}}]}]}",
            )],
            flows: &[("y/a x/a tcp 8080", ALLOW), ("z/a x/a tcp 8080", DENY), ("x/b x/a tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "18. And cannot be changed: it is there even where a list of labels leaves it out.",
            world: |world| {
                for namespace in &mut world.namespaces {
                    namespace.labels.remove(NAMESPACE_NAME_LABEL);
                }
            },
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: lane-y}}}]}]}",
            )],
            flows: &[("y/a x/a tcp 8080", ALLOW), ("z/a x/a tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "19. Evaluate against pods that are Running with an IP; terminating pods need their own case.",
            world: |world| {
                pod(world, "y/a").phase = Phase::Terminating;
                pod(world, "y/b").phase = Phase::Completed;
            },
            policies: &[
                (
                    "x",
                    "{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}",
                ),
                X_EGRESS,
            ],
            flows: &[
                ("z/a y/a tcp 8080", open(Undefined::NotRunning)),
                ("y/a z/a tcp 8080", open(Undefined::NotRunning)),
                ("z/a y/b tcp 8080", open(Undefined::NotRunning)),
                ("y/a x/a tcp 8080", open(Undefined::NotRunning)),
                ("y/a y/a tcp 8080", open(Undefined::NotRunning)),
                // The end that runs denies on its own.
                ("x/a y/a tcp 8080", DENY),
                ("x/b y/b tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "19. A rule for a pod that ends may still hold; reused IPs may make it another pod's.",
            world: |world| {
                pod(world, "y/a").phase = Phase::Terminating;
                pod(world, "y/b").phase = Phase::Completed;
            },
            policies: &[(
                "x",
                "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {pod: c}}}], ports: [{port: 8080}]}]}",
            )],
            flows: &[
                ("x/a y/a tcp 8080", DENY),
                ("x/a y/b tcp 8080", open(Undefined::NotRunning)),
                ("x/a y/b tcp 8081", DENY),
                ("x/a y/c tcp 8080", ALLOW),
            ],
            ..ROW
        },
        Row {
            says: "19. Nor can a named port be looked up on a pod that has ended.",
            world: |world| {
                pod(world, "y/a").phase = Phase::Terminating;
                pod(world, "y/b").phase = Phase::Completed;
            },
            policies: &[("x", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: web}]}]}")],
            flows: &[
                ("x/a y/a tcp 9001", open(Undefined::NotRunning)),
                ("x/a y/a tcp 8080", DENY),
                ("x/a y/b tcp 9001", open(Undefined::NotRunning)),
                ("x/a y/c tcp 9001", DENY),
            ],
            ..ROW
        },
    ]);
}

#[test]
fn rules_20_and_21_are_never_in_question() {
    check(&[
        Row {
            says: "20. A pod to its own pod IP: docs say a pod \"cannot block access to itself\" → Allow.",
            policies: &[X_INGRESS, X_EGRESS],
            flows: &[("x/a x/a tcp 8080", ALLOW), ("x/a x/a tcp 8080 ipv6", ALLOW), ("x/a x/b tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "21. From the pod's own node to the pod (kubelet probes): always allowed. A remote node is not exempt.",
            policies: &[X_INGRESS],
            flows: &[
                ("node:n1 x/a tcp 8080", ALLOW),
                ("node:n2 x/a tcp 8080", DENY),
                ("node:n2 x/b tcp 8080", ALLOW),
                ("node:n1 x/b tcp 8080 cluster-ip", DENY),
            ],
            ..ROW
        },
        Row {
            says: "21. A remote node is a peer by its address only; no selector matches it.",
            policies: &[
                ("x", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.2/32}}]}]}"),
                ("y", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"),
                ("z", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.2/32}}]}]}"),
            ],
            flows: &[
                ("node:n2 x/a tcp 8080", ALLOW),
                ("node:n2 x/a tcp 8080 ipv6", DENY),
                ("node:n2 y/a tcp 8080", DENY),
                ("z/a node:n2 tcp 8080", ALLOW),
                ("z/b node:n1 tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "21. The reverse direction is unsettled → pod→own-node is Undefined.",
            policies: &[
                X_EGRESS,
                ("y", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}]}"),
            ],
            flows: &[
                ("x/a node:n1 tcp 8080", open(Undefined::OwnNode)),
                ("x/a node:n2 tcp 8080", DENY),
                // It does not matter where a rule allows it, or nothing isolates.
                ("y/a node:n1 tcp 8080", ALLOW),
                ("z/a node:n1 tcp 8080", ALLOW),
            ],
            ..ROW
        },
    ]);
}
