//! The set of all cases, and the choice among them.

use super::blueprint::Blueprint;
use super::case::Case;
use super::check::Checker;
use super::embedded::FAMILIES;
use super::error::CatalogueError;
use super::file::Family;
use super::words::Profile;
use super::yaml;
use crate::core::model::nearest::nearest;
use globset::{Glob, GlobMatcher};
use std::collections::BTreeMap;

/// Cases with unique ids, in the order of their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    cases: Vec<Case>,
}

/// A choice of cases that chooses nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// The pattern cannot be read.
    #[error("`{pattern}` is no pattern: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No case has such an id.
    #[error("no case matches `{pattern}`{}", self.hint())]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// The id that may have been meant.
        meant: Option<String>,
        /// The profile that holds none of the cases that do match.
        profile: Option<Profile>,
    },
}

impl SelectError {
    fn hint(&self) -> String {
        match self {
            Self::NoMatch { profile: Some(profile), .. } => format!(" in the profile {profile}"),
            Self::NoMatch { meant: Some(meant), .. } => format!(", did you mean `{meant}`?"),
            Self::NoMatch { .. } | Self::Pattern { .. } => String::new(),
        }
    }
}

impl Catalogue {
    /// The cases that the program carries.
    pub fn embedded() -> Self {
        Self::parse(FAMILIES).expect("a test reads the embedded cases")
    }

    /// Reads case files, given as name and text, or says everything that is wrong with them.
    pub fn parse<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Result<Self, CatalogueError> {
        Self::default().with_user_files(files)
    }

    /// Adds the cases of further files.
    pub fn with_user_files<N: AsRef<str>, T: AsRef<str>>(mut self, files: &[(N, T)]) -> Result<Self, CatalogueError> {
        let blueprint = Blueprint::embedded();
        let mut problems = Vec::new();
        let mut owners: BTreeMap<String, String> =
            self.cases.iter().map(|case| (case.id.clone(), case.file.clone())).collect();
        for (file, text) in files {
            let (file, text) = (file.as_ref(), text.as_ref());
            let Family(cases) = match yaml::from_str(file, text) {
                Ok(family) => family,
                Err(error) => {
                    problems.extend(error.problems);
                    continue;
                }
            };
            if cases.is_empty() {
                problems.push(yaml::problem(file, text, "", "the file has no case".to_owned()));
            }
            for (i, case) in cases.into_iter().enumerate() {
                if let Some(owner) = owners.insert(case.id.clone(), file.to_owned()) {
                    let message = format!("the id `{}` is taken by another case in {owner}", case.id);
                    problems.push(yaml::problem(file, text, &format!("[{i}].id"), message));
                }
                self.cases.push(Checker::new(&blueprint, file, text, &mut problems).case(i, case));
            }
        }
        if problems.is_empty() { Ok(self) } else { Err(CatalogueError { problems }) }
    }

    /// All cases.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The case of that id.
    pub fn case(&self, id: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.id == id)
    }

    /// The cases whose ids match one of `patterns` (every case when there are none) and that `profile` holds (any when
    /// it is `None`, those that only run on request among them). A pattern that chooses nothing is an error: a run that silently proves less than was asked for
    /// would be worse.
    pub fn select(&self, patterns: &[impl AsRef<str>], profile: Option<Profile>) -> Result<Vec<&Case>, SelectError> {
        let matchers: Vec<GlobMatcher> =
            patterns.iter().map(|pattern| matcher(pattern.as_ref())).collect::<Result<_, _>>()?;
        let holds = |profile: Profile, case: &Case| case.profile <= profile && case.on_request.is_none();
        let in_profile = |case: &&Case| profile.is_none_or(|profile| holds(profile, case));
        for (pattern, matcher) in patterns.iter().zip(&matchers) {
            let mut matching = self.cases.iter().filter(|case| matcher.is_match(&case.id)).peekable();
            let exists = matching.peek().is_some();
            if !matching.any(|case| in_profile(&case)) {
                return Err(SelectError::NoMatch {
                    pattern: pattern.as_ref().to_owned(),
                    meant: nearest(pattern.as_ref(), self.cases.iter().map(|case| case.id.as_str())).map(str::to_owned),
                    profile: profile.filter(|_| exists),
                });
            }
        }
        let chosen = |case: &&Case| matchers.is_empty() || matchers.iter().any(|matcher| matcher.is_match(&case.id));
        Ok(self.cases.iter().filter(chosen).filter(in_profile).collect())
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher, SelectError> {
    match Glob::new(pattern) {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(error) => Err(SelectError::Pattern { pattern: pattern.to_owned(), reason: error.kind().to_string() }),
    }
}
