//! Files from somebody who means harm, and credentials that nobody else is to see: nothing steers a terminal, nothing takes
//! for ever, no secret is told.

use crate::common::papertiger;
use papertiger::core::catalogue::Catalogue;
use papertiger::core::event::RunEvent;
use papertiger::core::verdict::judge;
use papertiger::report::terminal::{self, Style};
use papertiger::report::{html, json, junit, markdown, message, prometheus};
use papertiger::runner::{Interrupt, Job, Settings, run};
use papertiger::target::sim::{SimOptions, SimTarget};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// What none of these may say.
const SECRET: &str = "hush-hush";

/// Runs it with a file; says how it ended and everything that it said.
fn said(arguments: &[&str], file: &Path) -> (Option<i32>, String) {
    let output = papertiger().args(arguments).arg(file).timeout(Duration::from_secs(60)).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn steers(text: &str) -> bool {
    text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
}

/// What is said with this kubeconfig.
fn with_kubeconfig(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    std::fs::write(&path, text).unwrap();
    let (code, said) = said(&["verify", "--dry-run", "-vv", "--kubeconfig"], &path);
    assert_eq!(code, Some(4), "{said}");
    let inferred = papertiger().arg("cleanup").env("KUBECONFIG", &path).output().unwrap();
    assert_eq!(inferred.status.code(), Some(4));
    format!("{said}{}", String::from_utf8(inferred.stderr).unwrap())
}

fn kubeconfig(cluster: Value, user: Value) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "c", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    });
    serde_json::to_string_pretty(&config).unwrap()
}

