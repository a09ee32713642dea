//! What validation collects.

use super::FieldError;

/// What has been found wrong so far.
#[derive(Default)]
pub(super) struct Errors(Vec<FieldError>);

impl Errors {
    pub(super) fn report(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError { path: path.into(), message: message.into() });
    }

    pub(super) fn note(&mut self, path: impl Into<String>, checked: Result<(), String>) {
        if let Err(message) = checked {
            self.report(path, message);
        }
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, Vec<FieldError>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

/// The items of a list for which absent, null and empty are the same.
pub(super) fn list<T>(items: &Option<Vec<T>>) -> impl Iterator<Item = &T> {
    items.iter().flatten()
}
