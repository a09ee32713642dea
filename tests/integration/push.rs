//! Metrics to a Pushgateway, as one on loopback receives them.

use crate::common::papertiger;
use crate::http::{Request, nobody};
use crate::record::log;
use crate::report::runs;
use papertiger::core::verdict::RunResult;
use papertiger::report::prometheus;
use papertiger::report::push::{Gateway, PushError};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

/// The first line of a request and its body.
type Received = (String, String);

/// Answers so many requests, and tells what they were.
fn gateway(requests: usize, answer: &'static str) -> (SocketAddr, JoinHandle<Vec<Received>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || (0..requests).map(|_| serve(&listener, answer)).collect();
    (address, std::thread::spawn(serve))
}

fn serve(listener: &TcpListener, answer: &str) -> Received {
    let (mut stream, _) = listener.accept().unwrap();
    let request = Request::read(&stream);
    assert!(request.headers.contains_key("content-length"), "{request:?}");
    write!(stream, "HTTP/1.1 {answer}").unwrap();
    (request.line, String::from_utf8(request.body).unwrap())
}

const TAKEN: &str = "200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const REFUSED: &str = "400 Bad Request\r\ncontent-length: 18\r\nconnection: close\r\n\r\nit is\tinconsistent";

fn push(to: &str, result: &RunResult) -> Result<(), PushError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(to.parse::<Gateway>().unwrap().push(result))
}

#[test]
fn a_success_has_a_group_of_its_own_that_other_runs_leave_alone() {
    let (address, requests) = gateway(2, TAKEN);
    push(&format!("http://{address}"), &runs::enforced()).unwrap();
    let [run, success]: [Received; 2] = requests.join().unwrap().try_into().unwrap();
    assert_eq!(run.0, "PUT /metrics/job/papertiger HTTP/1.1");
    assert_eq!(success.0, "PUT /metrics/job/papertiger/outcome/enforced HTTP/1.1");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert!(lines(&run.1).is_disjoint(&lines(&success.1)));
    let both: std::collections::BTreeSet<_> = lines(&run.1).union(&lines(&success.1)).cloned().collect();
    assert_eq!(both, lines(&prometheus::render(&runs::enforced())));
    assert!(success.1.contains("papertiger_last_success_timestamp_seconds 1"), "{}", success.1);

    let (address, requests) = gateway(1, TAKEN);
    push(&format!("http://{address}/metrics/job/a/cluster/b"), &runs::egress_ignored()).unwrap();
    let [run]: [Received; 1] = requests.join().unwrap().try_into().unwrap();
    assert_eq!(run.0, "PUT /metrics/job/a/cluster/b HTTP/1.1");
    assert_eq!(run.1, prometheus::render(&runs::egress_ignored()));
}

/// What a recorded run is pushed with: the exit code and stderr.
fn report(to: &str) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.jsonl");
    std::fs::write(&path, log()).unwrap();
    let mut command = papertiger();
    // As in an image that holds papertiger and nothing else.
    command.envs([("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")]);
    let output = command.arg("report").arg(path).args(["--push", to]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn what_the_gateway_says_to_it_decides_as_a_report_would() {
    let (address, requests) = gateway(1, TAKEN);
    assert_eq!(report(&format!("http://{address}")), (Some(130), String::new()), "that run was interrupted");
    assert!(requests.join().unwrap()[0].1.contains("papertiger_run_completed 0"));

    let (address, _requests) = gateway(1, REFUSED);
    let text = format!(
        "error: http://{address}/metrics/job/papertiger did not take the metrics: 400 Bad Request: it is inconsistent\n"
    );
    assert_eq!(report(&format!("http://me:secret@{address}")), (Some(4), text));

    let (_silent, nobody) = nobody();
    let (code, stderr) = report(&format!("http://{nobody}"));
    let text =
        format!("error: cannot push metrics to http://{nobody}/metrics/job/papertiger; check that it is reachable");
    assert!(code == Some(4) && stderr.starts_with(&text) && stderr.contains("refused"), "{stderr}");

    let (code, stderr) = report("https://127.0.0.1:1");
    let text =
        "error: cannot set up TLS for https://127.0.0.1:1/metrics/job/papertiger; name a file of root certificates";
    assert!(code == Some(4) && stderr.starts_with(text), "{stderr}");

    let (code, stderr) = report("pushgateway:9091");
    assert!(code == Some(2) && stderr.contains("write http://HOST:PORT"), "{stderr}");
}
