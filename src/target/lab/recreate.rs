//! Pods that are deleted and made again: another network, another agent and other addresses under the same short name.

use super::engine::Newcomer;
use super::host::{self, Host};
use super::parts::{Plans, connect_pods, end_agents, load_services, on_every_node, start_agents};
use super::{Shared, failed, has, lock, services};
use crate::core::fault::Fault;
use crate::core::model::change::Subject;
use crate::core::model::flow::{Endpoint, PodId};
use crate::core::model::world::{Pod, World};
use crate::target::{LaneNames, TargetError};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Pods that were made again, in which nobody speaks yet.
pub(super) struct Again {
    pub(super) newcomers: Vec<Newcomer>,
    hosts: BTreeMap<Endpoint, Host>,
}

/// Makes again what `subject` holds in the lane of that key. `world` then is the world as it is since.
pub(super) async fn recreate(
    shared: &Arc<Shared>,
    key: u32,
    world: &mut World,
    subject: &Subject,
) -> Result<Again, TargetError> {
    let closed = || failed(format!("recreating the {subject}"), "the lab has been closed");
    let ids: Vec<PodId> = world.held_by(subject).map(|pod| pod.id.clone()).collect();
    let released = shared.lanes.with(key, |parts| {
        let release = |id: &PodId| {
            let host = parts.hosts.remove(&Endpoint::Pod(id.clone()))?;
            let old = parts.links.get(id).cloned()?;
            Some((host, old, (id.clone(), parts.new_link(id))))
        };
        ids.iter().filter_map(release).collect::<Vec<_>>()
    });
    let mut former = Vec::new();
    let (mut old_links, mut links) = (Vec::new(), BTreeMap::new());
    for (host, old, (id, new)) in released.ok_or_else(closed)? {
        former.push(host);
        old_links.push(old);
        links.insert(id, new);
    }
    end_agents(former.iter_mut()).await?;

    readdress(shared, world, subject)?;
    let pods: Vec<Pod> = world.held_by(subject).cloned().collect();
    let newcomers =
        pods.iter().map(|pod| Newcomer { pod: pod.clone(), link: links[&pod.id].clone() }).collect::<Vec<_>>();
    let (shared, world) = (Arc::clone(shared), world.clone());
    let made = tokio::task::spawn_blocking(move || {
        unplug(&shared, &pods, &old_links)?;
        drop(former);
        make(&shared, key, &world, &pods, &links)
    });
    let hosts = made.await.unwrap_or_else(|error| Err(failed("recreating pods", error)))?;
    Ok(Again { newcomers, hosts })
}

impl Again {
    /// Starts their agents, which is when a pod's life begins.
    pub(super) async fn start(
        self,
        shared: &Arc<Shared>,
        key: u32,
        names: &LaneNames,
        plans: &Plans,
    ) -> Result<(), TargetError> {
        let mut hosts = self.hosts;
        let (shared_there, names, plans, runtime) =
            (Arc::clone(shared), names.clone(), plans.clone(), Handle::current());
        let started = tokio::task::spawn_blocking(move || {
            start_agents(&shared_there, &mut hosts, &names, &plans, &runtime).map(|()| hosts)
        });
        let hosts = started.await.unwrap_or_else(|error| Err(failed("recreating pods", error)))?;
        let closed = || failed("recreating pods", "the lab has been closed");
        shared.lanes.with(key, |parts| parts.hosts.extend(hosts)).ok_or_else(closed)
    }
}

/// Gives pods other addresses, and a namespace other Services too.
fn readdress(shared: &Shared, world: &mut World, subject: &Subject) -> Result<(), TargetError> {
    let mut given = lock(&shared.lanes.given);
    for pod in world.pods.iter_mut().filter(|pod| subject.holds(&pod.id)) {
        let node = shared.topology.nodes.iter().find(|node| node.name == pod.node);
        let node = node.ok_or_else(|| failed("placing a pod", format!("there is no node {}", pod.node)))?;
        pod.addresses = given.addresses.pod(node.number)?.to_vec();
        if let (Subject::Namespace(_), Some(service)) = (subject, &mut pod.service) {
            service.addresses = given.addresses.service()?.to_vec();
        }
    }
    Ok(())
}

fn unplug(shared: &Shared, pods: &[Pod], links: &[String]) -> Result<(), TargetError> {
    on_every_node(&shared.topology.nodes, |node| {
        let here = pods.iter().zip(links).filter(|(pod, _)| pod.node == node.name);
        let names: Vec<&String> = here.map(|(_, link)| link).collect();
        node.netns.netlink(async |links| {
            for name in names {
                links.remove(name).await?;
            }
            Ok(())
        })
    })
}

fn make(
    shared: &Shared,
    key: u32,
    world: &World,
    pods: &[Pod],
    links: &BTreeMap<PodId, String>,
) -> Result<BTreeMap<Endpoint, Host>, TargetError> {
    let mut hosts = BTreeMap::new();
    for pod in pods {
        let endpoint = Endpoint::Pod(pod.id.clone());
        hosts.insert(endpoint.clone(), Host::new(endpoint)?);
    }
    connect_pods(shared, key, pods, &hosts, links)?;
    if has(&shared.options.faults, Fault::DeadReceiver)
        && let Some(victim) = hosts.get(&Endpoint::Pod(services::victim()))
    {
        host::deafen(victim)?;
    }
    load_services(shared, key, world)?;
    Ok(hosts)
}
