//! Requests to one registry, for one repository.

use super::Access;
use super::challenge::{self, Answer, Challenge, parameters};
use super::error::{Problem, PushError, words};
use super::logins::{Login, Logins};
use crate::http_client;
use crate::image::{Blob, Digest, Name};
use docker_credential::DockerCredential;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(15);

/// How long a request may take that sends next to nothing. Some registries put much behind the end of an upload.
const PATIENCE: Duration = Duration::from_secs(60);

/// The slowest line that is waited for, in bytes a second.
const SLOWEST: u64 = 32 * 1024;

/// So much of an answer is read.
const LONGEST_ANSWER: usize = 256 * 1024;

/// So often a question is asked again somewhere else.
const REDIRECTS: usize = 5;

const CLIENT: &str = env!("CARGO_PKG_NAME");
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

const CONTENT_DIGEST: &str = "docker-content-digest";

/// A registry that is being spoken with.
pub(super) struct Session<'a> {
    name: &'a Name,
    logins: Logins,
    /// Of the registry's addresses for this repository, their beginning.
    base: Url,
    clients: Clients,
    access: Access,
    authorization: Option<Authorization>,
}

/// What a registry is shown.
#[derive(Clone, PartialEq, Eq)]
enum Authorization {
    Basic { user: String, password: String },
    Bearer(String),
}

/// One for each scheme, made when it is needed: a registry on this machine asks for no certificates to check others by.
#[derive(Default)]
struct Clients {
    plain: Option<Client>,
    tls: Option<Client>,
}

/// A request that can be made twice.
struct Call<'a> {
    step: String,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: &'a [u8],
}

/// What a registry says to what it does not do.
#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    code: Option<String>,
    message: Option<String>,
}

impl<'a> Session<'a> {
    /// Asks whether there is a registry, and gets in.
    pub(super) async fn open(name: &'a Name, logins: Logins) -> Result<Self, PushError> {
        let step = format!("speak with {}", name.registry());
        let host = if name.is_on_docker_hub() { "registry-1.docker.io" } else { name.registry() };
        let failed = |problem| PushError { registry: name.registry().to_owned(), step: step.clone(), problem };
        let url = |scheme: &str| {
            let url = format!("{scheme}://{host}/v2/").parse::<Url>();
            url.map_err(|error| failed(Problem::Unreachable(error.to_string())))
        };
        let root = url("https")?;
        let root = if is_here(&root) { url("http")? } else { root };
        let base = root.join(&format!("{}/", name.repository()));
        let base = base.map_err(|error| failed(Problem::Unreachable(error.to_string())))?;
        let mut session =
            Self { name, logins, base, clients: Clients::default(), access: Access::None, authorization: None };

        let call = Call::new(step, Method::GET, root);
        let response = session.once(&call).await?;
        match response.status() {
            // A token for the repository may not do here.
            StatusCode::UNAUTHORIZED => session.authorize(&call, response).await?,
            status if status.is_success() => {}
            _ => return Err(session.refused(&call, response).await),
        }
        Ok(session)
    }

    /// Whether a blob is there already.
    pub(super) async fn has(&mut self, blob: &Blob) -> Result<bool, PushError> {
        let digest = &blob.descriptor.digest;
        let step = format!("look for {digest} in {}", self.place());
        let mut call = Call::new(step, Method::HEAD, self.url(&["blobs", &digest.to_string()]));
        let mut response = self.send(&call).await?;
        // Some keep their blobs elsewhere.
        for _ in 0..REDIRECTS {
            let Some(to) = self.location(&call, &response)?.filter(|_| response.status().is_redirection()) else {
                break;
            };
            call.url = to;
            response = self.once(&call).await?;
        }
        match response.status() {
            status if status.is_success() => self.check(&call, &response, digest).map(|()| true),
            StatusCode::NOT_FOUND => Ok(false),
            // It is elsewhere that cannot be asked.
            _ if !self.is_ours(&call.url) => Ok(false),
            _ => Err(self.refused(&call, response).await),
        }
    }

