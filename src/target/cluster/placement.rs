//! Which pod of which lane stands on which node, as far as the room goes.

use super::errors::{advised, failed};
use super::nodes::{Candidate, Survey};
use crate::core::catalogue::Blueprint;
use crate::core::event::Untested;
use crate::core::model::world::World;
use crate::target::TargetError;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A lane spreads over so many nodes at most: two make a flow within a node and one between nodes.
const NODES_PER_LANE: usize = 3;

/// More lanes than this are never planned.
const MOST_LANES: usize = 32;

/// Which nodes are probed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NodeChoice {
    /// All that can be.
    #[default]
    All,
    /// So many of them.
    Count(usize),
    /// These.
    Named(Vec<String>),
}

impl FromStr for NodeChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Self::All);
        }
        if let Ok(count) = text.parse::<usize>() {
            return if count > 0 {
                Ok(Self::Count(count))
            } else {
                Err("at least one node has to be probed".to_owned())
            };
        }
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err("write all, a number, or names of nodes separated by commas".to_owned());
        }
        Ok(Self::Named(names))
    }
}

impl NodeChoice {
    /// The nodes that are probed, and those that are not with the reason. Each needs room for so many pods; where fewer are
    /// wanted than there are, `turn` says whose turn it is.
    pub(super) fn choose(
        &self,
        survey: Survey,
        turn: u64,
        needed: usize,
    ) -> Result<(Vec<Candidate>, Vec<Untested>), TargetError> {
        let Survey { mut candidates, mut untested } = survey;
        let mut leave = |candidates: &mut Vec<Candidate>, keep: &dyn Fn(usize, &Candidate) -> bool, why: &str| {
            let (kept, left): (Vec<_>, Vec<_>) =
                std::mem::take(candidates).into_iter().enumerate().partition(|(index, node)| keep(*index, node));
            *candidates = kept.into_iter().map(|(_, node)| node).collect();
            untested.extend(left.into_iter().map(|(_, node)| Untested { node: node.name, reason: why.to_owned() }));
        };
        let cramped = format!("it has no room for {needed} more pods");
        leave(&mut candidates, &|_, node| node.room >= needed, &cramped);
        match self {
            Self::All => {}
            Self::Count(count) => {
                let all = candidates.len();
                let is_its_turn = |index: usize| (index + all - first_in_turn(turn, *count, all)) % all < *count;
                let why = format!("--nodes asks for {count}, and it is the turn of others");
                leave(&mut candidates, &|index, _| is_its_turn(index), &why);
            }
            Self::Named(names) => {
                leave(&mut candidates, &|_, node| names.contains(&node.name), "--nodes does not name it");
                let known = |name: &String| {
                    candidates.iter().any(|node| node.name == *name) || untested.iter().any(|node| node.node == *name)
                };
                if let Some(name) = names.iter().find(|name| !known(name)) {
                    let hint = "`kubectl get nodes` lists the nodes";
                    return Err(advised("choosing nodes", format!("this cluster has no node {name}"), hint));
                }
            }
        }
        if candidates.is_empty() {
            let reasons = untested.iter().map(|node| format!("\n    {}: {}", node.node, node.reason));
            return Err(failed(
                "choosing nodes",
                format!("there is no node that can be probed{}", reasons.collect::<String>()),
            ));
        }
        Ok((candidates, untested))
    }
}

/// Where the nodes begin whose turn it is: after as many turns as it takes, all of them had theirs.
fn first_in_turn(turn: u64, count: usize, all: usize) -> usize {
    // No more than `all`, so that the cast keeps the number.
    (u128::from(turn) * count as u128 % all.max(1) as u128) as usize
}

impl fmt::Display for NodeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(count) => count.fmt(f),
            Self::Named(names) => f.write_str(&names.join(",")),
        }
    }
}

/// Where the pods of each lane stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// For each lane, the nodes of the blueprint's pods in their order.
    lanes: Vec<Vec<String>>,
}

