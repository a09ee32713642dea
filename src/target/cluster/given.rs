//! Namespaces that somebody else has made for probe pods. They are never changed themselves, and everything that a run has
//! made in them is removed kind by kind.

use super::ALIVE;
use super::errors::{advised, failed, patiently, refused};
use super::names::{RUN, selector_of};
use super::remove::{DEADLINE, Remains, STRAGGLERS, by_run};
use super::rights::{self, GIVEN_RIGHTS, NODE_RIGHTS, Right};
use crate::core::catalogue::{Blueprint, LABELS_OF_GIVEN};
use crate::core::model::world::{Labels, NAMESPACE_NAME_LABEL, Namespace};
use crate::target::TargetError;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream::select_all;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{self as core, ConfigMap, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use tokio::time::{Instant, timeout};

/// So many pods are named where there are more.
const NAMED: usize = 3;

/// The names of given namespaces, in the order of the blueprint's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenNamespaces(Vec<String>);

impl FromStr for GivenNamespaces {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let wanted = Blueprint::embedded().namespaces.len();
        if names.len() != wanted || names.iter().any(String::is_empty) {
            return Err(format!("write {wanted} names, separated by commas"));
        }
        if names.iter().collect::<BTreeSet<_>>().len() != wanted {
            return Err("every namespace must be another one".to_owned());
        }
        Ok(Self(names))
    }
}

impl fmt::Display for GivenNamespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl GivenNamespaces {
    /// The names with what each stands for.
    fn planned(&self) -> impl Iterator<Item = (&str, Namespace)> {
        let world = Blueprint::embedded().world(LABELS_OF_GIVEN);
        self.names().zip(world.namespaces)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Rights in each of them, as they are asked for.
    pub(super) fn each<'a>(&'a self, rights: &'a [Right]) -> Vec<(Option<&'a str>, &'a [Right])> {
        self.names().map(|name| (Some(name), rights)).collect()
    }

    /// Looks whether a run can work in them: rights, labels, and that nobody else does.
    pub(super) async fn survey(&self, client: &Client) -> Result<Vec<Namespace>, TargetError> {
        let mut wanted = self.each(&GIVEN_RIGHTS);
        wanted.push((None, &NODE_RIGHTS));
        rights::check_in(client, &wanted).await?;
        let namespaces = try_join_all(self.planned().map(|(name, plan)| found(client, name, plan))).await?;
        try_join_all(self.0.iter().map(|name| holds_no_other_pods(client, name))).await?;
        for Remains { run, namespaces, expires } in self.remains(client).await? {
            let until = match expires {
                Some(expires) if expires < Timestamp::now() => continue,
                Some(expires) => format!("and may be at work until {expires}"),
                None => "and does not say until when".to_owned(),
            };
            let cause = format!("run {run} has objects in {}, {until}", namespaces.join(", "));
            let hint = format!("wait until it has ended; what a killed run has left, {} removes", self.cleanup(&run));
            return Err(advised("looking at the given namespaces", cause, hint));
        }
        Ok(namespaces)
    }

    /// The command that removes what a run has left in them.
    pub(super) fn cleanup(&self, run: &str) -> String {
        format!("`papertiger cleanup --namespaces {self} --run {run}`")
    }

    /// What runs have left in them, those at work among them.
    pub(super) async fn remains(&self, client: &Client) -> Result<Vec<Remains>, TargetError> {
        let found = self.labelled(client, RUN).await?;
        Ok(by_run(found.iter().map(|(namespace, object)| (namespace.clone(), object))))
    }

    /// Removes what runs have left whose time is over.
    pub(super) async fn remove_expired(&self, client: &Client) -> Result<(), TargetError> {
        for remains in self.remains(client).await? {
            if remains.expires.is_some_and(|expires| expires < Timestamp::now()) {
                self.remove(client, &remains.run).await?;
            }
        }
        Ok(())
    }

    /// Asks for the deletion of everything that a run has made in them, without waiting.
    pub(super) async fn begin_removal(&self, client: &Client, run: &str) -> Result<(), TargetError> {
        let (parameters, chosen) = (DeleteParams::background(), ListParams::default().labels(&selector_of(run)));
        for kind in kinds() {
            try_join_all(self.0.iter().map(|namespace| {
                let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind);
                let (parameters, chosen, kind) = (&parameters, &chosen, &kind);
                async move {
                    let deleted = patiently(|| api.delete_collection(parameters, chosen)).await;
                    let step = || format!("deleting the {} of run {run} in {namespace}", kind.plural);
                    deleted.map(drop).map_err(|error| refused(step(), &error))
                }
            }))
            .await?;
        }
        Ok(())
    }

    /// Removes everything that a run has made in them, and waits until it has gone.
    pub(super) async fn remove(&self, client: &Client, run: &str) -> Result<(), TargetError> {
        let deadline = Instant::now() + DEADLINE;
        let selector = selector_of(run);
        let config = watcher::Config::default().labels(&selector);
        let watch = |namespace: &String| {
            let pods = Api::<PartialObjectMeta<Pod>>::namespaced(client.clone(), namespace);
            Box::pin(watcher(pods, config.clone()).default_backoff().touched_objects())
        };
        let mut touched = select_all(self.0.iter().map(watch));
        loop {
            let left = self.labelled(client, &selector).await?;
            if left.iter().any(|(_, object)| object.metadata.deletion_timestamp.is_none()) {
                self.begin_removal(client, run).await?;
            }
            // A request that was in flight may still make something.
            let mut quiet = true;
            while Instant::now() < deadline && matches!(timeout(STRAGGLERS, touched.next()).await, Ok(Some(_))) {
                quiet = false;
            }
            if left.is_empty() && quiet {
                return Ok(());
            }
            if !left.is_empty() && Instant::now() >= deadline {
                let named = left.iter().take(NAMED).map(|(place, object)| format!("{place}/{}", object.name_any()));
                let cause = format!(
                    "after {} s {} objects are still there ({})",
                    DEADLINE.as_secs(),
                    left.len(),
                    named.collect::<Vec<_>>().join(", ")
                );
                let hint = format!("{} tries again; nothing else is touched", self.cleanup(run));
                return Err(advised(format!("removing what run {run} has made"), cause, hint));
            }
        }
    }

    /// Whatever has certain labels, with its namespace.
    async fn labelled(
        &self,
        client: &Client,
        selector: &str,
    ) -> Result<Vec<(String, PartialObjectMeta<DynamicObject>)>, TargetError> {
        let chosen = ListParams::default().labels(selector);
        let kinds = kinds();
        let lists = self.0.iter().flat_map(|namespace| kinds.iter().map(move |kind| (namespace, kind)));
        let lists = lists.map(|(namespace, kind)| {
            let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, kind);
            let chosen = &chosen;
            async move {
                let listed = patiently(|| api.list_metadata(chosen)).await;
                let listed =
                    listed.map_err(|error| refused(format!("listing the {} in {namespace}", kind.plural), &error))?;
                Ok(listed.items.into_iter().map(|object| (namespace.clone(), object)).collect::<Vec<_>>())
            }
        });
        Ok(try_join_all(lists).await?.concat())
    }
}

