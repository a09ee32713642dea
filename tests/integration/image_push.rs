//! `papertiger image push`, as a registry on loopback receives it.

use crate::common::papertiger;
use crate::http::{Request, nobody};
use crate::image::{X86_64, executable};
use papertiger::carried::Executable;
use papertiger::image::{Digest, Image, Program};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// `me:secret`, as a login and a header have it.
const ME: &str = "bWU6c2VjcmV0";

/// Status, headers and body; nothing of it where the connection is cut.
type Answer = Option<(u16, Vec<(&'static str, String)>, String)>;

/// Answers otherwise than a registry should, where it has something to say.
type Whim = dyn Fn(&Request) -> Option<Answer> + Send + Sync;

/// A registry, which ends with the tests.
#[derive(Clone)]
struct Registry {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    blobs: BTreeMap<String, Vec<u8>>,
    /// By tag and by digest.
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    seen: Vec<Request>,
}

fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    Some((status, headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), body.to_owned()))
}

impl Kept {
    /// What a registry says to a request for the repository `team/papertiger`.
    fn answer(&mut self, request: &Request) -> Answer {
        let digest = Digest::of(&request.body).to_string();
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let rest = path.strip_prefix("/v2/team/papertiger/").unwrap_or(path);
        match (request.method.as_str(), rest) {
            ("GET", "/v2/") => answer(200, &[], "{}"),
            ("HEAD", _) => {
                let known = rest.strip_prefix("blobs/").is_some_and(|digest| self.blobs.contains_key(digest));
                answer(if known { 200 } else { 404 }, &[("docker-content-digest", &rest[6..])], "")
            }
            ("POST", "blobs/uploads/") => {
                assert_eq!(request.headers["content-length"], "0");
                answer(202, &[("location", "/v2/team/papertiger/upload/1?state=a%2Fb")], "")
            }
            ("PUT", "upload/1") => {
                assert_eq!(query, format!("state=a%2Fb&digest={}", digest.replace(':', "%3A")));
                self.blobs.insert(digest.clone(), request.body.clone());
                answer(201, &[("docker-content-digest", &digest)], "")
            }
            ("PUT", _) => {
                let by = rest.strip_prefix("manifests/").unwrap();
                for named in named(&request.body) {
                    let known = self.blobs.contains_key(&named) || self.manifests.contains_key(&named);
                    assert!(known, "{by} names {named}, which is not there");
                }
                let media_type = request.headers["content-type"].clone();
                for by in [by, &digest] {
                    self.manifests.insert(by.to_owned(), (media_type.clone(), request.body.clone()));
                }
                answer(201, &[("docker-content-digest", &digest)], "")
            }
            _ => answer(405, &[], "no registry answers this"),
        }
    }
}

/// All that a manifest or an index names.
fn named(document: &[u8]) -> Vec<String> {
    let document: Value = serde_json::from_slice(document).unwrap();
    let lists = ["layers", "manifests"].map(|key| document[key].as_array().cloned().unwrap_or_default());
    let all = lists.into_iter().flatten().chain([document["config"].clone()]);
    all.filter_map(|descriptor| descriptor["digest"].as_str().map(str::to_owned)).collect()
}

fn registry(whim: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static) -> Registry {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = Registry { address: listener.local_addr().unwrap(), kept: Arc::default() };
    let (served, whim): (_, Box<Whim>) = (registry.clone(), Box::new(whim));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            served.serve(&stream.unwrap(), &whim);
        }
    });
    registry
}

