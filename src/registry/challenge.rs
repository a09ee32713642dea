//! What a registry asks for before it lets somebody in, and the request for a token that follows.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use http_auth::{ChallengeRef, parse_challenges};
use reqwest::Url;
use serde::Deserialize;

/// How to get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By showing name and password.
    Basic,
    /// By showing them, or nothing, to somebody else, who gives a token for it.
    Bearer {
        /// Who that is.
        realm: Url,
        /// Whom the token is for.
        service: Option<String>,
    },
}

/// What a token comes in. Both names are in use.
#[derive(Deserialize)]
pub(super) struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Challenge {
    /// The one that is asked for; a token, where there is a choice.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let texts = headers.get_all(WWW_AUTHENTICATE).into_iter().filter_map(|value| value.to_str().ok());
        let known = texts.filter_map(|text| parse_challenges(text).ok()).flatten();
        let mut known: Vec<Self> = known.filter_map(|challenge| Self::read(&challenge)).collect();
        let token = known.iter().position(|challenge| matches!(challenge, Self::Bearer { .. }));
        (!known.is_empty()).then(|| known.swap_remove(token.unwrap_or(0)))
    }

    fn read(challenge: &ChallengeRef<'_>) -> Option<Self> {
        let parameter = |name: &str| {
            let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            Some(Self::Basic)
        } else if challenge.scheme.eq_ignore_ascii_case("bearer") {
            Some(Self::Bearer { realm: parameter("realm")?.parse().ok()?, service: parameter("service") })
        } else {
            None
        }
    }
}

/// Query parameters, or the fields of a form: both are written alike.
pub(super) fn parameters(mut url: Url, fields: &[(&str, &str)]) -> Url {
    url.query_pairs_mut().extend_pairs(fields);
    url
}

/// The right to write to a repository. Docker, too, asks for this by itself and not for what the challenge suggests.
pub(super) fn scope(repository: &str) -> String {
    format!("repository:{repository}:pull,push")
}

impl Answer {
    pub(super) fn token(self) -> Option<String> {
        self.token.or(self.access_token).filter(|token| !token.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&str], expected: Option<Challenge>) {
        let headers = values.iter().map(|value| (WWW_AUTHENTICATE, value.parse().unwrap())).collect();
        assert_eq!(Challenge::of(&headers), expected, "{values:?}");
    }

    fn bearer(service: Option<&str>) -> Option<Challenge> {
        let realm = "https://auth.example/token".parse().unwrap();
        Some(Challenge::Bearer { realm, service: service.map(str::to_owned) })
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        check(&["Basic realm=\"x\""], Some(Challenge::Basic));
        check(&["BASIC Realm=x"], Some(Challenge::Basic));
        let token = "Bearer realm=\"https://auth.example/token\",service=\"a, \\\"b\\\"\",scope=\"repository:x:pull\"";
        check(&[token], bearer(Some("a, \"b\"")));
        check(&["bearer realm=\"https://auth.example/token\""], bearer(None));
        check(&["Basic realm=\"x\"", "Bearer realm=\"https://auth.example/token\""], bearer(None));
        check(&["Basic realm=\"x\", Bearer realm=\"https://auth.example/token\""], bearer(None));
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        for value in ["", "Negotiate", "Bearer", "Bearer realm=\"/token\"", "Bearer realm=\"", "Basic realm=\"\u{1b}\""]
        {
            if value.parse::<http::HeaderValue>().is_ok() {
                check(&[value], None);
            }
        }
        check(&[], None);
    }
}
