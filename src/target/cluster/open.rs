//! Makes a lane's world: namespaces, what carries the agent, Services, pods; and waits until every pod runs.

use super::errors::{advised, failed, patiently, refused};
use super::given::GivenNamespaces;
use super::names::{self, Tag};
use super::objects::{self, PodStyle, Program};
use super::program;
use crate::core::model::flow::PodId;
use crate::core::model::world::{Phase, Pod as ProbePod, Service, World};
use crate::target::{LaneNames, TargetError};
use futures_util::future::{try_join, try_join_all};
use futures_util::stream::{SelectAll, select_all};
use futures_util::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{self as core, ConfigMap, Namespace, Pod};
use kube::api::PostParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// How long a world may take: some platforms take 90 s to place a pod.
const DEADLINE: Duration = Duration::from_secs(180);

/// How long a pod may be without a place. Another lane's pods may still be on their way out.
const PLACING: Duration = Duration::from_secs(15);

/// Reasons for which a container waits that time does not cure.
const HOPELESS: [&str; 8] = [
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
];

/// What it takes to make a world.
#[derive(Clone)]
pub(super) struct Maker {
    pub(super) client: Client,
    pub(super) tag: Tag,
    pub(super) style: PodStyle,
    /// The architecture of each node.
    pub(super) archs: BTreeMap<String, String>,
    /// A secret to copy into every namespace.
    pub(super) pull_secret: Option<core::Secret>,
    /// The namespaces that everything goes into, where they are not the run's own.
    pub(super) given: Option<GivenNamespaces>,
}

impl Maker {
    /// Creates everything of `world`, whose pods have nodes and nothing else yet.
    pub(super) async fn create(&self, mut world: World, lane: &LaneNames) -> Result<World, TargetError> {
        if self.given.is_none() {
            self.namespaces(&mut world).await?;
        }
        let (services, ()) = try_join(self.services(&world), self.workloads(&world, lane)).await?;
        for (id, service) in services {
            if let Some(pod) = world.pods.iter_mut().find(|pod| pod.id == id) {
                pod.service = Some(service);
            }
        }
        Ok(world)
    }

    async fn namespaces(&self, world: &mut World) -> Result<(), TargetError> {
        let namespaces = world.namespaces.iter().map(|namespace| {
            let object = objects::namespace(&self.tag, namespace);
            async move { create(&Api::<Namespace>::all(self.client.clone()), &object, "namespace").await }
        });
        for created in try_join_all(namespaces).await? {
            let namespace = world.namespaces.iter_mut().find(|namespace| namespace.name == created.name_any());
            if let Some(namespace) = namespace {
                namespace.labels.clone_from(created.labels());
            }
        }
        Ok(())
    }

    /// Waits until every pod of a world runs, and fills in what is then known of it. `progress` hears how many run.
    pub(super) async fn started(
        &self,
        mut world: World,
        progress: impl Fn(usize, usize),
    ) -> Result<World, TargetError> {
        for (id, object) in self.running(&world, progress).await? {
            if let Some(pod) = world.pods.iter_mut().find(|pod| pod.id == id) {
                read_back(pod, &object);
            }
        }
        Ok(world)
    }

    async fn services(&self, world: &World) -> Result<Vec<(PodId, Service)>, TargetError> {
        let services = world.pods.iter().filter(|pod| !pod.host_network).filter_map(|pod| {
            let namespace = world.namespace(&pod.id.namespace)?;
            let object = objects::service(&self.tag, namespace, pod);
            Some(async move {
                let api = Api::<core::Service>::namespaced(self.client.clone(), &namespace.name);
                let created = create(&api, &object, "Service").await?;
                let addresses = created.spec.as_ref().and_then(|spec| spec.cluster_ips.clone()).unwrap_or_default();
                let addresses = addresses.iter().filter_map(|address| address.parse().ok()).collect();
                Ok((pod.id.clone(), Service { name: created.name_any(), addresses }))
            })
        });
        try_join_all(services).await
    }

    /// The architecture of a node.
    pub(super) fn arch(&self, node: &str) -> &str {
        self.archs.get(node).map(String::as_str).unwrap_or_default()
    }

