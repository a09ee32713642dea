//! Manifests that the API server takes, those that it refuses and why, and the way back.

use super::*;
use crate::core::model::flow::Protocol;
use crate::core::model::policy::{self, Peer, Policy, PortMatch, PortRef, Rule};
use crate::core::oracle::sample;
use proptest::prelude::*;

const HEAD: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\n";

fn read(text: &str) -> Result<NetworkPolicy, String> {
    serde_saphyr::from_str(text).map_err(|e| e.to_string())
}

/// A manifest that is valid but for the spec.
fn with_spec(spec: &str) -> String {
    format!("{HEAD}spec: {spec}\n")
}

fn valid(text: &str) -> Policy {
    read(text).unwrap_or_else(|e| panic!("{text}\n{e}")).validate().unwrap_or_else(|e| panic!("{text}\n{e:?}"))
}

/// Everything that validation says about a manifest, a line for each error.
fn errors(text: &str) -> Vec<String> {
    let manifest = read(text).unwrap_or_else(|e| panic!("{text}\n{e}"));
    manifest.validate().expect_err(text).iter().map(ToString::to_string).collect()
}

fn ingress_only(rules: Vec<Rule>) -> Policy {
    Policy {
        namespace: "x".to_owned(),
        name: "p".to_owned(),
        pod_selector: policy::LabelSelector::default(),
        ingress: Some(rules),
        egress: None,
    }
}

fn port(protocol: Protocol, port: Option<PortRef>, end_port: Option<u16>) -> PortMatch {
    PortMatch { protocol, port, end_port }
}

#[test]
fn the_same_policy_written_in_many_ways() {
    let nothing = ingress_only(vec![]);
    for text in [
        HEAD.to_owned(),
        format!("{HEAD}spec:\n"),
        with_spec("{}"),
        with_spec("{podSelector: }"),
        with_spec("{podSelector: {}}"),
        with_spec("{podSelector: {matchLabels: {}, matchExpressions: []}}"),
        with_spec("{policyTypes: }"),
        with_spec("{policyTypes: []}"),
        with_spec("{policyTypes: [Ingress]}"),
        with_spec("{policyTypes: [Ingress, Ingress]}"),
        with_spec("{ingress: }"),
        with_spec("{ingress: []}"),
        with_spec("{egress: }"),
        with_spec("{egress: []}"),
        with_spec("{policyTypes: [Ingress], egress: [{}]}"),
        HEAD.replace("namespace: x", "namespace: x, labels: {a/b: c}, annotations: {Some/Key: 'any text: {}'}"),
    ] {
        assert_eq!(valid(&text), nothing, "{text}");
    }

    let everything = ingress_only(vec![Rule::default()]);
    for spec in [
        "{ingress: [{}]}",
        "{ingress: [{from: , ports: }]}",
        "{ingress: [{from: [], ports: []}]}",
        "{policyTypes: [Ingress], ingress: [{from: []}]}",
    ] {
        assert_eq!(valid(&with_spec(spec)), everything, "{spec}");
    }

    let tcp = ingress_only(vec![Rule { ports: vec![port(Protocol::Tcp, None, None)], peers: vec![] }]);
    for spec in ["{ingress: [{ports: [{}]}]}", "{ingress: [{ports: [{protocol: , port: , endPort: }]}]}"] {
        assert_eq!(valid(&with_spec(spec)), tcp, "{spec}");
    }
}

