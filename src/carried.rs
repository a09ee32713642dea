//! The agents that this executable carries into clusters, one for each architecture that it was built for.
//!
//! `build.rs` builds them and lists them. They are static, so they run in whatever image they are mounted into, and
//! small, so that they fit a ConfigMap.

mod executable;

pub use executable::{Executable, NotExecutable};

use std::fmt;
use std::str::FromStr;

/// CPU architectures by the names that Kubernetes has for them (`kubernetes.io/arch`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

/// An architecture that there are no agents for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no agent for the architecture `{0}`, only for amd64 and arm64")]
pub struct UnknownArch(String);

/// Agents that were not built because their Rust targets were not installed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("this papertiger was built without an agent for {}; {}", list(.0), way_out(.0))]
pub struct NotCarried(pub Vec<Arch>);

static AGENTS: &[Executable<'static>] = include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// All of them, by architecture.
pub fn agents() -> &'static [Executable<'static>] {
    AGENTS
}

/// The one for an architecture.
pub fn agent(arch: Arch) -> Result<Executable<'static>, NotCarried> {
    AGENTS.iter().find(|agent| agent.arch == arch).copied().ok_or_else(|| NotCarried(vec![arch]))
}

/// How to get agents for these architectures.
pub fn way_out(archs: &[Arch]) -> String {
    let targets: Vec<_> = archs.iter().map(|arch| arch.target()).collect();
    format!("run `rustup target add {}` and build it again", targets.join(" "))
}

/// `amd64, arm64`.
pub fn list(archs: &[Arch]) -> String {
    archs.iter().map(|arch| arch.name()).collect::<Vec<_>>().join(", ")
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The Rust target of its agent.
    pub fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    fn from_str(text: &str) -> Result<Self, UnknownArch> {
        Self::ALL.into_iter().find(|arch| arch.name() == text).ok_or_else(|| UnknownArch(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_static_executable_for_its_architecture_that_fits_a_config_map() {
        for Executable { arch, bytes } in agents() {
            assert_eq!(Executable::read(bytes).map(|read| read.arch), Ok(*arch));
            assert!(bytes.len() < 1024 * 1024, "{arch}: {} bytes", bytes.len());
        }
    }

    #[test]
    fn none_says_where_it_was_built() {
        let root = env!("CARGO_MANIFEST_DIR").as_bytes();
        for Executable { arch, bytes } in agents() {
            assert!(!bytes.windows(root.len()).any(|window| window == root), "{arch}");
        }
    }

    #[test]
    fn what_is_not_carried_is_named_with_its_target() {
        for arch in Arch::ALL {
            assert_eq!(arch.to_string().parse(), Ok(arch));
            assert!(include_str!("../build.rs").contains(arch.target()), "{arch}");
            match agent(arch) {
                Ok(agent) => assert_eq!(agent.arch, arch),
                Err(error) => assert_eq!(error, NotCarried(vec![arch])),
            }
        }
        assert_eq!(
            NotCarried(Arch::ALL.to_vec()).to_string(),
            "this papertiger was built without an agent for amd64, arm64; run `rustup target add \
             x86_64-unknown-linux-musl aarch64-unknown-linux-musl` and build it again"
        );
        assert_eq!("s390x".parse::<Arch>(), Err(UnknownArch("s390x".to_owned())));
    }
}