    /// The controller of a pod of a world.
    pub(super) fn replica_set(&self, world: &World, pod: &ProbePod, lane: &LaneNames) -> ReplicaSet {
        let arch = self.arch(&pod.node);
        objects::replica_set(&self.tag, &self.style, world, pod, arch, &lane.suffix(), &lane.token)
    }

    async fn workloads(&self, world: &World, lane: &LaneNames) -> Result<(), TargetError> {
        let namespaces = world.namespaces.iter().map(|namespace| async move {
            let pods: Vec<_> = world.pods.iter().filter(|pod| pod.id.namespace == namespace.id).collect();
            if let Some(secret) = &self.pull_secret {
                let secret = objects::pull_secret(&self.tag, namespace, secret);
                put(&Api::namespaced(self.client.clone(), &namespace.name), &secret, "Secret").await?;
            }
            if matches!(self.style.program, Program::Carried { .. }) {
                let archs: BTreeSet<&str> = pods.iter().map(|pod| self.arch(&pod.node)).collect();
                let agents = archs.into_iter().filter_map(|arch| {
                    let executable = program::executable(arch)?;
                    let object = objects::agent(&self.tag, namespace, arch, executable);
                    let api = Api::<ConfigMap>::namespaced(self.client.clone(), &namespace.name);
                    Some(async move { put(&api, &object, "ConfigMap").await })
                });
                try_join_all(agents).await?;
            }
            let sets = pods.into_iter().map(|pod| {
                let object = self.replica_set(world, pod, lane);
                let api = Api::<ReplicaSet>::namespaced(self.client.clone(), &namespace.name);
                async move { put(&api, &object, "ReplicaSet").await }
            });
            try_join_all(sets).await.map(drop)
        });
        try_join_all(namespaces).await.map(drop)
    }

    /// Waits until every pod of a world runs and has an address.
    async fn running(
        &self,
        world: &World,
        progress: impl Fn(usize, usize),
    ) -> Result<BTreeMap<PodId, Pod>, TargetError> {
        let deadline = Instant::now() + DEADLINE;
        let mut events = self.watch(world);
        let mut waiting = Waiting::new(world);
        progress(0, world.pods.len());
        loop {
            let until = waiting.patience().map_or(deadline, |patience| patience.min(deadline));
            match tokio::time::timeout_at(until, events.next()).await {
                Ok(Some(seen)) => waiting.take(seen)?,
                Ok(None) => return Err(failed("waiting for the probe pods", "the watch has ended")),
                Err(_) => return Err(waiting.given_up()),
            }
            progress(waiting.running.len(), world.pods.len());
            if waiting.running.len() == world.pods.len() {
                return Ok(waiting.running);
            }
        }
    }

    fn watch(&self, world: &World) -> SelectAll<Pin<Box<dyn Stream<Item = Seen> + Send>>> {
        let config = watcher::Config::default().labels(&self.tag.selector());
        let mut streams: Vec<Pin<Box<dyn Stream<Item = Seen> + Send>>> = Vec::new();
        for namespace in &world.namespaces {
            let pods = Api::<Pod>::namespaced(self.client.clone(), &namespace.name);
            let sets = Api::<ReplicaSet>::namespaced(self.client.clone(), &namespace.name);
            let (one, other) = (namespace.id.clone(), namespace.id.clone());
            let pods = watcher(pods, config.clone()).default_backoff();
            let sets = watcher(sets, config.clone()).default_backoff();
            streams.push(Box::pin(pods.filter_map(move |event| {
                let seen = applied(event).map(|pod| Seen::Pod(one.clone(), Box::new(pod)));
                async move { seen }
            })));
            streams.push(Box::pin(sets.filter_map(move |event| {
                let seen = applied(event).map(|set| Seen::Set(other.clone(), Box::new(set)));
                async move { seen }
            })));
        }
        select_all(streams)
    }
}

/// A pod or its controller, with the short name of its namespace.
enum Seen {
    Pod(String, Box<Pod>),
    Set(String, Box<ReplicaSet>),
}