#[test]
fn what_the_api_server_takes() {
    let types = |spec: &str| {
        let policy = valid(&with_spec(spec));
        (policy.ingress.is_some(), policy.egress.is_some())
    };
    assert_eq!(types("{egress: [{}]}"), (true, true));
    assert_eq!(types("{policyTypes: [Egress]}"), (false, true));
    assert_eq!(types("{policyTypes: [Egress], ingress: [{}]}"), (false, true));
    assert_eq!(types("{policyTypes: [Egress, Ingress]}"), (true, true));

    let ports = |items: &str| {
        valid(&with_spec(&format!("{{ingress: [{{ports: [{items}]}}]}}"))).ingress.unwrap()[0].ports.clone()
    };
    let named = |name: &str| Some(PortRef::Name(name.to_owned()));
    assert_eq!(ports("{port: 65535}"), [port(Protocol::Tcp, Some(PortRef::Number(65535)), None)]);
    assert_eq!(ports("{port: 1, endPort: 65535}"), [port(Protocol::Tcp, Some(PortRef::Number(1)), Some(65535))]);
    assert_eq!(ports("{port: 80, endPort: 80}"), [port(Protocol::Tcp, Some(PortRef::Number(80)), Some(80))]);
    assert_eq!(ports("{port: a-1-b}"), [port(Protocol::Tcp, named("a-1-b"), None)]);
    assert_eq!(
        ports("{port: fifteen-letters, protocol: SCTP}"),
        [port(Protocol::Sctp, named("fifteen-letters"), None)]
    );
    assert_eq!(ports("{port: 8a, protocol: UDP}"), [port(Protocol::Udp, named("8a"), None)]);

    let peers =
        |items: &str| valid(&with_spec(&format!("{{egress: [{{to: [{items}]}}]}}"))).egress.unwrap()[0].peers.clone();
    let all = Some(policy::LabelSelector::default());
    let pods = |namespace_selector: &Option<_>, pod_selector: &Option<_>| Peer::Pods {
        namespace_selector: namespace_selector.clone(),
        pod_selector: pod_selector.clone(),
    };
    assert_eq!(
        peers(
            "{podSelector: {}}, {namespaceSelector: {}}, {podSelector: {}, namespaceSelector: {}}, {podSelector: , namespaceSelector: {}}"
        ),
        [pods(&None, &all), pods(&all, &None), pods(&all, &all), pods(&all, &None)]
    );
    let block = |cidr: &str, except: &[&str]| Peer::IpBlock {
        cidr: cidr.parse().unwrap(),
        except: except.iter().map(|block| block.parse().unwrap()).collect(),
    };
    assert_eq!(peers("{ipBlock: {cidr: 0.0.0.0/0, except: }}"), [block("0.0.0.0/0", &[])]);
    assert_eq!(peers("{ipBlock: {cidr: 10.0.0.7/8, except: [10.1.2.3/16]}}"), [block("10.0.0.0/8", &["10.1.0.0/16"])]);
    assert_eq!(
        peers("{ipBlock: {cidr: '2001:DB8::/32', except: ['2001:db8:0:0::/64']}}"),
        [block("2001:db8::/32", &["2001:db8::/64"])]
    );
    assert_eq!(peers("{ipBlock: {cidr: 192.0.2.1/32}, podSelector: }"), [block("192.0.2.1/32", &[])]);

    let longest = "l".repeat(63);
    for selector in [
        "{matchLabels: {a: ''}}".to_owned(),
        "{matchLabels: {A_b.c-d: E_f.g-h, kubernetes.io/metadata.name: x}}".to_owned(),
        format!("{{matchLabels: {{{longest}: {longest}}}}}"),
        "{matchExpressions: [{key: a, operator: In, values: ['', b, b]}, {key: a, operator: NotIn, values: [c]}]}"
            .to_owned(),
        "{matchExpressions: [{key: a, operator: Exists, values: }, {key: a.b/c, operator: DoesNotExist, values: []}]}"
            .to_owned(),
    ] {
        valid(&with_spec(&format!("{{podSelector: {selector}}}")));
    }
    valid(&HEAD.replace("name: p", &format!("name: {}.0-9.a", "p".repeat(64))));
}

