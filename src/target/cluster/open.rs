//! Makes a lane's world: namespaces, what carries the agent, Services, pods; and waits until every pod runs.

use super::errors::{failed, patiently, refused};
use super::given::GivenNamespaces;
use super::names::Tag;
use super::objects::{self, PodStyle, Program};
use super::program;
use super::waiting::{Seen, Stuck, Waiting, applied};
use crate::core::event::Untested;
use crate::core::model::flow::PodId;
use crate::core::model::world::{Phase, Pod as ProbePod, Service, World};
use crate::target::{LaneNames, TargetError};
use futures_util::future::{try_join, try_join_all};
use futures_util::stream::{SelectAll, select_all};
use futures_util::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{self as core, ConfigMap, Namespace, Pod};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// How long a world may take: some platforms take 90 s to place a pod.
pub(super) const DEADLINE: Duration = Duration::from_secs(180);

/// What becomes of a world some of whose pods do not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Laggards {
    /// It cannot be used.
    Fail,
    /// The nodes of these pods are left out.
    LeaveOut,
}

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

    /// Waits until every pod of a world runs, and fills in what is then known of it; with the nodes that were left out.
    /// `progress` hears how many run.
    pub(super) async fn started(
        &self,
        mut world: World,
        laggards: Laggards,
        progress: impl Fn(usize, usize),
    ) -> Result<(World, Vec<Untested>), TargetError> {
        let (running, left_out) = self.running(&world, laggards, progress).await?;
        let idle = world.pods.iter().filter(|pod| left_out.iter().any(|node| node.node == pod.node));
        // One that finds no place must not wait for it.
        try_join_all(idle.map(|pod| self.scale(&world, &pod.id, 0))).await?;
        world.pods.retain(|pod| running.contains_key(&pod.id));
        for pod in &mut world.pods {
            read_back(pod, &running[&pod.id]);
        }
        Ok((world, left_out))
    }

    /// Makes a pod of a world without a controller.
    pub(super) async fn create_bare(&self, world: &World, pod: &ProbePod, lane: &LaneNames) -> Result<(), TargetError> {
        let object = objects::bare_pod(self.replica_set(world, pod, lane));
        let namespace = world.namespace(&pod.id.namespace).map(|namespace| namespace.name.as_str()).unwrap_or_default();
        put(&Api::<Pod>::namespaced(self.client.clone(), namespace), &object, "Pod").await
    }

    /// Lets the controller of a pod want one, or none.
    pub(super) async fn scale(&self, world: &World, pod: &PodId, replicas: u8) -> Result<(), TargetError> {
        let step = || format!("telling the ReplicaSet of {pod} how many pods to have: {replicas}");
        let namespace = world.namespace(&pod.namespace).ok_or_else(|| failed(step(), "there is no such namespace"))?;
        let api = Api::<ReplicaSet>::namespaced(self.client.clone(), &namespace.name);
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(json!({ "spec": { "replicas": replicas } })));
        let patched = patiently(|| api.patch(&pod.pod, &parameters, &patch)).await;
        patched.map(drop).map_err(|error| refused(step(), &error))
    }

    async fn services(&self, world: &World) -> Result<Vec<(PodId, Service)>, TargetError> {
        let services = world.pods.iter().filter(|pod| pod.service.is_some()).filter_map(|pod| {
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
        laggards: Laggards,
        progress: impl Fn(usize, usize),
    ) -> Result<(BTreeMap<PodId, Pod>, Vec<Untested>), TargetError> {
        let deadline = Instant::now() + DEADLINE;
        let mut events = self.watch(world);
        let mut waiting = Waiting::new(world);
        let mut left_out = Vec::new();
        progress(0, world.pods.len());
        while !waiting.is_over() {
            let until = waiting.patience().map_or(deadline, |patience| patience.min(deadline));
            let taken = match tokio::time::timeout_at(until, events.next()).await {
                Ok(Some(seen)) => waiting.take(seen),
                Ok(None) => return Err(failed("waiting for the probe pods", "the watch has ended")),
                Err(_) => waiting.given_up().map_or(Ok(()), Err),
            };
            if let Err(Stuck { pod, error }) = taken {
                let node = world.pod(&pod).map(|pod| pod.node.clone());
                match (laggards, node) {
                    (Laggards::LeaveOut, Some(node)) if waiting.leave_out(world, &node) => {
                        left_out.push(Untested { node, reason: format!("{} failed: {}", error.step, error.cause) });
                    }
                    (Laggards::LeaveOut | Laggards::Fail, _) => return Err(*error),
                }
            }
            progress(waiting.running.len(), world.pods.len());
        }
        Ok((waiting.running, left_out))
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

/// Fills in what only the cluster knows.
fn read_back(pod: &mut ProbePod, object: &Pod) {
    pod.name = object.name_any();
    pod.labels.clone_from(object.labels());
    pod.phase = Phase::Running;
    pod.bare = object.owner_references().is_empty();
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
