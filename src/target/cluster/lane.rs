//! A lane of a cluster, as the runner sees it.

use super::errors::{advised, failed, patiently, refused};
use super::foreign::Watch;
use super::forward::Forward;
use super::names::{CONTROL_PORT, CONTROLLED};
use super::objects::{instruction, network_policy, read_policy};
use super::open::{Laggards, Maker, create};
use super::remove;
use crate::core::catalogue::control_port;
use crate::core::model::change::{Change, PolicyName, Subject};
use crate::core::model::flow::{Endpoint, PodId};
use crate::core::model::policy::Policy;
use crate::core::model::world::{Labels, Pod as ProbePod, World};
use crate::core::wire::ToAgent;
use crate::target::{Dial, Lane, LaneNames, Stream, TargetError};
use futures_util::future::try_join_all;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::RwLock;

/// A lane of a cluster.
pub struct ClusterLane {
    pub(super) maker: Maker,
    pub(super) names: LaneNames,
    /// Whoever creates namespaces holds it for reading, so that removal begins when nothing is being created any more.
    gate: Arc<RwLock<()>>,
    pub(super) world: World,
    /// The namespaces that hold a pod for their kubelet, by their short names.
    pub(super) kubelets: BTreeSet<String>,
    /// The same world, for those who judge other people's policies by it.
    shared: Arc<Mutex<World>>,
    /// Whether its objects stay where they are.
    keep: bool,
    _watches: Vec<Watch>,
}

impl Debug for ClusterLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterLane").field("names", &self.names).field("world", &self.world).finish_non_exhaustive()
    }
}

impl ClusterLane {
    pub(super) fn new(
        maker: Maker,
        names: LaneNames,
        gate: Arc<RwLock<()>>,
        shared: Arc<Mutex<World>>,
        keep: bool,
        watches: Vec<Watch>,
    ) -> Self {
        let world = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { maker, names, gate, world, kubelets: BTreeSet::new(), shared, keep, _watches: watches }
    }

    pub(super) fn client(&self) -> Client {
        self.maker.client.clone()
    }

    /// The API for the policies of a namespace, by its short name, and the namespace's real one.
    fn policies(&self, namespace: &str) -> Result<(Api<NetworkPolicy>, String), TargetError> {
        let found = self.world.namespace(namespace);
        let name = found.map(|namespace| namespace.name.clone());
        let name = name.ok_or_else(|| failed("changing a policy", format!("there is no namespace {namespace}")))?;
        Ok((Api::namespaced(self.client(), &name), name))
    }

    async fn create(&self, policy: &Policy) -> Result<(), TargetError> {
        let (api, namespace) = self.policies(&policy.namespace)?;
        let object = self.object(policy, &namespace)?;
        accepted(policy, &create(&api, &object, "NetworkPolicy").await?)
    }

    async fn replace(&self, policy: &Policy) -> Result<(), TargetError> {
        let (api, namespace) = self.policies(&policy.namespace)?;
        let object = self.object(policy, &namespace)?;
        let parameters = PostParams::default();
        let replaced = patiently(|| api.replace(&policy.name, &parameters, &object)).await;
        let step = || format!("replacing the NetworkPolicy {namespace}/{}", policy.name);
        accepted(policy, &replaced.map_err(|error| refused(step(), &error))?)
    }

    async fn delete(&self, policy: &PolicyName) -> Result<(), TargetError> {
        let (api, namespace) = self.policies(&policy.namespace)?;
        let mut asked = false;
        let deleted = patiently(|| {
            let again = std::mem::replace(&mut asked, true);
            let api = &api;
            async move {
                match api.delete(&policy.name, &DeleteParams::default()).await {
                    Err(kube::Error::Api(status)) if again && status.code == 404 => Ok(()),
                    answer => answer.map(drop),
                }
            }
        });
        let step = || format!("deleting the NetworkPolicy {namespace}/{}", policy.name);
        deleted.await.map_err(|error| match &error {
            kube::Error::Api(status) if status.code == 404 => {
                failed(step(), "somebody else has deleted it already, so what was observed is not its effect")
            }
            _ => refused(step(), &error),
        })
    }

