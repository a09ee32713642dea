//! What explains a run: the smallest sets of faults, everywhere or in a part of the network, that predict every observation.

use super::case::{Evidence, Sighting, contradicts};
use crate::core::fault::reading::{Reach, Reading};
use crate::core::fault::{Fault, FaultAt, Scope};
use crate::core::model::policy::Direction;
use crate::core::oracle::{Answer, both, over};
use crate::core::verdict::Placement;
use std::collections::HashSet;
use std::mem;
use std::ops::Range;

/// On more nodes than this, neither two faults in single ones nor one in a part of one are looked for: there would be too
/// many to try.
const NODES: usize = 8;

/// How many diagnoses a sentence names.
const NAMED: usize = 3;

/// Faults that together predict exactly what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The faults; without one of them something would be unexplained.
    pub faults: Vec<FaultAt>,
}

impl Diagnosis {
    /// What the network does, to follow "as if".
    pub fn describe(&self) -> String {
        let all: Vec<String> = self.faults.iter().map(FaultAt::describe).collect();
        all.join(", and ")
    }
}

/// What the network may do, to follow "as if"; `None` where nothing explains what was seen.
pub fn any_of(diagnoses: &[Diagnosis]) -> Option<String> {
    let mut names: Vec<String> = diagnoses.iter().take(NAMED).map(Diagnosis::describe).collect();
    let more = diagnoses.len().saturating_sub(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    (!names.is_empty()).then(|| names.join(", or "))
}

/// What explains a run and its cases.
pub(super) struct Diagnoses {
    /// What explains everything that was seen in the whole run.
    pub(super) of_run: Vec<Diagnosis>,
    /// What explains everything in a case, for each case.
    of_cases: Vec<Vec<Diagnosis>>,
}

impl Diagnoses {
    pub(super) fn find(evidence: &[Evidence<'_>], nodes: &[String]) -> Self {
        if !evidence.iter().any(Evidence::any_wrong) {
            return Self { of_run: Vec::new(), of_cases: vec![Vec::new(); evidence.len()] };
        }
        let wide = places(nodes);
        let scopes: Vec<Option<Scope>> = wide.iter().cloned().chain(narrow(nodes).map(Some)).collect();
        let facts: Vec<Facts<'_>> = evidence.iter().map(|evidence| Facts::of(evidence, &scopes)).collect();
        let single = |scopes: Range<usize>| facts.iter().map(|facts| facts.single_suspects(scopes.clone())).collect();
        let mut of_cases: Vec<Vec<Suspect>> = single(0..wide.len());
        let mut of_run = in_all(&of_cases);
        // Smaller parts are looked at where nothing larger explains everything.
        if of_run.is_empty() {
            let narrow: Vec<Vec<Suspect>> = single(wide.len()..scopes.len());
            of_run = in_all(&narrow);
            let unexplained = of_cases.iter_mut().zip(narrow).filter(|(wide, _)| wide.is_empty());
            unexplained.for_each(|(wide, narrow)| *wide = narrow);
        }
        if of_run.is_empty() {
            of_run = pairs(&facts, &wide, nodes.len());
        }
        let named = |sets: Vec<Vec<Suspect>>| widest(sets, &scopes).iter().map(|set| diagnosis(set, &scopes)).collect();
        let of_case = |(facts, suspects): (&Facts<'_>, Vec<Suspect>)| {
            // Where nothing was wrong there is nothing to explain.
            let suspects = if facts.wrong > 0 { suspects } else { Vec::new() };
            named(suspects.into_iter().map(|suspect| vec![suspect]).collect())
        };
        Self { of_run: named(of_run), of_cases: facts.iter().zip(of_cases).map(of_case).collect() }
    }

    /// What explains a case: what explains the whole run, where something does.
    pub(super) fn of_case(&self, case: usize) -> &[Diagnosis] {
        if self.of_run.is_empty() { &self.of_cases[case] } else { &self.of_run }
    }
}

/// What explains every case by itself.
fn in_all(of_cases: &[Vec<Suspect>]) -> Vec<Vec<Suspect>> {
    let Some(fewest) = of_cases.iter().min_by_key(|suspects| suspects.len()) else { return Vec::new() };
    let of_cases: Vec<HashSet<&Suspect>> = of_cases.iter().map(|suspects| suspects.iter().collect()).collect();
    let everywhere = |suspect: &&Suspect| of_cases.iter().all(|consistent| consistent.contains(suspect));
    fewest.iter().filter(everywhere).map(|suspect| vec![*suspect]).collect()
}

/// A misreading, and the number of the scope that it holds in.
type Suspect = (Fault, usize);

/// The number of the scope that is everywhere.
const EVERYWHERE: usize = 0;

/// Everywhere, and every part of the network that is no part of another.
fn places(nodes: &[String]) -> Vec<Option<Scope>> {
    std::iter::once(None).chain(Scope::parts(nodes).map(Some)).collect()
}

/// Smaller parts: between a node's own pods, and what two parts have in common.
fn narrow(nodes: &[String]) -> impl Iterator<Item = Scope> {
    let within = nodes.iter().cloned().map(Scope::Within);
    // Of many nodes there would be too many.
    let few = if nodes.len() > NODES { &[] } else { nodes };
    let places = few.iter().flat_map(|node| [Scope::Node(node.clone()), Scope::Within(node.clone())]);
    let parts: Vec<Scope> = places.chain(Scope::CLOSED).collect();
    let overlaps = |one: usize| {
        let overlapping = parts[one + 1..].iter().filter(|other| overlap(&parts[one], other));
        let both = |other: &Scope| Scope::Both(Box::new(parts[one].clone()), Box::new(other.clone()));
        overlapping.map(both).collect::<Vec<_>>()
    };
    let overlaps: Vec<Scope> = (0..parts.len()).flat_map(overlaps).collect();
    within.chain(overlaps)
}

/// Whether two parts, in the order of `narrow`, have something in common that is no part by itself.
fn overlap(one: &Scope, other: &Scope) -> bool {
    match (one, other) {
        (Scope::Node(_), Scope::Node(_) | Scope::Within(_) | Scope::Placement(Placement::SameNode))
        | (Scope::Within(_), Scope::Node(_) | Scope::Within(_) | Scope::Placement(_)) => false,
        (one, other) => mem::discriminant(one) != mem::discriminant(other),
    }
}

/// Whether everything in `narrow` is in `wide` too.
fn covers(wide: Option<&Scope>, narrow: Option<&Scope>) -> bool {
    let implies = |narrow: &Scope, wide: &Scope| match (narrow, wide) {
        (Scope::Within(node), Scope::Node(other)) => node == other,
        (Scope::Within(_), Scope::Placement(Placement::SameNode)) => true,
        (narrow, wide) => narrow == wide,
    };
    let [wide, narrow] = [wide, narrow].map(|scope| scope.map(Scope::overlapping).unwrap_or_default());
    wide.iter().all(|wide| narrow.iter().any(|narrow| implies(narrow, wide)))
}

fn misreadings() -> impl Iterator<Item = Fault> {
    Fault::ALL.into_iter().filter(|fault| fault.is_misreading())
}

fn diagnosis(suspects: &[Suspect], scopes: &[Option<Scope>]) -> Diagnosis {
    let fault_at = |(fault, scope): &Suspect| FaultAt { fault: *fault, scope: scopes[*scope].clone() };
    Diagnosis { faults: suspects.iter().map(fault_at).collect() }
}

/// What explains everything in a part makes the same faults in a part of it superfluous.
fn widest(sets: Vec<Vec<Suspect>>, scopes: &[Option<Scope>]) -> Vec<Vec<Suspect>> {
    let covers = |wide: usize, narrow: usize| covers(scopes[wide].as_ref(), scopes[narrow].as_ref());
    let within = |narrow: &[Suspect], wide: &[Suspect]| {
        narrow != wide && narrow.iter().zip(wide).all(|(narrow, wide)| narrow.0 == wide.0 && covers(wide.1, narrow.1))
    };
    sets.iter().filter(|narrow| !sets.iter().any(|wide| within(narrow, wide))).cloned().collect()
}

/// What the sender's side and the receiver's say of a flow in a phase.
type Sides = (Answer, Answer);

/// What is known of a case.
struct Facts<'a> {
    evidence: &'a Evidence<'a>,
    /// Phase, flow, and whether traffic got through.
    cells: Vec<(usize, usize, bool)>,
    right: Vec<Sides>,
    /// By misreading.
    misread: Vec<(Fault, Vec<Sides>)>,
    /// By scope and flow: whether a fault there bears on what the sender's side says, and on what the receiver's does. `None`
    /// of a scope in which the case has nothing: of many nodes it stands on few.
    bears: Vec<Option<Vec<(bool, bool)>>>,
    wrong: usize,
}

impl<'a> Facts<'a> {
    fn of(evidence: &'a Evidence<'a>, scopes: &[Option<Scope>]) -> Self {
        let phases = evidence.experiment.phases().len();
        // Before the first step labels of an earlier case may still be on their way back, for which no fault is to blame.
        let cells: Vec<(usize, usize, bool)> = (1..phases)
            .flat_map(|phase| (0..evidence.flows.len()).map(move |flow| (phase, flow)))
            .filter_map(|(phase, flow)| Some((phase, flow, evidence.through(phase, flow)?)))
            .collect();
        let world = &evidence.experiment.world;
        let bears = |scope: &Option<Scope>| {
            let on_flow = |sighting: &Sighting<'_>| {
                let reaches = |direction| {
                    scope.as_ref().is_none_or(|scope| scope.reaches(world, sighting.flow, sighting.scope, direction))
                };
                (reaches(Direction::Egress), reaches(Direction::Ingress))
            };
            let on_flows: Vec<(bool, bool)> = evidence.flows.iter().map(on_flow).collect();
            on_flows.iter().any(|bears| *bears != (false, false)).then_some(on_flows)
        };
        let bears = scopes.iter().map(bears).collect();
        let wrong = cells.iter().filter(|(phase, flow, _)| evidence.wrong(*phase, *flow)).count();
        let mut facts = Self { evidence, cells, right: Vec::new(), misread: Vec::new(), bears, wrong };
        facts.right = facts.sides(&Reading::faithful(&evidence.experiment));
        facts.misread = misreadings()
            .filter_map(|fault| {
                let reading = evidence.experiment.reading(fault, Reach::Everywhere)?;
                Some((fault, facts.sides(&reading)))
            })
            .collect();
        facts
    }

    fn sides(&self, reading: &Reading) -> Vec<Sides> {
        let of_cell = |(phase, flow, _): &(usize, usize, bool)| {
            let flow = self.evidence.flows[*flow].flow;
            (reading.side(*phase, flow, Direction::Egress), reading.side(*phase, flow, Direction::Ingress))
        };
        self.cells.iter().map(of_cell).collect()
    }

    fn of_fault(&self, fault: Fault) -> &[Sides] {
        self.misread.iter().find(|(known, _)| *known == fault).map_or(&self.right, |(_, sides)| sides)
    }

    /// Every single fault in one of these scopes that predicts what was seen.
    fn single_suspects(&self, scopes: Range<usize>) -> Vec<Suspect> {
        let of_fault = |(fault, sides): &'_ (Fault, Vec<Sides>)| {
            let suspects = scopes.clone().map(|scope| (*fault, scope));
            let fits = |suspect: &Suspect| match self.bears[suspect.1] {
                Some(_) => self.pair_fits(*suspect, *suspect, sides),
                None => self.wrong == 0,
            };
            suspects.filter(fits).collect::<Vec<_>>()
        };
        self.misread.iter().flat_map(of_fault).collect()
    }

    /// Whether two faults, each in its scope, predict what was seen; `both` is what a network with both of them does. One
    /// fault alone is a pair with itself.
    fn pair_fits(&self, one: Suspect, other: Suspect, both: &[Sides]) -> bool {
        let (first, second) = (self.of_fault(one.0), self.of_fault(other.0));
        self.predicts(|cell, flow| {
            let [in_one, in_other] =
                [one, other].map(|(_, scope)| self.bears[scope].as_ref().map_or((false, false), |bears| bears[flow]));
            let pick = |bears: (bool, bool), side: fn(&Sides) -> Answer| match bears {
                (true, true) => side(&both[cell]),
                (true, false) => side(&first[cell]),
                (false, true) => side(&second[cell]),
                (false, false) => side(&self.right[cell]),
            };
            (pick((in_one.0, in_other.0), |sides| sides.0), pick((in_one.1, in_other.1), |sides| sides.1))
        })
    }

    /// Whether nothing that was seen contradicts what `sides` say of each cell and its flow.
    fn predicts(&self, sides: impl Fn(usize, usize) -> Sides) -> bool {
        self.cells.iter().enumerate().all(|(cell, (_, flow, through))| {
            let (egress, ingress) = sides(cell, *flow);
            let answer = over(self.evidence.flows[*flow].flow.connection, both([egress, ingress]));
            !contradicts(answer, *through)
        })
    }
}

