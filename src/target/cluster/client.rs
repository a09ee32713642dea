//! The way to the API server: whose kubeconfig, which context, as whom.

use super::errors::{advised, cause, failed, kubeconfig_problem, refused};
use crate::target::TargetError;
use http::header::{HeaderValue, USER_AGENT};
use http::{Request, Uri};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use kube::config::{AuthInfo, Config, KubeConfigOptions, Kubeconfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tower::util::MapRequestLayer;

/// How long the API server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the first answer may take.
const FIRST_ANSWER: Duration = Duration::from_secs(20);

/// What requests call themselves.
const NAME: &str = concat!("papertiger/", env!("CARGO_PKG_VERSION"));

/// Which cluster, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// A kubeconfig file; `None` means what `kubectl` would take, and inside a pod its service account.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it; `None` means the current one.
    pub context: Option<String>,
    /// The user to impersonate.
    pub user: Option<String>,
}

/// A cluster that has answered.
#[derive(Clone)]
pub struct Connection {
    pub(super) client: Client,
    /// The server's address.
    pub server: String,
    /// Its version, such as `v1.36.3`.
    pub version: String,
    /// Where a namespace is needed and none was named.
    pub(super) namespace: String,
    requests: Arc<AtomicU64>,
}

impl Connection {
    /// Reads the configuration and asks the server for its version.
    pub async fn open(access: &Access) -> Result<Self, TargetError> {
        let mut config = configuration(access).await?;
        config.connect_timeout = Some(CONNECT);
        if let Some(user) = &access.user {
            let auth: &mut AuthInfo = &mut config.auth_info;
            auth.impersonate = Some(user.clone());
        }
        let server = address(&config.cluster_url);
        let namespace = config.default_namespace.clone();
        let requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&requests);
        let count = MapRequestLayer::new(move |mut request: Request<Body>| {
            counted.fetch_add(1, Ordering::Relaxed);
            // So that an audit log tells who it was.
            request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(NAME));
            request
        });
        let builder = ClientBuilder::try_from(config)
            .map_err(|error| failed(format!("setting up the connection to {server}"), cause(&error)))?;
        let client = builder.with_layer(&count).build();
        let step = || format!("asking the API server at {server} for its version");
        let version = match tokio::time::timeout(FIRST_ANSWER, client.apiserver_version()).await {
            Ok(Ok(info)) => info.git_version,
            Ok(Err(error)) => return Err(refused(step(), &error)),
            Err(_) => {
                let cause = format!("no answer within {} s", FIRST_ANSWER.as_secs());
                return Err(advised(step(), cause, "check the address, or name another --kubeconfig or --context"));
            }
        };
        Ok(Self { client, server, version, namespace, requests })
    }

    /// How many requests were made so far, port-forwards and watches included.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("server", &self.server).field("version", &self.version).finish()
    }
}

async fn configuration(access: &Access) -> Result<Config, TargetError> {
    let hint = "name a kubeconfig with --kubeconfig, or set KUBECONFIG; `kubectl config get-contexts` lists contexts";
    let options = KubeConfigOptions { context: access.context.clone(), ..KubeConfigOptions::default() };
    if let Some(path) = &access.kubeconfig {
        let step = || format!("reading the kubeconfig {}", path.display());
        let kubeconfig =
            Kubeconfig::read_from(path).map_err(|error| advised(step(), kubeconfig_problem(&error), hint))?;
        return Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| advised(step(), kubeconfig_problem(&error), hint));
    }
    if access.context.is_some() {
        return Config::from_kubeconfig(&options)
            .await
            .map_err(|error| advised("reading the kubeconfig", kubeconfig_problem(&error), hint));
    }
    Config::infer().await.map_err(|error| advised("finding a cluster", kubeconfig_problem(&error), hint))
}

/// An API server's address as it is told, without what would let a reader in.
fn address(server: &Uri) -> String {
    let text = server.to_string();
    let text = text.trim_end_matches('/');
    let login = server.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    login.map_or_else(|| text.to_owned(), |(login, _)| text.replacen(&format!("{login}@"), "", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_without_a_login() {
        for (server, told) in [
            ("https://k8s.example:6443", "https://k8s.example:6443"),
            ("https://k8s.example/behind/", "https://k8s.example/behind"),
            ("https://me:secret@k8s.example:6443/", "https://k8s.example:6443"),
            ("https://me@[fd00::1]:6443", "https://[fd00::1]:6443"),
        ] {
            assert_eq!(address(&server.parse().unwrap()), told);
        }
    }
}