impl Placement {
    /// Plans lanes until the room is used up, all but one lane's: a lane that is replaced leaves late. Room for so many pods
    /// on each node is left for those that stand on every node, unless there is room for one lane alone: then they come
    /// after it.
    pub(super) fn new(blueprint: &Blueprint, nodes: &[Candidate], left: usize) -> Result<Self, TargetError> {
        let plan = |left: usize, most: usize| {
            let room = |node: &Candidate| node.room.saturating_sub(left);
            let mut room: BTreeMap<&str, usize> = nodes.iter().map(|node| (node.name.as_str(), room(node))).collect();
            let mut lanes = Vec::new();
            while lanes.len() < most
                && let Some(lane) = next(blueprint, nodes, lanes.len(), &mut room)
            {
                lanes.push(lane);
            }
            lanes
        };
        let mut lanes = plan(left, MOST_LANES + 1);
        if lanes.is_empty() {
            lanes = plan(0, 1);
        }
        if lanes.is_empty() {
            let wanted = blueprint.pod_ids().count();
            let rooms = nodes.iter().map(|node| format!("{} on {}", node.room, node.name)).collect::<Vec<_>>();
            let cause = format!("a run needs room for {wanted} pods, and there is room for {}", rooms.join(", "));
            let hint = "free some room, or choose other nodes with --nodes";
            return Err(advised("counting the room on the nodes", cause, hint));
        }
        if lanes.len() > 1 {
            lanes.pop();
        }
        Ok(Self { lanes })
    }

    /// How many lanes have room beside each other.
    pub(super) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Gives up all but so many lanes.
    pub(super) fn keep(&mut self, lanes: usize) {
        self.lanes.truncate(lanes.max(1));
    }

    /// Whether a pod of some lane stands on a node.
    pub(super) fn reaches(&self, node: &str) -> bool {
        self.lanes.iter().flatten().any(|name| name == node)
    }

    /// Gives the pods of a world their nodes. A lane that replaces another stands where some other lane stands or stood.
    pub(super) fn place(&self, world: &mut World, lane: u32) {
        let Some(nodes) = self.lanes.get(lane as usize % self.lanes.len()) else { return };
        for (pod, node) in world.pods.iter_mut().zip(nodes) {
            pod.node.clone_from(node);
        }
    }
}

