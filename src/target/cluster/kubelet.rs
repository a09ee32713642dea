//! A pod that the kubelet of its node probes. Whether it is ready is whether the kubelet gets through to it.

use super::errors::{failed, refused};
use super::lane::ClusterLane;
use super::names;
use super::open::put;
use super::waiting::is_running;
use crate::core::model::flow::{PodId, Protocol};
use crate::core::model::world::{ContainerPort, Labels, Pod as ProbePod, World};
use crate::target::TargetError;
use futures_util::StreamExt;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The short name of such a pod.
const KUBELET: &str = "kubelet";

/// The port that it opens for its kubelet.
const PORT: u16 = 8080;

/// Between two probes, in seconds, which is how long an answer may take too: the shortest that the API has.
const PERIOD_S: i32 = 1;

/// What has not changed for so long, which is several probes, does not change any more.
const STEADY: Duration = Duration::from_secs(5);

/// How long the pod may take to start.
const DEADLINE: Duration = Duration::from_secs(60);

impl ClusterLane {
    /// Waits until the kubelet gets through, or does not, for good; the first time it makes the pod before.
    pub(super) async fn settled_kubelet(&mut self, namespace: &str) -> Result<bool, TargetError> {
        let step = || format!("watching the kubelet's pod in namespace {namespace}");
        let world = &self.world;
        let name = world.namespace(namespace).map(|namespace| namespace.name.clone());
        let name = name.ok_or_else(|| failed(step(), "there is no such namespace"))?;
        if self.kubelets.insert(namespace.to_owned()) {
            let pod = pod(world, namespace).ok_or_else(|| failed(step(), "it has no pods"))?;
            let set = probed(self.maker.replica_set(world, &pod, &self.names));
            put(&Api::namespaced(self.client(), &name), &set, "ReplicaSet").await?;
        }
        let selector = format!("{},{}={KUBELET}", self.maker.tag.selector(), names::POD);
        let pods = Api::<Pod>::namespaced(self.client(), &name);
        let mut seen =
            pin!(watcher(pods, watcher::Config::default().labels(&selector)).default_backoff().applied_objects());
        let mut last = None;
        let mut until = Instant::now() + DEADLINE;
        loop {
            match timeout_at(until, seen.next()).await {
                Ok(Some(Ok(pod))) if pod.metadata.deletion_timestamp.is_none() => {
                    let now = is_running(&pod).then(|| is_ready(&pod));
                    if now != last {
                        until = Instant::now() + if now.is_some() { STEADY } else { DEADLINE };
                        last = now;
                    }
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)))) => {
                    // Only what is forbidden stays so; anything else the watch tries again.
                    if matches!(&error, kube::Error::Api(status) if status.code == 403) {
                        return Err(refused(step(), &error));
                    }
                }
                Ok(Some(Err(_))) => {}
                Ok(None) => return Err(failed(step(), "the watch has ended")),
                Err(_) => {
                    let late = || failed(step(), format!("it does not run after {} s", DEADLINE.as_secs()));
                    return last.ok_or_else(late);
                }
            }
        }
    }
}

/// The pod of a namespace that a kubelet probes: beside the first of the world's, with no labels that a case could mean.
pub(super) fn pod(world: &World, namespace: &str) -> Option<ProbePod> {
    let beside = world.pods.iter().find(|pod| pod.id.namespace == namespace)?;
    let port = ContainerPort { name: KUBELET.to_owned(), protocol: Protocol::Tcp, port: PORT, service_port: None };
    Some(ProbePod {
        id: PodId::new(namespace, KUBELET),
        labels: Labels::new(),
        ports: vec![port],
        service: None,
        ..beside.clone()
    })
}

/// The controller of a pod that opens a port for its kubelet.
pub(super) fn probed(mut set: ReplicaSet) -> ReplicaSet {
    let template = set.spec.as_mut().and_then(|spec| spec.template.as_mut());
    for container in
        template.and_then(|template| template.spec.as_mut()).into_iter().flat_map(|spec| &mut spec.containers)
    {
        container.args.get_or_insert_default().extend(["--open".to_owned(), PORT.to_string()]);
        container.readiness_probe = Some(Probe {
            tcp_socket: Some(TCPSocketAction { port: IntOrString::Int(PORT.into()), ..TCPSocketAction::default() }),
            period_seconds: Some(PERIOD_S),
            timeout_seconds: Some(PERIOD_S),
            failure_threshold: Some(1),
            ..Probe::default()
        });
    }
    set
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.filter(|condition| condition.type_ == "Ready").any(|condition| condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalogue::furnished;

    #[test]
    fn the_pod_is_nobody_that_a_case_could_mean() {
        let world = furnished("k3f9", &["n1", "n2"]);
        let pod = pod(&world, "x").unwrap();
        assert_eq!((pod.id.to_string().as_str(), pod.node.as_str()), ("x/kubelet", "n1"));
        assert!(pod.labels.is_empty() && pod.service.is_none());
        assert!(world.pod(&pod.id).is_none());
        assert_eq!(super::pod(&world, "nowhere"), None);
    }
}
