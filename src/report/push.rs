//! Metrics to a Pushgateway, in such groups that neither an old finding nor an old success is mistaken for a new one.

use super::page::told;
use super::prometheus;
use crate::core::verdict::RunResult;
use crate::http_client;
use reqwest::{Client, StatusCode, Url};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long a Pushgateway may take to answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a Pushgateway's groups are below.
const GROUPS: &str = "/metrics/job/";

/// The job, where the address does not name one.
const JOB: &str = "papertiger";

/// The group, below the run's, of the time of the last success.
const SUCCESS: &str = "outcome/enforced";

/// The group of a Pushgateway that a run's metrics are kept in.
#[derive(Clone, PartialEq, Eq)]
pub struct Gateway(Url);

/// An address that is no Pushgateway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write http://HOST:PORT or https://HOST, with /metrics/job/NAME behind it for another job than `{JOB}`")]
pub struct ParseGatewayError;

/// Metrics that did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// Nothing to check a certificate with.
    #[error("cannot set up TLS for {gateway}; name a file of root certificates in SSL_CERT_FILE")]
    Tls {
        /// Where to.
        gateway: Gateway,
        /// Why.
        source: reqwest::Error,
    },
    /// No connection, or no answer in time.
    #[error("cannot push metrics to {gateway}; check that it is reachable from here")]
    Unreachable {
        /// Where to.
        gateway: Gateway,
        /// Why.
        source: reqwest::Error,
    },
    /// An answer that is no success.
    #[error("{gateway} did not take the metrics: {status}{}", told(text))]
    Refused {
        /// Who.
        gateway: Gateway,
        /// How.
        status: StatusCode,
        /// Its own words.
        text: String,
    },
}

impl FromStr for Gateway {
    type Err = ParseGatewayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut url: Url = text.parse().map_err(|_| ParseGatewayError)?;
        let plain = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
        if !plain || !url.has_host() {
            return Err(ParseGatewayError);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        match format!("{path}/").split_once(GROUPS) {
            None => url.set_path(&format!("{path}{GROUPS}{JOB}")),
            Some((_, group)) => {
                // The job's name, then labels and values in turn.
                let parts: Vec<&str> = group.trim_end_matches('/').split('/').collect();
                if parts.len().is_multiple_of(2) || parts.contains(&"") {
                    return Err(ParseGatewayError);
                }
                url.set_path(&path);
            }
        }
        Ok(Self(url))
    }
}

/// Without what would let a reader in.
impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        // Both fail only for addresses that have no host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        write!(f, "{url}")
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gateway({self})")
    }
}

impl Gateway {
    fn client(&self) -> reqwest::Result<Client> {
        http_client::builder(&self.0).timeout(DEADLINE).build()
    }

    /// Replaces what is known of the last run. The time of the last success has a group of its own, which a run without
    /// success leaves alone.
    pub async fn push(&self, result: &RunResult) -> Result<(), PushError> {
        let unreachable =
            |source: reqwest::Error| PushError::Unreachable { gateway: self.clone(), source: source.without_url() };
        let client = self.client().map_err(|source| PushError::Tls { gateway: self.clone(), source })?;
        let mut success = self.0.clone();
        success.set_path(&format!("{}/{SUCCESS}", self.0.path()));
        let of_success = prometheus::render_success(result).map(|text| (success, text));
        for (url, text) in std::iter::once((self.0.clone(), prometheus::render_run(result))).chain(of_success) {
            let request = client.put(url).header("content-type", prometheus::CONTENT_TYPE).body(text);
            let answer = request.send().await.map_err(unreachable)?;
            let status = answer.status();
            if !status.is_success() {
                let text = answer.text().await.unwrap_or_default();
                return Err(PushError::Refused { gateway: self.clone(), status, text });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_gateways_or_a_groups() {
        for (text, group) in [
            ("http://gateway:9091", "http://gateway:9091/metrics/job/papertiger"),
            ("https://gateway/", "https://gateway/metrics/job/papertiger"),
            ("http://gateway/behind/", "http://gateway/behind/metrics/job/papertiger"),
            ("http://gateway/metrics/job/other/", "http://gateway/metrics/job/other"),
            ("http://gateway/metrics/job/a/cluster/b", "http://gateway/metrics/job/a/cluster/b"),
            ("http://me:secret@gateway", "http://gateway/metrics/job/papertiger"),
        ] {
            assert_eq!(text.parse::<Gateway>().unwrap().to_string(), group, "{text}");
        }
        for text in [
            "",
            "gateway:9091",
            "ftp://gateway",
            "http://",
            "http://gateway?job=a",
            "http://gateway/metrics/job/",
            "http://gateway/metrics/job/a/cluster",
        ] {
            assert_eq!(text.parse::<Gateway>(), Err(ParseGatewayError), "{text}");
        }
    }

    #[test]
    fn nobody_is_told_the_password() {
        let gateway: Gateway = "http://me:secret@gateway".parse().unwrap();
        assert!(!format!("{gateway} {gateway:?}").contains("secret"));
    }
}
