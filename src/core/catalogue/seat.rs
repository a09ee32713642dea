//! Where in a world a case takes place.

use super::blueprint::Blueprint;
use crate::core::model::change::{PolicyName, Subject};
use crate::core::model::flow::{Endpoint, PodId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which namespaces and pods of a world stand for those that a case names. By default each stands for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// By the short name that the case has for it.
    namespaces: BTreeMap<String, String>,
    /// Short names within a namespace, by those that the case has for them.
    pods: BTreeMap<String, String>,
}

impl Seat {
    /// All that there are in a world like this, the one where each stands for itself first: everybody moves on by as many
    /// places, so that what is told apart stays apart.
    pub(super) fn all(blueprint: &Blueprint) -> Vec<Self> {
        let namespaces: Vec<&str> = blueprint.namespaces.iter().map(|namespace| namespace.id.as_str()).collect();
        let pods = blueprint.namespaces.first().map(|namespace| namespace.pods.as_slice()).unwrap_or_default();
        let pods: Vec<&str> = pods.iter().map(|pod| pod.id.as_str()).collect();
        let seats = (0..namespaces.len()).flat_map(|by| (0..pods.len()).map(move |pods_by| (by, pods_by)));
        seats.map(|(by, pods_by)| Self { namespaces: moved(&namespaces, by), pods: moved(&pods, pods_by) }).collect()
    }

    /// Whether everything stands for itself.
    pub fn is_own(&self) -> bool {
        self.namespaces.iter().chain(&self.pods).all(|(name, stands_in)| name == stands_in)
    }

    /// The seat that undoes this one.
    #[must_use]
    pub fn back(&self) -> Self {
        let back =
            |names: &BTreeMap<String, String>| names.iter().map(|(name, by)| (by.clone(), name.clone())).collect();
        Self { namespaces: back(&self.namespaces), pods: back(&self.pods) }
    }

    /// What stands for a namespace, by its short name.
    pub fn namespace(&self, id: &str) -> String {
        self.namespaces.get(id).map_or(id, String::as_str).to_owned()
    }

    /// What stands for a pod.
    pub fn pod(&self, id: &PodId) -> PodId {
        PodId::new(self.namespace(&id.namespace), self.pods.get(&id.pod).unwrap_or(&id.pod).clone())
    }

    /// What stands for one end of a flow.
    pub fn endpoint(&self, endpoint: &Endpoint) -> Endpoint {
        match endpoint {
            Endpoint::Pod(id) => self.pod(id).into(),
            Endpoint::Node(_) | Endpoint::External(_) => endpoint.clone(),
        }
    }

    /// What stands for a subject.
    pub fn subject(&self, subject: &Subject) -> Subject {
        match subject {
            Subject::Pod(id) => Subject::Pod(self.pod(id)),
            Subject::Namespace(id) => Subject::Namespace(self.namespace(id)),
        }
    }

    /// What stands for a policy.
    pub fn policy(&self, policy: &PolicyName) -> PolicyName {
        PolicyName { namespace: self.namespace(&policy.namespace), name: policy.name.clone() }
    }
}

fn moved(names: &[&str], by: usize) -> BTreeMap<String, String> {
    let stands_in = names.iter().cycle().skip(by);
    names.iter().zip(stands_in).map(|(name, by)| ((*name).to_owned(), (*by).to_owned())).collect()
}