/// The nodes of one more lane's pods, taken from what is left of the room. Every namespace stands on several nodes, and
/// lanes begin at different ones, so that together they reach all.
fn next<'a>(
    blueprint: &Blueprint,
    nodes: &'a [Candidate],
    lane: usize,
    room: &mut BTreeMap<&'a str, usize>,
) -> Option<Vec<String>> {
    let before = room.clone();
    let width = nodes.len().min(NODES_PER_LANE);
    // After each turn through the nodes lanes begin one further on, so that none carries more than the others.
    let turns = lane * width / nodes.len();
    let mut placed = Vec::new();
    for (i, namespace) in blueprint.namespaces.iter().enumerate() {
        for j in 0..namespace.pods.len() {
            let first = lane * width + turns + (i + j) % width;
            let free =
                (0..nodes.len()).map(|k| nodes[(first + k) % nodes.len()].name.as_str()).find(|name| room[name] > 0);
            let Some(name) = free else {
                *room = before;
                return None;
            };
            room.entry(name).and_modify(|left| *left -= 1);
            placed.push(name.to_owned());
        }
    }
    Some(placed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn nodes(rooms: &[usize]) -> Vec<Candidate> {
        let node = |(index, room): (usize, &usize)| Candidate {
            name: format!("n{}", index + 1),
            arch: "amd64".to_owned(),
            addresses: Vec::new(),
            room: *room,
            images: Vec::new(),
        };
        rooms.iter().enumerate().map(node).collect()
    }

    fn place(rooms: &[usize]) -> Result<Placement, TargetError> {
        Placement::new(&Blueprint::embedded(), &nodes(rooms), 0)
    }

    #[test]
    fn lanes_follow_the_room_and_leave_some() {
        for (rooms, lanes) in [(&[9][..], 1), (&[18], 1), (&[27], 2), (&[5, 4], 1), (&[100, 0], 10), (&[200, 200], 32)]
        {
            assert_eq!(place(rooms).unwrap().lanes(), lanes, "{rooms:?}");
        }
    }

    #[test]
    fn room_is_left_on_each_node_where_there_is_more_than_one_lane_needs() {
        for (rooms, left, lanes) in [(&[27][..], 2, 1), (&[29], 2, 2), (&[9], 2, 1), (&[20, 20], 2, 3)] {
            let placement = Placement::new(&Blueprint::embedded(), &nodes(rooms), left).unwrap();
            assert_eq!(placement.lanes(), lanes, "{rooms:?}");
        }
    }

    #[test]
    fn no_room_is_said_in_figures() {
        let error = place(&[4, 4]).unwrap_err().to_string();
        assert!(error.contains("9 pods") && error.contains("4 on n1, 4 on n2"), "{error}");
    }

    #[test]
    fn every_namespace_stands_on_two_nodes_and_all_lanes_together_on_all() {
        let placement = place(&[60, 60, 60, 60, 60]).unwrap();
        for lane in &placement.lanes {
            for namespace in lane.chunks(3) {
                assert!(namespace.iter().collect::<BTreeSet<_>>().len() > 1);
            }
        }
        assert_eq!(placement.lanes.iter().flatten().collect::<BTreeSet<_>>().len(), 5);
    }

    #[test]
    fn lanes_on_the_same_nodes_begin_at_different_ones() {
        let lanes = place(&[60, 60]).unwrap().lanes;
        let count = |name: &str| lanes.iter().take(4).flatten().filter(|node| *node == name).count();
        assert_ne!(lanes[0], lanes[1]);
        assert_eq!((count("n1"), count("n2")), (18, 18));
    }

    #[test]
    fn nodes_are_chosen_by_number_or_name() {
        let survey = || Survey {
            candidates: nodes(&[9, 9, 9]),
            untested: vec![Untested { node: "n4".to_owned(), reason: "it is cordoned".to_owned() }],
        };
        let names = |choice: &str| {
            let (chosen, untested) =
                choice.parse::<NodeChoice>().unwrap().choose(survey(), 0, 1).map_err(|e| e.to_string())?;
            Ok::<_, String>((chosen.into_iter().map(|node| node.name).collect::<Vec<_>>(), untested.len()))
        };
        assert_eq!(names("all").unwrap().0, ["n1", "n2", "n3"]);
        assert_eq!(names("2").unwrap(), (vec!["n1".to_owned(), "n2".to_owned()], 2));
        assert_eq!(names("n3,n1").unwrap().0, ["n1", "n3"]);
        assert!(names("n9").unwrap_err().contains("no node n9"));
        let none = names("n4").unwrap_err();
        assert!(none.contains("n4: it is cordoned"), "{none}");
        for wrong in ["0", "", "n1,,n2"] {
            assert!(wrong.parse::<NodeChoice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_node_has_its_turn_and_needs_room() {
        let chosen = |choice: &NodeChoice, turn, needed| {
            let survey = Survey { candidates: nodes(&[9, 1, 9, 9, 9]), untested: Vec::new() };
            let (chosen, untested) = choice.choose(survey, turn, needed).unwrap();
            let names = chosen.into_iter().map(|node| node.name).collect::<Vec<_>>().join(" ");
            (names, untested.into_iter().map(|node| node.reason).collect::<BTreeSet<_>>())
        };
        let two = NodeChoice::Count(2);
        let turns: Vec<String> = (0..3).map(|turn| chosen(&two, turn, 1).0).collect();
        assert_eq!(turns, ["n1 n2", "n3 n4", "n1 n5"]);
        assert_eq!(chosen(&two, u64::MAX, 1).0.split(' ').count(), 2);
        let why = BTreeSet::from(["--nodes asks for 2, and it is the turn of others".to_owned()]);
        assert_eq!(chosen(&two, 0, 1).1, why);
        assert_eq!(chosen(&NodeChoice::Count(9), 3, 1).0, "n1 n2 n3 n4 n5");
        let (names, why) = chosen(&NodeChoice::All, 0, 2);
        assert_eq!(
            (names.as_str(), why),
            ("n1 n3 n4 n5", BTreeSet::from(["it has no room for 2 more pods".to_owned()]))
        );
    }
}
