//! Case files with a mistake: code 2, and a message that leads to the line and the field.

use crate::common::papertiger;

/// A sound case file. Each test spoils one thing in it.
const SOUND: &str = "\
- id: my-case
  title: The frontend alone reaches the backend.
  profile: quick
  covers: [ingress, ip-block]
  labels:
    x/b: {role: frontend}
  steps:
    - apply:
        - apiVersion: networking.k8s.io/v1
          kind: NetworkPolicy
          metadata: {namespace: x, name: backend}
          spec:
            podSelector: {matchLabels: {pod: a}}
            ingress:
              - from:
                  - podSelector: {matchLabels: {role: frontend}}
                  - ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}
                ports:
                  - {protocol: TCP, port: 80}
    - relabel: {pod: x/b, remove: [role]}
";

/// What is said of a directory that holds this one file.
#[track_caller]
fn said(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine.yaml"), text).unwrap();
    let output = papertiger().current_dir(directory.path()).args(["lab", "--case-dir", "."]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr.trim_end().to_owned()
}

/// What is said once `right` has become `wrong`.
#[track_caller]
fn spoiled(right: &str, wrong: &str) -> String {
    assert_eq!(SOUND.matches(right).count(), 1, "{right}");
    said(&SOUND.replace(right, wrong))
}

#[test]
fn the_file_that_the_others_spoil_is_sound() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine.yaml"), SOUND).unwrap();
    let mut command = papertiger();
    let output = command.current_dir(directory.path()).args(["cases", "list", "--case-dir", "."]).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && listed.contains("my-case"), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_unknown_key() {
    insta::assert_snapshot!(spoiled("  profile: quick", "  colour: green\n  profile: quick"), @"
    error: ./mine.yaml:3:3: case my-case: colour: unknown field `colour`, expected one of id, title, profile, covers, also-known-as, note, protocols, labels, steps, masked, property, requires, canary, stopwatch, every-node, on-request
    ");
}

#[test]
fn a_misspelt_key_of_a_policy() {
    insta::assert_snapshot!(spoiled("            podSelector: {", "            podSelektor: {"), @"
    error: ./mine.yaml:13:13: case my-case: steps[0].apply[0].spec.podSelektor: unknown field `podSelektor`, did you mean `podSelector`?
    ");
}

#[test]
fn bad_indentation() {
    insta::assert_snapshot!(spoiled("  title:", "   title:"), @"
    error: ./mine.yaml:2:9: mapping values are not allowed in this context
    ");
}

#[test]
fn a_tab() {
    insta::assert_snapshot!(spoiled("  covers:", "\tcovers:"), @"
    error: ./mine.yaml:3:12: while scanning a plain scalar, found a tab
    ");
}

#[test]
fn a_key_twice() {
    insta::assert_snapshot!(spoiled("            ingress:\n", "            ingress: []\n            ingress:\n"), @"
    error: ./mine.yaml:15:13: case my-case: steps[0].apply[0].spec.ingress: the key `ingress` is there twice
    ");
}

#[test]
fn a_value_of_the_wrong_type() {
    insta::assert_snapshot!(spoiled("[ingress, ip-block]", "ingress"), @"
    error: ./mine.yaml:4:11: case my-case: covers: expected a list
    ");
}

#[test]
fn an_end_port_below_its_port() {
    insta::assert_snapshot!(spoiled("port: 80}", "port: 80, endPort: 79}"), @"
    error: ./mine.yaml:19:47: case my-case: steps[0].apply[0].spec.ingress[0].ports[0].endPort: 79 is below `port`; expected at least 80
    ");
}

#[test]
fn two_changes_in_one_step() {
    insta::assert_snapshot!(spoiled("    - relabel:", "    - delete: [x/backend]\n      relabel:"), @"
    error: ./mine.yaml:20:7: case my-case: steps[1]: a step has exactly one of apply, replace, delete, relabel and recreate; this has `delete` and `relabel`
    ");
}

#[test]
fn an_unknown_pod() {
    insta::assert_snapshot!(spoiled("{pod: x/b, remove", "{pod: x/d, remove"), @"
    error: ./mine.yaml:20:17: case my-case: steps[1].relabel.pod: unknown pod `x/d`, expected one of x/a, x/b, x/c, y/a, y/b, y/c, z/a, z/b, z/c
    ");
}

#[test]
fn a_label_by_which_a_run_finds_its_own() {
    insta::assert_snapshot!(spoiled("x/b: {role: frontend}", "x/b: {role: frontend, papertiger.dev/run: other}"), @"
    error: ./mine.yaml:6:27: case my-case: labels.x/b.papertiger.dev/run: by this label papertiger knows what it has made
    ");
}

#[test]
fn an_id_that_is_taken() {
    insta::assert_snapshot!(said(&format!("{SOUND}{SOUND}")), @"
    error: ./mine.yaml:21:3: case my-case: id: the id `my-case` is taken by another case in ./mine.yaml
    ");
}

#[test]
fn an_id_of_the_embedded_catalogue() {
    insta::assert_snapshot!(spoiled("my-case", "default-deny-egress"), @"
    error: ./mine.yaml:1:3: case default-deny-egress: id: the id `default-deny-egress` is taken by another case in isolation.yaml
    ");
}

#[test]
fn a_bad_cidr() {
    insta::assert_snapshot!(spoiled("cidr: 192.0.2.0/24", "cidr: 192.0.2.0/33"), @"
    error: ./mine.yaml:17:31: case my-case: steps[0].apply[0].spec.ingress[0].from[1].ipBlock.cidr: `192.0.2.0/33` is no cidr; expected such as 192.0.2.0/24 or 2001:db8::/64
    ");
}

#[test]
fn an_exception_outside_its_cidr() {
    insta::assert_snapshot!(spoiled("192.0.2.128/25", "198.51.100.0/25"), @"
    error: ./mine.yaml:17:60: case my-case: steps[0].apply[0].spec.ingress[0].from[1].ipBlock.except[0]: `198.51.100.0/25` lies not strictly within cidr; expected a smaller part of 192.0.2.0/24
    ");
}

#[test]
fn no_steps() {
    let (head, _) = SOUND.split_once("  steps:").unwrap();
    insta::assert_snapshot!(said(&format!("{head}  steps: []\n")), @"
    error: ./mine.yaml:7:3: case my-case: steps: a case has at least one step
    ");
}

#[test]
fn a_placeholder_that_means_nothing() {
    insta::assert_snapshot!(spoiled("cidr: 192.0.2.0/24", "cidr: \"{y/d.ipv4}/24\""), @"
    error: ./mine.yaml:17:31: case my-case: steps[0].apply[0].spec.ingress[0].from[1].ipBlock.cidr: unknown pod `y/d`, expected one of x/a, x/b, x/c, y/a, y/b, y/c, z/a, z/b, z/c
    ");
}

#[test]
fn a_file_that_is_no_text() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine.yaml"), b"- id: \xff\xfe\n").unwrap();
    let output = papertiger().current_dir(directory.path()).args(["lab", "--case-dir", "."]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap().trim_end(), @"
    error: cannot read the cases in .
      caused by: ./mine.yaml: stream did not contain valid UTF-8
    ");
}

#[test]
fn a_directory_that_is_not_there_or_empty() {
    let directory = tempfile::tempdir().unwrap();
    let mut messages = Vec::new();
    for name in [".", "missing"] {
        let mut command = papertiger();
        let output = command.current_dir(directory.path()).args(["lab", "--case-dir", name]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        messages.push(String::from_utf8(output.stderr).unwrap());
    }
    insta::assert_snapshot!(messages.concat().trim_end(), @"
    error: . holds no case file; case files end in .yaml
    error: cannot read the cases in missing
      caused by: No such file or directory (os error 2)
    ");
}