/// Every two faults that together predict what was seen in all cases.
fn pairs(facts: &[Facts<'_>], scopes: &[Option<Scope>], nodes: usize) -> Vec<Vec<Suspect>> {
    let scopes = if nodes > NODES { scopes.len() - nodes } else { scopes.len() };
    // What is wrong refutes most pairs.
    let mut facts: Vec<&Facts<'_>> = facts.iter().collect();
    facts.sort_by_key(|facts| std::cmp::Reverse(facts.wrong));
    let faults: Vec<Fault> = misreadings().collect();
    let mut found = Vec::new();
    for (index, one) in faults.iter().enumerate() {
        for other in &faults[index..] {
            // One fault twice is two only in two places.
            let mut left: Vec<(usize, usize)> = (0..scopes)
                .flat_map(|a| (0..scopes).map(move |b| (a, b)))
                .filter(|(a, b)| one != other || (EVERYWHERE < *a && a < b))
                .collect();
            for facts in &facts {
                let reading = Reading::of_faults(&facts.evidence.experiment, &[*one, *other]);
                let both = facts.sides(&reading);
                left.retain(|(a, b)| facts.pair_fits((*one, *a), (*other, *b), &both));
                if left.is_empty() {
                    break;
                }
            }
            found.extend(left.into_iter().map(|(a, b)| vec![(*one, a), (*other, b)]));
        }
    }
    found
}