#[test]
fn what_the_api_server_refuses_and_where() {
    let check = |text: String, expected: &[&str]| assert_eq!(errors(&text), expected, "{text}");
    let spec = |spec: &str, expected: &str| check(with_spec(spec), &[expected]);
    let port = |item: &str, expected: &str| {
        spec(
            &format!("{{ingress: [{{}}, {{ports: [{{}}, {item}]}}]}}"),
            &format!("spec.ingress[1].ports[1]{expected}"),
        );
    };
    let peer = |item: &str, expected: &str| {
        spec(
            &format!("{{egress: [{{to: [{{podSelector: {{}}}}, {item}]}}]}}"),
            &format!("spec.egress[0].to[1]{expected}"),
        );
    };
    let selector = |item: &str, expected: &str| {
        spec(&format!("{{podSelector: {item}}}"), &format!("spec.podSelector{expected}"));
    };

    check(
        HEAD.replace("/v1", "/v1beta1"),
        &["apiVersion: unsupported value `networking.k8s.io/v1beta1`; expected `networking.k8s.io/v1`"],
    );
    check(
        HEAD.replace("NetworkPolicy", "networkpolicy"),
        &["kind: unsupported value `networkpolicy`; expected `NetworkPolicy`"],
    );

    let no_subdomain =
        "expected lower-case letters, digits, `-` and `.`, each part beginning and ending with a letter or digit";
    let no_label = "expected lower-case letters, digits and `-`, beginning and ending with a letter or digit";
    for name in ["''", "P", "-p", "p-", "a..b", "a_b", ".p"] {
        let shown = name.trim_matches('\'');
        let expected = format!("metadata.name: `{shown}` is no DNS subdomain; {no_subdomain}");
        check(HEAD.replace("name: p", &format!("name: {name}")), &[&expected]);
    }
    let long = "n".repeat(254);
    let expected = format!("metadata.name: `{long}` has 254 bytes; expected at most 253");
    check(HEAD.replace("name: p", &format!("name: {long}")), &[&expected]);
    for namespace in ["''", "X", "a.b", "x-"] {
        let shown = namespace.trim_matches('\'');
        let expected = format!("metadata.namespace: `{shown}` is no DNS label; {no_label}");
        check(HEAD.replace("namespace: x", &format!("namespace: {namespace}")), &[&expected]);
    }
    let long = "n".repeat(64);
    let expected = format!("metadata.namespace: `{long}` has 64 bytes; expected at most 63");
    check(HEAD.replace("namespace: x", &format!("namespace: {long}")), &[&expected]);

    let no_key = "is no qualified name; expected letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit, optionally after a DNS subdomain and `/`";
    let no_value = "is no label value; expected nothing, or letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit";
    check(HEAD.replace("{name", "{labels: {a b: c}, name"), &[&format!("metadata.labels: key `a b` {no_key}")]);
    check(
        HEAD.replace("{name", "{labels: {a: b c}, name"),
        &[&format!("metadata.labels: value of `a`: `b c` {no_value}")],
    );
    check(
        HEAD.replace("{name", "{annotations: {a b: c}, name"),
        &[&format!("metadata.annotations: key `a b` {no_key}")],
    );

    spec("{policyTypes: [ingress]}", "spec.policyTypes[0]: unsupported value `ingress`; expected Ingress or Egress");
    check(
        with_spec("{policyTypes: [Ingress, Egress, Ingress]}"),
        &["spec.policyTypes: 3 entries; expected at most two"],
    );

    port("{protocol: tcp}", ".protocol: unsupported value `tcp`; expected TCP, UDP or SCTP");
    port("{protocol: ICMP, port: 8}", ".protocol: unsupported value `ICMP`; expected TCP, UDP or SCTP");
    for number in ["0", "65536", "-1"] {
        port(&format!("{{port: {number}}}"), &format!(".port: {number} is no port; expected a number from 1 to 65535"));
    }
    let no_name = "expected a number from 1 to 65535 or an IANA service name";
    for (name, wrong) in [
        ("''", "is empty"),
        ("'80'", "is a number in quotes"),
        ("HTTP", "holds other characters than lower-case letters, digits and `-`"),
        ("a_b", "holds other characters than lower-case letters, digits and `-`"),
        ("1-2", "holds no letter"),
        ("a--b", "holds two hyphens in a row"),
        ("-a", "begins or ends with a hyphen"),
        ("a-", "begins or ends with a hyphen"),
    ] {
        let shown = name.trim_matches('\'');
        port(&format!("{{port: {name}}}"), &format!(".port: port name `{shown}` {wrong}; {no_name}"));
    }
    port("{port: sixteen-letters-}", ".port: `sixteen-letters-` has 16 bytes; expected at most 15");
    port("{endPort: 90}", ".endPort: a range without a beginning; expected `port` beside it");
    port("{port: http, endPort: 90}", ".endPort: a range from the name `http`; expected a number as `port`");
    port("{port: 80, endPort: 79}", ".endPort: 79 is below `port`; expected at least 80");
    port("{port: 80, endPort: 65536}", ".endPort: 65536 is no port; expected a number from 1 to 65535");

    let no_peer = ": must specify a peer; expected podSelector, namespaceSelector or ipBlock, not null";
    peer("{}", no_peer);
    peer("{podSelector: }", no_peer);
    let two = ": may not specify both ipBlock and another peer; expected one peer for each";
    peer("{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}", two);
    peer("{ipBlock: {cidr: 10.0.0.0/8}, namespaceSelector: {}}", two);
    for cidr in [
        "''",
        "10.0.0.0",
        "10.0.0.0/33",
        "10.0.0/8",
        "010.0.0.0/8",
        "'2001:db8::/129'",
        "any",
        "10.0.0.0/-1",
        "10.0.0.0/08",
        "10.0.0.0/+8",
    ] {
        let shown = cidr.trim_matches('\'');
        let expected = format!(".ipBlock.cidr: `{shown}` is no cidr; expected such as 192.0.2.0/24 or 2001:db8::/64");
        peer(&format!("{{ipBlock: {{cidr: {cidr}}}}}"), &expected);
    }
    peer(
        "{ipBlock: {cidr: '::ffff:10.0.0.0/104'}}",
        ".ipBlock.cidr: `::ffff:10.0.0.0/104` is IPv4 within IPv6; expected it in IPv4 notation",
    );
    for except in ["10.0.0.0/8", "10.0.0.0/7", "11.0.0.0/16", "0.0.0.0/0", "'2001:db8::/64'"] {
        let shown = except.trim_matches('\'');
        let expected = format!(
            ".ipBlock.except[1]: `{shown}` lies not strictly within cidr; expected a smaller part of 10.0.0.0/8"
        );
        peer(&format!("{{ipBlock: {{cidr: 10.0.0.0/8, except: [10.1.0.0/16, {except}]}}}}"), &expected);
    }
    peer(
        "{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0]}}",
        ".ipBlock.except[0]: `10.1.0.0` is no cidr; expected such as 192.0.2.0/24 or 2001:db8::/64",
    );

    let values = |operator: &str| format!("{{matchExpressions: [{{key: a, operator: {operator}}}]}}");
    selector(&values("In"), ".matchExpressions[0].values: must be specified; In expects one or more");
    selector(&values("NotIn, values: []"), ".matchExpressions[0].values: must be specified; NotIn expects one or more");
    selector(&values("Exists, values: [b]"), ".matchExpressions[0].values: may not be specified; Exists expects none");
    selector(
        &values("DoesNotExist, values: ['']"),
        ".matchExpressions[0].values: may not be specified; DoesNotExist expects none",
    );
    selector(
        &values("in, values: [b]"),
        ".matchExpressions[0].operator: unsupported value `in`; expected In, NotIn, Exists or DoesNotExist",
    );
    selector(&values("In, values: [b, c/d]"), &format!(".matchExpressions[0].values[1]: `c/d` {no_value}"));
    selector(
        "{matchExpressions: [{key: a/, operator: Exists}]}",
        &format!(".matchExpressions[0].key: key `a/` {no_key}"),
    );
    selector("{matchLabels: {a/b/c: d}}", &format!(".matchLabels: key `a/b/c` {no_key}"));
    selector("{matchLabels: {'': d}}", &format!(".matchLabels: key `` {no_key}"));
    selector(
        "{matchLabels: {A/b: c}}",
        &format!(".matchLabels: prefix of key `A/b`: `A` is no DNS subdomain; {no_subdomain}"),
    );
    selector(
        "{matchLabels: {/b: c}}",
        &format!(".matchLabels: prefix of key `/b`: `` is no DNS subdomain; {no_subdomain}"),
    );
    selector("{matchLabels: {a: -b}}", &format!(".matchLabels: value of `a`: `-b` {no_value}"));
    let long = "l".repeat(64);
    let expected = format!(".matchLabels: value of `a`: `{long}` has 64 bytes; expected at most 63");
    selector(&format!("{{matchLabels: {{a: {long}}}}}"), &expected);
    selector(
        &format!("{{matchLabels: {{{long}: a}}}}"),
        &format!(".matchLabels: `{long}` has 64 bytes; expected at most 63"),
    );

    // The sections that policyTypes leaves out are validated all the same.
    spec(
        "{policyTypes: [Egress], ingress: [{from: [{}]}]}",
        "spec.ingress[0].from[0]: must specify a peer; expected podSelector, namespaceSelector or ipBlock, not null",
    );
}

