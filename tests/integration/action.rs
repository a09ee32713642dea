//! The scripts of the GitHub action, and of a release, as a runner calls them.

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A runner's directory, and the files that it gives to steps.
struct Runner {
    directory: TempDir,
}

impl Runner {
    fn new() -> Self {
        let runner = Self { directory: TempDir::new().unwrap() };
        for name in ["path", "output"] {
            fs::write(runner.at(name), "").unwrap();
        }
        runner
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// Runs a script with these inputs; those that are not named are empty.
    fn step(&self, script: &str, inputs: &[(&str, &str)]) -> Output {
        let mut command = Command::new("bash");
        command.arg(root().join(".github/action").join(script)).current_dir(self.directory.path());
        command.env_remove("GITHUB_STEP_SUMMARY");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PAPERTIGER_")) {
            command.env_remove(name);
        }
        let names = ["VERSION", "EXECUTABLE", "ACTION_REF", "ACTION_REPOSITORY"];
        let more = ["COMMAND", "PROFILE", "EXPECT", "FAIL_ON", "ARGS", "KIND_CLUSTER"];
        command.envs(names.iter().chain(&more).map(|name| (*name, "")));
        command.env("RUNNER_TEMP", self.at("temp")).env("GITHUB_PATH", self.at("path"));
        command.env("GITHUB_OUTPUT", self.at("output")).env("REPORTS", self.at("reports"));
        command.env("GITHUB_SERVER_URL", "https://example.com").env("GITHUB_REPOSITORY", "caller/project");
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{}:{path}", self.at("bin").display(), self.at("temp/papertiger").display()));
        command.envs(inputs.iter().copied()).output().unwrap()
    }

    fn install(&self) {
        let done = self.step("install.sh", &[("EXECUTABLE", env!("CARGO_BIN_EXE_papertiger"))]);
        assert!(done.status.success(), "{}", said(&done));
    }

