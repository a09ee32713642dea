//! What a run was told to do, validated.

use crate::exit::{Expect, FailOn};
use crate::image;
use crate::report::Outputs;
use crate::target::cluster::{Access, GivenNamespaces, NodeChoice};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What every run was told to do, whatever it probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSettings {
    /// Which cases of the catalogue are candidates.
    pub profile: Profile,
    /// Globs, one of which a case's id must match; none means every case of the profile.
    pub cases: Vec<String>,
    /// A directory with further cases.
    pub case_dir: Option<PathBuf>,
    /// Whether pods on the nodes' own network probe too.
    pub host_probes: bool,
    /// How long a step may take until what is still wrong is a finding.
    pub settle: Duration,
    /// How long what is right must stay right.
    pub hold: Duration,
    /// How late a change may take effect; `None` for however late.
    pub budget: Option<Duration>,
    /// How long the canary is watched beside changes of other policies; `None` for no longer than other cases take.
    pub watch: Option<Duration>,
    /// How long the whole run may take.
    pub timeout: Duration,
    /// How many lanes work side by side; `None` leaves it to the target.
    pub lanes: Option<usize>,
    /// The seed of everything that is drawn; `None` draws one.
    pub seed: Option<u64>,
    /// What makes the run pass.
    pub gate: Gate,
    /// Where the result goes.
    pub outputs: Outputs,
}

/// What `lab` was told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabSettings {
    /// What every run is told.
    pub run: RunSettings,
    /// How many nodes the lab has.
    pub size: usize,
    /// Faults to switch on, `NAME[@SCOPE]` each; `list` asks for their names.
    pub faults: Vec<String>,
    /// How late its policy engine acts.
    pub delay: Duration,
    /// How long its policy engine does not know of a pod that starts.
    pub start_up: Duration,
}

/// What `verify` was told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifySettings {
    /// What every run is told.
    pub run: RunSettings,
    /// Which cluster, and as whom.
    pub access: Access,
    /// Which nodes.
    pub nodes: NodeChoice,
    /// Taints to put up with.
    pub tolerate: Vec<String>,
    /// An image whose entry point is the agent.
    pub image: Option<String>,
    /// A secret for pulling it.
    pub pull_secret: Option<String>,
    /// Somebody else's namespaces to work in.
    pub namespaces: Option<GivenNamespaces>,
    /// Whether everything is left in the cluster at the end.
    pub keep: bool,
    /// Whether only to print what would be created.
    pub dry_run: bool,
}

/// What `cleanup` was told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanupSettings {
    /// Which cluster, and as whom.
    pub access: Access,
    /// The namespaces that are looked into; `None` looks for those of runs.
    pub namespaces: Option<GivenNamespaces>,
    /// Whose remains.
    pub runs: RunChoice,
}

/// Whose remains `cleanup` removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunChoice {
    /// Those of runs that cannot be at work any more.
    Expired,
    /// Those of every run, those at work among them.
    All,
    /// Those of one run.
    One(String),
}

/// What `image save` was told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSaveSettings {
    /// Where the archive goes.
    pub destination: Destination,
    /// What the image is called there.
    pub name: image::Name,
    /// The executables that it holds instead of the agents that are carried.
    pub executables: Vec<PathBuf>,
}

/// What `image push` was told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePushSettings {
    /// Where the image goes, and what it is called there.
    pub name: image::Name,
    /// The executables that it holds instead of the agents that are carried.
    pub executables: Vec<PathBuf>,
}

/// What is filled into the manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestsSettings {
    /// The image that the CronJob runs.
    pub image: String,
    /// The namespace that it runs in.
    pub namespace: String,
    /// The namespaces that its probe pods go into; `None` lets it make some.
    pub namespaces: Option<GivenNamespaces>,
    /// When, as five fields of cron.
    pub schedule: String,
    /// The Pushgateway that metrics go to.
    pub push: Option<String>,
    /// More flags of `verify`.
    pub flags: Vec<String>,
}

/// Where something goes that is no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Stdout.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// What makes a run pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// What the caller expects of the target.
    pub expect: Option<Expect>,
    /// What fails a run that would pass otherwise.
    pub fail_on: Vec<FailOn>,
}

/// How much a run proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Profile {
    /// The cases that fail most often
    Quick,
    /// Every feature
    Standard,
    /// Everything, held for longer
    Full,
}

impl Profile {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }

    /// How long what is right must stay right, where the user does not say.
    pub fn hold(self) -> Duration {
        match self {
            Self::Quick | Self::Standard => Duration::from_secs(1),
            Self::Full => Duration::from_secs(5),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Values that clap accepts one by one and that do not go together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    message: String,
}

impl UsageError {
    /// A usage error in words that name the flag and what is accepted.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}
