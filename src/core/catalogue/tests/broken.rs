//! What is said about files that are wrong.

use crate::core::catalogue::Catalogue;

const HEAD: &str = "- id: a-case
  title: It proves something.
  profile: quick
  covers: [ingress]
";

const POLICY: &str = "        - apiVersion: networking.k8s.io/v1
          kind: NetworkPolicy
          metadata: {namespace: x, name: p}
          spec:
            podSelector: {}
";

fn said(text: &str) -> String {
    Catalogue::parse(&[("broken.yaml", text)]).expect_err("the file is broken").to_string()
}

/// What was said about several files, a blank line between them.
fn all(said: &[String]) -> String {
    said.join("\n\n")
}

/// A case with these lines after its head.
fn case(rest: &str) -> String {
    said(&format!("{HEAD}{rest}"))
}

/// A case that applies a policy with these lines in its spec.
fn spec(rest: &str) -> String {
    case(&format!("  steps:\n    - apply:\n{POLICY}{rest}"))
}

#[test]
fn yaml_that_is_none() {
    insta::assert_snapshot!(
        all(&[
            said(""),
            said("id: a-case\ntitle: not a list\n"),
            said("- id: a\n   title: wrong indentation\n"),
            said("- id: a\n\ttitle: a tab\n"),
            said("- id: [a\n"),
            said("- id: \u{7}\n"),
            said("[]\n---\n[]\n"),
        ]),
        @r#"
        broken.yaml:1:1: the file has no case

        broken.yaml:1:1: id: expected a list

        broken.yaml:2:9: mapping values are not allowed in this context

        broken.yaml:1:7: while scanning a plain scalar, found a tab

        broken.yaml:1:7: expected a string

        broken.yaml:1:7: unexpected character: `\u{7}'

        broken.yaml:3:1: only single YAML document expected but multiple found
        "#
    );
}

#[test]
fn keys_that_are_wrong() {
    insta::assert_snapshot!(
        all(&[
            case("  step: []\n"),
            case("  colour: green\n"),
            case("  title: Twice.\n  steps: []\n"),
            said("- id: a-case\n  title: No steps, no profile.\n"),
            spec("            podSelektor: {}\n"),
            spec("            ingress:\n              - from:\n                  - podSelector: {matchLabel: {pod: b}}\n"),
            spec("            policyTypes: [Ingress]\n            policyTypes: [Egress]\n"),
            case(&format!("  steps:\n    - apply:\n{}            ingress: [{{}}]\n", POLICY.replace("          kind: NetworkPolicy\n", ""))),
            case("  steps:\n    - apply:\n        - apiVersion: networking.k8s.io/v1\n          kind: NetworkPolicy\n          metadata: {namespace: x}\n"),
        ]),
        @"
        broken.yaml:5:3: case a-case: step: unknown field `step`, did you mean `steps`?

        broken.yaml:5:3: case a-case: colour: unknown field `colour`, expected one of id, title, profile, covers, also-known-as, note, protocols, labels, steps, masked, property, requires, canary, stopwatch, every-node, on-request

        broken.yaml:5:3: case a-case: title: the key `title` is there twice

        broken.yaml:2:3: case a-case: missing field `profile`

        broken.yaml:12:13: case a-case: steps[0].apply[0].spec.podSelektor: unknown field `podSelektor`, did you mean `podSelector`?

        broken.yaml:14:35: case a-case: steps[0].apply[0].spec.ingress[0].from[0].podSelector.matchLabel: unknown field `matchLabel`, did you mean `matchLabels`?

        broken.yaml:13:13: case a-case: steps[0].apply[0].spec.policyTypes: the key `policyTypes` is there twice

        broken.yaml:9:11: case a-case: steps[0].apply[0]: missing field `kind`

        broken.yaml:9:22: case a-case: steps[0].apply[0].metadata: missing field `name`
        "
    );
}

#[test]
fn values_of_the_wrong_kind() {
    insta::assert_snapshot!(
        all(&[
            case("  steps: soon\n"),
            said(&HEAD.replace("[ingress]", "ingress")),
            said(&HEAD.replace("[ingress]", "[ingres]")),
            said(&HEAD.replace("quick", "brief")),
            spec("            policyTypes: Ingress\n"),
            spec("            ingress:\n              - from:\n                  - podSelector: {matchLabels: {guarded: true}}\n"),
            spec("            ingress:\n              - from:\n                  - namespaceSelector: {matchLabels: {ns: y}}\n"),
            spec("            ingress:\n              - ports: [{port: [80]}]\n"),
        ]),
        @r#"
        broken.yaml:5:10: case a-case: steps: expected a list

        broken.yaml:4:11: case a-case: covers: expected a list

        broken.yaml:4:12: case a-case: covers[0]: unknown word `ingres`, did you mean `ingress`?

        broken.yaml:3:12: case a-case: profile: unknown word `brief`, expected one of quick, standard, full

        broken.yaml:12:26: case a-case: steps[0].apply[0].spec.policyTypes: expected a list

        broken.yaml:14:58: case a-case: steps[0].apply[0].spec.ingress[0].from[0].podSelector.matchLabels.guarded: `true` is not a string in every YAML reader: write "true" in quotes

        broken.yaml:14:59: case a-case: steps[0].apply[0].spec.ingress[0].from[0].namespaceSelector.matchLabels.ns: `y` is not a string in every YAML reader: write "y" in quotes

        broken.yaml:13:26: case a-case: steps[0].apply[0].spec.ingress[0].ports[0].port: invalid type: sequence, expected a port number or the name of a container port
        "#
    );
}

#[test]
fn steps_that_are_not_one_change() {
    insta::assert_snapshot!(
        all(&[
            case("  steps: []\n"),
            case("  steps:\n    - note: nothing\n"),
            spec("    - delete: [x/p]\n      relabel: {pod: x/a, add: {role: r}}\n"),
            case("  steps:\n    - apply: []\n"),
            spec("    - relabel: {pod: x/a, namespace: x, add: {role: r}}\n"),
        ]),
        @"
        broken.yaml:5:3: case a-case: steps: a case has at least one step

        broken.yaml:6:7: case a-case: steps[0]: a step has exactly one of apply, replace, delete, relabel and recreate; this has none

        broken.yaml:12:7: case a-case: steps[1]: a step has exactly one of apply, replace, delete, relabel and recreate; this has `delete` and `relabel`

        broken.yaml:6:7: case a-case: steps[0].apply: the list has no policy

        broken.yaml:12:7: case a-case: steps[1].relabel: expected exactly one of `pod` and `namespace`
        "
    );
}

#[test]
fn things_that_are_not_there() {
    insta::assert_snapshot!(
        all(&[
            spec("    - relabel: {pod: x/d, add: {role: r}}\n"),
            spec("    - relabel: {namespace: w, add: {role: r}}\n"),
            spec("    - relabel: {pod: x/a, remove: [rol]}\n"),
            spec("    - relabel: {pod: x/a, add: {pod: a}}\n"),
            spec("    - delete: [x/q]\n"),
            spec("    - delete: [x/p]\n    - delete: [x/p]\n"),
            case(&format!("  steps:\n    - replace:\n{POLICY}")),
            spec(&format!("    - apply:\n{POLICY}")),
            case(&format!("  steps:\n    - apply:\n{}", POLICY.replace("namespace: x", "namespace: w"))),
            case(&format!("  labels:\n    x/z: {{role: r}}\n  steps:\n    - apply:\n{POLICY}")),
            case(&format!("  labels:\n    x: {{kubernetes.io/metadata.name: w}}\n  steps:\n    - apply:\n{POLICY}")),
        ]),
        @"
        broken.yaml:12:17: case a-case: steps[1].relabel.pod: unknown pod `x/d`, expected one of x/a, x/b, x/c, y/a, y/b, y/c, z/a, z/b, z/c

        broken.yaml:12:17: case a-case: steps[1].relabel.namespace: unknown namespace `w`, expected one of x, y, z

        broken.yaml:12:36: case a-case: steps[1].relabel.remove[0]: pod x/a: unknown label `rol`, expected one of pod

        broken.yaml:12:7: case a-case: steps[1].relabel: pod x/a keeps the labels that it has

        broken.yaml:12:16: case a-case: steps[1].delete[0]: there is no policy `x/q` to delete: name one that exists at this step (x/p)

        broken.yaml:13:16: case a-case: steps[2].delete[0]: there is no policy `x/p` to delete: none exists at this step

        broken.yaml:9:36: case a-case: steps[0].replace[0].metadata.name: there is no policy x/p to replace: use `apply`

        broken.yaml:15:36: case a-case: steps[1].apply[0].metadata.name: the policy x/p exists already: use `replace`

        broken.yaml:9:22: case a-case: steps[0].apply[0].metadata.namespace: unknown namespace `w`, expected one of x, y, z

        broken.yaml:6:5: case a-case: labels.x/z: unknown pod `x/z`, expected one of x/a, x/b, x/c, y/a, y/b, y/c, z/a, z/b, z/c

        broken.yaml:6:9: case a-case: labels.x.kubernetes.io/metadata.name: the API server alone sets this label
        "
    );
}

#[test]
fn policies_that_the_api_server_refuses() {
    let rule = |rule: &str| spec(&format!("            ingress:\n              - {rule}\n"));
    insta::assert_snapshot!(
        all(&[
            rule("ports: [{port: 8081, endPort: 8080}]"),
            rule("ports: [{port: a-16-byte-name-x}]"),
            rule("ports: [{port: 65536}]"),
            rule("ports: [{protocol: ICMP}]"),
            rule("from: [{}]"),
            rule("from: [{ipBlock: {cidr: 10.0.0.0/8, except: [192.0.2.0/24]}}]"),
            rule("from: [{ipBlock: {cidr: 10.0.0.0/33}}]"),
            rule("from: [{podSelector: {matchLabels: {role: a-value-that-is-longer-than-forty-characters}}}]"),
        ]),
        @"
        broken.yaml:13:38: case a-case: steps[0].apply[0].spec.ingress[0].ports[0].endPort: 8080 is below `port`; expected at least 8081

        broken.yaml:13:26: case a-case: steps[0].apply[0].spec.ingress[0].ports[0].port: `a-16-byte-name-x` has 16 bytes; expected at most 15

        broken.yaml:13:26: case a-case: steps[0].apply[0].spec.ingress[0].ports[0].port: 65536 is no port; expected a number from 1 to 65535

        broken.yaml:13:26: case a-case: steps[0].apply[0].spec.ingress[0].ports[0].protocol: unsupported value `ICMP`; expected TCP, UDP or SCTP

        broken.yaml:13:24: case a-case: steps[0].apply[0].spec.ingress[0].from[0]: must specify a peer; expected podSelector, namespaceSelector or ipBlock, not null

        broken.yaml:13:62: case a-case: steps[0].apply[0].spec.ingress[0].from[0].ipBlock.except[0]: `192.0.2.0/24` lies not strictly within cidr; expected a smaller part of 10.0.0.0/8

        broken.yaml:13:35: case a-case: steps[0].apply[0].spec.ingress[0].from[0].ipBlock.cidr: `10.0.0.0/33` is no cidr; expected such as 192.0.2.0/24 or 2001:db8::/64

        broken.yaml:13:25: case a-case: steps[0].apply[0].spec.ingress[0].from[0].podSelector: `a-value-that-is-longer-than-forty-characters` has more than 40 characters, and the suffix of the run must find room behind it
        "
    );
}

#[test]
fn placeholders_that_mean_nothing() {
    let block = |block: &str| {
        spec(&format!("            ingress:\n              - from:\n                  - ipBlock: {block}\n"))
    };
    insta::assert_snapshot!(
        all(&[
            block("{cidr: \"{y/b.ipv5}/32\"}"),
            block("{cidr: \"{y/b.ipv4}/33\"}"),
            block("{cidr: \"{y/b.ipv4}\"}"),
            block("{cidr: \"{y/d.ipv4}/32\"}"),
            block("{cidr: \"{external:ecko.ipv4}/32\"}"),
            block("{cidr: \"{y/b.ipv4}/24\", except: [\"{y/b.ipv4}/16\"]}"),
            block("{cidr: \"{y/b.ipv4}/24\", except: [\"{y/b.ipv6}/128\"]}"),
        ]),
        @"
        broken.yaml:14:31: case a-case: steps[0].apply[0].spec.ingress[0].from[0].ipBlock.cidr: `{y/b.ipv5}/32` is no placeholder: write {NAMESPACE/POD.ipv4}/32, {external:NAME.ipv6}/128 or a block

        broken.yaml:14:31: case a-case: steps[0].apply[0].spec.ingress[0].from[0].ipBlock.cidr: /33 is too long: an IPv4 prefix has at most 32 bits

        broken.yaml:14:31: case a-case: steps[0].apply[0].spec.ingress[0].from[0].ipBlock.cidr: `{y/b.ipv4}` is no placeholder: write {NAMESPACE/POD.ipv4}/32, {external:NAME.ipv6}/128 or a block

        broken.yaml:14:31: case a-case: steps[0].apply[0].spec.ingress[0].from[0].ipBlock.cidr: unknown pod `y/d`, expected one of x/a, x/b, x/c, y/a, y/b, y/c, z/a, z/b, z/c

        broken.yaml:14:31: case a-case: steps[0].apply[0].spec.ingress[0].from[0].ipBlock.cidr: unknown external `ecko`, did you mean `echo`?

        broken.yaml:14:63: case a-case: steps[0].apply[0].spec.ingress[0].from[0].ipBlock.except[0]: `{y/b.ipv4}/16` can never be a smaller part of `{y/b.ipv4}/24`

        broken.yaml:14:63: case a-case: steps[0].apply[0].spec.ingress[0].from[0].ipBlock.except[0]: `{y/b.ipv6}/128` can never be a smaller part of `{y/b.ipv4}/24`
        "
    );
}

#[test]
fn cases_that_are_wrong_as_a_whole() {
    insta::assert_snapshot!(
        all(&[
            said(&format!("{HEAD}  steps:\n    - apply:\n{POLICY}").replace("a-case", "A_case")),
            said(&format!("{HEAD}  steps:\n    - apply:\n{POLICY}").replace("[ingress]", "[]")),
            said(&format!("{HEAD}  canary: true\n  requires: ip-block-matches-pods\n  steps:\n    - apply:\n{POLICY}")),
            said(&format!("{HEAD}  requires: hairpin\n  steps:\n    - apply:\n{POLICY}")),
        ]),
        @"
        broken.yaml:1:3: case A_case: id: `A_case` is no id: write lower-case words joined by hyphens

        broken.yaml:4:3: case a-case: covers: a case covers at least one feature

        broken.yaml:5:3: case a-case: canary: the canary runs first and is scored, so it neither observes nor requires a property

        broken.yaml:5:3: case a-case: requires: no case can rely on `hairpin`: it is only told what was observed
        "
    );
    let sound = format!("{HEAD}  steps:\n    - apply:\n{POLICY}");
    insta::assert_snapshot!(
        all(&[
            said(&format!("{sound}{sound}")),
        ]),
        @"broken.yaml:12:3: case a-case: id: the id `a-case` is taken by another case in broken.yaml"
    );
    let twice = Catalogue::parse(&[("one.yaml", &sound), ("two.yaml", &sound)]).unwrap_err();
    insta::assert_snapshot!(twice, @"two.yaml:1:3: case a-case: id: the id `a-case` is taken by another case in one.yaml");
    let clash = Catalogue::embedded()
        .with_user_files(&[("mine.yaml", sound.replace("a-case", "default-deny-ingress"))])
        .unwrap_err();
    insta::assert_snapshot!(clash, @"mine.yaml:1:3: case default-deny-ingress: id: the id `default-deny-ingress` is taken by another case in isolation.yaml");
}

#[test]
fn everything_wrong_is_said_at_once() {
    insta::assert_snapshot!(
        all(&[
            spec("    - delete: [x/q]\n    - relabel: {pod: x/d}\n") + "\n" + &said("- id: b\n  titel: x\n"),
        ]),
        @"
        broken.yaml:12:16: case a-case: steps[1].delete[0]: there is no policy `x/q` to delete: name one that exists at this step (x/p)
        broken.yaml:13:17: case a-case: steps[2].relabel.pod: unknown pod `x/d`, expected one of x/a, x/b, x/c, y/a, y/b, y/c, z/a, z/b, z/c
        broken.yaml:2:3: case b: titel: unknown field `titel`, expected one of id, title, profile, covers, also-known-as, note, protocols, labels, steps, masked, property, requires, canary, stopwatch, every-node, on-request
        "
    );
}

#[test]
fn what_cannot_be_recreated() {
    let policy = "    - apply:\n".to_owned() + POLICY;
    insta::assert_snapshot!(
        all(&[
            case("  steps:\n    - recreate: {pod: x/d}\n"),
            case("  steps:\n    - recreate: {}\n"),
            case("  steps:\n    - recreate: {pod: x/a, namespace: x}\n"),
            case("  steps:\n    - recreate: {namespace: x, bare: true}\n"),
            case("  steps:\n    - recreate: {pod: x/a, starts: 3, bare: true}\n"),
            case("  steps:\n    - relabel: {pod: x/a, add: {a: b}}\n    - recreate: {namespace: x}\n"),
            case(&format!("  steps:\n{policy}    - recreate: {{namespace: x}}\n    - delete: [x/p]\n")),
            case(&format!(
                "  steps:\n{policy}            egress: [{{to: [{{ipBlock: {{cidr: 0.0.0.0/0}}}}]}}]\n    - recreate: {{pod: x/a}}\n"
            )),
        ]),
        @"
        broken.yaml:6:18: case a-case: steps[0].recreate.pod: unknown pod `x/d`, expected one of x/a, x/b, x/c, y/a, y/b, y/c, z/a, z/b, z/c

        broken.yaml:6:7: case a-case: steps[0].recreate: expected exactly one of `pod` and `namespace`

        broken.yaml:6:7: case a-case: steps[0].recreate: expected exactly one of `pod` and `namespace`

        broken.yaml:6:32: case a-case: steps[0].recreate.bare: only a pod can be without a controller

        broken.yaml:6:39: case a-case: steps[0].recreate.bare: the start of a pod without a controller is not watched: leave out `bare` or `starts`

        broken.yaml:7:7: case a-case: steps[1].recreate: pod x/a would lose the labels that this case gave it: recreate it before

        broken.yaml:13:16: case a-case: steps[2].delete[0]: there is no policy `x/p` to delete: none exists at this step

        broken.yaml:13:7: case a-case: steps[1].recreate: what is recreated gets other addresses, so that no policy of the case may have an `ipBlock`
        "
    );
}

#[test]
fn what_cannot_be_done_on_every_node() {
    let head = "  every-node: true\n";
    let policy = "    - apply:\n".to_owned() + POLICY;
    insta::assert_snapshot!(
        all(&[
            case(&format!("{head}  canary: true\n  steps:\n{policy}")),
            case(&format!("{head}  steps:\n{policy}    - relabel: {{pod: x/a, add: {{k: v}}}}\n")),
            case(&format!("{head}  steps:\n{policy}    - recreate: {{pod: x/a}}\n")),
            case(&format!("{head}  labels:\n    x/a: {{k: v}}\n  steps:\n{policy}")),
            case(&format!("{head}  steps:\n{}", policy.replace("namespace: x", "namespace: z"))),
            case(&format!("{head}  steps:\n{policy}            egress:\n              - to: [{{ipBlock: {{cidr: 0.0.0.0/0}}}}]\n")),
        ]),
        @"
        broken.yaml:5:3: case a-case: every-node: a case of every node is scored and nothing besides: it is no canary, has no stopwatch and no property

        broken.yaml:5:3: case a-case: every-node: a case of every node changes policies alone: its pods are others than those of other cases

        broken.yaml:5:3: case a-case: every-node: a case of every node changes policies alone: its pods are others than those of other cases

        broken.yaml:5:3: case a-case: every-node: a case of every node changes policies alone: its pods are others than those of other cases

        broken.yaml:5:3: case a-case: every-node: a case of every node has policies in the namespace x alone, and no `ipBlock`

        broken.yaml:5:3: case a-case: every-node: a case of every node has policies in the namespace x alone, and no `ipBlock`
        "
    );
}
