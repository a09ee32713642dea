//! What probe pods run, and in which image: none has to be published or pulled.

use super::nodes::Candidate;
use super::objects::Program;
use crate::carried::{self, Arch};
use std::collections::BTreeSet;

/// What is taken when the nodes' lists have no image in common: every node has one of these, or can get it.
const FALLBACK: &str = "registry.k8s.io/pause:3.10";

/// The agent that papertiger carries for an architecture, by the name that a node has for it.
pub(super) fn executable(arch: &str) -> Option<&'static [u8]> {
    let arch = arch.parse::<Arch>().ok()?;
    carried::agent(arch).ok().map(|agent| agent.bytes)
}

/// The program of a run's probe pods. `assigns_users` says whether the platform gives pods their user ids.
pub(super) fn choose(image: Option<&str>, nodes: &[Candidate], assigns_users: bool) -> Program {
    if let Some(image) = image {
        return Program::Image(image.to_owned());
    }
    let image = common_image(nodes).unwrap_or_else(|| FALLBACK.to_owned());
    // A pause image names a user of its own that is not root; of others nothing is known.
    let user = (!assigns_users && !is_pause(&image)).then_some(65_532);
    Program::Carried { image, user }
}

/// An image that every node has: a pause image if there is one, else the smallest.
fn common_image(nodes: &[Candidate]) -> Option<String> {
    let (first, others) = nodes.split_first()?;
    let others: Vec<BTreeSet<&String>> = others.iter().map(|node| node.images.iter().collect()).collect();
    let mut common = first.images.iter().filter(|image| others.iter().all(|images| images.contains(image)));
    let pause = common.clone().find(|image| is_pause(image));
    pause.or_else(|| common.next()).cloned()
}

fn is_pause(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split(':').next() == Some("pause")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(images: &[&str]) -> Candidate {
        Candidate {
            name: String::new(),
            arch: "amd64".to_owned(),
            addresses: Vec::new(),
            room: 9,
            images: images.iter().map(|image| (*image).to_owned()).collect(),
        }
    }

    #[test]
    fn an_image_that_all_nodes_have_is_enough() {
        let carried = |image: &str, user| Program::Carried { image: image.to_owned(), user };
        for (nodes, assigns, expected) in [
            (
                vec![node(&["a/tiny:1", "k/pause:3.9"]), node(&["k/pause:3.9", "a/tiny:1"])],
                false,
                carried("k/pause:3.9", None),
            ),
            (vec![node(&["a/tiny:1", "b/big:1"]), node(&["b/big:1"])], false, carried("b/big:1", Some(65_532))),
            (vec![node(&["b/big:1"]), node(&["b/big:1"])], true, carried("b/big:1", None)),
            (vec![node(&["a:1"]), node(&["b:1"])], false, carried(FALLBACK, None)),
            (vec![node(&["r/pause-not:1"])], false, carried("r/pause-not:1", Some(65_532))),
        ] {
            assert_eq!(choose(None, &nodes, assigns), expected);
        }
        assert_eq!(choose(Some("r/mine:1"), &[node(&[])], false), Program::Image("r/mine:1".to_owned()));
    }
}