    async fn relabel(&mut self, subject: &Subject, wanted: &Labels) -> Result<(), TargetError> {
        let read = match subject {
            Subject::Pod(id) => {
                let pod = self.world.pod(id).ok_or_else(|| unknown(subject))?;
                let (_, namespace) = self.policies(&id.namespace)?;
                let api = Api::<Pod>::namespaced(self.client(), &namespace);
                patch_labels(&api, &pod.name, &pod.labels, wanted).await?
            }
            Subject::Namespace(id) => {
                let namespace = self.world.namespace(id).ok_or_else(|| unknown(subject))?;
                self.own(&namespace.name)?;
                let api = Api::<Namespace>::all(self.client());
                patch_labels(&api, &namespace.name, &namespace.labels, wanted).await?
            }
        };
        self.world.relabel(subject, &read);
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).relabel(subject, &read);
        Ok(())
    }

    /// Makes what these hold again, and takes it into the world when all of it runs: pods and namespaces start beside each other.
    async fn recreate(&mut self, subjects: &[(&Subject, bool)]) -> Result<(), TargetError> {
        for again in try_join_all(subjects.iter().map(|(subject, bare)| self.made_again(subject, *bare))).await? {
            self.world = std::mem::take(&mut self.world).with_pods(&again.pods);
        }
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.world);
        Ok(())
    }

    /// The part of the world that a subject holds, made again.
    async fn made_again(&self, subject: &Subject, bare: bool) -> Result<World, TargetError> {
        let mut part = self.world.clone();
        part.pods.retain(|pod| subject.holds(&pod.id));
        part.namespaces.retain(|namespace| part.pods.iter().any(|pod| pod.id.namespace == namespace.id));
        let created = match subject {
            Subject::Pod(id) => {
                let (_, namespace) = self.policies(&id.namespace)?;
                let pods = Api::<Pod>::namespaced(self.client(), &namespace);
                // Until it has gone, its Service may still lead to it.
                try_join_all(part.pods.iter().map(|pod| self.take_away(&pods, pod, bare))).await?;
                let (maker, names) = (self.maker.clone(), self.names.clone());
                let again = async move {
                    for pod in &part.pods {
                        match (pod.bare, bare) {
                            // Its controller makes another one.
                            (false, false) => {}
                            (true, false) => maker.scale(&part, &pod.id, 1).await?,
                            (_, true) => maker.create_bare(&part, pod, &names).await?,
                        }
                    }
                    Ok(part)
                };
                self.creating(subject, again).await?
            }
            Subject::Namespace(_) => {
                part.namespaces.iter().try_for_each(|namespace| self.own(&namespace.name))?;
                remove::world(&self.maker.client, &part).await?;
                let (maker, names) = (self.maker.clone(), self.names.clone());
                self.creating(subject, async move { maker.create(part, &names).await }).await?
            }
        };
        let (again, _) = self.maker.started(created, Laggards::Fail, |_, _| {}).await?;
        Ok(again)
    }

    /// Deletes a pod and waits until it has gone. From a controller that is to have none afterwards, none is taken: it takes
    /// its pod away itself, and does so only when it knows that it shall make no other.
    async fn take_away(&self, pods: &Api<Pod>, pod: &ProbePod, bare: bool) -> Result<(), TargetError> {
        if pod.bare || !bare {
            return remove::one(pods, "pod", &pod.name).await;
        }
        let object = patiently(|| pods.get(&pod.name)).await;
        let object = object.map_err(|error| refused(format!("reading the pod {}", pod.name), &error))?;
        self.maker.scale(&self.world, &pod.id, 0).await?;
        remove::gone(pods, "pod", &pod.name, &object.uid().unwrap_or_default()).await
    }

    /// Creates in a task of its own, for the same reason as when the lane was opened.
    async fn creating(
        &self,
        subject: &Subject,
        work: impl Future<Output = Result<World, TargetError>> + Send + 'static,
    ) -> Result<World, TargetError> {
        let creating = Arc::clone(&self.gate).read_owned().await;
        let created = tokio::spawn(async move {
            let created = work.await;
            drop(creating);
            created
        });
        created.await.unwrap_or_else(|error| Err(failed(format!("recreating the {subject}"), error)))
    }

    /// Refuses to change a namespace that is somebody else's.
    fn own(&self, namespace: &str) -> Result<(), TargetError> {
        match self.maker.given {
            None => Ok(()),
            Some(_) => {
                Err(failed(format!("changing the namespace {namespace}"), "it is given, and is to stay as it is"))
            }
        }
    }

    fn object(&self, policy: &Policy, namespace: &str) -> Result<NetworkPolicy, TargetError> {
        network_policy(&self.maker.tag, policy, namespace)
            .map_err(|error| failed(format!("writing the NetworkPolicy {}", policy.key()), error))
    }
}

/// Holds what the API server has stored against what was sent.
fn accepted(sent: &Policy, stored: &NetworkPolicy) -> Result<(), TargetError> {
    let step = || format!("applying the NetworkPolicy {}", sent.key());
    let hint = "see `kubectl get mutatingwebhookconfigurations`: something rewrites policies, so that papertiger's own cannot be tested";
    match read_policy(stored, &sent.namespace) {
        Ok(read) if read == *sent => Ok(()),
        Ok(_) => {
            let spec = serde_json::to_string(&stored.spec).unwrap_or_default();
            Err(advised(step(), format!("it was changed by admission, to {spec}"), hint))
        }
        Err(error) => Err(advised(step(), format!("it was changed by admission: {error}"), hint)),
    }
}

fn unknown(subject: &Subject) -> TargetError {
    failed("changing labels", format!("there is no {subject}"))
}