#[test]
fn all_errors_are_collected() {
    let text = "
apiVersion: v1
kind: Policy
metadata: {name: P, namespace: X}
spec:
  podSelector: {matchExpressions: [{key: '', operator: Is, values: [' ']}]}
  policyTypes: [Both]
  ingress:
  - from:
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8, nothing]}
      podSelector: {}
  egress:
  - ports: [{protocol: ANY, port: 0, endPort: 0}]
";
    let paths: Vec<String> = read(text).unwrap().validate().unwrap_err().into_iter().map(|error| error.path).collect();
    assert_eq!(
        paths,
        [
            "apiVersion",
            "kind",
            "metadata.name",
            "metadata.namespace",
            "spec.podSelector.matchExpressions[0].operator",
            "spec.podSelector.matchExpressions[0].key",
            "spec.podSelector.matchExpressions[0].values[0]",
            "spec.ingress[0].from[0]",
            "spec.ingress[0].from[0].ipBlock.except[0]",
            "spec.ingress[0].from[0].ipBlock.except[1]",
            "spec.egress[0].ports[0].protocol",
            "spec.egress[0].ports[0].port",
            "spec.egress[0].ports[0].endPort",
            "spec.policyTypes[0]",
        ]
    );
}

#[test]
fn what_is_no_manifest_is_refused_with_its_line() {
    for (spec, expected) in [
        ("\n  podSelektor: {}", "line 5 column 3: unknown field `podSelektor`"),
        ("\n  ingress:\n  - form: []", "line 6 column 5: unknown field `form`"),
        ("\n  ingress:\n  - to: []", "line 6 column 5: unknown field `to`"),
        ("\n  egress:\n  - from: []", "line 6 column 5: unknown field `from`"),
        ("\n  ingress:\n  - ports:\n    - {portt: 80}", "unknown field `portt`"),
        ("\n  ingress:\n  - ports:\n    - port: 80.5", "line 7 column 7: invalid type: floating point"),
        ("\n  ingress:\n  - ports:\n    - port: [80]", "expected a port number or the name of a container port"),
        ("\n  ingress:\n  - ports:\n    - port: true", "expected a port number or the name of a container port"),
        ("\n  ingress:\n  - from:\n    - ipBlock: {}", "missing field `cidr`"),
        ("\n  podSelector: {matchLabels: {a: b, a: c}}", "duplicate"),
    ] {
        let error = read(&with_spec(spec)).expect_err(spec);
        assert!(error.contains(expected), "{spec}\n{error}");
    }
    for (metadata, expected) in [
        ("{generateName: p-, namespace: x}", "unknown field `generateName`"),
        ("{name: p}", "missing field `namespace`"),
        ("{namespace: x}", "missing field `name`"),
        ("{name: p, namespace: x, uid: u}", "unknown field `uid`"),
    ] {
        let error = read(&HEAD.replace("{name: p, namespace: x}", metadata)).expect_err(metadata);
        assert!(error.contains(expected), "{metadata}\n{error}");
    }
    let error = read(&format!("{HEAD}status: {{}}\n")).expect_err("status");
    assert!(error.contains("line 4 column 1: unknown field `status`"), "{error}");
}

