//! The cluster, seen apart from papertiger, and runs of the binary on it.

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};
use kube::{Client, ResourceExt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeSet;
use std::pin::pin;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tokio::runtime::Runtime;

/// The label on everything of a run.
pub(crate) const RUN: &str = "papertiger.dev/run";

/// Longer than anything that a condition waits for takes on a machine that has much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Cases that take place one after the other: neither leaves the other what it needs.
pub(crate) const APART: [&str; 4] = ["--case", "default-deny-ingress", "--case", "port-name-of-another-protocol"];

/// What is known of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Enforces,
    Ignores,
}

/// A cluster, and a runtime to talk to it.
pub(crate) struct Cluster {
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    pub(crate) kind: Kind,
}

impl Cluster {
    pub(crate) fn connect() -> Self {
        let kind = match std::env::var("PAPERTIGER_TEST_CLUSTER").as_deref() {
            Ok("enforces") => Kind::Enforces,
            Ok("ignores") => Kind::Ignores,
            other => panic!("PAPERTIGER_TEST_CLUSTER must be `enforces` or `ignores`, not {other:?}"),
        };
        assert!(std::env::var_os("KUBECONFIG").is_some(), "KUBECONFIG must name the cluster to be tested on");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(Client::try_default()).unwrap();
        Self { runtime, client, kind }
    }

    /// Where policies have to be enforced for a test to mean anything.
    pub(crate) fn enforcing() -> Self {
        let cluster = Self::connect();
        assert_eq!(cluster.kind, Kind::Enforces, "this test needs a cluster that enforces policies");
        cluster
    }

    /// The namespaces of runs.
    pub(crate) fn namespaces(&self) -> BTreeSet<String> {
        let api = Api::<Namespace>::all(self.client.clone());
        let list = self.runtime.block_on(api.list(&ListParams::default().labels(RUN))).unwrap();
        list.iter().map(ResourceExt::name_any).collect()
    }

    /// Waits for the first namespace that fits.
    pub(crate) fn wait_for_namespace(&self, what: &str, fits: impl Fn(&Namespace) -> bool) -> Namespace {
        let api = Api::<Namespace>::all(self.client.clone());
        self.runtime.block_on(async {
            let found = async {
                let mut seen = pin!(watcher(api, Config::default().labels(RUN)).default_backoff().applied_objects());
                loop {
                    if let Some(Ok(namespace)) = seen.next().await
                        && fits(&namespace)
                    {
                        return namespace;
                    }
                }
            };
            tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no namespace came: {what}"))
        })
    }

    /// Waits until no run has a namespace left.
    pub(crate) fn wait_until_clean(&self, limit: Duration) {
        let deadline = std::time::Instant::now() + limit;
        let mut left = self.namespaces();
        while !left.is_empty() {
            assert!(std::time::Instant::now() < deadline, "still there after {limit:?}: {left:?}");
            std::thread::sleep(Duration::from_millis(200));
            left = self.namespaces();
        }
    }
}

/// The binary, without whatever the caller's environment would tell it besides the cluster.
pub(crate) fn papertiger() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_papertiger"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PAPERTIGER_")) {
        command.env_remove(name);
    }
    command.env("COLUMNS", "80").stdin(Stdio::null());
    command
}

/// A run to its end.
pub(crate) fn verify(arguments: &[&str]) -> Ended {
    Running::start(arguments, &[]).end()
}

/// A run at work. A test that fails ends its run too, and the run removes what it has made.
pub(crate) struct Running {
    child: Option<Child>,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running {
    /// Starts `papertiger verify -o json` with these arguments and variables.
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = papertiger();
        command.args(["verify", "-o", "json", "--color", "never"]).args(arguments);
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { child: Some(command.spawn().unwrap()) }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        }
    }

    pub(crate) fn end(mut self) -> Ended {
        let Output { status, stdout, stderr } = self.child.take().unwrap().wait_with_output().unwrap();
        Ended {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
    }
}

impl Ended {
    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// Fails with everything that was printed when the code is another one.
    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.summary(), self.stderr);
        self
    }

    /// The headline and what is not enforced, short enough for a failure's message.
    fn summary(&self) -> String {
        let Ok(report) = serde_json::from_str::<Value>(&self.stdout) else { return self.stdout.clone() };
        let cases = report["cases"].as_array().into_iter().flatten();
        let cases = cases.filter(|case| case["verdict"] != "enforced");
        let lines = cases.map(|case| format!("{} {}: {}", case["verdict"], case["id"], case["reason"]));
        format!("{}\n{}\n{}", report["headline"], lines.collect::<Vec<_>>().join("\n"), report["notes"])
    }
}

/// The cases of a report, by verdict.
pub(crate) fn cases<'a>(report: &'a Value, verdict: &str) -> Vec<&'a Value> {
    report["cases"].as_array().unwrap().iter().filter(|case| case["verdict"] == verdict).collect()
}

impl Cluster {
    /// Waits until a run has applied a policy.
    pub(crate) fn wait_for_policy(&self, run: &str) -> k8s_openapi::api::networking::v1::NetworkPolicy {
        let api = Api::all(self.client.clone());
        let config = Config::default().labels(&format!("{RUN}={run}"));
        self.runtime.block_on(async {
            let found = async {
                let mut seen = pin!(watcher(api, config).default_backoff().applied_objects());
                loop {
                    if let Some(Ok(policy)) = seen.next().await {
                        return policy;
                    }
                }
            };
            tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("run {run} applied no policy"))
        })
    }

    /// Lets a run's time be over.
    pub(crate) fn expire(&self, run: &str) {
        let api = Api::<Namespace>::all(self.client.clone());
        let list = self.runtime.block_on(api.list(&ListParams::default().labels(&format!("{RUN}={run}")))).unwrap();
        let patch =
            serde_json::json!({"metadata": {"annotations": {"papertiger.dev/expires": "2020-01-01T00:00:00Z"}}});
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(&patch));
        for namespace in list {
            let name = namespace.name_any();
            self.runtime.block_on(api.patch(&name, &parameters, &patch)).unwrap();
        }
    }
}