/// Gives an object exactly the labels that are wanted, but for papertiger's own, and returns those that it then has.
async fn patch_labels<K>(api: &Api<K>, name: &str, now: &Labels, wanted: &Labels) -> Result<Labels, TargetError>
where
    K: ResourceExt + Clone + DeserializeOwned + Debug,
{
    let removed = now.keys().filter(|key| !wanted.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let set = wanted.iter().map(|(key, value)| (key.clone(), Value::from(value.clone())));
    // A pod that has no controller lacks the label by which one would know it, whatever it had before.
    let removed = removed.filter(|(key, _)| key != CONTROLLED.0);
    let set = set.filter(|(key, _)| key != CONTROLLED.0);
    let patch = json!({ "metadata": { "labels": removed.chain(set).collect::<serde_json::Map<_, _>>() } });
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let patched = patiently(|| api.patch(name, &parameters, &patch)).await;
    let object = patched.map_err(|error| refused(format!("changing the labels of {name}"), &error))?;
    Ok(object.labels().clone())
}

/// The way to the agents of a lane: port-forwards to its pods.
#[derive(Clone)]
pub struct ClusterDial {
    client: Client,
    pods: Arc<BTreeMap<Endpoint, Address>>,
}

/// Where an agent waits for its controller.
struct Address {
    namespace: String,
    pod: String,
    port: u16,
}

impl Dial for ClusterDial {
    async fn connect(&self, endpoint: &Endpoint) -> Result<Box<dyn Stream>, TargetError> {
        let step = || format!("connecting to the agent of {endpoint}");
        let Some(Address { namespace, pod: name, port }) = self.pods.get(endpoint) else {
            return Err(TargetError::gone(step(), "there is none"));
        };
        let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
        // The pod's controller may have put another in its place, under another name: that one proves nothing.
        let pod = pods.get_opt(name).await.map_err(|error| refused(step(), &error))?;
        match pod {
            Some(pod) if pod.metadata.deletion_timestamp.is_none() => {
                Ok(Box::new(Forward::open(&pods, name, *port).await?))
            }
            Some(_) | None => Err(TargetError::gone(step(), format!("the pod {namespace}/{name} was deleted"))),
        }
    }
}

impl Lane for ClusterLane {
    type Dial = ClusterDial;

    const KUBELETS: bool = true;

    fn has_given_namespaces(&self) -> bool {
        self.maker.given.is_some()
    }

    fn world(&self) -> &World {
        &self.world
    }

    async fn apply(&mut self, change: &Change) -> Result<(), TargetError> {
        match change {
            Change::Apply { policies } => try_join_all(policies.iter().map(|p| self.create(p))).await.map(drop),
            Change::Replace { policies } => try_join_all(policies.iter().map(|p| self.replace(p))).await.map(drop),
            Change::Delete { policies } => try_join_all(policies.iter().map(|p| self.delete(p))).await.map(drop),
            Change::Relabel { subject, labels } => self.relabel(subject, labels).await,
            Change::Recreate { subject, bare } => self.recreate(&[(subject, *bare)]).await,
        }
    }

    async fn apply_all(&mut self, changes: &[Change]) -> Result<(), TargetError> {
        let mut again = Vec::new();
        for change in changes {
            match change {
                Change::Recreate { subject, bare } => again.push((subject, *bare)),
                Change::Apply { .. } | Change::Replace { .. } | Change::Delete { .. } | Change::Relabel { .. } => {
                    self.apply(change).await?;
                }
            }
        }
        if again.is_empty() { Ok(()) } else { self.recreate(&again).await }
    }

    async fn instruct(&mut self, pod: &PodId, plan: Vec<ToAgent>) -> Result<(), TargetError> {
        let step = || format!("telling the ReplicaSet of {pod} what its next pod does first");
        let known = self.world.pod(pod).zip(self.world.namespace(&pod.namespace));
        let (known, namespace) = known.ok_or_else(|| failed(step(), "there is no such pod"))?;
        let patch = instruction(known, &self.names.suffix(), &plan).map_err(|error| failed(step(), error))?;
        let api = Api::<ReplicaSet>::namespaced(self.client(), &namespace.name);
        let (parameters, patch) = (PatchParams::default(), Patch::Strategic(&patch));
        let patched = patiently(|| api.patch(&pod.pod, &parameters, &patch)).await;
        patched.map(drop).map_err(|error| refused(step(), &error))
    }

    async fn kubelet_gets_through(&mut self, namespace: &str) -> Result<bool, TargetError> {
        self.settled_kubelet(namespace).await
    }

    fn dial(&self) -> ClusterDial {
        let pods = self.world.pods.iter().filter_map(|pod| {
            let namespace = self.world.namespace(&pod.id.namespace)?;
            let port = control_port(pod, CONTROL_PORT);
            let address = Address { namespace: namespace.name.clone(), pod: pod.name.clone(), port };
            Some((Endpoint::Pod(pod.id.clone()), address))
        });
        ClusterDial { client: self.client(), pods: Arc::new(pods.collect()) }
    }

    async fn close(self) -> Result<(), TargetError> {
        if self.keep {
            return Ok(());
        }
        match &self.maker.given {
            None => remove::begin(&self.maker.client, &self.world).await,
            Some(given) => given.begin_removal(&self.maker.client, &self.names.run).await,
        }
    }
}