    /// Sends a blob, in one piece.
    pub(super) async fn send_blob(&mut self, blob: &Blob) -> Result<(), PushError> {
        let digest = &blob.descriptor.digest;
        let step = format!("send {digest} to {}", self.place());
        let call = Call::new(step.clone(), Method::POST, self.url(&["blobs", "uploads", ""]));
        // Some registries ask for the length of nothing, too.
        let call = call.with(CONTENT_LENGTH, HeaderValue::from_static("0"));
        let response = self.send(&call).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.refused(&call, response).await);
        }
        let to = self.location(&call, &response)?.ok_or_else(|| self.failed(&call.step, Problem::NoPlace))?;

        let to = parameters(to, &[("digest", &digest.to_string())]);
        let octets = HeaderValue::from_static("application/octet-stream");
        let call = Call { body: &blob.bytes, ..Call::new(step, Method::PUT, to) }.with(CONTENT_TYPE, octets);
        self.deliver(&call, digest).await
    }

    /// Sends a manifest or an index, by a tag or its digest.
    pub(super) async fn send_manifest(&mut self, manifest: &Blob, by: &str) -> Result<(), PushError> {
        let step = format!("send the manifest {by} to {}", self.place());
        let media_type = HeaderValue::from_static(manifest.descriptor.media_type);
        let call = Call::new(step, Method::PUT, self.url(&["manifests", by]));
        let call = Call { body: &manifest.bytes, ..call }.with(CONTENT_TYPE, media_type);
        self.deliver(&call, &manifest.descriptor.digest).await
    }

    async fn deliver(&mut self, call: &Call<'_>, digest: &Digest) -> Result<(), PushError> {
        let response = self.send(call).await?;
        if !response.status().is_success() {
            return Err(self.refused(call, response).await);
        }
        self.check(call, &response, digest)
    }

    /// What the registry made of what it was sent.
    fn check(&self, call: &Call<'_>, response: &Response, digest: &Digest) -> Result<(), PushError> {
        let Some(theirs) = response.headers().get(CONTENT_DIGEST) else { return Ok(()) };
        if theirs.as_bytes() == digest.to_string().as_bytes() {
            return Ok(());
        }
        Err(self.failed(&call.step, Problem::WrongDigest(String::from_utf8_lossy(theirs.as_bytes()).into_owned())))
    }

    /// Makes a request, and once again with a new token where the last is not taken (any more).
    async fn send(&mut self, call: &Call<'_>) -> Result<Response, PushError> {
        let response = self.once(call).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.is_ours(&call.url) {
            return Ok(response);
        }
        self.authorize(call, response).await?;
        self.once(call).await
    }

    async fn once(&mut self, call: &Call<'_>) -> Result<Response, PushError> {
        let authorization = self.authorization.clone().filter(|_| self.is_ours(&call.url));
        let client = self.client(&call.step, &call.url)?;
        let request = client.request(call.method.clone(), call.url.clone()).headers(call.headers.clone());
        let request = match authorization {
            Some(Authorization::Basic { user, password }) => request.basic_auth(user, Some(password)),
            Some(Authorization::Bearer(token)) => request.bearer_auth(token),
            None => request,
        };
        let request = if call.body.is_empty() { request } else { request.body(call.body.to_vec()) };
        self.answer(&call.step, request, patience(call.body)).await
    }

    async fn answer(&self, step: &str, request: RequestBuilder, patience: Duration) -> Result<Response, PushError> {
        let answer = request.timeout(patience).send().await;
        answer.map_err(|error| self.failed(step, Problem::of(error, patience)))
    }

    /// Gets what the registry asks for.
    async fn authorize(&mut self, call: &Call<'_>, response: Response) -> Result<(), PushError> {
        let Some(challenge) = Challenge::of(response.headers()) else {
            let asked = response.headers().get(WWW_AUTHENTICATE).map(|value| String::from_utf8_lossy(value.as_bytes()));
            let problem = Problem::NoChallenge(asked.unwrap_or_default().into_owned());
            return Err(self.failed(&call.step, problem));
        };
        let login = self.login().await?;
        self.access = login.as_ref().map_or(Access::None, |login| Access::Login(login.file.clone()));
        let credential = login.map(|login| login.credential);
        let shown = match (challenge, credential) {
            (Challenge::Basic, Some(DockerCredential::UsernamePassword(user, password))) => {
                Some(Authorization::Basic { user, password })
            }
            (Challenge::Basic, Some(DockerCredential::IdentityToken(_)) | None) => None,
            (Challenge::Bearer { realm, service }, credential) => {
                Some(Authorization::Bearer(self.token(realm, service, credential).await?))
            }
        };
        // The same that was refused would be refused again.
        if shown.is_none() || shown == self.authorization {
            return Err(self.refused(call, response).await);
        }
        self.authorization = shown;
        Ok(())
    }

    async fn login(&self) -> Result<Option<Login>, PushError> {
        let (logins, name) = (self.logins.clone(), self.name.clone());
        let found = tokio::task::spawn_blocking(move || logins.find(&name)).await;
        let step = format!("find a login for {}", self.name.registry());
        let found = found.map_err(|error| self.failed(&step, Problem::Cut(error.to_string())))?;
        found.map_err(|problem| self.failed(&step, problem))
    }

    /// A token for this repository.
    async fn token(
        &mut self,
        realm: Url,
        service: Option<String>,
        credential: Option<DockerCredential>,
    ) -> Result<String, PushError> {
        let mut shown = realm.clone();
        shown.set_query(None);
        let step = format!("get a token for {} from {shown}", self.name.registry());
        if !is_safe(&realm) {
            return Err(self.failed(&step, Problem::Unencrypted(shown.into())));
        }
        let scope = challenge::scope(self.name.repository());
        let mut fields = vec![("scope", scope.as_str())];
        fields.extend(service.as_deref().map(|service| ("service", service)));
        let call = match &credential {
            // What stands for a password is changed for a token by OAuth 2.
            Some(DockerCredential::IdentityToken(token)) => {
                fields.extend([("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", CLIENT)]);
                let form = parameters(bare(&realm), &fields);
                let form = form.query().unwrap_or_default().to_owned();
                let client = self.client(&step, &realm)?;
                client.post(realm).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
            }
            Some(DockerCredential::UsernamePassword(user, password)) => {
                fields.push(("account", user));
                self.client(&step, &realm)?.get(parameters(realm, &fields)).basic_auth(user, Some(password))
            }
            None => self.client(&step, &realm)?.get(parameters(realm, &fields)),
        };
        let response = self.answer(&step, call, PATIENCE).await?;
        let status = response.status();
        let body = read(response).await;
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            return Err(self.failed(&step, Problem::Denied { access: self.access.clone(), status, text: said(&body) }));
        }
        if !status.is_success() {
            return Err(self.failed(&step, Problem::Refused { status, text: said(&body) }));
        }
        let token = serde_json::from_slice::<Answer>(&body).ok().and_then(Answer::token);
        token.ok_or_else(|| self.failed(&step, Problem::NoToken))
    }

    /// An answer that was not hoped for.
    async fn refused(&self, call: &Call<'_>, response: Response) -> PushError {
        let status = response.status();
        let problem = match status {
            status if status.is_redirection() => {
                let to = response.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
                to.map_or(Problem::NoPlace, Problem::Redirected)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Problem::Denied { access: self.access.clone(), status, text: said(&read(response).await) }
            }
            status => Problem::Refused { status, text: said(&read(response).await) },
        };
        self.failed(&call.step, problem)
    }

    /// Where an answer leads, if anywhere.
    fn location(&self, call: &Call<'_>, response: &Response) -> Result<Option<Url>, PushError> {
        let to = response.headers().get(LOCATION).and_then(|to| call.url.join(to.to_str().ok()?).ok());
        match to {
            Some(to) if !is_safe(&to) => Err(self.failed(&call.step, Problem::Unencrypted(bare(&to).into()))),
            to => Ok(to),
        }
    }

    /// Whether an address is the registry's own, which alone is shown what lets in.
    fn is_ours(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path(), path.join("/")));
        url
    }

    fn place(&self) -> String {
        format!("{}/{}", self.name.registry(), self.name.repository())
    }

    fn failed(&self, step: &str, problem: Problem) -> PushError {
        PushError { registry: self.name.registry().to_owned(), step: step.to_owned(), problem }
    }

    fn client(&mut self, step: &str, url: &Url) -> Result<Client, PushError> {
        self.clients.of(url).map_err(|error| self.failed(step, Problem::NoTls(words(&error))))
    }
}

