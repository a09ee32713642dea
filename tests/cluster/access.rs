//! The way to the API server, and who may go it: what becomes of a run when either changes.

use crate::common::{Cluster, PATIENCE, RUN, Running, cases, papertiger};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleRef, Subject};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use kube::config::{AuthInfo, Kubeconfig};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// What the account and its binding are called, and the namespace that they are for.
const ACCOUNT: &str = "papertiger-test-account";

/// Credentials that are valid until they are taken back.
struct Account<'a> {
    cluster: &'a Cluster,
    kubeconfig: NamedTempFile,
}

impl<'a> Account<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let client = || cluster.client.clone();
        let named = || ObjectMeta { name: Some(ACCOUNT.to_owned()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata: named(), ..Namespace::default() };
        let account = ServiceAccount { metadata: named(), ..ServiceAccount::default() };
        let binding = ClusterRoleBinding {
            metadata: named(),
            role_ref: RoleRef {
                api_group: "rbac.authorization.k8s.io".to_owned(),
                kind: "ClusterRole".to_owned(),
                name: "cluster-admin".to_owned(),
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".to_owned(),
                name: ACCOUNT.to_owned(),
                namespace: Some(ACCOUNT.to_owned()),
                ..Subject::default()
            }]),
        };
        let request = TokenRequest {
            spec: TokenRequestSpec { audiences: Vec::new(), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let token = cluster.runtime.block_on(async {
            let parameters = PostParams::default();
            Api::all(client()).create(&parameters, &namespace).await?;
            let accounts = Api::<ServiceAccount>::namespaced(client(), ACCOUNT);
            accounts.create(&parameters, &account).await?;
            Api::all(client()).create(&parameters, &binding).await?;
            accounts.create_token_request(ACCOUNT, &parameters, &request).await
        });
        let token = token.unwrap().status.unwrap().token;

        let mut kubeconfig = Kubeconfig::from_env().unwrap().unwrap();
        for user in &mut kubeconfig.auth_infos {
            user.auth_info = Some(AuthInfo { token: Some(token.clone().into()), ..AuthInfo::default() });
        }
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(serde_json::to_string(&kubeconfig).unwrap().as_bytes()).unwrap();
        Self { cluster, kubeconfig: file }
    }

    fn kubeconfig(&self) -> &str {
        self.kubeconfig.path().to_str().unwrap()
    }

    fn withdraw(&self) {
        let accounts = Api::<ServiceAccount>::namespaced(self.cluster.client.clone(), ACCOUNT);
        self.cluster.runtime.block_on(accounts.delete(ACCOUNT, &DeleteParams::default())).unwrap();
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        let client = || self.cluster.client.clone();
        self.cluster.runtime.block_on(async {
            // A test that fails early has not made everything.
            let _ = Api::<ClusterRoleBinding>::all(client()).delete(ACCOUNT, &DeleteParams::default()).await;
            let _ = Api::<Namespace>::all(client()).delete(ACCOUNT, &DeleteParams::default()).await;
        });
    }
}

#[test]
#[ignore = "needs a cluster that enforces policies (KUBECONFIG)"]
fn credentials_that_become_invalid_end_the_run_and_leave_the_way_to_clean_up() {
    let cluster = Cluster::enforcing();
    let account = Account::new(&cluster);
    let arguments = ["--kubeconfig", account.kubeconfig(), "--case", "default-deny-*", "--lanes", "1", "--hold", "20s"];
    let running = Running::start(&arguments, &[]);
    let namespace = cluster.wait_for_namespace("of the run", |ns| ns.metadata.deletion_timestamp.is_none());
    let run = namespace.labels()[RUN].clone();
    cluster.wait_for_policy(&run);
    account.withdraw();
    let ended = running.end();
    ended.assert_code(4);
    let report = ended.report();
    let cleanup = format!("papertiger cleanup --run {run}");
    for part in ["the credentials are not valid (any more)", &cleanup] {
        assert!(ended.stdout.contains(part), "not said: {part}\n{}", ended.stdout);
    }
    for verdict in ["ignored", "stale", "partial", "overblocked", "flapping"] {
        assert!(cases(&report, verdict).is_empty(), "{report:#}");
    }
    let cleaned = papertiger().args(["cleanup", "--run", &run]).output().unwrap();
    assert!(cleaned.status.success(), "{cleaned:?}");
    cluster.wait_until_clean(PATIENCE);
}

/// A proxy of the environment, which leads wherever it is asked to.
async fn lead(listener: TcpListener, led: Arc<AtomicUsize>) {
    loop {
        let Ok((inbound, _)) = listener.accept().await else { continue };
        let led = Arc::clone(&led);
        tokio::spawn(async move {
            let mut inbound = BufReader::new(inbound);
            let mut to = None;
            loop {
                let mut line = String::new();
                match inbound.read_line(&mut line).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) if line.trim().is_empty() => break,
                    Ok(_) => to = to.or_else(|| line.strip_prefix("CONNECT ")?.split(' ').next().map(str::to_owned)),
                }
            }
            let Some(to) = to else { return };
            let Ok(mut outbound) = TcpStream::connect(to).await else { return };
            led.fetch_add(1, Ordering::Relaxed);
            if inbound.get_mut().write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_ok() {
                // Either side may have ended it.
                let _ = copy_bidirectional(&mut inbound, &mut outbound).await;
            }
        });
    }
}

#[test]
#[ignore = "needs a cluster that enforces policies (KUBECONFIG)"]
fn a_proxy_of_the_environment_carries_a_whole_run() {
    let cluster = Cluster::enforcing();
    let led = Arc::new(AtomicUsize::new(0));
    let listener = cluster.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let leading = cluster.runtime.spawn(lead(listener, Arc::clone(&led)));
    let variables = [("HTTPS_PROXY", url.as_str()), ("NO_PROXY", ""), ("no_proxy", "")];
    let ended = Running::start(&["--case", "default-deny-*", "--lanes", "1"], &variables).end();
    leading.abort();
    let report = ended.assert_code(0).report();
    assert_eq!(cases(&report, "enforced").len(), 3, "{report:#}");
    // A control stream for each of nine pods, and requests.
    assert!(led.load(Ordering::Relaxed) > 9, "only {led:?} connections went through the proxy");
    cluster.wait_until_clean(PATIENCE);
}

#[test]
#[ignore = "needs a cluster (KUBECONFIG)"]
fn a_proxy_that_is_not_there_is_named() {
    let _cluster = Cluster::connect();
    let variables = [("HTTPS_PROXY", "http://me:not-to-be-told@127.0.0.1:9"), ("NO_PROXY", ""), ("no_proxy", "")];
    let ended = Running::start(&["--case", "default-deny-ingress"], &variables).end();
    ended.assert_code(4);
    for part in ["Connection refused", "HTTPS_PROXY", "NO_PROXY"] {
        assert!(ended.stderr.contains(part), "not said: {part}\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("not-to-be-told"), "{}", ended.stderr);
}
