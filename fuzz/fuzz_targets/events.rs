//! Recorded event logs, to the verdict and every report.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use papertiger::core::diff::Found;
use papertiger::core::verdict::judge;
use papertiger::exit::{ExitStatus, Expect, FailOn};
use papertiger::report::ReportFormat;
use papertiger::report::record::{Recorder, read};
use papertiger::report::terminal::{self, Style};
use papertiger_fuzz::mutate_documents;

fuzz_target!(|log: &[u8]| {
    let Ok(recording) = read(log) else { return };
    let mut written = Recorder::new(Vec::new());
    for event in &recording.events {
        assert!(written.write(event).is_ok());
    }
    let Ok(mut result) = judge(&recording.events) else { return };
    result.notes.extend(recording.note);
    for format in ReportFormat::ALL {
        assert!(!format.render(&result).is_empty(), "{format:?}");
    }
    for (color, width, verbose) in [(false, 20, 0), (true, 100, 1), (false, 120, 2)] {
        assert!(!terminal::render(&result, Style { color, width, verbose }).is_empty());
    }
    for expect in [None, Some(Expect::Enforced), Some(Expect::Ignored)] {
        ExitStatus::of(&result, expect, &[FailOn::Late, FailOn::Startup, FailOn::Skipped]);
    }
    // Every report can be compared with others.
    let report = ReportFormat::Json.render(&result);
    assert!(serde_json::from_str::<Found>(&report).is_ok(), "{report}");
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_documents(data, size, max_size, seed, b'\n')
});
