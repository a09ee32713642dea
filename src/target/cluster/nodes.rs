//! Which nodes can be probed, and how many probe pods each has room for. Counted before anything is created: a pod that
//! waits for room makes autoscalers buy nodes.

use super::objects::{self, Amount};
use crate::core::event::Untested;
use k8s_openapi::api::core::v1::{self as core, Node, Pod, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Nodes without a kernel of their own behind them, by a label that their makers set.
const VIRTUAL: [(&str, &str); 2] = [("type", "virtual-kubelet"), ("eks.amazonaws.com/compute-type", "fargate")];

/// A node that can be probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) arch: String,
    pub(super) addresses: Vec<IpAddr>,
    /// How many more probe pods it can take.
    pub(super) room: usize,
    /// The images that it has, smallest first.
    pub(super) images: Vec<String>,
}

/// The nodes of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    pub(super) candidates: Vec<Candidate>,
    pub(super) untested: Vec<Untested>,
}

impl Survey {
    /// Sorts nodes into those that can be probed and those that cannot, each with the reason. `pods` are all pods of the
    /// cluster that have not ended.
    pub(super) fn of(nodes: &[Node], pods: &[Pod], tolerations: &[Toleration], runs_on: impl Fn(&str) -> bool) -> Self {
        let mut survey = Self::default();
        for node in nodes {
            let name = node.metadata.name.clone().unwrap_or_default();
            let on_node = pods.iter().filter(|pod| {
                pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref()).is_some_and(|node| *node == name)
            });
            match candidate(node, on_node, tolerations, &runs_on) {
                Ok(candidate) => survey.candidates.push(candidate),
                Err(reason) => survey.untested.push(Untested { node: name, reason }),
            }
        }
        survey.candidates.sort_by(|one, other| one.name.cmp(&other.name));
        survey.untested.sort_by(|one, other| one.node.cmp(&other.node));
        survey
    }
}

fn candidate<'a>(
    node: &Node,
    pods: impl Iterator<Item = &'a Pod>,
    tolerations: &[Toleration],
    runs_on: impl Fn(&str) -> bool,
) -> Result<Candidate, String> {
    let name = node.metadata.name.clone().unwrap_or_default();
    let status = node.status.clone().unwrap_or_default();
    let spec = node.spec.clone().unwrap_or_default();
    let info = status.node_info.unwrap_or_default();
    let labels = node.metadata.labels.clone().unwrap_or_default();
    if let Some((key, _)) = VIRTUAL.iter().find(|(key, value)| labels.get(*key).is_some_and(|found| found == value)) {
        return Err(format!("it is a virtual node ({key}), on which policies have no meaning"));
    }
    if info.operating_system != "linux" {
        return Err(format!("it runs {}, and probe pods need Linux", info.operating_system));
    }
    let ready = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready");
    match ready {
        Some(condition) if condition.status == "True" => {}
        Some(condition) => {
            let why = condition.message.clone().filter(|message| !message.is_empty());
            return Err(format!("it is not ready: {}", why.unwrap_or_else(|| "no reason is given".to_owned())));
        }
        None => return Err("it has not reported that it is ready".to_owned()),
    }
    if spec.unschedulable == Some(true) {
        return Err("it is cordoned (spec.unschedulable)".to_owned());
    }
    let intolerable = spec.taints.iter().flatten().find(|taint| {
        taint.effect != "PreferNoSchedule" && !tolerations.iter().any(|toleration| tolerates(toleration, taint))
    });
    if let Some(taint) = intolerable {
        let taint = show(taint);
        return Err(format!("it has the taint {taint} (--tolerate {taint} includes it)"));
    }
    if !runs_on(&info.architecture) {
        return Err(format!(
            "this papertiger carries no agent for {}; --image names an image that has one",
            info.architecture
        ));
    }
    let room = room(&status.allocatable.unwrap_or_default(), pods);
    if room == 0 {
        return Err("it has no room for another pod (pods, cpu or memory)".to_owned());
    }
    let addresses = status.addresses.iter().flatten();
    let addresses = addresses.filter(|address| address.type_ == "InternalIP");
    let mut images: Vec<(i64, String)> = status
        .images
        .iter()
        .flatten()
        .flat_map(|image| image.names.iter().flatten().map(|name| (image.size_bytes.unwrap_or(0), name.clone())))
        .filter(|(_, name)| !name.contains('@'))
        .collect();
    images.sort();
    Ok(Candidate {
        name,
        arch: info.architecture,
        addresses: addresses.filter_map(|address| address.address.parse().ok()).collect(),
        room,
        images: images.into_iter().map(|(_, name)| name).collect(),
    })
}

