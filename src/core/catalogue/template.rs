//! A policy of a case: validated once, made concrete for every lane.

use super::block::Block;
use super::blueprint::Blueprint;
use super::scope::{Scope, length_error};
use crate::core::model::flow::{Endpoint, Family};
use crate::core::model::manifest::{FieldError, IpBlock, NetworkPolicy};
use crate::core::model::policy::{Direction, LabelSelector, Peer, Policy, PortMatch, PortRef, Rule};
use crate::core::model::world::World;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A policy in logical names. Its address blocks may have placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    manifest: NetworkPolicy,
    policy: Policy,
    blocks: BTreeMap<(Direction, usize, usize), Blocks>,
}

/// One `ipBlock`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Blocks {
    path: String,
    cidr: Block,
    except: Vec<Block>,
}

impl Template {
    /// Validates a manifest as the API server would after the placeholders have been filled in.
    pub(super) fn new(manifest: NetworkPolicy) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut blocks = BTreeMap::new();
        let mut sample = manifest.clone();
        for ((direction, rule, peer), block) in ip_blocks(&mut sample) {
            let key = match direction {
                Direction::Ingress => "from",
                Direction::Egress => "to",
            };
            let path = format!("spec.{direction}[{rule}].{key}[{peer}].ipBlock");
            match Blocks::sampled(block, path) {
                Ok(Some(found)) => drop(blocks.insert((direction, rule, peer), found)),
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let policy = sample.validate()?;
        let long = selectors(&policy).into_iter().flat_map(|(path, selector)| too_long(&path, selector));
        errors.extend(long);
        if errors.is_empty() { Ok(Self { manifest, policy, blocks }) } else { Err(errors) }
    }

    /// The policy as its author wrote it.
    pub fn manifest(&self) -> &NetworkPolicy {
        &self.manifest
    }

    /// The policy with logical label values; where an address block has placeholders, examples stand in for them.
    pub fn logical(&self) -> &Policy {
        &self.policy
    }

    /// The endpoints that placeholders name, each with the path of the field.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = (String, &Endpoint)> {
        self.blocks.values().flat_map(|Blocks { path, cidr, except }| {
            let except = except.iter().enumerate().map(move |(i, block)| (format!("{path}.except[{i}]"), block));
            std::iter::once((format!("{path}.cidr"), cidr)).chain(except).filter_map(|(path, block)| match block {
                Block::Around(placeholder) => Some((path, &placeholder.endpoint)),
                Block::Literal(_) => None,
            })
        })
    }

    /// Whether it speaks of addresses.
    pub(super) fn has_ip_blocks(&self) -> bool {
        let rules = Direction::ALL.into_iter().filter_map(|direction| self.policy.rules(direction)).flatten();
        rules.flat_map(|rule| &rule.peers).any(|peer| matches!(peer, Peer::IpBlock { .. }))
    }

    /// Whether it speaks of what is not alike everywhere in a world: names of ports whose numbers differ, and addresses that are
    /// written out.
    pub(super) fn is_bound(&self, blueprint: &Blueprint) -> bool {
        let is_fixed = |at: (Direction, usize, usize), peer: &Peer| match (self.blocks.get(&at), peer) {
            (Some(blocks), _) => blocks.cidr.is_fixed() || blocks.except.iter().any(Block::is_fixed),
            (None, Peer::IpBlock { cidr, except }) => cidr.prefix_len() > 0 || !except.is_empty(),
            (None, Peer::Pods { .. }) => false,
        };
        let differs = |port: &PortMatch| matches!(&port.port, Some(PortRef::Name(name)) if blueprint.renumbers(name));
        Direction::ALL.into_iter().any(|direction| {
            let mut rules = self.policy.rules(direction).into_iter().flatten().enumerate();
            rules.any(|(i, rule)| {
                let mut peers = rule.peers.iter().enumerate();
                rule.ports.iter().any(differs) || peers.any(|(j, peer)| is_fixed((direction, i, j), peer))
            })
        })
    }

    /// The policy of one lane. An ip block around an address that the world does not have is left out, and so is one of a
    /// family that the world does not have, of which nothing could be shown; a rule that loses its last peer by this is
    /// left out too, because a rule without peers would mean everyone. An `except` that is not there, or not within its
    /// `cidr`, says nothing and is left out as well.
    pub(super) fn instantiate(&self, world: &World, scope: &Scope<'_>) -> Policy {
        let mut policy = self.policy.clone();
        scope.rewrite(&mut policy.pod_selector);
        for direction in Direction::ALL {
            let Some(rules) = policy.rules_mut(direction) else { continue };
            let old = std::mem::take(rules);
            rules.extend(old.into_iter().enumerate().filter_map(|(i, rule)| {
                let anyone = rule.peers.is_empty();
                let peers: Vec<Peer> = rule
                    .peers
                    .into_iter()
                    .enumerate()
                    .filter_map(|(j, peer)| match self.blocks.get(&(direction, i, j)) {
                        Some(blocks) => blocks.peer(world, scope),
                        None => Some(scoped(peer, scope)),
                    })
                    .filter(|peer| is_reachable(peer, world))
                    .collect();
                (anyone || !peers.is_empty()).then_some(Rule { ports: rule.ports, peers })
            }));
        }
        policy
    }
}

