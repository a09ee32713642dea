//! `papertiger image save`. What an archive holds is tested beside the code; here it is whether it arrives.

use crate::common::papertiger;
use papertiger::carried::{self, Arch, Executable};
use papertiger::image::{Image, Program};
use std::fs::File;
use std::path::Path;
use std::process::Output;

fn save(file: &Path, more: &[&str]) -> Output {
    papertiger().args(["image", "save"]).arg(file).args(more).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

fn archive(name: &str) -> Vec<u8> {
    let mut archive = Vec::new();
    let image = Image::of(Program::Agent, carried::agents()).unwrap();
    image.write_archive(&name.parse().unwrap(), &mut archive).unwrap();
    archive
}

/// Without an agent there is no image, and this is how it is said. `true` when that was the case.
#[track_caller]
fn is_refused_without_agents(output: &Output) -> bool {
    if !carried::agents().is_empty() {
        return false;
    }
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(4), ""));
    let expected = "error: this papertiger was built without an agent for amd64, arm64; run `rustup target add \
                    x86_64-unknown-linux-musl aarch64-unknown-linux-musl` and build it again\n";
    assert_eq!(text(&output.stderr), expected);
    true
}

#[test]
fn an_image_is_saved_under_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let full = format!("docker.io/library/papertiger:{version}");
    for (file, more, name) in [
        ("default.tar", &[][..], full.as_str()),
        ("named.tar", &["--tag=registry.example:5000/team/papertiger:1"], "registry.example:5000/team/papertiger:1"),
    ] {
        let path = directory.path().join(file);
        let output = save(&path, more);
        if is_refused_without_agents(&output) {
            assert!(!path.exists());
            continue;
        }
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        let expected = archive(name);
        assert!(std::fs::read(&path).unwrap() == expected, "{name}");
        let digest = Image::of(Program::Agent, carried::agents()).unwrap().index().digest.clone();
        let archs: Vec<Arch> = carried::agents().iter().map(|agent| agent.arch).collect();
        let (archs, size) = (carried::list(&archs), expected.len());
        assert_eq!(
            text(&output.stdout),
            format!(
                "image          {name}\ndigest         {digest}\narchitectures  {archs}\nsize           {size} bytes\n"
            )
        );
    }
}

#[test]
fn an_image_is_sent_to_stdout() {
    let output = papertiger().args(["image", "save", "-"]).env("PAPERTIGER_TAG", "papertiger:1").output().unwrap();
    if !is_refused_without_agents(&output) {
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout == archive("docker.io/library/papertiger:1"));
        assert!(text(&output.stderr).starts_with("image          docker.io/library/papertiger:1\ndigest "));
    }
}

#[test]
fn an_archive_that_cannot_be_written_is_code_4() {
    let output = save(Path::new("/nowhere/papertiger.tar"), &[]);
    if !is_refused_without_agents(&output) {
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(4), ""));
        let expected =
            "error: cannot write /nowhere/papertiger.tar\n  caused by: No such file or directory (os error 2)\n";
        assert_eq!(text(&output.stderr), expected);
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_papertiger"))
        .args(["image", "save", "-"])
        .env_remove("PAPERTIGER_TAG")
        .stdout(full)
        .output()
        .unwrap();
    if !is_refused_without_agents(&output) {
        assert_eq!(output.status.code(), Some(4));
        let expected = "error: cannot write to stdout\n  caused by: No space left on device (os error 28)\n";
        assert_eq!(text(&output.stderr), expected);
    }
}

#[test]
fn a_wrong_name_is_code_2() {
    let output = save(Path::new("/nowhere/papertiger.tar"), &["--tag", "papertiger"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("--tag") && stderr.contains("write NAME:TAG, such as papertiger:1"), "{stderr}");
}

/// An executable with nothing in it but its headers.
pub(crate) fn executable(machine: u16) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend([2u16, machine].iter().flat_map(|half| half.to_le_bytes()));
    bytes.extend(1u32.to_le_bytes());
    bytes.extend([0u64, 64, 0].iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(0u32.to_le_bytes());
    bytes.extend([64u16, 56, 1, 0, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    bytes.extend(1u32.to_le_bytes());
    bytes.resize(bytes.len() + 52, 0);
    bytes
}

pub(crate) const X86_64: u16 = 62;
const AARCH64: u16 = 183;

#[test]
fn an_image_holds_the_executables_that_it_is_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("arm"), executable(AARCH64)).unwrap();
    std::fs::write(at("intel"), executable(X86_64)).unwrap();
    let named = |name: &str| format!("--executable={}", at(name).display());
    let output = save(&at("image.tar"), &[&named("arm"), &named("intel"), "--tag=papertiger:1"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert!(text(&output.stdout).contains("architectures  amd64, arm64\n"), "{}", text(&output.stdout));
    let (arm, intel) = (executable(AARCH64), executable(X86_64));
    let both = [intel.as_slice(), &arm].map(|bytes| Executable::read(bytes).unwrap());
    let mut expected = Vec::new();
    let image = Image::of(Program::Papertiger, &both).unwrap();
    image.write_archive(&"docker.io/library/papertiger:1".parse().unwrap(), &mut expected).unwrap();
    assert!(std::fs::read(at("image.tar")).unwrap() == expected);

    std::fs::write(at("script"), "#!/bin/sh\n").unwrap();
    let this = env!("CARGO_BIN_EXE_papertiger");
    for (files, words) in [
        (vec![named("missing")], "cannot use the executable"),
        (vec![named("script")], "it is no 64-bit executable for Linux"),
        (vec![format!("--executable={this}")], "it is linked dynamically; build it with `--target "),
        (vec![named("arm"), named("arm")], "two of the executables are for arm64"),
    ] {
        let more: Vec<&str> = files.iter().map(String::as_str).collect();
        let output = save(&at("none.tar"), &more);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{files:?}");
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
        assert!(!at("none.tar").exists());
    }
}
