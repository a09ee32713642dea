//! What the documentation says to type works.
//!
//! Every fenced block of README.md and docs/ is read. Commands of papertiger that need nothing are run; of all the others
//! it is held that their flags exist. What is not run has to be in [`NOT_RUN`], with what it needs.

use crate::common::papertiger;
use crate::readme::words;
use clap::CommandFactory;
use clap::error::ErrorKind;
use papertiger::carried;
use papertiger::cli::Cli;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Commands that no test runs, by words that they have in this order, and what they need. The first that fits counts.
const NOT_RUN: &[(&str, &str)] = &[
    ("papertiger verify", "a cluster"),
    ("papertiger cleanup", "a cluster"),
    ("papertiger image push", "a registry"),
    ("kubectl", "a cluster"),
    ("kind", "kind: kind.yml has it"),
    ("ctr", "a node with containerd"),
    ("docker", "Docker"),
    ("podman", "Podman"),
    ("skopeo", "a registry"),
    ("cosign", "a release"),
    ("sha256sum", "the reports of a cluster"),
    ("rustup target add", "the network: the gate does it"),
    ("cargo install", "the network"),
    ("CC_x86_64_unknown_linux_musl=gcc cargo build", "a second build: release.yml does it"),
    ("cargo build", "a second build: the gate does it"),
];

/// Commands of which a page says how they end.
const CODES: &[(&str, i32)] = &[
    ("papertiger lab --profile quick --fault no-engine --settle 5s --expect ignored", 0),
    ("papertiger lab --case egress-to-pod-and-port --fault dead-receiver --settle 5s", 3),
    ("papertiger lab --profile quick --fault ignore-ports --settle 5s", 1),
];

/// What is longer than this hangs.
const LIMIT: Duration = Duration::from_secs(600);

struct Block {
    /// File and line.
    at: String,
    language: String,
    lines: Vec<String>,
}

/// One program with its arguments, as a page tells to call it.
#[derive(Debug)]
struct Call {
    at: String,
    words: Vec<String>,
    /// The file that its output goes to.
    into: Option<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<(String, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages: BTreeSet<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|end| end == "md")).chain([root().join("README.md")]).collect();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    pages.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The fenced blocks of a page, and what stands outside of them.
fn parts(page: &str, text: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose) = (Vec::new(), String::new());
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            prose.push_str(line);
            prose.push('\n');
            continue;
        };
        let inside = lines.by_ref().map(|(_, line)| line.to_owned()).take_while(|line| line.trim() != "```");
        let (at, language) = (format!("{page}:{}", number + 1), language.to_owned());
        blocks.push(Block { at, language, lines: inside.collect() });
    }
    (blocks, prose)
}

/// What is typed in a block: behind a prompt, and on further lines where one ends with `\`.
fn typed(block: &Block) -> Vec<String> {
    let mut all = Vec::new();
    let mut lines = block.lines.iter();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("$ ") else { continue };
        let mut command = command.to_owned();
        while let Some(begun) = command.strip_suffix('\\') {
            command = format!("{begun} {}", lines.next().map_or("", |line| line.trim()));
        }
        all.push(command);
    }
    all
}

/// The programs of a pipeline. Whatever kubectl runs as its plugin is papertiger itself.
fn calls(at: &str, command: &str) -> Vec<Call> {
    let uncommented: Vec<String> = words(command).into_iter().take_while(|word| !word.starts_with('#')).collect();
    let call = |words: &[String]| {
        let mut words = words.to_vec();
        let into = words.iter().position(|word| word == ">").map(|place| words.drain(place..).nth(1).unwrap());
        if words.starts_with(&["kubectl".to_owned(), "papertiger".to_owned()]) {
            words.remove(0);
        }
        if Path::new(&words[0]).file_name().is_some_and(|name| name == "papertiger") {
            words[0] = "papertiger".to_owned();
        }
        Call { at: at.to_owned(), words, into }
    };
    uncommented.split(|word| word == "|").map(call).collect()
}

fn all_calls() -> Vec<Call> {
    let mut all = Vec::new();
    for (page, text) in pages() {
        for block in parts(&page, &text).0 {
            let commands = typed(&block);
            match block.language.as_str() {
                "console" => assert!(!commands.is_empty(), "{}: nothing is typed here; is it `text`?", block.at),
                // A pipeline of somebody else's; what it runs is held to have the right flags.
                "yaml" => {
                    let script = block.lines.iter().map(|line| line.trim().trim_start_matches("- "));
                    let ours = script
                        .map(|line| line.trim_start_matches("run: "))
                        .filter(|line| line.starts_with("papertiger "));
                    all.extend(ours.flat_map(|line| calls(&block.at, line)));
                }
                "sh" | "text" => assert!(commands.is_empty(), "{}: what is typed stands in `console`", block.at),
                other => unreachable!("{}: nothing is known of blocks of `{other}`", block.at),
            }
            all.extend(commands.iter().flat_map(|command| calls(&block.at, command)));
        }
    }
    all
}