/// Whether anything in the world could be a peer by its family.
fn is_reachable(peer: &Peer, world: &World) -> bool {
    match peer {
        Peer::Pods { .. } => true,
        Peer::IpBlock { cidr, .. } => world.has_family(Family::of(cidr.addr())),
    }
}

fn scoped(mut peer: Peer, scope: &Scope<'_>) -> Peer {
    match &mut peer {
        Peer::Pods { namespace_selector, pod_selector } => {
            namespace_selector.iter_mut().chain(pod_selector).for_each(|selector| scope.rewrite(selector));
        }
        Peer::IpBlock { .. } => {}
    }
    peer
}

impl Blocks {
    /// Takes the placeholders out of `block` and puts examples in their place; `None` when there are none.
    fn sampled(block: &mut IpBlock, path: String) -> Result<Option<Self>, FieldError> {
        let error = |field: String, message| FieldError { path: format!("{path}.{field}"), message };
        let written = block.clone();
        let texts: Vec<&String> = written.except.iter().flatten().collect();
        if !texts.iter().any(|text| Block::has_placeholder(text)) && !Block::has_placeholder(&written.cidr) {
            return Ok(None);
        }
        let cidr = Block::parse(&written.cidr).map_err(|message| error("cidr".to_owned(), message))?;
        let mut except = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            except.push(Block::parse(text).map_err(|message| error(format!("except[{i}]"), message))?);
        }
        // Every placeholder gets the same example, near what is written out: whether an `except` can lie within its
        // `cidr` is then a question of the prefixes.
        let near: Vec<IpNet> = std::iter::once(&cidr).chain(&except).filter_map(Block::literal).collect();
        let sample = |block: &Block| match block {
            Block::Literal(net) => *net,
            Block::Around(placeholder) => placeholder.around(example(placeholder.family, &near)),
        };
        let around = sample(&cidr);
        for (i, net) in except.iter().map(sample).enumerate() {
            if !around.contains(&net) || around == net {
                let message = format!("`{}` can never be a smaller part of `{}`", texts[i], written.cidr);
                return Err(error(format!("except[{i}]"), message));
            }
        }
        block.cidr = around.to_string();
        block.except = written.except.is_some().then(|| except.iter().map(|block| sample(block).to_string()).collect());
        Ok(Some(Self { path, cidr, except }))
    }

    fn peer(&self, world: &World, scope: &Scope<'_>) -> Option<Peer> {
        let cidr = self.cidr.net(world, scope)?;
        let within = |net: &IpNet| cidr.contains(net) && cidr != *net;
        let except = self.except.iter().filter_map(|block| block.net(world, scope)).filter(within).collect();
        Some(Peer::IpBlock { cidr, except })
    }
}

/// The selectors of a policy with their paths.
pub(super) fn selectors(policy: &Policy) -> Vec<(String, &LabelSelector)> {
    let mut found = vec![("spec.podSelector".to_owned(), &policy.pod_selector)];
    for (direction, key) in [(Direction::Ingress, "from"), (Direction::Egress, "to")] {
        for (i, rule) in policy.rules(direction).into_iter().flatten().enumerate() {
            for (j, peer) in rule.peers.iter().enumerate() {
                let at = format!("spec.{direction}[{i}].{key}[{j}]");
                match peer {
                    Peer::Pods { namespace_selector, pod_selector } => {
                        found.extend(namespace_selector.iter().map(|s| (format!("{at}.namespaceSelector"), s)));
                        found.extend(pod_selector.iter().map(|s| (format!("{at}.podSelector"), s)));
                    }
                    Peer::IpBlock { .. } => {}
                }
            }
        }
    }
    found
}

/// What is said about values that leave no room for a suffix.
fn too_long(path: &str, selector: &LabelSelector) -> Vec<FieldError> {
    let values = selector.match_labels.values();
    let values = values.chain(selector.match_expressions.iter().flat_map(|requirement| &requirement.values));
    values
        .filter_map(|value| length_error(value))
        .map(|message| FieldError { path: path.to_owned(), message })
        .collect()
}

fn example(family: Family, literals: &[IpNet]) -> IpAddr {
    let near = literals.iter().map(IpNet::addr).find(|address| Family::of(*address) == family);
    near.unwrap_or(match family {
        Family::Ipv4 => Ipv4Addr::new(192, 0, 2, 1).into(),
        Family::Ipv6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    })
}

/// The ip blocks of a manifest with direction, rule and peer.
fn ip_blocks(manifest: &mut NetworkPolicy) -> Vec<((Direction, usize, usize), &mut IpBlock)> {
    let mut found = Vec::new();
    let Some(spec) = &mut manifest.spec else { return found };
    let ingress = spec.ingress.iter_mut().flatten().map(|rule| &mut rule.from);
    let egress = spec.egress.iter_mut().flatten().map(|rule| &mut rule.to);
    let ingress = ingress.enumerate().map(|(i, peers)| (Direction::Ingress, i, peers));
    let egress = egress.enumerate().map(|(i, peers)| (Direction::Egress, i, peers));
    for (direction, i, peers) in ingress.chain(egress) {
        for (j, peer) in peers.iter_mut().flatten().enumerate() {
            if let Some(block) = &mut peer.ip_block {
                found.push(((direction, i, j), block));
            }
        }
    }
    found
}
