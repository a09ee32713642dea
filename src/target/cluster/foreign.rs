//! Other people's policies: in our namespaces, where project templates and generators put them, and of the kinds that
//! concern a whole cluster. They are watched from before the first probe to after the last, and named.

use super::names::{RUN, lane_of};
use super::objects::read_policy;
use crate::core::event::ForeignPolicy;
use crate::core::model::flow::PodId;
use crate::core::model::world::{Namespace, World};
use crate::core::oracle;
use crate::target::Alert;
use futures_util::StreamExt;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{ApiResource, DynamicObject};
use kube::core::{Selector, SelectorExt};
use kube::discovery;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinHandle;

/// Groups with kinds of policies beside NetworkPolicy, and these kinds' plural names. What exists of them is found out.
const KINDS: [(&str, &[&str]); 8] = [
    ("policy.networking.k8s.io", &["clusternetworkpolicies", "adminnetworkpolicies", "baselineadminnetworkpolicies"]),
    ("projectcalico.org", &["globalnetworkpolicies", "networkpolicies"]),
    ("crd.projectcalico.org", &["globalnetworkpolicies", "networkpolicies"]),
    ("cilium.io", &["ciliumclusterwidenetworkpolicies", "ciliumnetworkpolicies"]),
    ("crd.antrea.io", &["clusternetworkpolicies", "networkpolicies"]),
    ("networking.k8s.aws", &["clusternetworkpolicies", "applicationnetworkpolicies"]),
    ("k8s.ovn.org", &["adminpolicybasedexternalroutes", "egressfirewalls"]),
    ("kubeovn.io", &["security-groups"]),
];

/// A watch that ends with its owner.
#[derive(Debug)]
pub(super) struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long a watch may take to tell what is there already.
const FIRST_LIST: Duration = Duration::from_secs(5);

/// Watches the NetworkPolicies in the namespaces of one lane, and returns when those that are there have been told of.
/// Those of this run are its own.
pub(super) async fn in_lane(
    client: &Client,
    run: &str,
    lane: u32,
    world: &Arc<Mutex<World>>,
    alerts: &UnboundedSender<Alert>,
) -> Vec<Watch> {
    let namespaces = lock(world).namespaces.clone();
    let (listing, listed) = mpsc::channel(1);
    let watch = |namespace: Namespace| {
        let api = Api::<NetworkPolicy>::namespaced(client.clone(), &namespace.name);
        let config = watcher::Config::default().labels(&format!("{RUN}!={run}"));
        let (world, alerts) = (Arc::clone(world), alerts.clone());
        let describe = move |policy: &NetworkPolicy| ForeignPolicy {
            lane: Some(lane),
            object: named("NetworkPolicy", policy),
            pods: selected(policy, &namespace.id, &lock(&world)),
            present: true,
        };
        Watch(tokio::spawn(report(api, config, describe, alerts, listing.clone())))
    };
    let watches = namespaces.into_iter().map(watch).collect();
    drop(listing);
    told(listed).await;
    watches
}

/// Waits until every watch has told what was there when it began.
async fn told(mut listed: mpsc::Receiver<Infallible>) {
    // Nothing is ever sent: each watch holds a sender until it has listed.
    let _ = tokio::time::timeout(FIRST_LIST, listed.recv()).await;
}

/// Watches every other kind of policy that this cluster has, and returns when those that are there have been told of. `ours` are namespaces such as lanes have.
pub(super) async fn in_cluster(
    client: &Client,
    run: &str,
    ours: &[Namespace],
    alerts: &UnboundedSender<Alert>,
) -> Vec<Watch> {
    let mut watches = Vec::new();
    let (listing, listed) = mpsc::channel(1);
    let Ok(groups) = client.list_api_groups().await else { return watches };
    for (group, plurals) in KINDS {
        if !groups.groups.iter().any(|found| found.name == group) {
            continue;
        }
        let Ok(found) = discovery::group(client, group).await else { continue };
        for (resource, _) in found.recommended_resources() {
            if !plurals.contains(&resource.plural.as_str()) {
                continue;
            }
            watches.push(kind(client, resource, run.to_owned(), ours.to_vec(), alerts, listing.clone()));
        }
    }
    drop(listing);
    told(listed).await;
    watches
}

