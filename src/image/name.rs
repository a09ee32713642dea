//! The names of images.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Where a name without a registry leads, to everything that runs containers.
const DEFAULT_REGISTRY: &str = "docker.io";

/// What comes before a name of one part there.
const DEFAULT_OWNER: &str = "library";

/// Another name of it, which Docker itself uses.
const DOCKER_HUB: &str = "index.docker.io";

const LONGEST_TAG: usize = 128;
const LONGEST_NAME: usize = 255;

/// An image's name in full, with its tag: `docker.io/library/papertiger:0.1.0`.
///
/// In full, because that is how a node looks for it, whatever a pod's specification leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    registry: String,
    repository: String,
    tag: String,
}

/// Not a name of an image.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No tag at the end.
    #[error("write NAME:TAG, such as papertiger:1 or registry.example:5000/team/papertiger:1")]
    NoTag,
    /// A digest says what an image is; what it shall be called is asked for.
    #[error("an image that is yet to be named has no digest: write NAME:TAG")]
    HasDigest,
    /// What stands for a registry is none.
    #[error("`{0}` is no registry: it has to be a host, with a port or without")]
    Registry(String),
    /// What stands for the repository is none.
    #[error(
        "`{0}` cannot name an image: each part has lower-case letters and digits, and between them `.`, `_`, `__` or `-`"
    )]
    Repository(String),
    /// What stands for the tag is none.
    #[error(
        "`{0}` is no tag: it has at most 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two"
    )]
    Tag(String),
}

impl Name {
    /// `docker.io`, or what else came first.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Whether the registry is Docker's own, which is reached by another name.
    pub fn is_on_docker_hub(&self) -> bool {
        [DEFAULT_REGISTRY, DOCKER_HUB].contains(&self.registry.as_str())
    }

    /// What follows the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// What follows the colon.
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, repository, tag } = self;
        write!(f, "{registry}/{repository}:{tag}")
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains('@') {
            return Err(NameError::HasDigest);
        }
        // A colon before a slash is a port's.
        let (name, tag) =
            text.rsplit_once(':').filter(|(_, tag)| !tag.is_empty() && !tag.contains('/')).ok_or(NameError::NoTag)?;
        let (registry, repository) = match name.split_once('/') {
            Some((host, rest)) if host == "localhost" || host.contains(['.', ':']) => (host, rest.to_owned()),
            Some(_) => (DEFAULT_REGISTRY, name.to_owned()),
            None => (DEFAULT_REGISTRY, format!("{DEFAULT_OWNER}/{name}")),
        };
        if !is_registry(registry) {
            return Err(NameError::Registry(registry.to_owned()));
        }
        if registry.len() + repository.len() >= LONGEST_NAME || !repository.split('/').all(is_part) {
            return Err(NameError::Repository(name.to_owned()));
        }
        if !is_tag(tag) {
            return Err(NameError::Tag(tag.to_owned()));
        }
        Ok(Self { registry: registry.to_owned(), repository, tag: tag.to_owned() })
    }
}

fn is_registry(text: &str) -> bool {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let port = rest.strip_prefix(':');
        return address.parse::<Ipv6Addr>().is_ok() && (rest.is_empty() || port.is_some_and(is_port));
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.starts_with('+') && text.parse::<u16>().is_ok()
}

fn is_part(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    // What is left between letters and digits.
    let mut separators = text.split(is_letter).filter(|separator| !separator.is_empty());
    text.starts_with(is_letter)
        && text.ends_with(is_letter)
        && separators
            .all(|separator| matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

fn is_tag(text: &str) -> bool {
    text.len() <= LONGEST_TAG
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_nodes_complete_them() {
        for (short, full) in [
            ("papertiger:0.1.0", "docker.io/library/papertiger:0.1.0"),
            ("team/papertiger:v1", "docker.io/team/papertiger:v1"),
            ("localhost/papertiger:v1", "localhost/papertiger:v1"),
            ("localhost:5000/papertiger:v1", "localhost:5000/papertiger:v1"),
            ("127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b:1"),
            ("[::1]/papertiger:1", "[::1]/papertiger:1"),
            ("[::1]:5000/a/b:1", "[::1]:5000/a/b:1"),
            ("registry.example/a/b-c/d__e:V_1.2-3", "registry.example/a/b-c/d__e:V_1.2-3"),
        ] {
            let name: Name = short.parse().unwrap();
            assert_eq!(name.to_string(), full);
            assert_eq!(full.parse(), Ok(name));
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let (long_tag, long_name) = ("t".repeat(129), "n".repeat(256));
        for (text, error) in [
            ("papertiger", NameError::NoTag),
            ("papertiger:", NameError::NoTag),
            ("localhost:5000/papertiger", NameError::NoTag),
            ("papertiger@sha256:0123", NameError::HasDigest),
            ("registry.example:port/papertiger:1", NameError::Registry("registry.example:port".into())),
            ("registry.example:+1/papertiger:1", NameError::Registry("registry.example:+1".into())),
            ("registry.example:/papertiger:1", NameError::Registry("registry.example:".into())),
            ("[::1]5000/papertiger:1", NameError::Registry("[::1]5000".into())),
            ("[localhost:1]/papertiger:1", NameError::Registry("[localhost:1]".into())),
            ("localhost:5000/papertiger:1@sha256:0123", NameError::HasDigest),
            ("-a.example/papertiger:1", NameError::Registry("-a.example".into())),
            (":1", NameError::Repository(String::new())),
            ("Papertiger:1", NameError::Repository("Papertiger".into())),
            ("a//b:1", NameError::Repository("a//b".into())),
            ("a_:1", NameError::Repository("a_".into())),
            ("a..b:1", NameError::Repository("a..b".into())),
            (&format!("{long_name}:1"), NameError::Repository(long_name.clone())),
            ("papertiger:-1", NameError::Tag("-1".into())),
            ("papertiger:1+2", NameError::Tag("1+2".into())),
            (&format!("papertiger:{long_tag}"), NameError::Tag(long_tag.clone())),
        ] {
            assert_eq!(text.parse::<Name>(), Err(error), "{text}");
        }
    }
}
