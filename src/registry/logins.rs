//! The logins that Docker, and what takes after it, keeps for registries.

use super::error::Problem;
use crate::image::Name;
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use std::env;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::PathBuf;

/// What Docker calls its own registry there.
const DOCKER: &str = "https://index.docker.io/v1/";

/// What helpers say of registries that they know no login for.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// Where logins are kept.
#[derive(Clone, Debug, Default)]
pub struct Logins {
    files: Vec<PathBuf>,
}

/// A login, and where it is from.
pub(super) struct Login {
    pub(super) credential: DockerCredential,
    pub(super) file: PathBuf,
}

impl Logins {
    /// Where the environment says: Docker's, and where it has none, those of Podman and its kin.
    pub fn of_environment() -> Self {
        let path = |variable: &str, below: &[&str]| {
            let root = env::var_os(variable).filter(|value| !value.is_empty());
            root.map(|root| PathBuf::from(root).join(below.iter().collect::<PathBuf>()))
        };
        let docker = path("DOCKER_CONFIG", &["config.json"]).or_else(|| path("HOME", &[".docker", "config.json"]));
        let podman = path("XDG_RUNTIME_DIR", &["containers", "auth.json"]);
        Self { files: docker.into_iter().chain(podman).collect() }
    }

    /// The login for the registry of an image, from the first file that there is. Runs a helper where the file names one.
    pub(super) fn find(&self, name: &Name) -> Result<Option<Login>, Problem> {
        let server = if name.is_on_docker_hub() { DOCKER } else { name.registry() };
        for file in &self.files {
            let opened = match File::open(file) {
                Ok(opened) => opened,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(source) => return Err(Problem::Config { file: file.clone(), source }),
            };
            let file = file.clone();
            return match get_credential_from_reader(BufReader::new(opened), server) {
                Ok(credential) => Ok(Some(Login { credential, file })),
                Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
                Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.trim() == NOT_FOUND => Ok(None),
                Err(CredentialRetrievalError::HelperFailure { helper, stdout, stderr }) => {
                    Err(Problem::Helper { program: helper, text: format!("{} {}", stdout.trim(), stderr.trim()) })
                }
                Err(
                    CredentialRetrievalError::HelperCommunicationError
                    | CredentialRetrievalError::MalformedHelperResponse,
                ) => Err(Problem::NoHelper(file)),
                Err(
                    CredentialRetrievalError::CredentialDecodingError
                    | CredentialRetrievalError::CredentialMismatchError,
                ) => Err(Problem::NoLogin(file)),
                Err(CredentialRetrievalError::ConfigReadError | CredentialRetrievalError::ConfigNotFound) => {
                    Err(Problem::NoConfig(file))
                }
            };
        }
        Ok(None)
    }
}
