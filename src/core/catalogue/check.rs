//! From a case file to cases: what the types alone do not rule out.

use super::blueprint::Blueprint;
use super::case::{Action, Case, Step};
use super::error::Problem;
use super::file::{CaseFile, RecreateFile, RelabelFile, StepFile};
use super::scope::length_error;
use super::template::Template;
use super::yaml::{self, unknown};
use crate::core::model::change::{PolicyName, Subject};
use crate::core::model::flow::{Endpoint, PodId};
use crate::core::model::manifest::NetworkPolicy;
use crate::core::model::world::{Labels, NAMESPACE_NAME_LABEL};
use std::collections::BTreeMap;

/// How many starts of a pod a step may watch.
const MAX_STARTS: u32 = 100;

/// What the keys of the labels begin with by which a run finds its own objects, to remove them.
const OWN_LABELS: &str = "papertiger.dev/";

/// Checks one case and gathers what is wrong with it. Paths are those of the file.
pub(super) struct Checker<'a> {
    blueprint: &'a Blueprint,
    file: &'a str,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
    existing: Vec<PolicyName>,
    labels: BTreeMap<Subject, Labels>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(blueprint: &'a Blueprint, file: &'a str, text: &'a str, problems: &'a mut Vec<Problem>) -> Self {
        Self { blueprint, file, text, problems, existing: Vec::new(), labels: BTreeMap::new() }
    }

    /// The case, good for use only when nothing was reported.
    pub(super) fn case(mut self, index: usize, case: CaseFile) -> Case {
        let at = format!("[{index}]");
        let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !case.id.split('-').all(word) {
            let message = format!("`{}` is no id: write lower-case words joined by hyphens", case.id);
            self.report(format!("{at}.id"), message);
        }
        let texts =
            [("title", Some(&case.title)), ("note", case.note.as_ref()), ("on-request", case.on_request.as_ref())];
        for (key, text) in texts {
            if text.is_some_and(|text| text.trim().is_empty()) {
                self.report(format!("{at}.{key}"), format!("the {key} says nothing"));
            }
        }
        if case.covers.is_empty() {
            self.report(format!("{at}.covers"), "a case covers at least one feature".to_owned());
        }
        if case.protocols.is_empty() {
            self.report(format!("{at}.protocols"), "a case probes flows of at least one protocol".to_owned());
        }
        if case.steps.is_empty() {
            self.report(format!("{at}.steps"), "a case has at least one step".to_owned());
        }
        if case.property.is_some() && case.requires.is_some() {
            let message = "a case that observes a property is never scored, so it requires none".to_owned();
            self.report(format!("{at}.requires"), message);
        }
        if let Some(property) = case.requires.filter(|property| !property.can_be_assumed()) {
            let message = format!("no case can rely on `{property}`: it is only told what was observed");
            self.report(format!("{at}.requires"), message);
        }
        if case.canary && (case.property.is_some() || case.requires.is_some()) {
            let message =
                "the canary runs first and is scored, so it neither observes nor requires a property".to_owned();
            self.report(format!("{at}.canary"), message);
        }
        if case.stopwatch && (case.canary || case.property.is_some()) {
            let message = "a case that is timed is scored and does not stay: it is no canary and observes no property";
            self.report(format!("{at}.stopwatch"), message.to_owned());
        }
        for (i, masked) in case.masked.iter().enumerate() {
            if masked.reason.trim().is_empty() {
                self.report(format!("{at}.masked[{i}].reason"), "the reason says nothing".to_owned());
            }
        }
        let labels = self.setup(&format!("{at}.labels"), case.labels);
        let steps = case.steps.into_iter().enumerate();
        let steps: Vec<Step> = steps.filter_map(|(i, step)| self.step(&format!("{at}.steps[{i}]"), step)).collect();
        self.moving(&at, &steps);
        let case = Case {
            id: case.id,
            title: case.title,
            file: self.file.to_owned(),
            profile: case.profile,
            covers: case.covers,
            also_known_as: case.also_known_as,
            note: case.note,
            protocols: case.protocols,
            labels,
            steps,
            masked: case.masked,
            property: case.property,
            requires: case.requires,
            canary: case.canary,
            stopwatch: case.stopwatch,
            every_node: case.every_node,
            on_request: case.on_request,
        };
        if let Some(flaw) = case.every_node_flaw().filter(|_| case.every_node) {
            self.report(format!("{at}.every-node"), flaw.to_owned());
        }
        case
    }

    fn report(&mut self, path: String, message: String) {
        self.problems.push(yaml::problem(self.file, self.text, &path, message));
    }

    fn setup(&mut self, at: &str, labels: BTreeMap<String, Labels>) -> BTreeMap<Subject, Labels> {
        let mut setup = BTreeMap::new();
        for (name, add) in labels {
            let path = format!("{at}.{name}");
            let subject = if name.contains('/') { self.pod(&path, &name) } else { self.namespace(&path, &name) };
            if let Some(subject) = subject {
                self.relabel(&path, &path, &subject, &add, &[]);
                setup.insert(subject, add);
            }
        }
        setup
    }

    fn step(&mut self, at: &str, step: StepFile) -> Option<Step> {
        let StepFile { note, apply, replace, delete, relabel, recreate } = step;
        let action = match (apply, replace, delete, relabel, recreate) {
            (Some(policies), None, None, None, None) => {
                Action::Apply(self.policies(&format!("{at}.apply"), policies, true))
            }
            (None, Some(policies), None, None, None) => {
                Action::Replace(self.policies(&format!("{at}.replace"), policies, false))
            }
            (None, None, Some(names), None, None) => Action::Delete(self.deleted(&format!("{at}.delete"), names)),
            (None, None, None, Some(relabel), None) => self.relabelled(&format!("{at}.relabel"), relabel)?,
            (None, None, None, None, Some(recreate)) => self.recreated(&format!("{at}.recreate"), recreate)?,
            (apply, replace, delete, relabel, recreate) => {
                let keys = [
                    apply.map(|_| "`apply`"),
                    replace.map(|_| "`replace`"),
                    delete.map(|_| "`delete`"),
                    relabel.map(|_| "`relabel`"),
                    recreate.map(|_| "`recreate`"),
                ];
                let keys: Vec<&str> = keys.into_iter().flatten().collect();
                let has = if keys.is_empty() { "none".to_owned() } else { keys.join(" and ") };
                let message =
                    format!("a step has exactly one of apply, replace, delete, relabel and recreate; this has {has}");
                self.report(at.to_owned(), message);
                return None;
            }
        };
        Some(Step { note, action })
    }

    /// What is made again has other addresses, which nobody knows when the case begins.
    fn moving(&mut self, at: &str, steps: &[Step]) {
        let recreates = steps.iter().position(|step| matches!(step.action, Action::Recreate { .. }));
        let by_address = |step: &Step| match &step.action {
            Action::Apply(templates) | Action::Replace(templates) => templates.iter().any(Template::has_ip_blocks),
            Action::Delete(_) | Action::Relabel { .. } | Action::Recreate { .. } => false,
        };
        if let Some(step) = recreates
            && steps.iter().any(by_address)
        {
            let message = "what is recreated gets other addresses, so that no policy of the case may have an `ipBlock`";
            self.report(format!("{at}.steps[{step}].recreate"), message.to_owned());
        }
    }

    fn policies(&mut self, at: &str, policies: Vec<NetworkPolicy>, fresh: bool) -> Vec<Template> {
        if policies.is_empty() {
            self.report(at.to_owned(), "the list has no policy".to_owned());
        }
        policies
            .into_iter()
            .enumerate()
            .filter_map(|(i, policy)| self.policy(&format!("{at}[{i}]"), policy, fresh))
            .collect()
    }

    fn policy(&mut self, at: &str, manifest: NetworkPolicy, fresh: bool) -> Option<Template> {
        let template = match Template::new(manifest) {
            Ok(template) => template,
            Err(errors) => {
                for error in errors {
                    self.report(format!("{at}.{}", error.path), error.message);
                }
                return None;
            }
        };
        let name = template.logical().key();
        self.namespace(&format!("{at}.metadata.namespace"), &name.namespace);
        let exists = self.existing.contains(&name);
        if fresh && exists {
            self.report(format!("{at}.metadata.name"), format!("the policy {name} exists already: use `replace`"));
        } else if !fresh && !exists {
            let message = format!("there is no policy {name} to replace: use `apply`");
            self.report(format!("{at}.metadata.name"), message);
        } else if fresh {
            self.existing.push(name);
        }
        for (path, endpoint) in template.endpoints() {
            self.endpoint(&format!("{at}.{path}"), endpoint);
        }
        Some(template)
    }

    fn endpoint(&mut self, path: &str, endpoint: &Endpoint) {
        match endpoint {
            Endpoint::Pod(id) => drop(self.pod(path, &id.to_string())),
            Endpoint::Node(_) => self.report(path.to_owned(), format!("{endpoint}: nodes have no fixed names")),
            Endpoint::External(id) => {
                let known: Vec<&str> = self.blueprint.externals.iter().map(String::as_str).collect();
                if !known.contains(&id.as_str()) {
                    let message = unknown("external", id, &known);
                    self.report(path.to_owned(), message);
                }
            }
        }
    }

    fn deleted(&mut self, at: &str, names: Vec<String>) -> Vec<PolicyName> {
        if names.is_empty() {
            self.report(at.to_owned(), "the list names no policy".to_owned());
        }
        let mut deleted = Vec::new();
        for (i, name) in names.into_iter().enumerate() {
            match self.existing.iter().position(|existing| existing.to_string() == name) {
                Some(at) => deleted.push(self.existing.remove(at)),
                None => {
                    let message = format!("there is no policy `{name}` to delete: {}", self.existing_words());
                    self.report(format!("{at}[{i}]"), message);
                }
            }
        }
        deleted
    }

    fn existing_words(&self) -> String {
        match self.existing.as_slice() {
            [] => "none exists at this step".to_owned(),
            names => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                format!("name one that exists at this step ({})", names.join(", "))
            }
        }
    }

    fn relabelled(&mut self, at: &str, relabel: RelabelFile) -> Option<Action> {
        let RelabelFile { pod, namespace, add, remove } = relabel;
        let subject = self.subject(at, pod, namespace)?;
        self.relabel(at, &format!("{at}.add"), &subject, &add, &remove);
        Some(Action::Relabel { subject, add, remove })
    }

    fn recreated(&mut self, at: &str, recreate: RecreateFile) -> Option<Action> {
        let RecreateFile { pod, namespace, starts, bare } = recreate;
        let subject = self.subject(at, pod, namespace)?;
        match subject {
            Subject::Namespace(_) if starts > 0 => {
                self.report(format!("{at}.starts"), "only the start of a pod can be watched".to_owned());
            }
            Subject::Pod(_) if starts > MAX_STARTS => {
                self.report(format!("{at}.starts"), format!("at most {MAX_STARTS} starts can be watched"));
            }
            Subject::Pod(_) | Subject::Namespace(_) => {}
        }
        match subject {
            Subject::Namespace(_) if bare => {
                self.report(format!("{at}.bare"), "only a pod can be without a controller".to_owned());
            }
            Subject::Pod(_) if bare && starts > 0 => {
                let message = "the start of a pod without a controller is not watched: leave out `bare` or `starts`";
                self.report(format!("{at}.bare"), message.to_owned());
            }
            Subject::Pod(_) | Subject::Namespace(_) => {}
        }
        let lost = |changed: &&Subject| match changed {
            Subject::Pod(id) => subject.holds(id),
            Subject::Namespace(_) => **changed == subject,
        };
        if let Some(changed) = self.labels.keys().find(lost) {
            let message = format!("{changed} would lose the labels that this case gave it: recreate it before");
            self.report(at.to_owned(), message);
        }
        self.existing.retain(|name| !subject.takes_along(name));
        Some(Action::Recreate { subject, starts, bare })
    }

    fn subject(&mut self, at: &str, pod: Option<String>, namespace: Option<String>) -> Option<Subject> {
        match (pod, namespace) {
            (Some(pod), None) => self.pod(&format!("{at}.pod"), &pod),
            (None, Some(namespace)) => self.namespace(&format!("{at}.namespace"), &namespace),
            (Some(_), Some(_)) | (None, None) => {
                self.report(at.to_owned(), "expected exactly one of `pod` and `namespace`".to_owned());
                None
            }
        }
    }

    /// Follows a change of labels, and reports what it cannot change.
    fn relabel(&mut self, at: &str, add_at: &str, subject: &Subject, add: &Labels, remove: &[String]) {
        let before = self.labels.get(subject).cloned().unwrap_or_else(|| self.own_labels(subject));
        let mut after = before.clone();
        for (key, value) in add {
            let path = format!("{add_at}.{key}");
            if key == NAMESPACE_NAME_LABEL {
                self.report(path, "the API server alone sets this label".to_owned());
            } else if key.starts_with(OWN_LABELS) {
                self.report(path, "by this label papertiger knows what it has made".to_owned());
            } else if let Some(message) = length_error(value) {
                self.report(path, message);
            }
            after.insert(key.clone(), value.clone());
        }
        for (i, key) in remove.iter().enumerate() {
            if after.remove(key).is_none() {
                let known: Vec<&str> = before.keys().map(String::as_str).collect();
                let message = format!("{subject}: {}", unknown("label", key, &known));
                self.report(format!("{at}.remove[{i}]"), message);
            }
        }
        if before == after && remove.is_empty() {
            self.report(at.to_owned(), format!("{subject} keeps the labels that it has"));
        }
        self.labels.insert(subject.clone(), after);
    }

    fn own_labels(&self, subject: &Subject) -> Labels {
        match subject {
            Subject::Pod(id) => self.blueprint.pod(id).map(|pod| pod.labels.clone()),
            Subject::Namespace(id) => self.blueprint.namespace(id).map(|namespace| namespace.labels.clone()),
        }
        .unwrap_or_default()
    }

    fn pod(&mut self, path: &str, name: &str) -> Option<Subject> {
        let found = name.parse::<PodId>().ok().filter(|id| self.blueprint.pod(id).is_some());
        if found.is_none() {
            let known: Vec<String> = self.blueprint.pod_ids().map(|id| id.to_string()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            self.report(path.to_owned(), format!("unknown pod `{name}`, expected one of {}", known.join(", ")));
        }
        found.map(Subject::Pod)
    }

    fn namespace(&mut self, path: &str, id: &str) -> Option<Subject> {
        let found = self.blueprint.namespace(id).is_some();
        if !found {
            let known: Vec<&str> = self.blueprint.namespaces.iter().map(|namespace| namespace.id.as_str()).collect();
            self.report(path.to_owned(), format!("unknown namespace `{id}`, expected one of {}", known.join(", ")));
        }
        found.then(|| Subject::Namespace(id.to_owned()))
    }
}