fn applied<K>(event: Result<Event<K>, watcher::Error>) -> Option<K> {
    match event {
        Ok(Event::Apply(object) | Event::InitApply(object)) => Some(object),
        // Whoever waits has a deadline; the watch begins again by itself.
        Ok(Event::Delete(_) | Event::Init | Event::InitDone) | Err(_) => None,
    }
}

/// Pods that are on their way.
struct Waiting {
    running: BTreeMap<PodId, Pod>,
    /// What keeps each of the others, and since when it has had no place.
    held_up: BTreeMap<PodId, (String, Option<Instant>)>,
}

impl Waiting {
    fn new(world: &World) -> Self {
        let nothing = || ("it has not been created".to_owned(), None);
        let held_up = world.pods.iter().map(|pod| (pod.id.clone(), nothing())).collect();
        Self { running: BTreeMap::new(), held_up }
    }

    fn take(&mut self, seen: Seen) -> Result<(), TargetError> {
        match seen {
            Seen::Set(namespace, set) => match (set.labels().get(names::POD), refusal(&set)) {
                (Some(pod), Some(cause)) => {
                    let step = format!("creating the probe pod {namespace}/{pod}");
                    Err(advised(step, cause, "papertiger needs pods of its own; this cluster refuses them"))
                }
                (Some(_) | None, _) => Ok(()),
            },
            Seen::Pod(namespace, pod) => {
                let Some(short) = pod.labels().get(names::POD) else { return Ok(()) };
                let id = PodId::new(namespace, short);
                let expected = self.held_up.contains_key(&id) || self.running.contains_key(&id);
                if !expected || pod.metadata.deletion_timestamp.is_some() {
                    return Ok(());
                }
                match state(&pod) {
                    State::Running => {
                        self.held_up.remove(&id);
                        self.running.insert(id, *pod);
                    }
                    State::Waiting(why) => {
                        self.held_up.insert(id, (why, None));
                    }
                    State::Unplaced(why) => {
                        let since = self.held_up.get(&id).and_then(|(_, since)| *since);
                        self.held_up.insert(id, (why, Some(since.unwrap_or_else(Instant::now))));
                    }
                    State::Hopeless(why) => {
                        let step = format!("starting the probe pod {id} ({}/{})", namespace_of(&pod), pod.name_any());
                        return Err(failed(step, why));
                    }
                }
                Ok(())
            }
        }
    }

    /// Until when the pod without a place that has waited longest may wait.
    fn patience(&self) -> Option<Instant> {
        self.held_up.values().filter_map(|(_, since)| *since).min().map(|since| since + PLACING)
    }

    fn given_up(&self) -> TargetError {
        let unplaced = self.held_up.iter().find(|(_, (_, since))| since.is_some());
        match unplaced.or_else(|| self.held_up.iter().next()) {
            Some((id, (why, Some(_)))) => {
                let hint = "make room, or choose other nodes with --nodes; pods are not left pending, so that no node is bought for them";
                advised(format!("finding a place for the probe pod {id}"), why, hint)
            }
            Some((id, (why, None))) => {
                let step = format!(
                    "waiting for {} of {} probe pods",
                    self.held_up.len(),
                    self.held_up.len() + self.running.len()
                );
                failed(step, format!("{id} does not run after {} s: {why}", DEADLINE.as_secs()))
            }
            None => failed("waiting for the probe pods", "the watch has ended"),
        }
    }
}

fn namespace_of(pod: &Pod) -> String {
    pod.namespace().unwrap_or_default()
}

/// Where a pod is on its way.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Running,
    Waiting(String),
    Unplaced(String),
    Hopeless(String),
}

/// Whether a probe pod runs.
pub(super) fn is_running(pod: &Pod) -> bool {
    state(pod) == State::Running
}