/// Whether the scheduler would put up with a taint for the sake of a toleration.
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let same = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let exists = toleration.operator.as_deref() == Some("Exists");
    let value = taint.value.as_deref().unwrap_or_default();
    same(&toleration.effect, &taint.effect)
        && match toleration.key.as_deref() {
            None | Some("") => exists,
            Some(key) => key == taint.key && (exists || toleration.value.as_deref().unwrap_or_default() == value),
        }
}

fn show(taint: &Taint) -> String {
    match taint.value.as_deref() {
        Some(value) if !value.is_empty() => format!("{}={value}:{}", taint.key, taint.effect),
        Some(_) | None => format!("{}:{}", taint.key, taint.effect),
    }
}

/// Reads `KEY[=VALUE][:EFFECT]`, as `kubectl taint` writes taints; without a value any value is tolerated.
pub(super) fn toleration(text: &str) -> Toleration {
    let (rest, effect) = match text.rsplit_once(':') {
        Some((rest, effect)) => (rest, Some(effect.to_owned())),
        None => (text, None),
    };
    let (key, value) = match rest.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (rest, None),
    };
    let operator = if value.is_some() { "Equal" } else { "Exists" };
    Toleration {
        key: (key != "*").then(|| key.to_owned()),
        operator: Some(operator.to_owned()),
        value,
        effect,
        toleration_seconds: None,
    }
}

/// How many probe pods fit beside the pods that a node has.
fn room<'a>(allocatable: &BTreeMap<String, Quantity>, pods: impl Iterator<Item = &'a Pod>) -> usize {
    let amount = |name: &str| allocatable.get(name).and_then(|quantity| number(&quantity.0));
    let (mut count, mut cpu, mut memory) = (0.0, 0.0, 0.0);
    for pod in pods {
        count += 1.0;
        cpu += requested(pod, "cpu");
        memory += requested(pod, "memory");
    }
    let Amount { millicores, mebibytes } = objects::REQUEST;
    let fits = |free: f64, each: f64| if free <= 0.0 { 0.0 } else { (free / each).floor() };
    let by_count = fits(amount("pods").unwrap_or(110.0) - count, 1.0);
    let by_cpu = amount("cpu").map_or(by_count, |all| fits(all - cpu, f64::from(millicores) / 1_000.0));
    let by_memory = amount("memory").map_or(by_count, |all| fits(all - memory, f64::from(mebibytes) * 1_048_576.0));
    // A node takes some hundred pods: the cast loses nothing.
    by_count.min(by_cpu).min(by_memory) as usize
}

/// What a pod has reserved: its containers together, or its largest init container where that needs more.
fn requested(pod: &Pod, resource: &str) -> f64 {
    let of = |container: &core::Container| {
        let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        requests.and_then(|requests| requests.get(resource)).and_then(|quantity| number(&quantity.0)).unwrap_or(0.0)
    };
    let Some(spec) = &pod.spec else { return 0.0 };
    let together: f64 = spec.containers.iter().map(of).sum();
    let init = spec.init_containers.iter().flatten().map(of).fold(0.0, f64::max);
    together.max(init)
}