/// Whatever a run makes, controllers before their pods.
fn kinds() -> [ApiResource; 5] {
    [
        ApiResource::erase::<ReplicaSet>(&()),
        ApiResource::erase::<Pod>(&()),
        ApiResource::erase::<NetworkPolicy>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<ConfigMap>(&()),
    ]
}

/// A namespace as it is, which must have the labels by which cases know it.
async fn found(client: &Client, name: &str, plan: Namespace) -> Result<Namespace, TargetError> {
    let step = || format!("looking at the namespace {name}");
    let namespaces = Api::<core::Namespace>::all(client.clone());
    let found = patiently(|| namespaces.get(name)).await.map_err(|error| refused(step(), &error))?;
    if found.metadata.deletion_timestamp.is_some() {
        return Err(failed(step(), "it is being deleted"));
    }
    let labels = found.labels().clone();
    let missing: Vec<String> = missing(&labels, &plan).map(|(key, value)| format!("{key}={value}")).collect();
    if missing.is_empty() {
        return Ok(Namespace { id: plan.id, name: name.to_owned(), labels });
    }
    let cause = format!("it stands for {} and lacks the label {}", plan.id, missing.join(" and "));
    Err(advised(step(), cause, format!("`kubectl label namespace {name} {}`", missing.join(" "))))
}

fn missing<'a>(labels: &Labels, plan: &'a Namespace) -> impl Iterator<Item = (&'a String, &'a String)> {
    let own = plan.labels.iter().filter(|(key, _)| *key != NAMESPACE_NAME_LABEL);
    own.filter(|(key, value)| labels.get(*key) != Some(value))
}

/// A policy that isolates every pod of a namespace would cut off somebody else's.
async fn holds_no_other_pods(client: &Client, namespace: &str) -> Result<(), TargetError> {
    let step = || format!("looking for other people's pods in {namespace}");
    let others = ListParams::default().labels(&format!("!{RUN}")).fields(ALIVE);
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let pods = patiently(|| pods.list_metadata(&others)).await.map_err(|error| refused(step(), &error))?.items;
    if pods.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = pods.iter().take(NAMED).map(ResourceExt::name_any).collect();
    let more = if pods.len() > NAMED { format!(" and {} more", pods.len() - NAMED) } else { String::new() };
    let hint = "papertiger's policies would cut them off: give it namespaces that hold nothing else";
    Err(advised(step(), format!("there are {}{more}", named.join(", ")), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_namespaces_as_a_world_has_are_given() {
        let given: GivenNamespaces = "team-x, team-y,team-z".parse().unwrap();
        assert_eq!(given.to_string(), "team-x,team-y,team-z");
        let planned: Vec<(&str, String)> = given.planned().map(|(name, plan)| (name, plan.id)).collect();
        assert_eq!(planned, [("team-x", "x".to_owned()), ("team-y", "y".to_owned()), ("team-z", "z".to_owned())]);
        for (wrong, words) in [("", "3 names"), ("a,b", "3 names"), ("a,b,c,d", "3 names"), ("a,,c", "3 names")] {
            assert!(wrong.parse::<GivenNamespaces>().unwrap_err().contains(words), "{wrong}");
        }
        assert!("a,b,a".parse::<GivenNamespaces>().unwrap_err().contains("another one"));
    }

    #[test]
    fn a_given_namespace_has_the_labels_of_the_one_it_stands_for() {
        let given: GivenNamespaces = "team-x,team-y,team-z".parse().unwrap();
        let (_, plan) = given.planned().next().unwrap();
        let lacks = |pairs: &[(&str, &str)]| {
            let labels = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            missing(&labels, &plan).count()
        };
        assert_eq!(lacks(&[("ns", "x-papertiger"), (NAMESPACE_NAME_LABEL, "team-x"), ("team", "blue")]), 0);
        assert_eq!(lacks(&[("ns", "y-papertiger")]), 1);
        assert_eq!(lacks(&[]), 1);
    }
}
