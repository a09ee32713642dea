//! Why a case would notice a network that ignores one of its terms.

use super::experiment::Experiment;
use super::plan::differ;
use super::reading::{Reach, Reading};
use super::{Fault, Term};
use crate::core::event::Phase;
use crate::core::model::flow::Flow;
use crate::core::oracle::Answer;

/// What a case can tell.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The flows that it probes.
    pub flows: Vec<Flow>,
    /// Its terms, in reading order, each with every way of ignoring it that some flow would show.
    pub terms: Vec<(Term, Vec<Ignored>)>,
    /// The faults that it would notice, if the whole network had them. Those that it cannot tell apart stand together.
    pub noticed: Vec<Noticed>,
    /// The misreadings that it would not notice.
    pub unnoticed: Vec<Fault>,
}

/// A way of ignoring one term.
#[derive(Clone, Debug)]
pub struct Ignored {
    /// How.
    pub fault: Fault,
    /// What would show it.
    pub witnesses: Vec<Shown>,
}

/// A flow that a misreading changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// When.
    pub phase: Phase,
    /// Which flow.
    pub flow: Flow,
    /// What must happen to it. The misreading says the contrary.
    pub expected: Answer,
}

/// Faults that a case notices and cannot tell apart.
#[derive(Clone, Debug)]
pub struct Noticed {
    /// Their names.
    pub faults: Vec<Fault>,
    /// How many cells they would change.
    pub cells: usize,
}

impl Explanation {
    /// Of a case that probes these flows.
    pub fn of(experiment: &Experiment, flows: Vec<Flow>) -> Self {
        let faithful = Reading::faithful(experiment);
        let phases = experiment.phases();
        let shown = |reading: &Reading| -> Vec<Shown> {
            let mut shown = Vec::new();
            for (index, phase) in phases.iter().enumerate() {
                for flow in &flows {
                    let expected = faithful.answer(index, flow);
                    if differ(expected, reading.answer(index, flow)) {
                        shown.push(Shown { phase: *phase, flow: flow.clone(), expected });
                    }
                }
            }
            shown
        };
        let ignored = |term: &Term, fault: Fault| {
            let witnesses = shown(&experiment.reading(fault, Reach::Term(term))?);
            (!witnesses.is_empty()).then_some(Ignored { fault, witnesses })
        };
        let terms = experiment.terms().into_iter().map(|term| {
            let ways = Fault::ALL.into_iter().filter_map(|fault| ignored(&term, fault)).collect();
            (term, ways)
        });
        let terms = terms.collect();

        let (mut noticed, mut unnoticed): (Vec<(Vec<Fault>, Vec<Shown>)>, _) = (Vec::new(), Vec::new());
        for fault in Fault::ALL {
            let Some(reading) = experiment.reading(fault, Reach::Everywhere) else { continue };
            let cells = shown(&reading);
            if cells.is_empty() {
                unnoticed.push(fault);
                continue;
            }
            let same = |(_, other): &&mut (Vec<Fault>, Vec<Shown>)| *other == cells;
            match noticed.iter_mut().find(same) {
                Some((faults, _)) => faults.push(fault),
                None => noticed.push((vec![fault], cells)),
            }
        }
        let noticed = noticed.into_iter().map(|(faults, cells)| Noticed { faults, cells: cells.len() }).collect();
        Self { flows, terms, noticed, unnoticed }
    }
}
