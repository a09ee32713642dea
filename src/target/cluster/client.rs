//! The way to the API server: whose kubeconfig, which context, as whom.

use super::errors::{advised, cause, failed, is_transient, kubeconfig_problem, refused};
use crate::target::TargetError;
use http::header::{HeaderValue, USER_AGENT};
use http::{Request, Uri};
use hyper_util::client::proxy::matcher::Matcher;
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

/// What to look at where the way to the API server leads through a proxy.
const PROXIED: &str = "the way there is through the proxy that the kubeconfig's proxy-url or HTTPS_PROXY names; from the \
    latter NO_PROXY exempts addresses";

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
        go_straight_where_exempt(&mut config);
        let is_proxied = config.proxy_url.is_some();
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
            Ok(Err(error)) if is_proxied && is_transient(&error) => {
                return Err(advised(step(), cause(&error), PROXIED));
            }
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

/// Where HTTPS_PROXY is not for this API server, it is not asked. kube holds NO_PROXY against the proxy's own address, and knows
/// no exemption for this machine, which is where many clusters are.
fn go_straight_where_exempt(config: &mut Config) {
    let variable =
        |names: [&str; 2]| names.into_iter().filter_map(|name| std::env::var(name).ok()).find(|v| !v.is_empty());
    let of_environment = variable(["HTTPS_PROXY", "https_proxy"]).and_then(|text| text.parse::<Uri>().ok());
    // One that the kubeconfig names is for its cluster alone, and nothing is exempt from it.
    if config.proxy_url.is_some()
        && config.proxy_url == of_environment
        && is_exempt(&config.cluster_url, &variable(["NO_PROXY", "no_proxy"]).unwrap_or_default())
    {
        config.proxy_url = None;
    }
}

/// Whether a server is exempt from the environment's proxies.
fn is_exempt(server: &Uri, no_proxy: &str) -> bool {
    // Which proxy it is makes no difference.
    let exempt = format!("localhost,127.0.0.0/8,::1,{no_proxy}");
    Matcher::builder().all("http://proxy.invalid").no(exempt).build().intercept(server).is_none()
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
    fn the_environments_proxy_is_not_for_everybody() {
        for (server, no_proxy, exempt) in [
            ("https://10.0.0.1:6443", "", false),
            ("https://10.0.0.1:6443", "10.0.0.0/8", true),
            ("https://10.0.0.1:6443", "localhost, 10.0.0.1", true),
            ("https://192.168.0.1:6443", "10.0.0.0/8", false),
            ("https://k8s.example", "example", true),
            ("https://k8s.example", ".example", true),
            ("https://k8s.example", "8s.example", false),
            ("https://k8s.example", "*", true),
            // Whatever is said: kind, minikube and the like are there.
            ("https://127.0.0.1:40000", "", true),
            ("https://localhost:40000", "", true),
            ("https://[::1]:40000", "", true),
        ] {
            assert_eq!(is_exempt(&server.parse().unwrap(), no_proxy), exempt, "{server} with NO_PROXY={no_proxy}");
        }
    }

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