impl Clients {
    fn of(&mut self, url: &Url) -> reqwest::Result<Client> {
        let tls = url.scheme() == "https";
        let kept = if tls { &mut self.tls } else { &mut self.plain };
        if let Some(client) = kept {
            return Ok(client.clone());
        }
        let client = http_client::builder(url)
            .connect_timeout(CONNECT)
            .redirect(redirect::Policy::none())
            .user_agent(USER_AGENT);
        // Without TLS nothing leaves this machine, by way of a proxy neither.
        let client = if tls { client } else { client.no_proxy() }.build()?;
        Ok(kept.insert(client).clone())
    }
}

impl Call<'_> {
    fn new(step: String, method: Method, url: Url) -> Self {
        Self { step, method, url, headers: HeaderMap::new(), body: &[] }
    }

    fn with(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// The deadline of a request with this body.
fn patience(body: &[u8]) -> Duration {
    PATIENCE + Duration::from_secs(body.len() as u64 / SLOWEST)
}

/// Whether nobody on the way can listen.
fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && is_here(url)
}

/// Whether an address is this machine's.
fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Result<IpAddr, _> = host.trim_start_matches('[').trim_end_matches(']').parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// An address without its query, which may hold secrets.
fn bare(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url
}

/// The beginning of an answer, as far as it comes.
async fn read(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < LONGEST_ANSWER
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body
}

/// What a registry gives as its reason; all that it says, where that has another form.
fn said(body: &[u8]) -> String {
    let Ok(Refusal { errors }) = serde_json::from_slice::<Refusal>(body) else {
        return String::from_utf8_lossy(body).into_owned();
    };
    let reasons =
        errors.into_iter().filter_map(|Said { code, message }| message.filter(|text| !text.is_empty()).or(code));
    reasons.collect::<Vec<_>>().join("; ")
}
