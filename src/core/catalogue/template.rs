//! A policy of a case: validated once, made concrete for every lane.

use super::block::{Block, Placeholder};
use super::scope::Scope;
use crate::core::model::flow::Family;
use crate::core::model::manifest::{FieldError, IpBlock, NetworkPolicy};
use crate::core::model::policy::{Direction, Peer, Policy, Rule};
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
            match Blocks::sampled(block, &path) {
                Ok(Some(found)) => drop(blocks.insert((direction, rule, peer), found)),
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { policy: sample.validate()?, manifest, blocks })
    }

    /// The policy as its author wrote it.
    pub fn manifest(&self) -> &NetworkPolicy {
        &self.manifest
    }

    /// The policy with logical label values; where an address block has placeholders, examples stand in for them.
    pub fn logical(&self) -> &Policy {
        &self.policy
    }

    /// The placeholders, in no particular order.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        let all = self.blocks.values().flat_map(|blocks| std::iter::once(&blocks.cidr).chain(&blocks.except));
        all.filter_map(|block| match block {
            Block::Around(placeholder) => Some(placeholder),
            Block::Literal(_) => None,
        })
    }

    /// The policy of one lane. An ip block around an address that the world does not have is left out; a rule that
    /// loses its last peer by this is left out too, because a rule without peers would mean everyone. An `except` that
    /// is not there, or not within its `cidr`, says nothing and is left out as well.
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
                        Some(blocks) => blocks.peer(world),
                        None => Some(scoped(peer, scope)),
                    })
                    .collect();
                (anyone || !peers.is_empty()).then_some(Rule { ports: rule.ports, peers })
            }));
        }
        policy
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
    fn sampled(block: &mut IpBlock, path: &str) -> Result<Option<Self>, FieldError> {
        let error = |field: String| move |message| FieldError { path: format!("{path}.{field}"), message };
        let cidr = Placeholder::parse(&block.cidr).transpose().map_err(error("cidr".to_owned()))?;
        let mut except = Vec::new();
        for (i, text) in block.except.iter().flatten().enumerate() {
            except.push(Placeholder::parse(text).transpose().map_err(error(format!("except[{i}]")))?);
        }
        if cidr.is_none() && except.iter().all(Option::is_none) {
            return Ok(None);
        }
        // Every placeholder gets the same example, near what is written out: whether an `except` can lie within its
        // `cidr` is then a question of the prefixes.
        let texts: Vec<String> = std::iter::once(&block.cidr).chain(block.except.iter().flatten()).cloned().collect();
        let literals: Vec<IpNet> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        let fill = |placeholder: Option<Placeholder>, text: &mut String| match placeholder {
            Some(placeholder) => {
                *text = placeholder.around(example(placeholder.family, &literals)).to_string();
                Block::Around(placeholder)
            }
            // What cannot be read is refused by the validation that follows.
            None => Block::Literal(text.parse::<IpNet>().unwrap_or_default().trunc()),
        };
        let cidr = fill(cidr, &mut block.cidr);
        let texts = block.except.iter_mut().flatten();
        let except = except.into_iter().zip(texts).map(|(placeholder, text)| fill(placeholder, text)).collect();
        Ok(Some(Self { cidr, except }))
    }

    fn peer(&self, world: &World) -> Option<Peer> {
        let cidr = self.cidr.net(world)?;
        let within = |net: &IpNet| cidr.contains(net) && cidr != *net;
        let except = self.except.iter().filter_map(|block| block.net(world)).filter(within).collect();
        Some(Peer::IpBlock { cidr, except })
    }
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
