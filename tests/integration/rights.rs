//! The roles in docs/rights.md grant what the code asks for, verb by verb: nothing less, and nothing more.

use papertiger::target::cluster::{CLEANUP_RIGHTS, GIVEN_CLEANUP_RIGHTS, GIVEN_RIGHTS, RIGHTS, Right};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The blocks of YAML in a text.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "```yaml" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// The texts in a list of a rule.
fn texts<'a>(rule: &'a Value, list: &str) -> Vec<&'a str> {
    rule[list].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Every right that a ClusterRole grants, in the words of the code's own rights.
pub(crate) fn granted(role: &Value) -> Vec<String> {
    let mut granted = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        // Anything else would make a rule narrower than it reads here: `resourceNames`, for example.
        let mut fields = rule.as_object().unwrap().keys();
        assert!(fields.all(|field| ["apiGroups", "resources", "verbs"].contains(&field.as_str())), "{rule}");
        for group in texts(rule, "apiGroups") {
            let group = if group.is_empty() { String::new() } else { format!(".{group}") };
            for resource in texts(rule, "resources") {
                granted.extend(texts(rule, "verbs").iter().map(|verb| format!("{verb} {resource}{group}")));
            }
        }
    }
    granted.sort();
    granted
}

pub(crate) fn asked(rights: &[Right]) -> Vec<String> {
    let mut asked: Vec<String> = rights.iter().map(ToString::to_string).collect();
    asked.sort();
    asked
}

/// The roles of docs/rights.md, by kind and name.
fn documented() -> BTreeMap<(String, String), Value> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rights.md")).unwrap();
    let roles = blocks(&text).into_iter().map(|block| serde_saphyr::from_str::<Value>(&block).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    roles.map(|role| ((text(&role["kind"]), text(&role["metadata"]["name"])), role)).collect()
}

#[test]
fn the_documented_roles_grant_exactly_what_is_asked_for() {
    let roles = documented();
    assert_eq!(roles.len(), 3, "{roles:?}");
    for (kind, name, rights) in [
        ("ClusterRole", "papertiger", &RIGHTS[..]),
        ("ClusterRole", "papertiger-cleanup", &CLEANUP_RIGHTS),
        ("Role", "papertiger", &GIVEN_RIGHTS),
    ] {
        let role = &roles[&(kind.to_owned(), name.to_owned())];
        assert_eq!(role["apiVersion"], "rbac.authorization.k8s.io/v1", "{name}");
        assert_eq!(granted(role), asked(rights), "left: what the {kind} {name} grants; right: what is asked for");
    }
}

#[test]
fn whoever_may_verify_may_clean_up() {
    for (cleanup, verify) in [(&CLEANUP_RIGHTS[..], &RIGHTS[..]), (&GIVEN_CLEANUP_RIGHTS, &GIVEN_RIGHTS)] {
        let missing: Vec<&Right> = cleanup.iter().filter(|right| !verify.contains(right)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn roles_are_read_as_they_are_written() {
    let text = "Words.\n\n```yaml\nrules:\n  # Why.\n  - apiGroups: [\"\", apps]\n    resources: [a, a/b]\n    \
                verbs: [get]\n```\n\n```console\n$ no\n```\n";
    let [block] = blocks(text).try_into().unwrap();
    let role: Value = serde_saphyr::from_str(&block).unwrap();
    assert_eq!(granted(&role), ["get a", "get a.apps", "get a/b", "get a/b.apps"]);
}
