//! Builds the agents that `papertiger` carries into clusters, and lists them for `src/carried.rs`.
//!
//! There is one for each architecture whose musl target is installed. A missing target is no failure, because the lab
//! needs none: `papertiger` then says what it does not carry and how to get it.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

/// The variants of `Arch`, the names that Kubernetes has for them, and the targets whose executables need nothing of the
/// image that they are mounted into.
const ARCHITECTURES: [(&str, &str, &str); 2] =
    [("Amd64", "amd64", "x86_64-unknown-linux-musl"), ("Arm64", "arm64", "aarch64-unknown-linux-musl")];

/// A ConfigMap holds no more.
const LIMIT: usize = 1024 * 1024;

fn main() -> ExitCode {
    match carry() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Cargo shows what a failed script wrote there.
            let _ = writeln!(io::stderr(), "error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn carry() -> Result<(), String> {
    println!("cargo::rerun-if-changed=build.rs");
    // The agent alone carries nothing. This is also where the builds that this script starts end.
    if env::var_os("CARGO_FEATURE_CLI").is_none() {
        return Ok(());
    }
    let out = PathBuf::from(variable("OUT_DIR")?);
    let libraries = rust_libraries()?;
    // Rewritten whenever a target comes or goes.
    rerun_if_changed(&libraries.join("components"));
    for file in ["Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={file}");
    }

    let mut list = String::from("&[\n");
    for (variant, name, target) in ARCHITECTURES {
        if libraries.join(target).is_dir() {
            let file = format!("papertiger-agent-{name}");
            write(&out.join(&file), &build_agent(target, &out)?)?;
            list.push_str(&format!("    Executable {{ arch: Arch::{variant}, bytes: include_bytes!(\"{file}\") }},\n"));
        }
    }
    list.push_str("]\n");
    write(&out.join("carried.rs"), list.as_bytes())
}

/// The executable of the agent for a target.
fn build_agent(target: &str, out: &Path) -> Result<Vec<u8>, String> {
    let target_dir = agents_target_dir(out);
    let output = run(&mut nested_cargo(target, &target_dir)?)?;
    if !output.status.success() {
        return Err(format!("cannot build the agent for {target}\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let executable = target_dir.join(target).join("agent/papertiger-agent");
    for source in sources(&executable.with_extension("d"))? {
        rerun_if_changed(Path::new(&source));
    }
    let bytes = fs::read(&executable).map_err(|error| format!("cannot read {}: {error}", executable.display()))?;
    if bytes.len() >= LIMIT {
        let size = bytes.len();
        return Err(format!(
            "the agent for {target} has {size} bytes; it has to stay below {LIMIT} to fit a ConfigMap"
        ));
    }
    Ok(bytes)
}

fn nested_cargo(target: &str, target_dir: &Path) -> Result<Command, String> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo
        .current_dir(variable("CARGO_MANIFEST_DIR")?)
        .args(["build", "--locked", "--profile=agent", "--no-default-features", "--features=agent"])
        .args(["--bin=papertiger-agent", "--target", target, "--target-dir"])
        .arg(target_dir);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(concerns_the_outer_build) {
            cargo.env_remove(name);
        }
    }
    cargo
        // The linker that comes with Rust, and the start files that come with the target: no C compiler is needed, and
        // none that is here gets in between.
        .env(format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_")), "rust-lld")
        .env("CARGO_ENCODED_RUSTFLAGS", remapped_paths()?)
        // Above a build directory of the user's configuration, which the outer cargo has locked.
        .env("CARGO_BUILD_BUILD_DIR", target_dir);
    Ok(cargo)
}

/// Whether a variable tells of the outer build: its features, profile, target, flags, or what clippy and others put
/// between cargo and the compiler. How to reach registries and to share processors stays.
fn concerns_the_outer_build(name: &str) -> bool {
    const OURS_TOO: [&str; 6] =
        ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_"];
    const OTHERS: [&str; 13] = [
        "CLIPPY_ARGS",
        "DEBUG",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "TARGET",
    ];
    OTHERS.contains(&name) || name.starts_with("CARGO_") && !OURS_TOO.iter().any(|ours| name.starts_with(ours))
}

/// Flags that keep this machine's paths out of the agent: what is loaded into clusters does not say who built it where,
/// and is the same wherever it was built.
fn remapped_paths() -> Result<String, String> {
    let package = variable("CARGO_MANIFEST_DIR")?;
    let cargo_home = env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")));
    let mut flags = vec![format!("--remap-path-prefix={package}=/papertiger")];
    flags.extend(cargo_home.ok().map(|home| format!("--remap-path-prefix={home}=/cargo")));
    Ok(flags.join("\x1f"))
}

/// A target directory that the dev, test and release builds of the outer one share, so that each agent is built once. Not
/// the outer one itself: the cargo that waits for this script has locked it.
fn agents_target_dir(out: &Path) -> PathBuf {
    // Cargo's own directories: TARGET_DIR[/TARGET]/PROFILE/build/…/out.
    let profile = out.ancestors().find(|directory| directory.ends_with("build")).and_then(Path::parent);
    let outer = profile.and_then(Path::parent).map(|directory| match (directory.parent(), env::var_os("TARGET")) {
        (Some(parent), Some(target)) if directory.ends_with(&target) => parent,
        _ => directory,
    });
    outer.unwrap_or(out).join("carried-agents")
}

/// Where the compiler keeps the standard library of each target.
fn rust_libraries() -> Result<PathBuf, String> {
    let output = run(Command::new(variable("RUSTC")?).args(["--print", "sysroot"]))?;
    let sysroot = String::from_utf8(output.stdout).map_err(|error| format!("cannot read the sysroot: {error}"))?;
    Ok(Path::new(sysroot.trim_end()).join("lib/rustlib"))
}

/// The files that went into an executable, as cargo lists them beside it: `EXECUTABLE: FILE FILE…`, with a backslash
/// before a blank within a name.
fn sources(dep_info: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(dep_info).map_err(|error| format!("cannot read {}: {error}", dep_info.display()))?;
    let files = text.trim_end().split_once(": ").map_or("", |(_, files)| files).replace("\\ ", "\0");
    Ok(files.split(' ').map(|file| file.replace('\0', " ")).collect())
}

/// Asks to be run again when a file changes. One that is not there would count as changed every time.
fn rerun_if_changed(path: &Path) {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("cargo should have set {name}: {error}"))
}

fn run(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("cannot run {}: {error}", command.get_program().display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
