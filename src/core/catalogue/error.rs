//! What is wrong with case files, said so that the line can be found and mended.

use std::fmt;

/// Case files that cannot be used: everything found wrong with them, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct CatalogueError {
    /// The problems, at least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Line and column, both counted from 1, where they are known.
    pub position: Option<Position>,
    /// The case's id, where the place is within a case that has one.
    pub case: Option<String>,
    /// The path of the field, within the case where there is one.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(case) = &self.case {
            write!(f, ": case {case}")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl From<Problem> for CatalogueError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}