impl Registry {
    fn serve(&self, mut stream: &TcpStream, whim: &Whim) {
        let request = Request::read(stream);
        let answer = whim(&request).unwrap_or_else(|| self.kept.lock().unwrap().answer(&request));
        self.kept.lock().unwrap().seen.push(request.clone());
        let Some((status, headers, body)) = answer else { return };
        let mut head = format!("HTTP/1.1 {status} Status\r\nconnection: close\r\n");
        if request.method != "HEAD" {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        write!(stream, "{head}\r\n{body}").unwrap();
    }

    fn seen(&self) -> Vec<Request> {
        self.kept.lock().unwrap().seen.clone()
    }

    fn count(&self, method: &str) -> usize {
        self.seen().iter().filter(|request| request.method == method).count()
    }

    fn name(&self) -> String {
        format!("{}/team/papertiger:1", self.address)
    }
}

fn well_behaved() -> Registry {
    registry(|_| None)
}

/// A home with an executable, and with logins where `config` has any.
fn home(config: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("papertiger"), executable(X86_64)).unwrap();
    std::fs::create_dir(home.path().join("bin")).unwrap();
    if !config.is_empty() {
        std::fs::write(home.path().join("config.json"), config).unwrap();
    }
    home
}

fn image_of(home: &Path, subcommand: &[&str]) -> (Option<i32>, String, String) {
    let mut command = papertiger();
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        // Nobody is there: what is on this machine is not asked of a proxy.
        command.env(variable, "http://127.0.0.1:1");
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("XDG_RUNTIME_DIR");
    command.env("DOCKER_CONFIG", home).env("PATH", format!("{}:/usr/bin:/bin", home.join("bin").display()));
    // As in an image that holds papertiger and nothing else.
    command.envs([("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")]);
    let executable = home.join("papertiger");
    let output = command.arg("image").args(subcommand).arg("--executable").arg(executable).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn push_from(home: &TempDir, name: &str) -> (Option<i32>, String, String) {
    image_of(home.path(), &["push", name])
}

fn image() -> Image {
    let bytes = executable(X86_64);
    Image::of(Program::Papertiger, &[Executable::read(&bytes).unwrap()]).unwrap()
}

/// What a push is refused with, all of it.
#[track_caller]
fn fails(registry: &Registry, home: &TempDir, words: &str) {
    let (code, stdout, stderr) = push_from(home, &registry.name());
    let words = words.replace("REGISTRY", &registry.address.to_string());
    let words = words.replace("HOME", &home.path().display().to_string());
    assert_eq!((code, stdout.as_str(), stderr), (Some(4), "", format!("error: cannot {words}\n")));
}

#[track_caller]
fn succeeds(registry: &Registry, home: &TempDir) {
    let (code, _, stderr) = push_from(home, &registry.name());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(registry.kept.lock().unwrap().manifests.contains_key("1"));
}

fn layer() -> String {
    image().blobs()[0].descriptor.digest.to_string()
}

fn config(address: SocketAddr, login: &str) -> String {
    format!("{{\"auths\": {{\"{address}\": {login}}}}}")
}

#[test]
fn a_registry_has_the_whole_image_and_names_it_last() {
    let (registry, home) = (well_behaved(), home(""));
    let (code, stdout, stderr) = push_from(&home, &registry.name());
    let (image, address) = (image(), registry.address);
    let size: usize = image.blobs().iter().map(|blob| blob.bytes.len()).sum();
    let digest = &image.index().digest;
    let expected = format!(
        "image          {address}/team/papertiger:1\n\
         digest         {digest}\n\
         architectures  amd64\n\
         size           {size} bytes\n\
         sent           2 of 2 blobs; the registry had the rest\n\n\
         papertiger verify --image {address}/team/papertiger@{digest}\n"
    );
    assert_eq!((code, stdout, stderr.as_str()), (Some(0), expected, ""));
    let kept = registry.kept.lock().unwrap();
    for blob in image.blobs() {
        let digest = blob.descriptor.digest.to_string();
        if blob.is_manifest() {
            let expected = (blob.descriptor.media_type.to_owned(), blob.bytes.clone());
            assert_eq!(kept.manifests.get(&digest), Some(&expected));
        } else {
            assert!(kept.blobs.get(&digest) == Some(&blob.bytes), "{:?}", blob.descriptor);
        }
    }
    assert_eq!(kept.manifests["1"].1, image.blobs().last().unwrap().bytes);
    assert_eq!(kept.seen.last().unwrap().path, "/v2/team/papertiger/manifests/1");
    assert!(kept.seen.iter().all(|request| request.authorization().is_none()));
}

#[test]
fn what_save_writes_has_the_same_digest() {
    let (registry, home) = (well_behaved(), home(""));
    let line = |stdout: &str| stdout.lines().find(|line| line.starts_with("digest ")).unwrap().to_owned();
    let (_, pushed, _) = push_from(&home, &registry.name());
    let file = home.path().join("image.tar");
    let (_, saved, _) = image_of(home.path(), &["save", file.to_str().unwrap()]);
    assert_eq!(line(&pushed), line(&saved));
}

#[test]
fn what_is_there_is_not_sent_again() {
    let (registry, home) = (well_behaved(), home(""));
    succeeds(&registry, &home);
    assert_eq!((registry.count("HEAD"), registry.count("POST")), (2, 2));
    let (code, stdout, _) = push_from(&home, &registry.name());
    assert_eq!(code, Some(0));
    assert!(stdout.contains("\nsent           0 of 2 blobs; the registry had the rest\n"), "{stdout}");
    assert_eq!((registry.count("HEAD"), registry.count("POST")), (4, 2));
}

#[test]
fn localhost_is_this_machine_by_any_name() {
    let (registry, home) = (well_behaved(), home(""));
    let name = format!("localhost:{}/team/papertiger:1", registry.address.port());
    let (code, stdout, _) = push_from(&home, &name);
    assert!(code == Some(0) && stdout.starts_with(&format!("image          {name}\n")), "{stdout}");
}

/// Takes blobs for another, and shows whether it was shown a password.
fn elsewhere() -> Registry {
    registry(|request| match request.method.as_str() {
        "PUT" => Some(answer(201, &[], "")),
        "HEAD" => Some(answer(403, &[], "")),
        _ => None,
    })
}

#[test]
fn blobs_go_and_are_looked_for_where_the_registry_says_but_logins_do_not() {
    let other = elsewhere();
    let to = format!("http://{}/upload", other.address);
    let registry = registry(move |request| {
        if request.authorization() != Some(&format!("Basic {ME}")) {
            return Some(answer(401, &[("www-authenticate", "Basic realm=\"a registry\"")], ""));
        }
        match request.method.as_str() {
            "POST" => Some(answer(202, &[("location", &to)], "")),
            "HEAD" => Some(answer(307, &[("location", &to)], "")),
            // It has not seen the blobs.
            "PUT" => Some(answer(201, &[], "")),
            _ => None,
        }
    });
    let home = home(&config(registry.address, &format!("{{\"auth\": \"{ME}\"}}")));
    let (code, _, stderr) = push_from(&home, &registry.name());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let methods: Vec<_> = other.seen().iter().map(|request| request.method.clone()).collect();
    assert_eq!(methods, ["HEAD", "PUT", "HEAD", "PUT"]);
    assert!(other.seen().iter().all(|request| request.authorization().is_none()));
    assert!(registry.seen().iter().skip(1).all(|request| request.authorization().is_some()));
}

#[test]
fn a_place_without_tls_or_without_a_name_is_refused() {
    for (location, words) in [
        (
            Some("http://registry.example/upload?state=secret"),
            "the answer sends to a place without TLS: http://registry.example/upload; it has to be told that it is \
             reached by https; a proxy before it does so by X-Forwarded-Proto",
        ),
        (None, "the answer does not say where to; check that REGISTRY is a registry"),
    ] {
        let registry = registry(move |request| {
            let headers: Vec<_> = location.iter().map(|location| ("location", *location)).collect();
            request.is("POST", "/").then(|| answer(202, &headers, ""))
        });
        fails(&registry, &home(""), &format!("send {} to REGISTRY/team/papertiger: {words}", layer()));
    }
}

/// Lets in who shows a token, and gives one for what `payment` accepts; a token does for so many requests.
fn with_tokens(uses: usize, payment: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Registry {
    // Tokens given, and uses of the last.
    let used = Mutex::new((0, 0));
    registry(move |request| {
        let mut used = used.lock().unwrap();
        if request.path.starts_with("/token") {
            if !payment(request) {
                return Some(answer(
                    401,
                    &[],
                    "{\"errors\": [{\"code\": \"DENIED\", \"message\": \"no \\u001b[31mway\"}]}",
                ));
            }
            *used = (used.0 + 1, 0);
            return Some(answer(200, &[], &format!("{{\"token\": \"token-{}\"}}", used.0)));
        }
        used.1 += 1;
        let valid = request.authorization() == Some(&format!("Bearer token-{}", used.0)) && used.1 <= uses;
        let host = &request.headers["host"];
        let challenge = format!("Bearer realm=\"http://{host}/token?a=b\",service=\"a registry\",scope=\"other\"");
        (!valid).then(|| answer(401, &[("www-authenticate", &challenge)], ""))
    })
}

const WANTED: &str = "scope=repository%3Ateam%2Fpapertiger%3Apull%2Cpush&service=a+registry";

#[test]
fn a_token_is_got_for_a_password_and_again_when_it_is_worn() {
    let registry = with_tokens(3, |request| {
        request.is("GET", &format!("/token?a=b&{WANTED}&account=me"))
            && request.authorization() == Some(&format!("Basic {ME}"))
    });
    for login in [format!("{{\"auth\": \"{ME}\"}}"), "{\"username\": \"me\", \"password\": \"secret\"}".to_owned()] {
        succeeds(&registry, &home(&config(registry.address, &login)));
    }
    let tokens = registry.seen().iter().filter(|request| request.path.starts_with("/token")).count();
    assert!(tokens > 3, "{tokens}");
}

#[test]
fn a_token_is_got_for_nothing_where_there_is_no_login() {
    let registry =
        with_tokens(99, |request| request.path == format!("/token?a=b&{WANTED}") && request.authorization().is_none());
    succeeds(&registry, &home(""));
}

#[test]
fn a_token_is_got_for_another_that_stands_for_a_password() {
    let registry = with_tokens(99, |request| {
        let form = format!("{WANTED}&grant_type=refresh_token&refresh_token=a%2Fb&client_id=papertiger");
        request.is("POST", "/token?a=b") && request.body == form.as_bytes() && request.authorization().is_none()
    });
    succeeds(&registry, &home(&config(registry.address, "{\"identitytoken\": \"a/b\"}")));
}

#[test]
fn a_password_that_gets_no_token_is_told_and_what_is_hostile_is_not() {
    let registry = with_tokens(99, |_| false);
    fails(
        &registry,
        &home(""),
        "get a token for REGISTRY from http://REGISTRY/token: the answer was 401 Unauthorized: no way; `docker login \
         REGISTRY` first",
    );
    fails(
        &registry,
        &home(&config(registry.address, &format!("{{\"auth\": \"{ME}\"}}"))),
        "get a token for REGISTRY from http://REGISTRY/token: the answer was 401 Unauthorized: no way; the login is from \
         HOME/config.json: `docker login REGISTRY` replaces it",
    );
}

#[test]
fn a_login_is_not_shown_without_tls_nor_to_what_is_not_known() {
    for (challenge, words) in [
        (
            "Bearer realm=\"http://auth.example/token\"",
            "get a token for REGISTRY from http://auth.example/token: the answer sends to a place without TLS: \
             http://auth.example/token; it has to be told that it is reached by https; a proxy before it does so by \
             X-Forwarded-Proto",
        ),
        (
            "Negotiate abc",
            "speak with REGISTRY: the answer asks for a login of a kind that is not known: Negotiate abc; papertiger knows \
             Basic and Bearer",
        ),
    ] {
        let registry = registry(move |_| Some(answer(401, &[("www-authenticate", challenge)], "")));
        fails(&registry, &home(&config(registry.address, &format!("{{\"auth\": \"{ME}\"}}"))), words);
    }
    let registry =
        registry(|_| Some(answer(401, &[("www-authenticate", "Bearer realm=\"https://127.0.0.1:1/token\"")], "")));
    let (code, _, stderr) = push_from(&home(""), &registry.name());
    assert_eq!(code, Some(4));
    assert!(stderr.contains("TLS cannot be set up") && stderr.contains("SSL_CERT_FILE"), "{stderr}");
}

/// Lets in who shows the password.
fn with_password() -> Registry {
    registry(|request| {
        let shown = request.authorization() == Some(&format!("Basic {ME}"));
        let headers = [("www-authenticate", "Basic realm=\"a registry\"")];
        (!shown).then(|| answer(401, &headers, "{\"errors\": [{\"code\": \"UNAUTHORIZED\", \"message\": \"\"}]}"))
    })
}

#[test]
fn a_password_is_shown_where_it_is_asked_for() {
    let registry = with_password();
    succeeds(&registry, &home(&config(registry.address, &format!("{{\"auth\": \"{ME}\"}}"))));
    fails(
        &registry,
        &home(""),
        "speak with REGISTRY: the answer was 401 Unauthorized: UNAUTHORIZED; `docker login REGISTRY` first",
    );
    fails(
        &registry,
        &home(&config(registry.address, "{\"auth\": \"bWU6d3Jvbmc=\"}")),
        &format!(
            "look for {} in REGISTRY/team/papertiger: the answer was 401 Unauthorized; the login is from HOME/config.json: \
             `docker login REGISTRY` replaces it",
            layer()
        ),
    );
}

fn with_helper(config: &str, script: &str) -> TempDir {
    let home = home(config);
    let helper = home.path().join("bin/docker-credential-test");
    std::fs::write(&helper, format!("#!/bin/sh\n[ \"$1\" = get ] || exit 9\nread -r server\n{script}\n")).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    home
}

#[test]
fn helpers_are_asked_for_logins() {
    let registry = with_password();
    let store = "{\"credsStore\": \"test\"}".to_owned();
    let gives =
        "echo \"{\\\"ServerURL\\\": \\\"$server\\\", \\\"Username\\\": \\\"me\\\", \\\"Secret\\\": \\\"secret\\\"}\"";
    for config in [store.clone(), format!("{{\"credHelpers\": {{\"{}\": \"test\"}}}}", registry.address)] {
        succeeds(&registry, &with_helper(&config, gives));
    }
    fails(
        &registry,
        &with_helper(&store, "echo 'credentials not found in native keychain'; exit 1"),
        "speak with REGISTRY: the answer was 401 Unauthorized: UNAUTHORIZED; `docker login REGISTRY` first",
    );
    fails(
        &registry,
        &with_helper(&store, "echo \"no $server\"; printf 'lo\\033[31mcked' >&2; exit 1"),
        "find a login for REGISTRY: docker-credential-test gave none: no REGISTRY locked; see that it works, or `docker \
         login REGISTRY` again",
    );
    fails(
        &registry,
        &home(&store),
        "find a login for REGISTRY: the credential helper that HOME/config.json names does not run, or gives no login; \
         see that its program, docker-credential-NAME, is in PATH and works",
    );
}

#[test]
fn logins_that_cannot_be_read_are_told() {
    let registry = with_password();
    fails(
        &registry,
        &home("{"),
        "find a login for REGISTRY: HOME/config.json is not what `docker login` writes; put it right, or name another \
         directory in DOCKER_CONFIG",
    );
    fails(
        &registry,
        &home(&config(registry.address, "{\"auth\": \"?\"}")),
        "find a login for REGISTRY: the login in HOME/config.json cannot be read; `docker login REGISTRY` replaces it",
    );
    let none = home("");
    std::fs::create_dir(none.path().join("config.json")).unwrap();
    fails(
        &registry,
        &none,
        "find a login for REGISTRY: HOME/config.json is not what `docker login` writes; put it right, or name another \
         directory in DOCKER_CONFIG",
    );
}

#[test]
fn another_digest_than_ours_is_an_error() {
    let other = Digest::of(b"something else").to_string();
    let image = image();
    let (config, index) = (&image.blobs()[1].descriptor.digest, "1");
    let advice = format!(
        "the answer names another digest: {other}; do not use what is there: something on the way to it changes what is sent"
    );
    for (method, path, step) in [
        (
            "HEAD",
            format!("/v2/team/papertiger/blobs/{config}"),
            format!("look for {config} in REGISTRY/team/papertiger"),
        ),
        ("PUT", "/v2/team/papertiger/upload".into(), format!("send {} to REGISTRY/team/papertiger", layer())),
        (
            "PUT",
            format!("/v2/team/papertiger/manifests/{index}"),
            "send the manifest 1 to REGISTRY/team/papertiger".into(),
        ),
    ] {
        let (other, path) = (other.clone(), path.clone());
        let registry = registry(move |request| {
            request
                .is(method, &path)
                .then(|| answer(if method == "HEAD" { 200 } else { 201 }, &[("docker-content-digest", &other)], ""))
        });
        fails(&registry, &home(""), &format!("{step}: {advice}"));
    }
}

#[test]
fn refusals_are_told_in_the_registrys_words() {
    let layer = layer();
    let hostile = "{\"errors\": [{\"code\": \"NAME_UNKNOWN\", \"message\": \"no\\u001b]0;title\\u0007 such\\nname\"}, \
                   {\"code\": \"X\"}]}";
    let long = format!("<html>{}", "x".repeat(999));
    let cut = format!("<html>{}", "x".repeat(194));
    for (method, status, headers, body, words) in [
        (
            "POST",
            404,
            vec![],
            hostile.to_owned(),
            "404 Not Found: no such name; X; check the name; some registries want a repository to be made before it is used"
                .to_owned(),
        ),
        ("POST", 403, vec![], String::new(), "403 Forbidden; `docker login REGISTRY` first".into()),
        (
            "PUT",
            413,
            vec![],
            long,
            format!("413 Payload Too Large: {cut}; a proxy before the registry has to allow larger requests"),
        ),
        (
            "POST",
            503,
            vec![],
            "busy".into(),
            "503 Service Unavailable: busy; run it again: what has arrived is not sent a second time".into(),
        ),
        ("PUT", 400, vec![], "no".into(), "400 Bad Request: no; the registry's log may say more".into()),
        (
            "POST",
            307,
            vec![("location", "https://other.example/v2/")],
            String::new(),
            "the answer sends on: https://other.example/v2/; name that place instead, if you trust it".into(),
        ),
    ] {
        let registry = registry(move |request| request.is(method, "/").then(|| answer(status, &headers, &body)));
        let words = if status == 307 { words } else { format!("the answer was {words}") };
        fails(&registry, &home(""), &format!("send {layer} to REGISTRY/team/papertiger: {words}"));
    }
    let registry = registry(|_| Some(answer(404, &[], "not here")));
    fails(
        &registry,
        &home(""),
        "speak with REGISTRY: the answer was 404 Not Found: not here; check the name; some registries want a repository \
         to be made before it is used",
    );
}

#[test]
fn a_connection_that_is_cut_and_one_that_is_not_made_are_told() {
    let registry = registry(|request| request.is("PUT", "/").then_some(None));
    let (code, stdout, stderr) = push_from(&home(""), &registry.name());
    let beginning = format!("error: cannot send {} to {}/team/papertiger: ", layer(), registry.address);
    assert_eq!((code, stdout.as_str()), (Some(4), ""));
    assert!(stderr.starts_with(&beginning), "{stderr}");
    assert!(stderr.ends_with("; run it again: what has arrived is not sent a second time\n"), "{stderr}");

    let (_silent, nobody) = nobody();
    let (code, _, stderr) = push_from(&home(""), &format!("{nobody}/team/papertiger:1"));
    assert_eq!(code, Some(4));
    assert!(stderr.starts_with(&format!("error: cannot speak with {nobody}: ")), "{stderr}");
    let advice = format!("; check that {nobody} is right, and that it can be reached from here\n");
    assert!(stderr.contains("refused") && stderr.ends_with(&advice), "{stderr}");
}

#[test]
fn a_wrong_name_is_code_2() {
    for (name, words) in [
        ("registry.example/papertiger", "write NAME:TAG, such as papertiger:1"),
        ("registry.example/papertiger:1@sha256:0123", "has no digest: write NAME:TAG"),
    ] {
        let (code, stdout, stderr) = push_from(&home(""), name);
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert!(stderr.contains(words), "{stderr}");
    }
}
