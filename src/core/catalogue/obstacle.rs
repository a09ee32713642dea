//! Why a case cannot be run in a world.

use super::case::{Action, Case};
use super::template::Template;
use super::words::Property;
use crate::core::fault::{Fault, plan, reading::Reach, reading::Reading};
use crate::core::model::change::Subject;
use crate::core::model::flow::Endpoint;
use crate::core::model::world::World;
use crate::core::oracle::Assumptions;

impl Case {
    /// Why this case would prove nothing in `world`, which was made with `suffix`; `None` where it can be run.
    pub fn obstacle(&self, world: &World, suffix: &str) -> Option<String> {
        let missing = self.missing_protocol(world).or_else(|| self.missing_host(world));
        missing.or_else(|| self.missing_host_probes(world)).or_else(|| self.blindness(world, suffix))
    }

    /// Whether it changes the labels of a namespace or makes one again.
    pub fn changes_a_namespace(&self) -> bool {
        let relabelled = self.labels.keys();
        let changed = self.steps.iter().filter_map(|step| match &step.action {
            Action::Relabel { subject, .. } | Action::Recreate { subject, .. } => Some(subject),
            Action::Apply(_) | Action::Replace(_) | Action::Delete(_) => None,
        });
        relabelled.chain(changed).any(|subject| match subject {
            Subject::Namespace(_) => true,
            Subject::Pod(_) => false,
        })
    }

    /// Its flows are of a protocol that nobody can speak.
    fn missing_protocol(&self, world: &World) -> Option<String> {
        let missing = self.protocols.iter().find(|protocol| !world.has_protocol(**protocol))?;
        Some(format!("it needs {missing}, which the kernel of at least one node does not have"))
    }

    /// A policy speaks of a host that is not there. Without the block around it the case would be another one.
    fn missing_host(&self, world: &World) -> Option<String> {
        let mut named = self.templates().flat_map(Template::endpoints).map(|(_, endpoint)| endpoint);
        let missing = named.find(|endpoint| match endpoint {
            Endpoint::External(id) => world.external(id).is_none_or(|external| external.addresses.is_empty()),
            Endpoint::Pod(_) | Endpoint::Node(_) => false,
        })?;
        Some(if world.externals.is_empty() {
            format!("it needs a host outside the pod network ({missing}), and this target has none")
        } else {
            format!("it needs the host {missing} outside the pod network, which this target does not have")
        })
    }

    /// It is about pods on the nodes' own network, and there are none.
    fn missing_host_probes(&self, world: &World) -> Option<String> {
        let missing = self.property == Some(Property::HostNetwork) && !world.pods.iter().any(|pod| pod.host_network);
        missing.then(|| "it needs pods on the nodes' own network, which --host-probes makes".to_owned())
    }

    /// What is left of its policies in this world is such that no traffic can show whether it is enforced.
    fn blindness(&self, world: &World, suffix: &str) -> Option<String> {
        if self.property.is_some() {
            return None;
        }
        let mut experiment = self.experiment(world, suffix, Assumptions::SETTLED);
        if self.every_node
            && let Some(part) = experiment.world.neighbourhoods().into_iter().next()
        {
            // What can be seen on one node can be seen on each.
            experiment.world = part.into();
        }
        let flows = plan::candidates(&experiment.world);
        let faithful = Reading::faithful(&experiment);
        let shows = |reading: &Reading| {
            (0..experiment.phases().len()).any(|phase| {
                flows.iter().any(|flow| plan::differ(faithful.answer(phase, flow), reading.answer(phase, flow)))
            })
        };
        let seeing = experiment.terms().iter().filter(|term| self.mask(&term.id()).is_none()).any(|term| {
            let mut readings = Fault::ALL.into_iter().filter_map(|fault| experiment.reading(fault, Reach::Term(term)));
            readings.any(|reading| shows(&reading))
        });
        (!seeing).then(|| "no traffic on this target can show whether its policies are enforced".to_owned())
    }

    /// Every policy, as often as it is written.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        self.steps.iter().flat_map(|step| match &step.action {
            Action::Apply(templates) | Action::Replace(templates) => templates.as_slice(),
            Action::Delete(_) | Action::Relabel { .. } | Action::Recreate { .. } => &[],
        })
    }
}