fn plugin(script: &str) -> Value {
    let version = "client.authentication.k8s.io/v1";
    json!({"exec": {"apiVersion": version, "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}})
}

#[test]
fn a_kubeconfig_that_cannot_be_used_shows_no_credential() {
    let nowhere = || json!({"server": "https://127.0.0.1:1"});
    let token = || json!({"token": SECRET});
    let sound = kubeconfig(nowhere(), token());
    let login = json!({"server": format!("https://me:{SECRET}@127.0.0.1:1")});
    let proxy = json!({"server": "https://127.0.0.1:1", "proxy-url": format!("gopher://me:{SECRET}@127.0.0.1:1")});
    for (text, words) in [
        (sound.clone(), "https://127.0.0.1:1"),
        // The parser shows the lines around a mistake.
        (format!("users:\n- user:\n    token: {SECRET}\n     password: x\n"), "line 4 "),
        (sound.replace("\"token\":", "\"token\": ["), "line "),
        (kubeconfig(login, token()), "the API server at https://127.0.0.1:1 "),
        (kubeconfig(proxy, token()), "not supported, `gopher`"),
        (kubeconfig(nowhere(), plugin(&format!("echo {SECRET}; echo log in >&2; exit 3"))), "exit status: 3: log in"),
        (kubeconfig(nowhere(), plugin(&format!("printf '{{\\n\"token\": \"{SECRET}\"'"))), "printed no credential"),
    ] {
        let said = with_kubeconfig(&text);
        assert!(said.contains(words), "`{words}` is not in: {said}");
        assert!(!said.contains(SECRET), "{said}");
    }
}

#[test]
fn the_token_of_a_run_is_in_no_event_and_no_report() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let ids = ["default-deny-ingress", "start-under-policies"];
    let cases: Vec<_> = Catalogue::embedded().select(&ids, None).unwrap().into_iter().cloned().collect();
    for fault in ["no-engine", "wrong-identity"] {
        let options = SimOptions { faults: vec![fault.parse().unwrap()], ..SimOptions::default() };
        let (sender, mut heard) = mpsc::unbounded_channel();
        let (_nobody, interrupts) = mpsc::channel::<Interrupt>(1);
        let settings = Settings {
            profile: "standard".to_owned(),
            settle: Duration::from_secs(5),
            hold: Duration::from_secs(1),
            hold_attempts: 20,
            canary: Duration::ZERO,
            churn: false,
            budget: None,
            timeout: Duration::from_secs(900),
            lanes: 1,
            seed: 1,
            faults: vec![fault.to_owned()],
            panic_in: None,
        };
        let job = Job {
            run: "sim000".to_owned(),
            token: SECRET.to_owned(),
            started_at: "2026-01-01T00:00:00Z".to_owned(),
            cases: cases.clone(),
            settings,
        };
        let events: Vec<RunEvent> = runtime.block_on(async {
            run(SimTarget::new(options), job, sender, interrupts).await;
            let mut events = Vec::new();
            while let Some(event) = heard.recv().await {
                events.push(event);
            }
            events
        });
        let result = judge(&events).unwrap();
        assert!(result.cases.iter().any(|case| !case.steps.is_empty()), "{fault}: nothing was seen");
        let style = Style { color: true, width: 80, verbose: 2 };
        let texts = [
            serde_json::to_string(&events).unwrap(),
            terminal::render(&result, style),
            html::render(&result),
            json::render(&result),
            junit::render(&result),
            markdown::render(&result),
            message::render(&result),
            prometheus::render(&result),
        ];
        assert!(texts.iter().all(|text| !text.contains(SECRET)), "{fault}");
    }
}

/// A case file whose case has this id and this title.
fn case_file(id: &str, title: &str) -> String {
    format!(
        "- id: \"{id}\"\n  title: \"{title}\"\n  profile: quick\n  covers: [ingress]\n  steps:\n    - apply:\n        \
         - apiVersion: networking.k8s.io/v1\n          kind: NetworkPolicy\n          metadata: {{namespace: x, name: deny}}\n          \
         spec:\n            podSelector: {{}}\n            policyTypes: [Ingress]\n"
    )
}

#[test]
fn no_file_steers_a_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    let evil = "\\e[31mred\\e]0;owned\\a\\u202e";
    file("title/a.yaml", &case_file("mine", evil));
    file("id/a.yaml", &case_file(evil, "A title."));
    let evil = "\\u001b[31mred\\u001b]0;owned\\u0007\\u202e";
    let log = format!("{{\"at_us\":0,\"event\":{{\"type\":\"run-started\",\"schema\":\"{evil}\"}}}}\n");
    let log = file("run.jsonl", &log);
    let report = file("report.json", &format!("{{\"schema\":\"{evil}\"}}"));
    let [title, id] = ["title", "id"].map(|name| directory.path().join(name));
    for (arguments, path, code) in [
        (&["cases", "list", "--case", "mine", "--case-dir"][..], &title, 0),
        (&["cases", "show", "mine", "--case-dir"], &title, 0),
        (&["cases", "explain", "mine", "--case-dir"], &title, 0),
        (&["cases", "list", "--case-dir"], &id, 2),
        (&["report"], &log, 2),
        (&["diff", report.to_str().unwrap()], &report, 2),
    ] {
        let (ended, said) = said(arguments, path);
        assert_eq!(ended, Some(code), "{arguments:?}: {said}");
        assert!(said.contains("red") && !steers(&said), "{arguments:?}: {said:?}");
    }
}

#[test]
fn a_file_that_explodes_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.yaml");
    let anchors = ('b'..='z').zip('a'..).map(|(next, last)| {
        let nine = vec![format!("*{last}"); 9].join(", ");
        format!("  {next}: &{next} [{nine}]\n")
    });
    let bomb = format!("- a: &a [x]\n{}", anchors.collect::<String>());
    for text in [bomb, "[".repeat(200_000), format!("- title: {}", "{a: ".repeat(100_000))] {
        std::fs::write(&path, text).unwrap();
        let (code, said) = said(&["cases", "list", "--case-dir"], directory.path());
        assert_eq!(code, Some(2), "{said}");
        assert!(!said.contains("panicked") && said.len() < 4_096, "{said}");
    }
    let path = directory.path().join("run.jsonl");
    std::fs::write(&path, format!("{{\"at_us\":0,\"event\":{}\n", "[".repeat(200_000))).unwrap();
    assert_eq!(said(&["report"], &path).0, Some(2));
}
