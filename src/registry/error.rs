//! Why an image did not get to a registry, and what to do about it.

use super::Access;
use crate::causes::causes;
use crate::report::page::{clean, told};
use reqwest::StatusCode;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// An image that did not arrive, or not in whole.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}: {problem}; {}", problem.advice(registry))]
pub struct PushError {
    /// Whom it was for, by the name that users log in with.
    pub(super) registry: String,
    /// What was tried.
    pub(super) step: String,
    /// What came of it.
    pub(super) problem: Problem,
}

/// What came of a request, or of getting ready for one.
#[derive(Debug)]
pub(super) enum Problem {
    /// Nothing to check certificates with.
    NoTls(String),
    /// No connection.
    Unreachable(String),
    /// A certificate that nobody vouches for.
    Untrusted,
    /// A certificate that is wrong in another way.
    Certificate(String),
    /// No TLS at the other end.
    Plain,
    /// No answer, or no end of it.
    Late(Duration),
    /// A connection that broke off.
    Cut(String),
    /// No access, with whatever was shown for it.
    Denied { access: Access, status: StatusCode, text: String },
    /// Another answer that is no success.
    Refused { status: StatusCode, text: String },
    /// An answer that names another place.
    Redirected(String),
    /// Another digest than what was sent has.
    WrongDigest(String),
    /// An answer that does not say where to send a blob.
    NoPlace,
    /// An address that anyone on the way could listen to.
    Unencrypted(String),
    /// A login of a kind that is not known, or none at all.
    NoChallenge(String),
    /// An answer without the token that was asked for.
    NoToken,
    /// A file of logins that cannot be read.
    Config { file: PathBuf, source: io::Error },
    /// A file of logins that is none.
    NoConfig(PathBuf),
    /// A login in it that cannot be read.
    NoLogin(PathBuf),
    /// A helper that cannot be run, or says nothing that can be understood.
    NoHelper(PathBuf),
    /// What a helper said instead of a login.
    Helper { program: String, text: String },
}

impl Problem {
    /// What a request failed with that got no answer.
    pub(super) fn of(error: reqwest::Error, patience: Duration) -> Self {
        let connecting = error.is_connect();
        let late = error.is_timeout();
        // Its own words are that a request was sent.
        let error: &(dyn Error + 'static) = error.source().unwrap_or(&error);
        match tls_error(error) {
            Some(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) => Self::Untrusted,
            Some(rustls::Error::InvalidCertificate(_)) => Self::Certificate(words(error)),
            Some(rustls::Error::InvalidMessage(_)) => Self::Plain,
            Some(_) | None if connecting => Self::Unreachable(words(error)),
            Some(_) | None if late => Self::Late(patience),
            Some(_) | None => Self::Cut(words(error)),
        }
    }

    /// What to do next.
    fn advice(&self, registry: &str) -> String {
        const AGAIN: &str = "run it again: what has arrived is not sent a second time";
        match self {
            Self::NoTls(_) => "name a file of root certificates in SSL_CERT_FILE".into(),
            Self::Unreachable(_) => format!("check that {registry} is right, and that it can be reached from here"),
            Self::Untrusted => "name a file with the certificate of who has in SSL_CERT_FILE".into(),
            Self::Certificate(_) => {
                "the certificate has to be made anew, or is for another name than the one that was asked for".into()
            }
            Self::Plain => "without TLS papertiger sends to registries on this machine alone \
                            (localhost, 127.0.0.1, [::1])"
                .into(),
            Self::Late(_) | Self::Cut(_) => AGAIN.into(),
            Self::Denied { access: Access::None, .. } => format!("`docker login {registry}` first"),
            Self::Denied { access: Access::Login(file), status: StatusCode::FORBIDDEN, .. } => {
                format!("see that the login from {} may push there", file.display())
            }
            Self::Denied { access: Access::Login(file), .. } => {
                format!("the login is from {}: `docker login {registry}` replaces it", file.display())
            }
            Self::Refused { status, .. } => match *status {
                StatusCode::NOT_FOUND => {
                    "check the name; some registries want a repository to be made before it is used".into()
                }
                StatusCode::METHOD_NOT_ALLOWED => format!("check that {registry} is a registry that can be written to"),
                StatusCode::PAYLOAD_TOO_LARGE => "a proxy before the registry has to allow larger requests".into(),
                status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => AGAIN.into(),
                _ => "the registry's log may say more".into(),
            },
            Self::Redirected(_) => "name that place instead, if you trust it".into(),
            Self::WrongDigest(_) => "do not use what is there: something on the way to it changes what is sent".into(),
            Self::NoPlace | Self::NoToken => format!("check that {registry} is a registry"),
            Self::Unencrypted(_) => {
                "it has to be told that it is reached by https; a proxy before it does so by X-Forwarded-Proto".into()
            }
            Self::NoChallenge(_) => "papertiger knows Basic and Bearer".into(),
            Self::Config { .. } => "see that you may read it, or name another directory in DOCKER_CONFIG".into(),
            Self::NoConfig(_) => "put it right, or name another directory in DOCKER_CONFIG".into(),
            Self::NoLogin(_) => format!("`docker login {registry}` replaces it"),
            Self::NoHelper(_) => "see that its program, docker-credential-NAME, is in PATH and works".into(),
            Self::Helper { .. } => format!("see that it works, or `docker login {registry}` again"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTls(words) => write!(f, "TLS cannot be set up: {words}"),
            Self::Unreachable(words) | Self::Certificate(words) | Self::Cut(words) => f.write_str(words),
            Self::Untrusted => f.write_str("nobody whom this machine trusts has signed its certificate"),
            Self::Plain => f.write_str("it does not speak TLS"),
            Self::Late(patience) => write!(f, "no answer within {} s", patience.as_secs()),
            Self::Denied { access: _, status, text } | Self::Refused { status, text } => {
                write!(f, "the answer was {status}{}", told(text))
            }
            Self::Redirected(to) => write!(f, "the answer sends on{}", told(to)),
            Self::WrongDigest(theirs) => write!(f, "the answer names another digest{}", told(theirs)),
            Self::NoPlace => f.write_str("the answer does not say where to"),
            Self::Unencrypted(url) => write!(f, "the answer sends to a place without TLS{}", told(url)),
            Self::NoChallenge(text) => {
                write!(f, "the answer asks for a login of a kind that is not known{}", told(text))
            }
            Self::NoToken => f.write_str("there is none in the answer"),
            Self::Config { file, source } => write!(f, "cannot read {}: {source}", file.display()),
            Self::NoConfig(file) => write!(f, "{} is not what `docker login` writes", file.display()),
            Self::NoLogin(file) => write!(f, "the login in {} cannot be read", file.display()),
            Self::NoHelper(file) => {
                write!(f, "the credential helper that {} names does not run, or gives no login", file.display())
            }
            Self::Helper { program, text } => write!(f, "{} gave none{}", clean(program), told(text)),
        }
    }
}

/// All that an error says, which may be somebody else's words.
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    clean(&causes(error))
}

/// What went wrong with TLS, if that was it. I/O errors hide what they are made of from `source`.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let hidden = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error
        .downcast_ref()
        .or_else(|| hidden.and_then(|hidden| tls_error(hidden)))
        .or_else(|| error.source().and_then(tls_error))
}
