//! Removal: by the run's label, until nothing is left.

use super::errors::{advised, failed, patiently, refused, watch_problem};
use super::names::{EXPIRES, RUN, selector_of};
use crate::core::model::world::{Namespace as ProbeNamespace, World};
use crate::target::TargetError;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, ListParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::conditions::is_deleted;
use kube::runtime::wait::await_condition;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

/// How long namespaces may take to go.
pub(super) const DEADLINE: Duration = Duration::from_secs(55);

/// How long a request that was in flight when the run was broken off may still create something.
pub(super) const STRAGGLERS: Duration = Duration::from_millis(500);

/// A run that has left something in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// The run's id.
    pub run: String,
    /// The namespaces with something of it.
    pub namespaces: Vec<String>,
    /// Until when it may still be at work; `None` where that cannot be read.
    pub expires: Option<Timestamp>,
}

/// What runs have left, those at work among them.
pub(super) async fn remains(client: &Client) -> Result<Vec<Remains>, TargetError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = namespaces
        .list(&ListParams::default().labels(RUN))
        .await
        .map_err(|error| refused("listing the namespaces of runs", &error))?;
    Ok(by_run(found.iter().map(|namespace| (namespace.name_any(), namespace))))
}

/// What is whose: objects, each with its namespace, by the run whose label they carry.
pub(super) fn by_run<'a, K: ResourceExt + 'a>(found: impl Iterator<Item = (String, &'a K)>) -> Vec<Remains> {
    let mut runs: BTreeMap<String, Remains> = BTreeMap::new();
    for (namespace, object) in found {
        let Some(run) = object.labels().get(RUN).cloned() else { continue };
        let expires = object.annotations().get(EXPIRES).and_then(|text| text.parse().ok());
        let remains = runs.entry(run.clone()).or_insert_with(|| Remains { run, namespaces: Vec::new(), expires });
        if !remains.namespaces.contains(&namespace) {
            remains.namespaces.push(namespace);
        }
        remains.expires = remains.expires.max(expires);
    }
    runs.into_values().collect()
}

/// Deletes every namespace of a run, and waits until they are gone.
pub(super) async fn remove(client: &Client, run: &str) -> Result<(), TargetError> {
    let deadline = Instant::now() + DEADLINE;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let config = watcher::Config::default().labels(&selector_of(run));
    let mut events = pin!(watcher(namespaces.clone(), config).default_backoff());
    let mut left: BTreeMap<String, Namespace> = BTreeMap::new();
    let mut listed = false;
    let mut last_error = None;
    loop {
        // Nothing is left when the list says so and nothing more comes for a moment.
        let wait = if listed && left.is_empty() { Instant::now() + STRAGGLERS } else { deadline };
        let event = match tokio::time::timeout_at(wait.min(deadline), events.next()).await {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(_) if listed && left.is_empty() => return Ok(()),
            Err(_) => break,
        };
        match event {
            Ok(Event::Init) => {
                left.clear();
                listed = false;
            }
            Ok(Event::InitApply(namespace) | Event::Apply(namespace)) => {
                if namespace.metadata.deletion_timestamp.is_none()
                    && let Err(error) = delete(&namespaces, "namespace", &namespace.name_any()).await
                {
                    last_error = Some(error);
                }
                left.insert(namespace.name_any(), namespace);
            }
            Ok(Event::Delete(namespace)) => {
                left.remove(&namespace.name_any());
            }
            Ok(Event::InitDone) => listed = true,
            Err(error) => last_error = Some(failed("watching the namespaces of the run", watch_problem(&error))),
        }
    }
    let names: Vec<&str> = left.keys().map(String::as_str).collect();
    let why = left.values().find_map(stuck).or_else(|| last_error.map(|error| error.cause)).unwrap_or_default();
    let still = match names.as_slice() {
        [] => "it is not known what is left".to_owned(),
        [one] => format!("there is still {one}"),
        names => format!("there are still {}", names.join(", ")),
    };
    let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
    let cause = format!("after {} s {still}{why}", DEADLINE.as_secs());
    let hint = format!("{} tries again; nothing else in the cluster is touched", cleanup(run));
    Err(advised(format!("removing the namespaces of run {run}"), cause, hint))
}

/// The command that removes what a run has left.
pub(super) fn cleanup(run: &str) -> String {
    format!("`papertiger cleanup --run {run}`")
}

/// Deletes the namespaces of a world, without waiting, and its pods: left to itself, Kubernetes lets five seconds pass before
/// it begins with what a deleted namespace holds. In a namespace that is being deleted nobody makes a pod again.
pub(super) async fn begin(client: &Client, world: &World) -> Result<(), TargetError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let of_namespace = |namespace: &ProbeNamespace| {
        let (namespaces, name) = (namespaces.clone(), namespace.name.clone());
        let pods: Api<Pod> = Api::namespaced(client.clone(), &name);
        let held: Vec<String> =
            world.pods.iter().filter(|pod| pod.id.namespace == namespace.id).map(|pod| pod.name.clone()).collect();
        async move {
            delete(&namespaces, "namespace", &name).await?;
            try_join_all(held.iter().map(|pod| delete(&pods, "pod", pod))).await.map(drop)
        }
    };
    try_join_all(world.namespaces.iter().map(of_namespace)).await.map(drop)
}

