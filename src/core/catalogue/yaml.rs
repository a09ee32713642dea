//! Strict YAML, with errors that name line, column, case and field.

use super::error::{CatalogueError, Position, Problem};
use super::outline::Outline;
use crate::core::model::nearest::nearest;
use serde::de::DeserializeOwned;
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// Reads `text`. Unknown and duplicate keys, numbers and booleans where a string belongs, aliases that explode and
/// merge keys are refused, as the API server or common sense would.
pub(super) fn from_str<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, CatalogueError> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        no_schema: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let position = error.location().map(|at| Position { line: at.line(), column: at.column() });
        let outline = Outline::of(text);
        let (case, mut path) = position.map(|position| outline.path_at(position)).unwrap_or_default();
        if let Error::SerdeMissingField { .. } = error.without_snippet() {
            // The parser points at the last key that is there; the one that is missing belongs beside it.
            path.truncate(path.rfind('.').unwrap_or_default());
        }
        Problem { file: file.to_owned(), position, case, path, message: message(&error) }.into()
    })
}

/// What is wrong at `path`, which starts at the file's root, in a file that could be read.
pub(super) fn problem(file: &str, text: &str, path: &str, message: String) -> Problem {
    let outline = Outline::of(text);
    let (case, within) = outline.within_case(path);
    Problem { file: file.to_owned(), position: outline.position_of(path), case, path: within, message }
}

/// The parser's complaint in the words of somebody who writes cases.
fn message(error: &Error) -> String {
    match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => unknown("field", field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => unknown("word", variant, expected),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` is there twice"),
        Error::QuotingRequired { value, .. } => {
            format!("`{value}` is not a string in every YAML reader: write \"{value}\" in quotes")
        }
        Error::Unexpected { expected: "sequence start", .. } => "expected a list".to_owned(),
        Error::Unexpected { expected: "mapping start", .. } => "expected keys and values".to_owned(),
        Error::Unexpected { expected: "string scalar", .. } => "expected a string".to_owned(),
        other => UserMessageFormatter.format_message(other).into_owned(),
    }
}

/// "Unknown", and what was meant or what there is.
pub(super) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    match (nearest(word, known.iter().copied()), known) {
        (Some(meant), _) => format!("unknown {what} `{word}`, did you mean `{meant}`?"),
        (None, []) => format!("unknown {what} `{word}`, expected none"),
        (None, _) => format!("unknown {what} `{word}`, expected one of {}", known.join(", ")),
    }
}
