//! `papertiger cases list|show|explain`.

mod explain;

use super::catalogue;
use crate::cli::cases::{CaseArgs, CasesCommand, CasesListArgs};
use crate::cli::{Form, UsageError};
use crate::core::catalogue::{Action, Case, Catalogue};
use crate::core::event::Phase;
use crate::core::fault::{Experiment, plan};
use crate::core::model::manifest;
use crate::core::model::nearest::nearest;
use crate::core::model::state::State;
use crate::core::oracle::{self, Answer, Assumptions};
use crate::core::verdict::describe;
use crate::exit::ExitStatus;
use crate::report::page::clean_lines;
use crate::report::write_stdout;
use serde::Serialize;

/// A case as `-o json` prints it.
#[derive(Serialize)]
struct CaseRow<'a> {
    id: &'a str,
    profile: String,
    title: &'a str,
    covers: Vec<&'static str>,
    upstream: &'a [String],
    cyclonus: &'a [String],
    steps: usize,
    file: &'a str,
    /// Why no profile runs it, but only who names it.
    on_request: Option<&'a str>,
}

pub(super) fn run(command: CasesCommand) -> anyhow::Result<ExitStatus> {
    let text = match command {
        CasesCommand::List(CasesListArgs { profile, cases, case_dir, output }) => {
            let catalogue = catalogue::load(case_dir.as_deref())?;
            let chosen = catalogue::select(&catalogue, &cases, profile, false)?;
            match output {
                Form::Pretty => clean_lines(&list(&chosen)),
                Form::Json => json(&chosen.iter().map(row).collect::<Vec<_>>())?,
            }
        }
        CasesCommand::Show(CaseArgs { id, case_dir, output }) => {
            let catalogue = catalogue::load(case_dir.as_deref())?;
            let case = named(&catalogue, &id)?;
            match output {
                Form::Pretty => clean_lines(&show(case)),
                Form::Json => json(&row(case))?,
            }
        }
        CasesCommand::Explain(CaseArgs { id, case_dir, output }) => {
            explain::explain(named(&catalogue::load(case_dir.as_deref())?, &id)?, output)?
        }
    };
    write_stdout(&text)?;
    Ok(ExitStatus::Enforced)
}

/// The case of that id.
fn named<'a>(catalogue: &'a Catalogue, id: &str) -> Result<&'a Case, UsageError> {
    catalogue.case(id).ok_or_else(|| {
        let ids = catalogue.cases().iter().map(|case| case.id.as_str());
        let meant = nearest(id, ids).map(|id| format!(", did you mean `{id}`?")).unwrap_or_default();
        UsageError::new(format!("no case is called `{id}`{meant} (`papertiger cases list` prints all)"))
    })
}

fn row(case: &Case) -> CaseRow<'_> {
    CaseRow {
        id: &case.id,
        profile: case.profile.to_string(),
        title: &case.title,
        covers: case.covers.iter().map(|feature| feature.as_str()).collect(),
        upstream: &case.also_known_as.upstream,
        cyclonus: &case.also_known_as.cyclonus,
        steps: case.steps.len(),
        file: &case.file,
        on_request: case.on_request.as_deref().map(str::trim_end),
    }
}

fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn list(cases: &[Case]) -> String {
    let longest = cases.iter().map(|case| case.id.chars().count()).max().unwrap_or(0);
    let profile = |case: &Case| match case.on_request {
        Some(_) => "on request".to_owned(),
        None => case.profile.to_string(),
    };
    let line = |case: &Case| format!("{:<longest$}  {:<10}  {}\n", case.id, profile(case), case.title);
    cases.iter().map(line).collect()
}

/// The policies, the steps and the expected matrix, in the names that cases use.
fn show(case: &Case) -> String {
    let experiment = offline(case);
    let states = experiment.states();
    let mut text = format!("{}\n{}\n", case.id, case.title);
    if let Some(note) = &case.note {
        text.push_str(&format!("{}\n", note.trim_end()));
    }
    if let Some(why) = &case.on_request {
        text.push_str(&format!("Runs only when --case names it: {}\n", why.trim_end()));
    }
    for phase in experiment.phases() {
        let change = experiment.change(phase);
        text.push_str(&format!("\n{phase}: {}\n", describe(phase, change)));
        if let Phase::Step(step) = phase
            && let Action::Apply(templates) | Action::Replace(templates) = &case.steps[step].action
        {
            for template in templates {
                text.push_str(&format!("\n{}", indent(&manifest::to_yaml(template.logical()))));
            }
        }
        let state = &states[experiment.index(phase)];
        text.push_str(&matrix(state, experiment.assumptions));
    }
    text
}

/// The case as it would be in a lane, without one.
fn offline(case: &Case) -> Experiment {
    let suffix = "";
    case.experiment(&case.furnished(suffix, &["n1", "n2"]), suffix, case.assumptions(Assumptions::SETTLED))
}

/// How many of the flows from each pod to each other one must connect: all `.`, none `x`, some `/`.
fn matrix(state: &State, assumptions: Assumptions) -> String {
    let flows = plan::candidates(&state.world);
    let mut names: Vec<String> = state.world.pods.iter().map(|pod| pod.id.to_string()).collect();
    let senders = names.clone();
    names.extend(state.world.externals.iter().map(|external| format!("external:{}", external.id)));
    let mut text = format!("\n  {:<6}", "");
    for name in &names {
        text.push_str(&format!(" {:>5}", name.strip_prefix("external:").unwrap_or(name)));
    }
    text.push('\n');
    for from in &senders {
        text.push_str(&format!("  {from:<6}"));
        for to in &names {
            let answers: Vec<Answer> = flows
                .iter()
                .filter(|flow| flow.from.to_string() == *from && flow.to.to_string() == *to)
                .map(|flow| oracle::answer(&state.policies, &state.world, flow, assumptions))
                .collect();
            let allowed = answers.iter().filter(|answer| **answer == Answer::Allow).count();
            let mark = match (answers.len(), allowed) {
                (0, _) => " ",
                (all, allowed) if all == allowed => ".",
                (_, 0) => "x",
                _ => "/",
            };
            text.push_str(&format!(" {mark:>5}"));
        }
        text.push('\n');
    }
    text.push_str("  . all ports connect   x none does   / some do\n");
    text
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