fn state(pod: &Pod) -> State {
    let Some(status) = &pod.status else { return State::Waiting("it was just created".to_owned()) };
    let said = |reason: &Option<String>, message: &Option<String>| {
        let parts = [reason.as_deref(), message.as_deref()].into_iter().flatten().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(": ")
    };
    if let Some("Failed" | "Succeeded") = status.phase.as_deref() {
        let why = said(&status.reason, &status.message);
        return State::Hopeless(if why.is_empty() { "it has ended".to_owned() } else { why });
    }
    let unplaced = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unplaced {
        return State::Unplaced(said(&condition.reason, &condition.message));
    }
    let Some(container) = status.container_statuses.iter().flatten().find(|c| c.name == names::CONTAINER) else {
        return State::Waiting("its containers have not been created".to_owned());
    };
    let state = container.state.clone().unwrap_or_default();
    if let Some(waiting) = state.waiting {
        let why = said(&waiting.reason, &waiting.message);
        return match waiting.reason.as_deref() {
            Some(reason) if HOPELESS.contains(&reason) => State::Hopeless(why),
            Some(_) | None => State::Waiting(why),
        };
    }
    if let Some(ended) = state.terminated {
        let why = said(&ended.reason, &ended.message);
        return State::Hopeless(format!("its agent ended with code {}: {why}", ended.exit_code));
    }
    let has_address = status.pod_ips.iter().flatten().next().is_some();
    if state.running.is_some() && has_address {
        State::Running
    } else {
        State::Waiting("it has no address yet".to_owned())
    }
}

/// Why the controller cannot create its pod, where only a change of the cluster helps.
fn refusal(set: &ReplicaSet) -> Option<String> {
    let conditions = set.status.as_ref()?.conditions.as_ref()?;
    let failure = conditions.iter().find(|c| c.type_ == "ReplicaFailure" && c.status == "True")?;
    let message = failure.message.clone().unwrap_or_default();
    // A namespace is a moment old, and its service account comes a moment later: the controller tries again.
    (!message.contains("error looking up service account")).then_some(message)
}

/// Fills in what only the cluster knows.
fn read_back(pod: &mut ProbePod, object: &Pod) {
    pod.name = object.name_any();
    pod.labels.clone_from(object.labels());
    pod.phase = Phase::Running;
    let (spec, status) = (object.spec.clone().unwrap_or_default(), object.status.clone().unwrap_or_default());
    pod.host_network = spec.host_network.unwrap_or(false);
    if let Some(node) = spec.node_name {
        pod.node = node;
    }
    pod.addresses = status.pod_ips.iter().flatten().filter_map(|ip| ip.ip.parse().ok()).collect();
    // A port that admission has taken away is no port that a policy can name. On a node's network none is named.
    let kept: BTreeSet<String> = spec
        .containers
        .iter()
        .flat_map(|container| container.ports.iter().flatten())
        .filter_map(|port| port.name.clone())
        .collect();
    pod.ports.retain(|port| pod.host_network || kept.contains(&port.name));
}

/// Creates an object and gives it as it was stored. One that a lost answer has created already is read instead.
pub(super) async fn create<K>(api: &Api<K>, object: &K, kind: &str) -> Result<K, TargetError>
where
    K: Resource + Clone + DeserializeOwned + Serialize + Debug,
{
    let mut asked = false;
    let created = patiently(|| {
        let again = std::mem::replace(&mut asked, true);
        async move {
            match api.create(&PostParams::default(), object).await {
                Err(kube::Error::Api(status)) if again && status.code == 409 => api.get(&object.name_any()).await,
                answer => answer,
            }
        }
    });
    created.await.map_err(|error| not_created(object, kind, &error))
}

/// Creates an object of which nothing is asked but that it is there, and which papertiger has no right to read.
pub(super) async fn put<K>(api: &Api<K>, object: &K, kind: &str) -> Result<(), TargetError>
where
    K: Resource + Clone + DeserializeOwned + Serialize + Debug,
{
    let mut asked = false;
    let created = patiently(|| {
        let again = std::mem::replace(&mut asked, true);
        async move {
            match api.create(&PostParams::default(), object).await {
                Err(kube::Error::Api(status)) if again && status.code == 409 => Ok(()),
                answer => answer.map(drop),
            }
        }
    });
    created.await.map_err(|error| not_created(object, kind, &error))
}

fn not_created<K: ResourceExt>(object: &K, kind: &str, error: &kube::Error) -> TargetError {
    let place = object.namespace().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    refused(format!("creating the {kind} {place}{}", object.name_any()), error)
}