fn kind(
    client: &Client,
    resource: ApiResource,
    run: String,
    ours: Vec<Namespace>,
    alerts: &UnboundedSender<Alert>,
    listing: mpsc::Sender<Infallible>,
) -> Watch {
    let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let kind = format!("{}.{}", resource.kind, resource.group);
    let describe = move |object: &DynamicObject| {
        let lane = object.namespace().and_then(|namespace| lane_of(&namespace, &run));
        let in_ours = |namespace: String| ours.iter().any(|ours| ours.name == namespace);
        // One in somebody else's namespace concerns nobody here.
        let elsewhere = object.namespace().is_some_and(|namespace| lane.is_none() && !in_ours(namespace));
        let pods = (elsewhere || spares(object, &ours)).then(Vec::new);
        ForeignPolicy { lane, object: named(&kind, object), pods, present: true }
    };
    Watch(tokio::spawn(report(api, watcher::Config::default(), describe, alerts.clone(), listing)))
}

/// Tells of every object that comes, changes what it selects, or goes. The watch begins again when it is broken off, and
/// what has gone meanwhile is told then.
async fn report<K>(
    api: Api<K>,
    config: watcher::Config,
    describe: impl Fn(&K) -> ForeignPolicy,
    alerts: UnboundedSender<Alert>,
    listing: mpsc::Sender<Infallible>,
) where
    K: Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let mut events = pin!(watcher(api, config).default_backoff());
    let mut known: BTreeMap<String, ForeignPolicy> = BTreeMap::new();
    let mut listed: BTreeSet<String> = BTreeSet::new();
    let mut listing = Some(listing);
    // Nobody listens any more only when the run has ended.
    let tell = |policy: &ForeignPolicy| drop(alerts.send(Alert::Foreign(policy.clone())));
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object) | Event::Apply(object)) => {
                let policy = describe(&object);
                listed.insert(policy.object.clone());
                let harmless = policy.pods.as_ref().is_some_and(Vec::is_empty);
                let before = known.insert(policy.object.clone(), policy.clone());
                if before.as_ref() != Some(&policy) && !(before.is_none() && harmless) {
                    tell(&policy);
                }
            }
            Ok(Event::Delete(object)) => {
                if let Some(gone) = known.remove(&describe(&object).object) {
                    tell(&ForeignPolicy { present: false, ..gone });
                }
            }
            Ok(Event::InitDone) => {
                let gone: Vec<String> = known.keys().filter(|name| !listed.contains(*name)).cloned().collect();
                for gone in gone.iter().filter_map(|name| known.remove(name)) {
                    tell(&ForeignPolicy { present: false, ..gone });
                }
                drop(listing.take());
            }
            // The watch is begun again after a pause. Whoever may not list a kind at all never sees one.
            Err(_) => drop(listing.take()),
        }
    }
}

fn named<K: ResourceExt>(kind: &str, object: &K) -> String {
    let place = object.namespace().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{kind} {place}{}", object.name_any())
}

/// The probe pods that a NetworkPolicy selects; `None` when it cannot be read.
fn selected(policy: &NetworkPolicy, namespace: &str, world: &World) -> Option<Vec<PodId>> {
    let policy = read_policy(policy, namespace).ok()?;
    Some(world.pods.iter().filter(|pod| oracle::selects(&policy, &pod.id, world)).map(|pod| pod.id.clone()).collect())
}

/// Whether a policy of the whole cluster certainly leaves our namespaces alone, because its subject names others.
/// Only the kinds of policy.networking.k8s.io say that in a way that is read here.
fn spares(object: &DynamicObject, ours: &[Namespace]) -> bool {
    let subject = &object.data["spec"]["subject"];
    let selector = match (&subject["namespaces"], &subject["pods"]["namespaceSelector"]) {
        (selector, _) if selector.is_object() => selector,
        (_, selector) if selector.is_object() => selector,
        _ => return false,
    };
    let selector = serde_json::from_value::<LabelSelector>(selector.clone()).ok().map(Selector::try_from);
    let Some(Ok(selector)) = selector else { return false };
    ours.iter().all(|namespace| !selector.matches(&namespace.labels))
}

fn lock(world: &Mutex<World>) -> std::sync::MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}
