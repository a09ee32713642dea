//! The outputs in the README are what the program says.
//!
//! A line `<!-- output: COMMAND -->` stands before the fenced block that shows what COMMAND prints.

use crate::common::papertiger;
use std::net::IpAddr;
use std::path::Path;

/// A command of the README and what it is said to print.
struct Shown {
    command: String,
    output: String,
}

fn shown(text: &str) -> Vec<Shown> {
    let mut all = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(command) = line.trim().strip_prefix("<!-- output: ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let fence = lines.find(|line| !line.trim().is_empty()).unwrap_or_default();
        assert!(fence.starts_with("```"), "no block follows `{command}` but `{fence}`");
        let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
        all.push(Shown { command: command.to_owned(), output: block.join("\n") });
    }
    all
}

/// The words of a command as a shell reads them, with nothing but '…' and "…".
pub(crate) fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (Some(_) | None, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// What of an output is the same in every run: its words, without the table of latencies, with `#` for the run's id, for every
/// time and for how often something was tried. A time of another length may break lines elsewhere.
fn normalised(output: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let after_lab = output.split_whitespace().skip_while(|word| *word != "lab").nth(1);
    let run = after_lab.filter(|word| is_run_id(word));
    // How many latencies are known, and whether any are, depends on how long phases went on.
    let mut timed = false;
    let untimed = output.lines().filter(|line| {
        timed = line.starts_with("LATENCY") || (timed && !line.trim().is_empty());
        !timed
    });
    // How many words there were behind the last number of minutes.
    let mut minutes = 0;
    for word in untimed.flat_map(str::split_whitespace) {
        // Said only where that took a while.
        let cleaning = ["and", "#", "time", "to", "clean"];
        if word == "up" && words.ends_with(&cleaning.map(str::to_owned)) {
            words.truncate(words.len() - cleaning.len());
            continue;
        }
        let seconds = minutes > 0 && words.len() == minutes + 1;
        let before = words.last_mut();
        let unit = word.trim_end_matches([',', '.', ';', ':', ')']);
        match before {
            Some(before) if before == "lab" && is_run_id(word) => words.push("#".to_owned()),
            Some(before) if ["ms", "s", "min"].contains(&unit) && is_number(before) => {
                *before = if before.starts_with('(') { "(#" } else { "#" }.to_owned();
                // 1 min 40 s is one time.
                if unit == "s" && seconds {
                    words.truncate(minutes - 1);
                }
                // 999 ms here may be 1.0 s there.
                words.push(format!("time{}", &word[unit.len()..]));
                if unit == "min" {
                    minutes = words.len();
                }
            }
            // A faster machine attempts more; one with a single processor has fewer lanes.
            Some(before) if ["times", "lanes"].contains(&unit) && is_number(before) => {
                *before = "#".to_owned();
                words.push(word.to_owned());
            }
            // Each attempt sends one.
            Some(before) if ["datagram", "datagrams"].contains(&unit) && is_number(before) => {
                *before = "#".to_owned();
                words.push(format!("datagrams{}", &word[unit.len()..]));
            }
            // Once, or several times and then over so long: a baseline goes on while the slowest flow has not connected.
            Some(before) if before == "connected" && ["once", "twice"].contains(&unit) => {
                words.extend(["#", "times"].map(str::to_owned));
                if unit == "once" {
                    words.extend(["over", "#"].map(str::to_owned));
                    words.push(format!("time{}", &word[unit.len()..]));
                }
            }
            Some(_) | None => words.push(without_lane(&without_address(word), run)),
        }
    }
    words
}

/// `address` for an address of a pod or of its Service, which depends on the lane; a port behind it stays.
fn without_address(word: &str) -> String {
    let plain = word.trim_start_matches('[');
    let (address, port) = match plain.split_once(']') {
        Some(parts) => parts,
        None if plain.contains('.') => plain.find(':').map_or((plain, ""), |at| plain.split_at(at)),
        None => (plain, ""),
    };
    match address.parse::<IpAddr>() {
        Ok(_) => format!("address{port}"),
        Err(_) => word.to_owned(),
    }
}

/// Names carry the run's id and the number of a lane, which takes the case that comes next.
fn without_lane(word: &str, run: Option<&str>) -> String {
    match run.and_then(|run| word.split_once(run)) {
        Some((before, after)) => format!("{before}#{}", after.trim_start_matches(|digit: char| digit.is_ascii_digit())),
        None => word.to_owned(),
    }
}

fn is_run_id(word: &str) -> bool {
    word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn is_number(word: &str) -> bool {
    let digits = word.trim_start_matches('(');
    digits.starts_with(|letter: char| letter.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b".,".contains(&byte))
}

#[test]
fn outputs_in_the_readme_are_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    // Without a file nothing is shown, which is said below.
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let shown = shown(&text);
    assert!(
        shown.len() >= 2,
        "README.md shows {} outputs; each follows a line `<!-- output: COMMAND -->`",
        shown.len()
    );
    for Shown { command, output } in shown {
        let words = words(&command);
        assert_eq!(words[0], "papertiger", "{command}");
        let ran = papertiger().args(&words[1..]).output().unwrap();
        let stdout = String::from_utf8(ran.stdout).unwrap();
        let (is, says) = (normalised(&stdout), normalised(&output));
        if is != says {
            let same = is.iter().zip(&says).take_while(|(is, says)| is == says).count();
            let from = same.saturating_sub(5);
            let near = |words: &[String]| words.iter().skip(from).take(20).cloned().collect::<Vec<_>>().join(" ");
            panic!(
                "`{command}` in README.md is not true any more.\nREADME: … {} …\nnow:    … {} …\n\nThe whole:\n{stdout}{}",
                near(&says),
                near(&is),
                String::from_utf8_lossy(&ran.stderr)
            );
        }
    }
}

#[test]
fn blocks_are_found_and_commands_are_read() {
    let text = "# Title\n<!-- output: papertiger lab --case 'a *' -->\n\n```text\none\ntwo\n```\n\n```sh\nthree\n```\n";
    let [shown] = shown(text).try_into().ok().unwrap();
    assert_eq!(shown.output, "one\ntwo");
    assert_eq!(words(&shown.command), ["papertiger", "lab", "--case", "a *"]);
}

#[test]
fn runs_differ_in_their_ids_and_times_alone() {
    let one = "  lab k3x9qa · settle 5 s · took 14.2 s\n ENFORCED x 5 of 5  84.3 ms";
    let other = "  lab 000000 · settle 5 s ·\n  took 1,009 ms\n ENFORCED x 5 of 5  1.2 s";
    assert_eq!(normalised(one), normalised(other));
    let one = "12 lanes: 10.129.0.7 on n1 → [fd00:10:96::f]:81 on n2 seen: connected 4 times over 1 min 37 s, then";
    let other = "6 lanes: 10.129.0.12 on n1 → [fd00:10:96::6]:81 on n2 seen: connected 5 times over 4.8 s, then";
    assert_ne!(normalised(one), normalised(&other.replace(":81", ":80")));
    assert_eq!(normalised(one), normalised(other));
    assert_eq!(normalised("took 900 ms\n faults"), normalised("took 6.1 s and 2.0 s to clean up\n faults"));
    let once = normalised("before: connected once; then");
    assert_eq!(once, normalised("before: connected twice over 72 ms; then"));
    assert_eq!(once, normalised("before: connected 5 times over 1.2 s; then"));
    assert_ne!(once, normalised("before: timed out once; then"));
    let arrived = normalised("seen: timed out once; 1 datagram arrived;");
    assert_eq!(arrived, normalised("seen: timed out once; 12 datagrams arrived;"));
    assert_ne!(arrived, normalised("seen: timed out once; no datagram arrived;"));
    let one = "  lab k3x9qa · settle 5 s · took 14.2 s\n ENFORCED x 5 of 5  84.3 ms";
    let other = "  lab 000000 · settle 5 s ·\n  took 1,009 ms\n ENFORCED x 5 of 5  1.2 s";
    assert_ne!(normalised(one), normalised(&other.replace("5 of 5", "4 of 5")));
    assert_ne!(normalised(one), normalised(&other.replace("ENFORCED", "IGNORED")));
}
