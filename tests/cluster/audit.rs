//! What a run really asked of the API server, against the rights that docs/rights.md lists. Needs the server's audit log,
//! level Metadata, of runs of this very version: `PAPERTIGER_TEST_AUDIT` names it.

use papertiger::target::cluster::{GIVEN_RIGHTS, RIGHTS, Right};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};

/// Kinds of policies beside NetworkPolicy, which are watched where that is allowed.
const POLICY_GROUPS: [&str; 5] =
    ["policy.networking.k8s.io", "projectcalico.org", "crd.projectcalico.org", "cilium.io", "crd.antrea.io"];

#[test]
#[ignore = "needs the audit log of a cluster (PAPERTIGER_TEST_AUDIT)"]
fn a_run_uses_the_published_rights_and_no_other() {
    let path = std::env::var_os("PAPERTIGER_TEST_AUDIT").expect("PAPERTIGER_TEST_AUDIT must name an audit log");
    let mut used: BTreeMap<(bool, String, String, String), u32> = BTreeMap::new();
    for line in BufReader::new(File::open(path).unwrap()).lines() {
        let Ok(event) = serde_json::from_str::<Value>(&line.unwrap()) else { continue };
        let ours = event["userAgent"].as_str().is_some_and(|agent| agent.starts_with("papertiger/"));
        // What was asked for in vain, by the test without rights, was not used.
        let allowed = event["annotations"]["authorization.k8s.io/decision"] == "allow";
        let object = &event["objectRef"];
        if !ours || !allowed || !object.is_object() {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut resource = text(&object["resource"]);
        if let Some(subresource) = object["subresource"].as_str() {
            resource.push_str(&format!("/{subresource}"));
        }
        // Those that the tests of given namespaces give.
        let given = object["namespace"].as_str().is_some_and(|namespace| namespace.starts_with("papertiger-test-"));
        *used.entry((given, text(&object["apiGroup"]), resource, text(&event["verb"]))).or_default() += 1;
    }
    assert!(used.values().sum::<u32>() > 100, "this log holds no run: {used:?}");

    let set = |rights: &'static [Right]| -> BTreeSet<(&str, &str, &str)> {
        rights.iter().map(|right| (right.group, right.resource, right.verb)).collect()
    };
    let (granted, granted_in_given) = (set(&RIGHTS), set(&GIVEN_RIGHTS));
    let excess: Vec<_> = used
        .keys()
        .filter(|(given, group, resource, verb)| {
            let granted = if *given { &granted_in_given } else { &granted };
            let asks_for_rights = resource == "selfsubjectaccessreviews" && verb == "create";
            let watches_policies =
                POLICY_GROUPS.contains(&group.as_str()) && ["list", "watch"].contains(&verb.as_str());
            !granted.contains(&(group.as_str(), resource.as_str(), verb.as_str()))
                && !asks_for_rights
                && !watches_policies
        })
        .collect();
    assert!(excess.is_empty(), "used without being published: {excess:?}");
    for forbidden in ["exec", "attach", "ephemeralcontainers", "proxy"] {
        assert!(!used.keys().any(|(_, _, resource, _)| resource.contains(forbidden)), "{forbidden}: {used:?}");
    }
}
