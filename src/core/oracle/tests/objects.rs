//! Rules 1 to 10: what a policy says.

use super::{ALLOW, DENY, ROW, Row, check, pod};

#[test]
fn rules_1_to_10_normalise_the_object() {
    check(&[
        Row {
            says: "1. Policy namespace is the scope of podSelector; absent or {} selects all pods in it.",
            policies: &[("x", "{podSelector: {}}"), ("y", "{policyTypes: [Ingress]}")],
            flows: &[
                ("z/a x/a tcp 8080", DENY),
                ("z/a x/b tcp 8080", DENY),
                ("z/a y/c tcp 8080", DENY),
                ("x/a z/a tcp 8080", ALLOW),
            ],
            ..ROW
        },
        Row {
            says: "2. policyTypes absent → [Ingress], plus Egress only if len(egress) > 0.",
            policies: &[("x", "{podSelector: {matchLabels: {pod: a}}, egress: [{to: [{podSelector: {}}]}]}")],
            flows: &[("y/a x/a tcp 8080", DENY), ("x/a x/b tcp 8080", ALLOW), ("x/a y/b tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "2. So `egress: []` without policyTypes does not isolate egress.",
            policies: &[("x", "{podSelector: {}, egress: []}")],
            flows: &[("x/a y/a tcp 8080", ALLOW), ("y/a x/a tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "2. Explicit [Egress] makes the ingress section irrelevant.",
            policies: &[("x", "{podSelector: {}, policyTypes: [Egress], ingress: [{from: [{podSelector: {}}]}]}")],
            flows: &[("y/a x/a tcp 8080", ALLOW), ("x/a x/b tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "3. For a listed direction, rule list null, absent or [] = allow nothing.",
            policies: &[
                ("x", "{podSelector: {}, policyTypes: [Ingress], ingress: }"),
                ("y", "{podSelector: {}, policyTypes: [Ingress]}"),
                ("z", "{podSelector: {}, policyTypes: [Ingress], ingress: []}"),
            ],
            flows: &[("z/a x/a tcp 8080", DENY), ("x/a y/a tcp 8080", DENY), ("x/a z/a tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "3. A rule {} = allow everything.",
            policies: &[("x", "{podSelector: {}, ingress: [{}]}")],
            flows: &[
                ("z/a x/a tcp 8080", ALLOW),
                ("z/a x/a sctp 8080 ipv6", ALLOW),
                ("external:echo x/a udp 8080", ALLOW),
            ],
            ..ROW
        },
        Row {
            says: "4. ports missing or [] = every port of every protocol.",
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{ports: [], from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}",
            )],
            flows: &[
                ("y/a x/a tcp 8080", ALLOW),
                ("y/a x/a udp 8080", ALLOW),
                ("y/a x/a sctp 8080", ALLOW),
                ("z/a x/a tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "4. Port item without protocol → TCP.",
            policies: &[("x", "{podSelector: {}, ingress: [{ports: [{port: 8080}]}]}")],
            flows: &[("y/a x/a tcp 8080", ALLOW), ("y/a x/a udp 8080", DENY), ("y/a x/a tcp 8081", DENY)],
            ..ROW
        },
        Row {
            says: "4. Without port → all ports of that protocol, so `ports: [{}]` = all TCP only.",
            policies: &[
                ("x", "{podSelector: {}, ingress: [{ports: [{}]}]}"),
                ("y", "{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}"),
            ],
            flows: &[
                ("y/a x/a tcp 8081", ALLOW),
                ("y/a x/a udp 8080", DENY),
                ("x/a y/a udp 8080", ALLOW),
                ("x/a y/a tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "5. endPort: inclusive.",
            policies: &[("x", "{podSelector: {}, ingress: [{ports: [{port: 8080, endPort: 8081}]}]}")],
            flows: &[
                ("y/a x/a tcp 8079", DENY),
                ("y/a x/a tcp 8080", ALLOW),
                ("y/a x/a tcp 8081", ALLOW),
                ("y/a x/a tcp 8082", DENY),
                ("y/a x/a udp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "5. endPort >= port: a range of one port is one.",
            policies: &[("x", "{podSelector: {}, ingress: [{ports: [{port: 8080, endPort: 8080}]}]}")],
            flows: &[("y/a x/a tcp 8080", ALLOW), ("y/a x/a tcp 8081", DENY)],
            ..ROW
        },
        Row {
            says: "6. from/to missing or [] = any peer, including outside the cluster.",
            policies: &[
                ("x", "{podSelector: {}, ingress: [{from: [], ports: [{port: 8080}]}]}"),
                ("y", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 8080}]}]}"),
            ],
            flows: &[
                ("y/a x/a tcp 8080", ALLOW),
                ("external:echo x/a tcp 8080", ALLOW),
                ("node:n2 x/a tcp 8080", ALLOW),
                ("y/a external:echo tcp 8080", ALLOW),
                ("y/a external:echo tcp 8081", DENY),
            ],
            ..ROW
        },
        Row {
            says: "7. podSelector only → pods of the policy's ns. {} selects all.",
            policies: &[
                ("x", "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: a}}}]}]}"),
                ("y", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"),
            ],
            flows: &[
                ("x/a x/b tcp 8080", ALLOW),
                ("x/c x/b tcp 8080", DENY),
                ("y/a x/b tcp 8080", DENY),
                ("y/a y/b tcp 8080", ALLOW),
                ("x/a y/b tcp 8080", DENY),
                ("external:echo y/b tcp 8080", DENY),
                ("node:n1 y/b tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "7. nsSelector only → all pods of matching ns.",
            policies: &[
                ("x", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}"),
                ("y", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"),
            ],
            flows: &[
                ("y/a x/b tcp 8080", ALLOW),
                ("z/a x/b tcp 8080", DENY),
                ("x/a x/b tcp 8080", DENY),
                ("x/a y/b tcp 8080", ALLOW),
                ("z/c y/b tcp 8080", ALLOW),
                ("external:echo y/b tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "7. Both → AND.",
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: a}}}]}]}",
            )],
            flows: &[
                ("y/a x/b tcp 8080", ALLOW),
                ("y/b x/b tcp 8080", DENY),
                ("x/a x/b tcp 8080", DENY),
                ("z/a x/b tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "7. Two items of from are OR'ed, unlike two selectors of one item.",
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}, {podSelector: {matchLabels: {pod: a}}}]}]}",
            )],
            flows: &[("y/b x/b tcp 8080", ALLOW), ("x/a x/b tcp 8080", ALLOW), ("z/a x/b tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "7. A null podSelector beside an nsSelector is absent, hence all pods.",
            policies: &[(
                "x",
                "{podSelector: {}, ingress: [{from: [{podSelector: , namespaceSelector: {matchLabels: {ns: y}}}]}]}",
            )],
            flows: &[("y/b x/b tcp 8080", ALLOW), ("x/a x/b tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "8. matchLabels AND matchExpressions, all AND'ed.",
            policies: &[(
                "z",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {pod: a}, matchExpressions: [{key: team, operator: Exists}, {key: team, operator: NotIn, values: [blue]}]}}]}]}",
            )],
            flows: &[
                ("x/a z/b tcp 8080", ALLOW),
                ("y/a z/b tcp 8080", DENY),
                ("x/b z/b tcp 8080", DENY),
                ("z/a z/b tcp 8080", DENY),
            ],
            ..ROW
        },
        Row {
            says: "8. In needs the key.",
            policies: &[(
                "z",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: team, operator: In, values: [red, green]}]}}]}]}",
            )],
            flows: &[("x/a z/b tcp 8080", ALLOW), ("y/a z/b tcp 8080", DENY), ("z/a z/b tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "8. Exists needs the key.",
            policies: &[(
                "z",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: team, operator: Exists}]}}]}]}",
            )],
            flows: &[("x/a z/b tcp 8080", ALLOW), ("y/a z/b tcp 8080", ALLOW), ("z/a z/b tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "8. NotIn also matches when the key is absent.",
            policies: &[(
                "z",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: team, operator: NotIn, values: [red]}]}}]}]}",
            )],
            flows: &[("x/a z/b tcp 8080", DENY), ("y/a z/b tcp 8080", ALLOW), ("z/a z/b tcp 8080", ALLOW)],
            ..ROW
        },
        Row {
            says: "8. DoesNotExist also matches when the key is absent.",
            policies: &[(
                "z",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}]}]}",
            )],
            flows: &[("x/a z/b tcp 8080", DENY), ("y/a z/b tcp 8080", DENY), ("z/a z/b tcp 8080", ALLOW)],
            ..ROW
        },
        Row {
            says: "8. An empty value is a value: it is not an absent key.",
            world: |world| {
                pod(world, "y/a").labels.insert("team".to_owned(), String::new());
            },
            policies: &[(
                "z",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {team: ''}}}]}]}",
            )],
            flows: &[("y/a z/b tcp 8080", ALLOW), ("z/a z/b tcp 8080", DENY), ("y/b z/b tcp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "8. So DoesNotExist does not match it.",
            world: |world| {
                pod(world, "y/a").labels.insert("team".to_owned(), String::new());
            },
            policies: &[(
                "z",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}]}]}",
            )],
            flows: &[("y/a z/b tcp 8080", DENY), ("z/a z/b tcp 8080", ALLOW)],
            ..ROW
        },
        Row {
            says: "9. Protocols TCP, UDP, SCTP only (what else is written is refused: see the manifest's tests).",
            policies: &[("x", "{podSelector: {}, ingress: [{ports: [{protocol: SCTP, port: 8080}]}]}")],
            flows: &[("y/a x/a sctp 8080", ALLOW), ("y/a x/a tcp 8080", DENY), ("y/a x/a udp 8080", DENY)],
            ..ROW
        },
        Row {
            says: "10. A non-nil empty rule list denies as nil does (the reference evaluator allows).",
            policies: &[("x", "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [], egress: []}")],
            flows: &[("y/a x/a tcp 8080", DENY), ("x/a y/a tcp 8080", DENY)],
            ..ROW
        },
    ]);
}
