//! The licences of others' work that images pass on.
//!
//! THIRD-PARTY-LICENCES is written by `cargo about` (about.toml). Here it is whether it still speaks of the crates that
//! executables are made of.

use papertiger::carried::{Arch, Executable};
use papertiger::image::{Image, LICENCES, Program};
use std::collections::BTreeSet;
use std::process::Command;

/// What to do when crates have come or gone.
const WAY_OUT: &str = "write it anew: cargo install cargo-about --version 0.9.3 --locked --features cli && \
                       cargo about generate --offline --locked --fail --threshold 0.6 about.hbs --output-file THIRD-PARTY-LICENCES";

/// The crates of a static papertiger, by name and version; `edges` says which count.
fn crates(arch: Arch, edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--prefix=none", "--format={p}", "--target", arch.target(), "--edges", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let name_and_version = |line: &str| {
        let mut words = line.split(' ');
        Some(format!("{} {}", words.next()?, words.next()?.strip_prefix('v')?))
    };
    str::from_utf8(&output.stdout).unwrap().lines().filter_map(name_and_version).collect()
}

/// The crates that a text names before each licence.
fn named(text: &str) -> BTreeSet<String> {
    // The first part is of what is no crate.
    let crates = text.split("\n=== ").skip(2).flat_map(|part| part.lines().skip(1).take_while(|line| !line.is_empty()));
    crates.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn every_crate_of_an_image_is_named_with_its_licence() {
    let all = |edges| -> BTreeSet<String> { Arch::ALL.into_iter().flat_map(|arch| crates(arch, edges)).collect() };
    let wanted = all("normal,no-proc-macro");
    assert!(wanted.len() > 100, "{wanted:?}");
    let named = named(LICENCES);
    let missing: Vec<_> = wanted.difference(&named).collect();
    // What runs in the compiler alone may be named as well.
    let known = all("normal");
    let gone: Vec<_> = named.difference(&known).collect();
    assert!(missing.is_empty() && gone.is_empty(), "missing: {missing:?}; gone: {gone:?}; {WAY_OUT}");
}

#[test]
fn licences_are_there_in_full() {
    for words in [
        "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION",
        "Permission is hereby granted, free of charge, to any person obtaining",
        "Redistributions in binary form must reproduce the above copyright",
        "Rich Felker",
        "The Rust Standard Library",
    ] {
        assert!(LICENCES.contains(words), "{words}");
    }
    let blank = LICENCES.split("\n=== ").skip(2).filter(|part| part.contains("<copyright holders>"));
    for crates in blank.map(|part| named(&format!("\n=== \n=== {part}"))) {
        // about.hbs has the notices of these; what is new here needs one, there or by a `clarify` of about.toml.
        let known =
            ["maud", "maud_macros"].map(|name| crates.iter().find(|known| known.starts_with(&format!("{name} "))));
        assert_eq!(known.iter().flatten().count(), crates.len(), "{crates:?}");
        assert!(LICENCES.contains("\nmaud, maud_macros: Copyright (c) Chris Wong\n"));
    }
    for part in LICENCES.split("\n=== ").skip(1) {
        let text: usize = part.lines().skip_while(|line| !line.is_empty()).map(str::len).sum();
        assert!(text > 400, "{part}");
    }
}

#[test]
fn the_containerfile_builds_with_our_compiler_and_ends_in_the_same_image() {
    let file = include_str!("../../Containerfile");
    let toolchain = include_str!("../../rust-toolchain.toml");
    let version = toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"')).unwrap();
    let has = |line: &str| assert!(file.lines().any(|known| known == line), "{line}");
    has(&format!("FROM docker.io/library/rust:{version}-slim AS build"));
    has(&format!("RUN rustup target add {}", Arch::ALL.map(Arch::target).join(" ")));
    // What no executable for an architecture is needed for: how it is started says the same for all.
    let image = Image::of(Program::Papertiger, &[Executable { arch: Arch::Amd64, bytes: b"" }]).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&image.blobs()[1].bytes).unwrap();
    let config = &config["config"];
    has(&format!("USER {}", config["User"].as_str().unwrap()));
    has(&format!("ENV {}", config["Env"][0].as_str().unwrap()));
    has(&format!("ENTRYPOINT {}", config["Entrypoint"]));
    for name in [Program::Papertiger.file(), "THIRD-PARTY-LICENCES"] {
        assert!(file.contains(&format!(" /image/{name}")), "{name}");
    }
}
