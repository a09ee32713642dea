//! What an error says, with what it was caused by.

use std::error::Error;

/// The words of an error and of its causes, without what wrappers repeat.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        causes.retain(|outer| !outer.ends_with(&text));
        causes.push(text);
        next = error.source();
    }
    causes.join(": ")
}
