//! Worlds in which every node has something to decide: two pods on each, in one namespace.

use super::case::{Action, Case};
use crate::core::model::flow::PodId;
use crate::core::model::world::{Pod, Service, World};
use std::ops::Range;

/// The namespace that they stand in.
const NAMESPACE: &str = "x";

/// Who is isolated on each node.
const SUBJECT: &str = "a";

/// Who is not: the subject's peer there, and that of the subject on the node before.
const PEER: &str = "b";

/// How many pods a node has in such a world.
pub const PODS_ON_EACH: usize = 2;

/// A world has no more nodes than this, so that no more control streams are open at a time: two for each.
const MOST: usize = 32;

/// The nodes of each world, by their places among all: as few worlds as can be, of about the same size.
pub fn worlds_of_nodes(nodes: usize) -> Vec<Range<usize>> {
    let worlds = nodes.div_ceil(MOST);
    (0..worlds).map(|world| world * nodes / worlds..(world + 1) * nodes / worlds).collect()
}

impl World {
    /// Leaves two pods on each of the nodes at these places among `nodes`, and nobody else.
    pub fn stand_on_each(&mut self, nodes: &[String], places: &Range<usize>) {
        self.externals.clear();
        self.namespaces.retain(|namespace| namespace.id == NAMESPACE);
        let models: Vec<Pod> =
            [SUBJECT, PEER].iter().filter_map(|pod| self.pod(&PodId::new(NAMESPACE, *pod)).cloned()).collect();
        let on_node = |place: usize| {
            let pod = move |model: &Pod| {
                let name = format!("{}-{}", model.id.pod, place + 1);
                let service = Some(Service::planned(&name));
                Pod { id: PodId::new(NAMESPACE, &name), name, node: nodes[place].clone(), service, ..model.clone() }
            };
            models.iter().map(pod)
        };
        self.pods = places.clone().flat_map(on_node).collect();
    }

    /// The parts of such a world, one for each node: its two pods, and the peer on the next node.
    pub fn neighbourhoods(&self) -> Vec<Self> {
        let mut nodes: Vec<&str> = self.pods.iter().map(|pod| pod.node.as_str()).collect();
        nodes.dedup();
        let part = |(place, node): (usize, &&str)| {
            let next = nodes[(place + 1) % nodes.len()];
            let is_peer = |pod: &Pod| pod.node == next && pod.id.pod.starts_with(PEER);
            let pods = self.pods.iter().filter(|pod| pod.node == **node || is_peer(pod)).cloned().collect();
            Self { pods, ..self.clone() }
        };
        nodes.iter().enumerate().map(part).collect()
    }
}

impl Case {
    /// What a case has that cannot be done in such a world, if it has anything.
    pub(super) fn every_node_flaw(&self) -> Option<&'static str> {
        let policies = self.steps.iter().filter_map(|step| match &step.action {
            Action::Apply(templates) | Action::Replace(templates) => Some(templates),
            Action::Delete(_) | Action::Relabel { .. } | Action::Recreate { .. } => None,
        });
        let policies: Vec<_> = policies.flatten().collect();
        let moves = |action: &Action| matches!(action, Action::Relabel { .. } | Action::Recreate { .. });
        if self.canary || self.stopwatch || self.property.is_some() || self.requires.is_some() {
            Some(
                "a case of every node is scored and nothing besides: it is no canary, has no stopwatch and no property",
            )
        } else if !self.labels.is_empty() || self.steps.iter().any(|step| moves(&step.action)) {
            Some("a case of every node changes policies alone: its pods are others than those of other cases")
        } else if policies.iter().any(|policy| policy.logical().namespace != NAMESPACE || policy.has_ip_blocks()) {
            Some("a case of every node has policies in the namespace x alone, and no `ipBlock`")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalogue::Blueprint;

    fn world(nodes: usize, places: &Range<usize>) -> World {
        let names: Vec<String> = (1..=nodes).map(|node| format!("n{node}")).collect();
        let mut world = Blueprint::embedded().world("k3f9");
        world.stand_on_each(&names, places);
        world
    }

    fn pods(world: &World) -> Vec<String> {
        world.pods.iter().map(|pod| format!("{} on {}", pod.id, pod.node)).collect()
    }

    #[test]
    fn every_node_is_in_one_world_and_none_is_alone() {
        let sizes = |nodes| worlds_of_nodes(nodes).iter().map(Range::len).collect::<Vec<_>>();
        assert_eq!((sizes(1), sizes(32), sizes(33)), (vec![1], vec![32], vec![16, 17]));
        for nodes in 0..200 {
            let worlds = worlds_of_nodes(nodes);
            assert_eq!(worlds.iter().cloned().flatten().collect::<Vec<_>>(), (0..nodes).collect::<Vec<_>>());
            assert!(worlds.iter().all(|world| world.len() <= MOST && (world.len() > 1 || nodes == 1)));
        }
    }

    #[test]
    fn each_node_has_two_pods_and_a_peer_on_the_next() {
        let world = world(5, &(2..5));
        let all = ["x/a-3 on n3", "x/b-3 on n3", "x/a-4 on n4", "x/b-4 on n4", "x/a-5 on n5", "x/b-5 on n5"];
        assert_eq!(pods(&world), all);
        assert_eq!(world.namespaces.len(), 1);
        assert!(world.externals.is_empty());
        let parts: Vec<Vec<String>> = world.neighbourhoods().iter().map(pods).collect();
        assert_eq!(parts[0], ["x/a-3 on n3", "x/b-3 on n3", "x/b-4 on n4"]);
        assert_eq!(parts[2], ["x/b-3 on n3", "x/a-5 on n5", "x/b-5 on n5"]);
    }

    #[test]
    fn a_node_by_itself_has_no_next() {
        let parts: Vec<Vec<String>> = world(1, &(0..1)).neighbourhoods().iter().map(pods).collect();
        assert_eq!(parts, [["x/a-1 on n1", "x/b-1 on n1"]]);
    }
}