/// Why a call is not run: its place in [`NOT_RUN`].
fn not_run(call: &Call) -> Option<usize> {
    let fits = |rule: &str| {
        let mut rest = call.words.iter();
        rule.split(' ').enumerate().all(|(place, word)| match place {
            0 => rest.next().is_some_and(|first| first == word),
            _ => rest.any(|next| next == word),
        })
    };
    NOT_RUN.iter().position(|(rule, _)| fits(rule))
}

/// Whether papertiger takes such a line.
fn parse(words: &[String]) -> Result<(), clap::Error> {
    match Cli::command().try_get_matches_from(words) {
        Err(error) if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[test]
fn every_flag_that_is_named_exists() {
    let mut wrong = Vec::new();
    let mut check = |at: &str, words: &[String], mention: bool| match parse(words) {
        // In a sentence a command may stand for itself.
        Err(error) if mention && error.kind() == ErrorKind::MissingRequiredArgument => {}
        Err(error) => wrong.push(format!("{at}: {}\n{error}", words.join(" "))),
        Ok(()) => {}
    };
    let calls = all_calls();
    let ours: Vec<&Call> = calls.iter().filter(|call| call.words[0] == "papertiger").collect();
    assert!(ours.len() > 30, "only {} commands were found", ours.len());
    for call in ours {
        check(&call.at, &call.words, false);
    }
    for (page, text) in pages() {
        let prose = parts(&page, &text).1;
        let spans = prose.split('`').skip(1).step_by(2);
        for span in spans.filter(|span| span.starts_with("papertiger ") && !span.contains('…')) {
            for call in calls_of_span(&page, span) {
                check(&page, &call.words, true);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn calls_of_span(page: &str, span: &str) -> Vec<Call> {
    calls(page, &span.replace('\n', " ")).into_iter().filter(|call| call.words[0] == "papertiger").collect()
}

#[test]
fn what_is_not_run_is_listed() {
    let mut needed: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for call in &all_calls() {
        let line = format!("{}: {}", call.at, call.words.join(" "));
        match not_run(call) {
            Some(rule) => needed.entry(rule).or_default().push(line),
            None if call.words[0] == "papertiger" => {}
            None => wrong.push(format!("{line}: this is neither run nor in NOT_RUN")),
        }
    }
    println!("Not run:");
    for (rule, lines) in &needed {
        println!("  for want of {}:\n    {}", NOT_RUN[*rule].1, lines.join("\n    "));
    }
    let gone = NOT_RUN.iter().enumerate().filter(|(place, _)| !needed.contains_key(place));
    wrong.extend(gone.map(|(_, (rule, _))| format!("`{rule}` is in NOT_RUN, and on no page")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn commands_that_need_nothing_are_run() {
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path());
    let (mut ran, mut wrong) = (BTreeSet::new(), Vec::new());
    for call in all_calls().iter().filter(|call| call.words[0] == "papertiger" && not_run(call).is_none()) {
        if ran.insert(call.words.join(" ")) {
            wrong.extend(run(call, directory.path()).err());
        }
    }
    println!("Run:\n    {}", ran.iter().cloned().collect::<Vec<_>>().join("\n    "));
    let missed = CODES.iter().filter(|(line, _)| !ran.contains(*line));
    wrong.extend(missed.map(|(line, _)| format!("`{line}` is in CODES, and on no page")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The files that commands on several pages read: what a run before them has written.
fn prepare(directory: &Path) {
    let args = ["lab", "--case=default-deny-ingress", "--record=run.jsonl", "--report=json=before.json", "--quiet"];
    let done = papertiger().args(args).current_dir(directory).output().unwrap();
    // On a busy machine it may prove nothing. It is a run all the same.
    assert!(matches!(done.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&done.stderr));
    for (from, to) in [("before.json", "after.json"), ("run.jsonl", "before.jsonl"), ("run.jsonl", "after.jsonl")] {
        fs::copy(directory.join(from), directory.join(to)).unwrap();
    }
    // The example of the page about cases is one of them.
    let (blocks, _) = parts("docs/cases.md", &fs::read_to_string(root().join("docs/cases.md")).unwrap());
    let example = blocks.iter().find(|block| block.language == "yaml").unwrap();
    fs::create_dir(directory.join("DIR")).unwrap();
    fs::write(directory.join("DIR/example.yaml"), example.lines.join("\n")).unwrap();
}

fn run(call: &Call, directory: &Path) -> Result<(), String> {
    let line = call.words.join(" ");
    let mut command = papertiger();
    command.args(&call.words[1..]).current_dir(directory).timeout(LIMIT).env("PAPERTIGER_QUIET", "1");
    // What is wrong on purpose is so for good.
    let done = command.env("PAPERTIGER_SETTLE", "5s").output().unwrap();
    if let Some(path) = &call.into {
        fs::write(directory.join(path), &done.stdout).unwrap();
    }
    let code = done.status.code();
    let right = match CODES.iter().find(|(known, _)| *known == line) {
        Some((_, expected)) => code == Some(*expected),
        // Without an agent there is no image, and that is said.
        None if call.words[1] == "image" && carried::agents().is_empty() => code == Some(4),
        None => code.is_some_and(|code| [0, 1, 3].contains(&code)),
    };
    let said = || String::from_utf8_lossy(&done.stderr).into_owned();
    if right { Ok(()) } else { Err(format!("{}: `{line}` ended with {code:?}\n{}", call.at, said())) }
}

#[test]
fn shell_blocks_are_what_the_gate_runs() {
    let gate = fs::read_to_string(root().join(".ci/run")).unwrap();
    for (page, text) in pages() {
        let shell = parts(&page, &text).0.into_iter().filter(|block| block.language == "sh");
        for (number, block) in shell.enumerate() {
            let run = format!("run_readme_block {}\n", number + 1);
            assert!(page == "README.md" && gate.contains(&run), "{}: nothing runs this; is it `console`?", block.at);
        }
    }
}

/// All Rust of these directories.
fn sources(directories: &[&str]) -> String {
    let mut sources = String::new();
    let mut directories: Vec<PathBuf> = directories.iter().map(|directory| root().join(directory)).collect();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                directories.push(entry);
            } else if entry.extension().is_some_and(|end| end == "rs") {
                sources.push_str(&fs::read_to_string(entry).unwrap());
            }
        }
    }
    sources
}

/// The files and the tests that the threat model names.
#[test]
fn what_holds_a_claim_is_there() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let sources = sources(&["src", "tests"]);
    let (mut files, mut tests) = (0, 0);
    for span in page.split('`').skip(1).step_by(2) {
        let is_test = span.matches('_').count() > 1
            && span.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit());
        if is_test {
            tests += 1;
            assert!(sources.contains(&format!("fn {span}(")), "there is no {span}");
        } else if ["src/", ".ci/", ".github/"].iter().any(|start| span.starts_with(start)) || span.ends_with(".rs") {
            files += 1;
            assert!(root().join(span).exists(), "there is no {span}");
        }
    }
    assert!(files > 20 && tests > 30, "{files} files, {tests} tests");
}

/// Every word of a message that the page of troubles has is one of the program's.
#[test]
fn messages_of_the_troubleshooting_page_exist() {
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let sources = sources(&["src"]);
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let messages: Vec<&str> = rows
        .filter_map(|row| row.trim_start_matches('|').split(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(messages.len() > 40, "only {} messages were found", messages.len());
    // clap's own words.
    let others = ["unexpected argument", "invalid value"];
    for message in messages.into_iter().filter(|message| !others.contains(message)) {
        let pieces = message.split('…').flat_map(|piece| piece.split(" failed: ")).map(|piece| piece.trim());
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            let known = sources.contains(piece) || sources.contains(piece.trim_end_matches(" failed"));
            assert!(known, "`{message}`: nothing in src says `{piece}`");
        }
    }
}

#[test]
fn commands_are_found_in_blocks() {
    let text = "a `b`\n```console\n$ papertiger lab --case 'x *' \\\n    --fault no-engine   # so\nout\n$ kubectl papertiger verify | kubectl get -f - > all\n```\nc\n";
    let (blocks, prose) = parts("page", text);
    assert_eq!((blocks.len(), prose.as_str()), (1, "a `b`\nc\n"));
    let commands = typed(&blocks[0]);
    let all: Vec<Call> = commands.iter().flat_map(|command| calls(&blocks[0].at, command)).collect();
    let words: Vec<String> = all.iter().map(|call| call.words.join(" ")).collect();
    assert_eq!(words, ["papertiger lab --case x * --fault no-engine", "papertiger verify", "kubectl get -f -"]);
    assert_eq!((all[0].at.as_str(), all[2].into.as_deref()), ("page:2", Some("all")));
    assert_eq!((not_run(&all[0]), not_run(&all[1]).map(|rule| NOT_RUN[rule].1)), (None, Some("a cluster")));
    assert!(parse(&all[0].words).is_ok());
    assert!(parse(&["papertiger".to_owned(), "lab".to_owned(), "--fats".to_owned()]).is_err());
}