    /// Puts a program into the PATH of steps.
    fn program(&self, name: &str, script: &str) {
        fs::create_dir_all(self.at("bin")).unwrap();
        let path = self.at("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_action_tells_what_papertiger_said() {
    let runner = Runner::new();
    runner.install();
    assert_eq!(runner.read("path"), format!("{}\n", runner.at("temp/papertiger").display()));
    let summary = runner.at("summary");
    let inputs = [
        ("COMMAND", "lab"),
        ("ARGS", " --case default-deny-ingress\n--fault no-engine  --settle 2s --quiet"),
        ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
    ];
    let done = runner.step("run.sh", &inputs);
    assert!(done.status.success(), "{}", said(&done));
    let json = runner.at("reports/papertiger.json");
    assert_eq!(runner.read("output"), format!("exit-code=1\njson={}\nverdict=ignored\n", json.display()));
    let report: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(report["verdict"], "ignored");
    assert!(runner.read("summary").contains("IGNORED"));
    for name in ["junit.xml", "papertiger.html", "summary.md", "run.jsonl"] {
        assert!(!runner.read(&format!("reports/{name}")).is_empty(), "{name}");
    }
}

#[test]
fn arguments_of_the_action_are_words_and_no_script() {
    let runner = Runner::new();
    runner.install();
    // What an earlier run has left says nothing of this one.
    fs::create_dir(runner.at("reports")).unwrap();
    fs::write(runner.at("reports/papertiger.json"), "{\n  \"verdict\": \"enforced\",\n").unwrap();
    let done =
        runner.step("run.sh", &[("COMMAND", "lab"), ("ARGS", "--case $(touch here) `touch here` *; touch here")]);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(runner.read("output"), "exit-code=2\n");
    assert!(!runner.at("here").exists());
    let done = runner.step("run.sh", &[("COMMAND", "cleanup")]);
    assert!(!done.status.success() && said(&done).contains("it can be verify or lab"), "{}", said(&done));
}

#[test]
fn an_image_is_loaded_where_a_kind_cluster_is_named() {
    let runner = Runner::new();
    runner.program("kind", "echo \"$@\" >kind-was-told");
    let script =
        "case $1 in image) echo 'image          docker.io/library/papertiger:0.1.0';; *) echo \"$@\" >told;; esac";
    runner.program("papertiger", script);
    let done = runner.step("run.sh", &[("COMMAND", "verify"), ("KIND_CLUSTER", "blue"), ("PROFILE", "quick")]);
    assert!(done.status.success(), "{}", said(&done));
    let archive = runner.at("temp/papertiger-image.tar");
    assert_eq!(runner.read("kind-was-told"), format!("load image-archive --name blue {}\n", archive.display()));
    let told = runner.read("told");
    assert!(told.starts_with("verify --profile quick --report json="), "{told}");
    assert!(told.ends_with(" --image docker.io/library/papertiger:0.1.0\n"), "{told}");
}

/// A release, and a `curl` that fetches it.
fn released(runner: &Runner, sums: impl FnOnce(&str) -> String) {
    let release = runner.at("release");
    fs::create_dir(&release).unwrap();
    let arch = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let archive = format!("papertiger-v0.1.0-linux-{arch}.tar.gz");
    runner.program("papertiger", "echo papertiger 0.1.0");
    let mut tar = Command::new("tar");
    tar.args(["--create", "--gzip", "--file"]).arg(release.join(&archive));
    tar.arg("--directory").arg(runner.at("bin")).arg("papertiger");
    assert!(tar.status().unwrap().success());
    let sum = Command::new("sha256sum").arg(&archive).current_dir(&release).output().unwrap();
    fs::write(release.join("SHA256SUMS"), sums(str::from_utf8(&sum.stdout).unwrap())).unwrap();
    let script = "for last; do :; done\necho \"$last\" >>../../asked\ncp \"../../release/${last##*/}\" .";
    runner.program("curl", script);
}

#[test]
fn a_release_is_installed_when_its_checksum_is_right() {
    let runner = Runner::new();
    released(&runner, str::to_owned);
    let inputs = [("ACTION_REF", "v0.1.0"), ("ACTION_REPOSITORY", "owner/papertiger")];
    let done = runner.step("install.sh", &inputs);
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("papertiger 0.1.0"), "{}", said(&done));
    let asked = runner.read("asked");
    assert!(asked.starts_with("https://example.com/owner/papertiger/releases/download/v0.1.0/papertiger-v0.1.0-"));
    assert!(runner.at("temp/papertiger/papertiger").exists());
}

#[test]
fn a_release_that_is_not_what_it_says_is_refused() {
    type Sums = fn(&str) -> String;
    let other: Sums = |sums| {
        let digit = if sums.starts_with('0') { "1" } else { "0" };
        format!("{digit}{}", &sums[1..])
    };
    let all: [(&str, Sums, &str); 3] = [
        ("v0.1.0", other, "is not what"),
        ("v0.1.0", |_| String::new(), "does not name"),
        ("3d3c42e5aac5ba805825da76410c181273ba90b1", str::to_owned, "the input `version`"),
    ];
    for (version, sums, words) in all {
        let runner = Runner::new();
        released(&runner, sums);
        let done = runner.step("install.sh", &[("ACTION_REF", version)]);
        assert!(!done.status.success() && said(&done).contains(words), "{words}: {}", said(&done));
        assert!(!runner.at("temp/papertiger/papertiger").exists());
        assert_eq!(runner.read("path"), "");
    }
}

#[test]
fn the_manifest_for_krew_is_filled_in() {
    let directory = TempDir::new().unwrap();
    let sums = directory.path().join("SHA256SUMS");
    let line = |digit: &str, arch| format!("{}  papertiger-v1.2.3-linux-{arch}.tar.gz\n", digit.repeat(64));
    fs::write(&sums, line("a", "amd64") + &line("b", "arm64")).unwrap();
    let krew = |version: &str, sums: &Path| {
        let script = root().join(".github/krew.sh");
        Command::new("bash").arg(script).args([version, "owner/papertiger"]).arg(sums).output().unwrap()
    };
    let filled = krew("v1.2.3", &sums);
    assert!(filled.status.success(), "{}", said(&filled));
    let text = String::from_utf8(filled.stdout).unwrap();
    assert!(!text.contains('@') && !text.contains('#'), "{text}");
    let plugin: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!((&plugin["metadata"]["name"], &plugin["spec"]["version"]), (&"papertiger".into(), &"v1.2.3".into()));
    // krew takes no longer one.
    assert!(plugin["spec"]["shortDescription"].as_str().unwrap().len() <= 50);
    for (platform, (arch, digit)) in
        plugin["spec"]["platforms"].as_array().unwrap().iter().zip([("amd64", "a"), ("arm64", "b")])
    {
        assert_eq!(platform["selector"]["matchLabels"]["arch"], arch);
        assert_eq!(platform["sha256"], digit.repeat(64));
        let archive = format!("papertiger-v1.2.3-linux-{arch}.tar.gz");
        let uri = format!("https://github.com/owner/papertiger/releases/download/v1.2.3/{archive}");
        assert_eq!(platform["uri"], uri);
    }
    let refused = krew("v1.2.4", &sums);
    assert!(!refused.status.success() && said(&refused).contains("does not name"), "{}", said(&refused));
}
