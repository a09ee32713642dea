//! `papertiger image save`. What an archive holds is tested beside the code; here it is whether it arrives.

use crate::common::papertiger;
use papertiger::carried::{self, Arch};
use papertiger::image::Image;
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
    let image = Image::of(carried::agents()).unwrap();
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
        let digest = Image::of(carried::agents()).unwrap().index().digest.clone();
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
