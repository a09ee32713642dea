//! Where the logical names of the catalogue become those of one lane.

use super::seat::Seat;
use crate::core::model::flow::Endpoint;
use crate::core::model::policy::{LabelSelector, Operator};
use crate::core::model::world::{Labels, NAMESPACE_NAME_LABEL, World};

/// The longest logical label value: it leaves room for a suffix within the 63 characters of Kubernetes.
const LONGEST_VALUE: usize = 40;

/// The suffix of label values where namespaces are given: it has to be known when they are made.
pub const LABELS_OF_GIVEN: &str = "papertiger";

/// What is wrong with the length of a logical label value.
pub(super) fn length_error(value: &str) -> Option<String> {
    (value.len() > LONGEST_VALUE).then(|| {
        format!(
            "`{value}` has more than {LONGEST_VALUE} characters, and the suffix of the run must find room behind it"
        )
    })
}

/// One lane's suffix, and the names of its namespaces where they are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    suffix: &'a str,
    world: Option<&'a World>,
    seat: Option<&'a Seat>,
}

impl<'a> Scope<'a> {
    /// The scope of a world that does not exist yet.
    pub(super) fn new(suffix: &'a str) -> Self {
        Self { suffix, world: None, seat: None }
    }

    /// The scope of `world`, whose namespaces may have names that somebody else chose.
    /// Who sits in `seat` speaks of others by the names of those for whom they stand.
    pub(super) fn of(world: &'a World, suffix: &'a str, seat: &'a Seat) -> Self {
        Self { suffix, world: Some(world), seat: Some(seat).filter(|seat| !seat.is_own()) }
    }

    /// The object name of the namespace with the short name `id`.
    pub(super) fn namespace_name(&self, id: &str) -> String {
        match self.world.and_then(|world| world.namespace(id)) {
            Some(namespace) => namespace.name.clone(),
            None => format!("papertiger-{}-{id}", self.suffix),
        }
    }

    /// The value that stands for the logical `value` of the label `key`.
    pub(super) fn value(&self, key: &str, value: &str) -> String {
        if key == NAMESPACE_NAME_LABEL {
            let stands_in = self.seat.map(|seat| seat.namespace(value));
            return self.namespace_name(stands_in.as_deref().unwrap_or(value));
        }
        let value = if value.is_empty() { self.suffix.to_owned() } else { format!("{value}-{}", self.suffix) };
        self.stands_in(key, &value).unwrap_or(value)
    }

    /// The value of a label of what stands for that which has this value.
    fn stands_in(&self, key: &str, value: &str) -> Option<String> {
        let (seat, world) = (self.seat?, self.world?);
        let has = |labels: &Labels| labels.get(key).is_some_and(|own| own == value);
        let namespace = || {
            let namespace = world.namespaces.iter().find(|namespace| has(&namespace.labels))?;
            Some(&world.namespace(&seat.namespace(&namespace.id))?.labels)
        };
        let pod = || {
            let pod = world.pods.iter().find(|pod| has(&pod.labels))?;
            Some(&world.pod(&seat.pod(&pod.id))?.labels)
        };
        namespace().or_else(pod)?.get(key).cloned()
    }

    /// What stands for one end of a flow.
    pub(super) fn endpoint(&self, endpoint: &Endpoint) -> Endpoint {
        self.seat.map_or_else(|| endpoint.clone(), |seat| seat.endpoint(endpoint))
    }

    /// The labels that stand for the logical `labels`.
    pub(super) fn labels(&self, labels: &Labels) -> Labels {
        labels.iter().map(|(key, value)| (key.clone(), self.value(key, value))).collect()
    }

    /// Gives a selector this lane's values. One without values (`Exists`, `DoesNotExist`, the empty one) stays as it is.
    pub(super) fn rewrite(&self, selector: &mut LabelSelector) {
        selector.match_labels = self.labels(&selector.match_labels);
        for requirement in &mut selector.match_expressions {
            match requirement.operator {
                Operator::In | Operator::NotIn => {
                    for value in &mut requirement.values {
                        *value = self.value(&requirement.key, value);
                    }
                }
                Operator::Exists | Operator::DoesNotExist => {}
            }
        }
    }
}