/// Deletes the namespaces of a world and waits until they have gone.
pub(super) async fn world(client: &Client, world: &World) -> Result<(), TargetError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let uid = |name: String| {
        let namespaces = namespaces.clone();
        async move {
            let object = patiently(|| namespaces.get(&name)).await;
            let object = object.map_err(|error| refused(format!("deleting the namespace {name}"), &error))?;
            Ok((name, object.uid().unwrap_or_default()))
        }
    };
    let objects = try_join_all(world.namespaces.iter().map(|namespace| uid(namespace.name.clone()))).await?;
    begin(client, world).await?;
    try_join_all(objects.iter().map(|(name, uid)| gone(&namespaces, "namespace", name, uid))).await.map(drop)
}

/// Deletes one object of a kind, and waits until it has gone.
pub(super) async fn one<K>(api: &Api<K>, kind: &str, name: &str) -> Result<(), TargetError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let step = || format!("deleting the {kind} {name}");
    let object = patiently(|| api.get(name)).await.map_err(|error| refused(step(), &error))?;
    delete(api, kind, name).await?;
    gone(api, kind, name, &object.uid().unwrap_or_default()).await
}

/// Waits until an object of a kind has gone, which was asked for.
pub(super) async fn gone<K>(api: &Api<K>, kind: &str, name: &str, uid: &str) -> Result<(), TargetError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let step = || format!("deleting the {kind} {name}");
    let gone = await_condition(api.clone(), name, is_deleted(uid));
    match tokio::time::timeout(DEADLINE, gone).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(failed(step(), watch_problem(&error))),
        Err(_) => Err(failed(step(), format!("it is still there after {} s", DEADLINE.as_secs()))),
    }
}

/// Asks for the deletion of an object. That it is being deleted already, or is gone, is no failure.
async fn delete<K>(api: &Api<K>, kind: &str, name: &str) -> Result<(), TargetError>
where
    K: Clone + Debug + DeserializeOwned,
{
    let parameters = DeleteParams::background();
    match patiently(|| api.delete(name, &parameters)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(refused(format!("deleting the {kind} {name}"), &error)),
    }
}

/// Why a namespace does not go, in its own words: that something is there, and that a finalizer keeps it.
fn stuck(namespace: &Namespace) -> Option<String> {
    let conditions = namespace.status.as_ref()?.conditions.as_ref()?;
    let true_ones = conditions.iter().filter(|condition| condition.status == "True");
    let messages: Vec<&str> = true_ones.filter_map(|condition| condition.message.as_deref()).collect();
    (!messages.is_empty()).then(|| messages.join("; "))
}
