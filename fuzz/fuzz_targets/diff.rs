//! Two saved reports, and what is different between them.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use papertiger::core::diff::diff;
use papertiger::exit::ExitStatus;
use papertiger::report::terminal::Style;
use papertiger::report::{diff as shown, found};
use papertiger_fuzz::mutate_documents;

/// Ends each report. It stands nowhere in JSON.
const END: u8 = 0;

fuzz_target!(|bytes: &[u8]| {
    let mut found = bytes.split(|byte| *byte == END).filter_map(|report| found::parse(report).ok());
    let Some(old) = found.next() else { return };
    let same = diff(&old, &old);
    assert!(same.changes.is_empty(), "{:?}", same.changes);
    let diff = diff(&old, &found.next().unwrap_or_else(|| old.clone()));
    for (color, width) in [(false, 20), (true, 100)] {
        assert!(!shown::render(&diff, Style { color, width, verbose: 0 }).is_empty());
    }
    assert!(!shown::json(&diff).is_empty());
    ExitStatus::of_diff(&diff);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_documents(data, size, max_size, seed, END)
});