/// A quantity as a number: `100m`, `16Mi`, `2`, `1e3`.
fn number(quantity: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let suffix = SUFFIXES.iter().find_map(|(suffix, factor)| Some((quantity.strip_suffix(suffix)?, *factor)));
    let (digits, factor) = suffix.unwrap_or((quantity, 1.0));
    digits.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, change: impl FnOnce(&mut serde_json::Value)) -> Node {
        let mut node = json!({
            "metadata": {"name": name, "labels": {}},
            "spec": {},
            "status": {
                "allocatable": {"pods": "110", "cpu": "2", "memory": "4Gi"},
                "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": name}],
                "conditions": [{"type": "Ready", "status": "True"}],
                "images": [
                    {"names": ["r/big@sha256:1", "r/big:1"], "sizeBytes": 900},
                    {"names": ["r/pause:3"], "sizeBytes": 7},
                ],
                "nodeInfo": {
                    "architecture": "amd64", "operatingSystem": "linux", "bootID": "", "containerRuntimeVersion": "",
                    "kernelVersion": "", "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "osImage": "",
                    "systemUUID": "",
                },
            },
        });
        change(&mut node);
        serde_json::from_value(node).unwrap()
    }

    fn pod(node: &str, cpu: &str, memory: &str) -> Pod {
        let pod = json!({
            "metadata": {"name": "p"},
            "spec": {"nodeName": node, "containers": [
                {"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}},
            ]},
        });
        serde_json::from_value(pod).unwrap()
    }

    fn survey(nodes: &[Node], pods: &[Pod], tolerated: &[&str]) -> Survey {
        let tolerations: Vec<Toleration> = tolerated.iter().map(|text| toleration(text)).collect();
        Survey::of(nodes, pods, &tolerations, |arch| arch == "amd64")
    }

    #[test]
    fn a_sound_node_is_a_candidate_with_its_images_smallest_first() {
        let found = survey(&[node("n1", |_| {})], &[], &[]);
        assert_eq!(
            found.candidates,
            [Candidate {
                name: "n1".to_owned(),
                arch: "amd64".to_owned(),
                addresses: vec!["192.0.2.1".parse().unwrap()],
                room: 110,
                images: vec!["r/pause:3".to_owned(), "r/big:1".to_owned()],
            }]
        );
        assert!(found.untested.is_empty());
    }

    #[test]
    fn every_reason_not_to_use_a_node_is_said() {
        type Change = fn(&mut serde_json::Value);
        let table: [(Change, &str); 8] = [
            (|n| n["metadata"]["labels"]["type"] = json!("virtual-kubelet"), "virtual node"),
            (|n| n["status"]["nodeInfo"]["operatingSystem"] = json!("windows"), "runs windows"),
            (|n| n["status"]["conditions"][0]["status"] = json!("Unknown"), "not ready"),
            (|n| n["status"]["conditions"] = json!([]), "has not reported"),
            (|n| n["spec"]["unschedulable"] = json!(true), "cordoned"),
            (
                |n| n["spec"]["taints"] = json!([{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]),
                "--tolerate gpu=yes:NoSchedule",
            ),
            (|n| n["status"]["nodeInfo"]["architecture"] = json!("s390x"), "no agent for s390x"),
            (|n| n["status"]["allocatable"]["pods"] = json!("0"), "no room"),
        ];
        for (change, part) in table {
            let found = survey(&[node("n1", change)], &[], &[]);
            assert!(found.candidates.is_empty(), "{part}");
            assert!(found.untested[0].reason.contains(part), "{}", found.untested[0].reason);
        }
    }

    #[test]
    fn room_is_what_the_scarcest_resource_leaves() {
        for (pods, room) in [
            (vec![], 110),
            (vec![pod("n1", "1", "1Gi")], 100),
            (vec![pod("n1", "0", "4080Mi")], 1),
            (vec![pod("n1", "2500m", "0")], 0),
            (vec![pod("elsewhere", "2", "4Gi")], 110),
        ] {
            let found = survey(&[node("n1", |_| {})], &pods, &[]);
            assert_eq!(found.candidates.first().map_or(0, |node| node.room), room, "{pods:?}");
        }
    }

    #[test]
    fn taints_are_tolerated_as_the_scheduler_does() {
        let taint = |key: &str, value: &str, effect: &str| Taint {
            key: key.to_owned(),
            value: Some(value.to_owned()),
            effect: effect.to_owned(),
            time_added: None,
        };
        for (text, taint, tolerated) in [
            ("gpu", taint("gpu", "yes", "NoSchedule"), true),
            ("gpu=yes", taint("gpu", "yes", "NoExecute"), true),
            ("gpu=no", taint("gpu", "yes", "NoSchedule"), false),
            ("gpu:NoSchedule", taint("gpu", "yes", "NoExecute"), false),
            ("gpu=yes:NoSchedule", taint("gpu", "yes", "NoSchedule"), true),
            ("*", taint("anything", "", "NoExecute"), true),
            ("other", taint("gpu", "", "NoSchedule"), false),
        ] {
            assert_eq!(tolerates(&toleration(text), &taint), tolerated, "{text} {taint:?}");
        }
    }

    #[test]
    fn quantities_are_read_in_every_unit() {
        for (text, expected) in [("100m", 0.1), ("2", 2.0), ("16Mi", 16_777_216.0), ("1k", 1e3), ("1e3", 1e3)] {
            assert!((number(text).unwrap() - expected).abs() < 1e-9, "{text}");
        }
        assert_eq!(number("many"), None);
    }
}
