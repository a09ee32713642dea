//! What an error says, with what it was caused by.

use std::error::Error;

/// The words of an error and of its causes, without what wrappers repeat.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut causes: Vec<String> = Vec::new();
    for error in chain(error) {
        let text = error.to_string();
        causes.retain(|outer| !outer.ends_with(&text));
        causes.push(text);
    }
    causes.join(": ")
}

/// An error and its causes, outermost first.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}
