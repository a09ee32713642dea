//! The arrows between the modules: what a part of the program may not even name.

use std::fs;
use std::path::{Path, PathBuf};

/// A part of the program, and what must not occur in it: not in a `use`, not in a path, not in a comment.
struct Rule {
    part: &'static str,
    forbidden: &'static [&'static str],
}

const RULES: [Rule; 9] = [
    Rule {
        part: "src/core",
        forbidden: &[
            "tokio",
            "std::fs",
            "std::env",
            "std::net::Tcp",
            "std::net::Udp",
            "std::process",
            "std::thread",
            "Instant",
            "SystemTime",
            "kube::",
            "rtnetlink",
            "k8s_openapi",
            "nix::",
            "socket2",
            "anyhow",
            "crate::runner",
            "crate::target",
            "crate::report",
            "crate::cli",
            "crate::commands",
            "crate::agent",
            "crate::exit",
        ],
    },
    Rule {
        part: "src/image",
        forbidden: &[
            "std::fs",
            "std::env",
            "std::process",
            "Instant",
            "SystemTime",
            "tokio",
            "anyhow",
            "crate::runner",
            "crate::target",
            "crate::report",
            "crate::cli",
            "crate::commands",
            "crate::agent",
            "crate::exit",
        ],
    },
    Rule {
        part: "src/registry",
        forbidden: &[
            "crate::runner",
            "crate::target",
            "crate::cli",
            "crate::commands",
            "crate::agent",
            "crate::exit",
            "anyhow",
            "kube::",
        ],
    },
    Rule {
        part: "src/report",
        forbidden: &["crate::runner", "crate::target", "crate::commands", "crate::agent", "kube::", "k8s_openapi"],
    },
    Rule { part: "src/cli", forbidden: &["crate::runner", "crate::commands", "kube::", "k8s_openapi", "tokio"] },
    Rule { part: "src/commands", forbidden: &["kube::", "k8s_openapi"] },
    Rule { part: "src/target/lab", forbidden: &["kube::", "k8s_openapi", "SystemTime", "jiff"] },
    Rule {
        part: "src/agent",
        forbidden: &[
            "crate::cli",
            "crate::commands",
            "crate::exit",
            "crate::report",
            "crate::runner",
            "crate::target",
            "anyhow",
            "clap",
            "kube::",
            "k8s_openapi",
            "nix::",
            "rtnetlink",
            // A wall clock may be set while something is measured.
            "SystemTime",
            "jiff",
        ],
    },
    Rule {
        part: "src/runner",
        forbidden: &[
            "crate::cli",
            "crate::commands",
            "crate::report",
            "target::lab",
            "kube::",
            "k8s_openapi",
            "SystemTime",
            "jiff",
        ],
    },
];

/// Files that may name what their part may not, and why.
const EXCEPTIONS: [(&str, &str, &str); 2] = [
    ("src/core/catalogue/tests/embedded.rs", "std::fs", "holds the embedded files against the directory probes/"),
    ("src/core/catalogue/tests/embedded.rs", "std::env", "writes the schema when told so by a variable"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files of a part, a module's own file among them.
fn files(part: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![root().join(part)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let own = root().join(format!("{part}.rs"));
    files.extend(own.exists().then_some(own));
    files.sort();
    files
}

/// `FILE:LINE: NAME` of everything in `text` that a rule forbids.
fn breaches(rule: &Rule, file: &str, text: &str) -> Vec<String> {
    let excused = |name: &str| EXCEPTIONS.iter().any(|(excused, allowed, _)| *excused == file && *allowed == name);
    let mut breaches = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        // `use crate::{…}` and `use std::{…}` hide names that a path would show.
        for name in rule.forbidden.iter().filter(|name| !excused(name)) {
            let grouped = name
                .rsplit_once("::")
                .filter(|(_, last)| !last.is_empty())
                .is_some_and(|(head, last)| holds_group(line, head, last));
            if holds(line, name) || grouped {
                breaches.push(format!("{file}:{number}: {name}"));
            }
        }
    }
    breaches
}

/// Whether a line holds a name that does not begin in the middle of a word: `unix::` is not `nix::`.
fn holds(line: &str, name: &str) -> bool {
    let begins = |at: usize| !line[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
    line.match_indices(name).any(|(at, _)| begins(at))
}

/// Whether a line says `head::{…last…}`.
fn holds_group(line: &str, head: &str, last: &str) -> bool {
    line.split_once(&format!("{head}::{{")).is_some_and(|(_, group)| {
        group.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == last)
    })
}

#[test]
fn no_part_names_what_it_must_not_know() {
    let mut all = Vec::new();
    for rule in &RULES {
        let files = files(rule.part);
        assert!(files.len() > 4, "{} has lost its files", rule.part);
        for path in files {
            let file = path.strip_prefix(root()).unwrap().to_str().unwrap();
            all.extend(breaches(rule, file, &fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(all.is_empty(), "{all:#?}");
}

#[test]
fn exceptions_are_needed() {
    for (file, name, reason) in EXCEPTIONS {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(name), "{file} no longer names {name} ({reason})");
    }
}

#[test]
fn names_are_found_however_they_are_written() {
    let core = &RULES[0];
    for line in [
        "use tokio::time::sleep;",
        "    let now = std::time::Instant::now();",
        "use std::{env, fs};",
        "use crate::{runner::Settings, core};",
        "/// Like [`crate::target::Target`].",
    ] {
        assert!(!breaches(core, "src/core/x.rs", line).is_empty(), "{line}");
    }
    for line in
        ["use std::net::IpAddr;", "use crate::core::model::world::World;", "use std::os::unix::net::UnixStream;"]
    {
        assert!(breaches(core, "src/core/x.rs", line).is_empty(), "{line}");
    }
}
