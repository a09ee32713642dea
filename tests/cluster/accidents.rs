//! What goes wrong in mid-run that is nobody's policy: the right verdict, or INCONCLUSIVE with the cause.

use crate::common::{APART, Cluster, PATIENCE, RUN, Running, cases};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use kube::config::Kubeconfig;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Between a run and its API server: every connection can be cut at once, and no new one let through for a while.
struct Proxy {
    kubeconfig: NamedTempFile,
    open: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Proxy {
    fn start(cluster: &Cluster) -> Self {
        let mut kubeconfig = Kubeconfig::from_env().unwrap().unwrap();
        let context = kubeconfig.current_context.clone().unwrap();
        let context = kubeconfig.contexts.iter().find(|named| named.name == context).unwrap();
        let name = context.context.as_ref().unwrap().cluster.clone();
        let named = kubeconfig.clusters.iter_mut().find(|named| named.name == name).unwrap();
        let server = named.cluster.as_mut().unwrap();
        let url = server.server.clone().unwrap();
        let authority = url.strip_prefix("https://").unwrap().trim_end_matches('/').to_owned();
        let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host).to_owned();
        let to = if authority.contains(':') { authority } else { format!("{authority}:443") };

        let (open, opened) = watch::channel(true);
        let listener = cluster.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        server.server = Some(format!("https://{}", listener.local_addr().unwrap()));
        server.tls_server_name.get_or_insert(host);
        let accepting = cluster.runtime.spawn(accept(listener, Arc::from(to), opened));
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(serde_json::to_string(&kubeconfig).unwrap().as_bytes()).unwrap();
        Self { kubeconfig: file, open, accepting }
    }

    fn path(&self) -> &str {
        self.kubeconfig.path().to_str().unwrap()
    }

    /// Cuts everything, and refuses everything new for so long; shorter than some milliseconds nobody would notice.
    fn cut(&self, length: Duration) {
        self.open.send_replace(false);
        std::thread::sleep(length);
        self.open.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, to: Arc<str>, mut open: watch::Receiver<bool>) {
    loop {
        let Ok((mut inbound, _)) = listener.accept().await else { continue };
        if !*open.borrow_and_update() {
            continue;
        }
        let (to, mut open) = (Arc::clone(&to), open.clone());
        tokio::spawn(async move {
            let Ok(mut outbound) = TcpStream::connect(&*to).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut inbound, &mut outbound) => {}
                _ = open.wait_for(|open| !open) => {}
            }
        });
    }
}

fn survives_a_cut_of(length: Duration) {
    let cluster = Cluster::enforcing();
    let proxy = Proxy::start(&cluster);
    let arguments = ["--kubeconfig", proxy.path(), "--case", "default-deny-*", "--lanes", "1", "--hold", "5s"];
    let running = Running::start(&arguments, &[]);
    let namespace = cluster.wait_for_namespace("of the run", |ns| ns.metadata.deletion_timestamp.is_none());
    cluster.wait_for_policy(&namespace.labels()[RUN]);
    proxy.cut(length);
    let ended = running.end();
    ended.assert_code(0);
    let report = ended.report();
    assert_eq!(cases(&report, "enforced").len(), 3, "{report}");
    assert!(report["notes"].to_string().contains("resumed"), "{}", report["notes"]);
    cluster.wait_until_clean(PATIENCE);
}

#[test]
#[ignore = "needs a cluster that enforces policies (KUBECONFIG)"]
fn control_streams_that_are_cut_are_resumed() {
    survives_a_cut_of(Duration::from_millis(200));
}

#[test]
#[ignore = "needs a cluster that enforces policies (KUBECONFIG)"]
fn an_api_server_that_is_away_for_eight_seconds_is_waited_for() {
    survives_a_cut_of(Duration::from_secs(8));
}

#[test]
#[ignore = "needs a cluster that enforces policies (KUBECONFIG)"]
fn a_probe_pod_that_is_deleted_makes_its_case_inconclusive_and_no_other() {
    let cluster = Cluster::enforcing();
    let running = Running::start(&[&APART[..], &["--lanes", "1", "--hold", "5s"]].concat(), &[]);
    let namespace = cluster.wait_for_namespace("of the run", |ns| ns.metadata.deletion_timestamp.is_none());
    let run = namespace.labels()[RUN].clone();
    let policy = cluster.wait_for_policy(&run);
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), &policy.namespace().unwrap());
    let victim = cluster.runtime.block_on(async {
        let victim = pods.list(&ListParams::default().labels(RUN)).await.unwrap().items.remove(0).name_any();
        pods.delete(&victim, &DeleteParams::default().grace_period(0)).await.unwrap();
        victim
    });
    let ended = running.end();
    ended.assert_code(3);
    let report = ended.report();
    let inconclusive = cases(&report, "inconclusive");
    assert_eq!((inconclusive.len(), cases(&report, "enforced").len()), (1, 1), "{report}");
    let reason = inconclusive[0]["reason"].as_str().unwrap();
    assert!(reason.contains(&victim) && reason.contains("deleted"), "{reason}");
    cluster.wait_until_clean(PATIENCE);
}