#[test]
fn the_canonical_form_is_explicit_and_quiet() {
    let policy = valid(&with_spec(
        "{ingress: [{}, {ports: [{}, {port: http}, {port: 80, endPort: 90}], from: [{podSelector: {}}, {namespaceSelector: {matchLabels: {a: '1'}}}, {ipBlock: {cidr: 10.0.0.1/8, except: []}}]}], egress: []}",
    ));
    insta::assert_snapshot!(to_yaml(&policy), @r#"
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata:
      name: p
      namespace: x
    spec:
      podSelector: {}
      policyTypes:
      - Ingress
      ingress:
      - {}
      - ports:
        - protocol: TCP
        - protocol: TCP
          port: http
        - protocol: TCP
          port: 80
          endPort: 90
        from:
        - podSelector: {}
        - namespaceSelector:
            matchLabels:
              a: "1"
        - ipBlock:
            cidr: 10.0.0.0/8
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_as_it_was(policy in sample::any_policy()) {
        let yaml = to_yaml(&policy);
        prop_assert_eq!(&valid(&yaml), &policy, "{}", yaml);
        prop_assert!(!yaml.contains("null\n") || yaml.contains("\"null\"\n"), "{}", yaml);
        let json = serde_json::to_string(&NetworkPolicy::from(&policy)).unwrap();
        let again: NetworkPolicy = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(again.validate().unwrap(), policy);
    }

    #[test]
    fn the_schema_takes_what_is_written(policy in sample::any_policy()) {
        let schema = serde_json::to_value(schemars::schema_for!(NetworkPolicy)).unwrap();
        let manifest = serde_json::to_value(NetworkPolicy::from(&policy)).unwrap();
        prop_assert!(jsonschema::is_valid(&schema, &manifest), "{manifest}");
    }
}
