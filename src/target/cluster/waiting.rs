//! Pods that are on their way: who runs, and what keeps the others.

use super::errors::{advised, failed};
use super::names;
use super::open::DEADLINE;
use crate::core::model::flow::PodId;
use crate::core::model::world::World;
use crate::target::TargetError;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::runtime::watcher::{self, Event};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

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

/// A pod or its controller, with the short name of its namespace.
pub(super) enum Seen {
    Pod(String, Box<Pod>),
    Set(String, Box<ReplicaSet>),
}

pub(super) fn applied<K>(event: Result<Event<K>, watcher::Error>) -> Option<K> {
    match event {
        Ok(Event::Apply(object) | Event::InitApply(object)) => Some(object),
        // Whoever waits has a deadline; the watch begins again by itself.
        Ok(Event::Delete(_) | Event::Init | Event::InitDone) | Err(_) => None,
    }
}

/// A pod that will not run.
#[derive(Debug)]
pub(super) struct Stuck {
    pub(super) pod: PodId,
    pub(super) error: Box<TargetError>,
}

/// Pods that are on their way.
pub(super) struct Waiting {
    pub(super) running: BTreeMap<PodId, Pod>,
    /// What keeps each of the others, and since when it has had no place.
    held_up: BTreeMap<PodId, (String, Option<Instant>)>,
}

impl Waiting {
    pub(super) fn new(world: &World) -> Self {
        let nothing = || ("it has not been created".to_owned(), None);
        let held_up = world.pods.iter().map(|pod| (pod.id.clone(), nothing())).collect();
        Self { running: BTreeMap::new(), held_up }
    }

    /// Whether nobody is waited for any more.
    pub(super) fn is_over(&self) -> bool {
        self.held_up.is_empty()
    }

    /// Waits for nobody on this node any more; whether anybody is left.
    pub(super) fn leave_out(&mut self, world: &World, node: &str) -> bool {
        for pod in world.pods.iter().filter(|pod| pod.node == node) {
            self.held_up.remove(&pod.id);
            self.running.remove(&pod.id);
        }
        !(self.held_up.is_empty() && self.running.is_empty())
    }

    pub(super) fn take(&mut self, seen: Seen) -> Result<(), Stuck> {
        match seen {
            Seen::Set(namespace, set) => match (set.labels().get(names::POD), refusal(&set)) {
                (Some(pod), Some(cause)) => {
                    let pod = PodId::new(namespace, pod);
                    if !self.held_up.contains_key(&pod) {
                        return Ok(());
                    }
                    let step = format!("creating the probe pod {pod}");
                    let error = advised(step, cause, "papertiger needs pods of its own; this cluster refuses them");
                    Err(Stuck { pod, error: Box::new(error) })
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
                        return Err(Stuck { pod: id, error: Box::new(failed(step, why)) });
                    }
                }
                Ok(())
            }
        }
    }

    /// Until when the pod without a place that has waited longest may wait.
    pub(super) fn patience(&self) -> Option<Instant> {
        self.held_up.values().filter_map(|(_, since)| *since).min().map(|since| since + PLACING)
    }

    /// Whoever has waited for too long; `None` where nobody waits.
    pub(super) fn given_up(&self) -> Option<Stuck> {
        let unplaced = self.held_up.iter().find(|(_, (_, since))| since.is_some());
        let (pod, (why, since)) = unplaced.or_else(|| self.held_up.iter().next())?;
        let error = match since {
            Some(_) => {
                let hint = "make room, or choose other nodes with --nodes; pods are not left pending, so that no node is bought for them";
                advised(format!("finding a place for the probe pod {pod}"), why, hint)
            }
            None => {
                let waiting = self.held_up.len();
                let step = format!("waiting for {waiting} of {} probe pods", waiting + self.running.len());
                failed(step, format!("{pod} does not run after {} s: {why}", DEADLINE.as_secs()))
            }
        };
        Some(Stuck { pod: pod.clone(), error: Box::new(error) })
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
