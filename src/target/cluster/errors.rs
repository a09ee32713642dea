//! What the API server or the way to it says, in the words of a [`TargetError`].

use crate::causes::{causes, chain};
use crate::target::TargetError;
use kube::client::AuthError;
use kube::core::Status;
use std::error::Error;
use std::fmt::Display;
use std::time::Duration;
use tokio::time::Instant;

pub(super) use crate::target::failed;

/// An error with advice.
pub(super) fn advised(step: impl Into<String>, cause: impl Display, hint: impl Into<String>) -> TargetError {
    TargetError { hint: Some(hint.into()), ..failed(step, cause) }
}

/// What a request came to, with advice where the answer suggests any.
pub(super) fn refused(step: impl Into<String>, error: &kube::Error) -> TargetError {
    let cause = cause(error);
    match error {
        kube::Error::Api(status) if status.code == 401 => {
            advised(step, cause, "the credentials are not valid (any more): log in again, or name another --context")
        }
        kube::Error::Api(status) if status.code == 403 => {
            advised(step, cause, "docs/rights.md lists the rights that a run needs, with a role that grants them")
        }
        _ if is_transient(error) => {
            advised(step, cause, "check that the API server can be reached: kubectl get --raw /readyz")
        }
        _ => failed(step, cause),
    }
}

/// The innermost words: what the API server said, or why it could not be asked.
pub(super) fn cause(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return if status.message.is_empty() { status.reason.clone() } else { status.message.clone() };
    }
    without_credentials(error).unwrap_or_else(|| causes(error))
}

/// Why a kubeconfig cannot be used. The parser shows the lines around a mistake behind its first one; tokens and keys may
/// stand on them.
pub(super) fn kubeconfig_problem(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for error in chain(error) {
        let message = error.to_string();
        let first_line = message.lines().next().unwrap_or_default();
        if text.is_empty() {
            text.push_str(first_line);
        } else if !text.contains(first_line) {
            text.push_str(&format!(": {first_line}"));
        }
    }
    text
}

/// What an error of a watch says: the request that failed in it, or its own words.
pub(super) fn watch_problem(error: &(dyn Error + 'static)) -> String {
    chain(error).find_map(|error| error.downcast_ref().map(cause)).unwrap_or_else(|| error.to_string())
}

/// What is said in place of an error whose own words may hold credentials: a proxy's address, a plugin's arguments and output.
fn without_credentials(error: &(dyn Error + 'static)) -> Option<String> {
    for error in chain(error) {
        if let Some(
            kube::Error::ProxyProtocolUnsupported { proxy_url } | kube::Error::ProxyProtocolDisabled { proxy_url, .. },
        ) = error.downcast_ref()
        {
            let scheme = proxy_url.scheme_str().unwrap_or_default();
            return Some(format!("the kubeconfig's proxy has a protocol that is not supported, `{scheme}`"));
        }
        match error.downcast_ref() {
            Some(AuthError::AuthExecRun { out, .. }) => {
                // What it has to say to people; credentials are for stdout.
                let said = String::from_utf8_lossy(&out.stderr);
                let colon = if said.trim().is_empty() { "" } else { ": " };
                return Some(format!(
                    "the kubeconfig's credential plugin ended with {}{colon}{}",
                    out.status,
                    said.trim()
                ));
            }
            Some(AuthError::AuthExecParse(_)) => {
                return Some("the kubeconfig's credential plugin printed no credential that can be read".to_owned());
            }
            Some(_) | None => {}
        }
    }
    None
}

/// Whether the same request may well succeed a moment later: the server was not reached, or said that it is busy.
pub(super) fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => {
            matches!(status.code, 429 | 500 | 502 | 503 | 504) || is_of_a_former_namespace(status)
        }
        kube::Error::HyperError(_)
        | kube::Error::Service(_)
        | kube::Error::ReadEvents(_)
        | kube::Error::UpgradeConnection(_) => true,
        _ => false,
    }
}

/// Whether nothing may be created because a namespace is going. Of one that was made again under the same name the server
/// may still think so for a moment.
fn is_of_a_former_namespace(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403 && causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

/// How long a server that is busy or away is asked again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause before the first further attempt; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Makes a request, again and again while the server cannot be reached or is busy. The request must bear being made twice:
/// an answer that got lost does not mean that nothing was done.
pub(super) async fn patiently<T, F: Future<Output = Result<T, kube::Error>>>(
    mut request: impl FnMut() -> F,
) -> Result<T, kube::Error> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    loop {
        match request().await {
            Err(error) if is_transient(&error) && Instant::now() + pause < deadline => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_refused_because_of_a_former_namespace_is_asked_for_again() {
        for (reason, again) in [("NamespaceTerminating", true), ("FieldValueForbidden", false)] {
            let status: Status = serde_json::from_value(json!({
                "status": "Failure",
                "code": 403,
                "reason": "Forbidden",
                "message": "unable to create new content in namespace n because it is being terminated",
                "details": { "causes": [{ "reason": reason, "message": "", "field": "" }] },
            }))
            .unwrap();
            assert_eq!(is_transient(&kube::Error::Api(status.into())), again, "{reason}");
        }
    }
}
