//! The rights that a run needs, asked for before anything is created.

use super::errors::{failed, refused};
use crate::target::TargetError;
use futures_util::future::try_join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use std::fmt;

/// A right, as RBAC writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The resource, with its subresource: `pods/portforward`.
    pub resource: &'static str,
    /// The verb.
    pub verb: &'static str,
}

const fn right(group: &'static str, resource: &'static str, verb: &'static str) -> Right {
    Right { group, resource, verb }
}

/// Every right that `verify` needs, in the whole cluster. docs/rights.md says what each is for; a test compares.
pub const RIGHTS: [Right; 28] = [
    right("", "nodes", "list"),
    right("", "namespaces", "create"),
    right("", "namespaces", "get"),
    right("", "namespaces", "list"),
    right("", "namespaces", "watch"),
    right("", "namespaces", "patch"),
    right("", "namespaces", "delete"),
    right("", "pods", "create"),
    right("", "pods", "get"),
    right("", "pods", "list"),
    right("", "pods", "watch"),
    right("", "pods", "patch"),
    right("", "pods", "delete"),
    // A port-forward over a WebSocket is a GET whose admission asks for `create`: either alone is refused.
    right("", "pods/portforward", "get"),
    right("", "pods/portforward", "create"),
    right("", "configmaps", "create"),
    right("", "services", "create"),
    right("", "services", "get"),
    right("apps", "replicasets", "create"),
    right("apps", "replicasets", "list"),
    right("apps", "replicasets", "watch"),
    right("apps", "replicasets", "patch"),
    right("networking.k8s.io", "networkpolicies", "create"),
    right("networking.k8s.io", "networkpolicies", "get"),
    right("networking.k8s.io", "networkpolicies", "list"),
    right("networking.k8s.io", "networkpolicies", "watch"),
    right("networking.k8s.io", "networkpolicies", "update"),
    right("networking.k8s.io", "networkpolicies", "delete"),
];

/// What `cleanup` needs.
pub const CLEANUP_RIGHTS: [Right; 3] =
    [right("", "namespaces", "list"), right("", "namespaces", "watch"), right("", "namespaces", "delete")];

/// What `--namespaces` needs in the whole cluster.
pub const NODE_RIGHTS: [Right; 1] = [right("", "nodes", "list")];

/// What `--namespaces` needs in each of them.
pub const GIVEN_RIGHTS: [Right; 29] = [
    right("", "namespaces", "get"),
    right("", "pods", "create"),
    right("", "pods", "get"),
    right("", "pods", "list"),
    right("", "pods", "watch"),
    right("", "pods", "patch"),
    right("", "pods", "delete"),
    right("", "pods", "deletecollection"),
    right("", "pods/portforward", "get"),
    right("", "pods/portforward", "create"),
    right("", "configmaps", "create"),
    right("", "configmaps", "list"),
    right("", "configmaps", "deletecollection"),
    right("", "services", "create"),
    right("", "services", "get"),
    right("", "services", "list"),
    right("", "services", "deletecollection"),
    right("apps", "replicasets", "create"),
    right("apps", "replicasets", "list"),
    right("apps", "replicasets", "watch"),
    right("apps", "replicasets", "patch"),
    right("apps", "replicasets", "deletecollection"),
    right("networking.k8s.io", "networkpolicies", "create"),
    right("networking.k8s.io", "networkpolicies", "get"),
    right("networking.k8s.io", "networkpolicies", "list"),
    right("networking.k8s.io", "networkpolicies", "watch"),
    right("networking.k8s.io", "networkpolicies", "update"),
    right("networking.k8s.io", "networkpolicies", "delete"),
    right("networking.k8s.io", "networkpolicies", "deletecollection"),
];

/// What `cleanup --namespaces` needs in each of them.
pub const GIVEN_CLEANUP_RIGHTS: [Right; 11] = [
    right("", "pods", "list"),
    right("", "pods", "watch"),
    right("", "pods", "deletecollection"),
    right("", "configmaps", "list"),
    right("", "configmaps", "deletecollection"),
    right("", "services", "list"),
    right("", "services", "deletecollection"),
    right("apps", "replicasets", "list"),
    right("apps", "replicasets", "deletecollection"),
    right("networking.k8s.io", "networkpolicies", "list"),
    right("networking.k8s.io", "networkpolicies", "deletecollection"),
];

/// What `--image-pull-secret` needs besides, and the right to read that secret.
pub const PULL_SECRET_RIGHTS: [Right; 1] = [right("", "secrets", "create")];

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if self.group.is_empty() { Ok(()) } else { write!(f, ".{}", self.group) }
    }
}

/// Asks the API server for each right in the whole cluster, and names every one that is missing.
pub(super) async fn check(client: &Client, rights: &[Right]) -> Result<(), TargetError> {
    check_in(client, &[(None, rights)]).await
}

/// Asks the API server for rights, each in its namespace or in the whole cluster, and names every one that is missing.
pub(super) async fn check_in(client: &Client, wanted: &[(Option<&str>, &[Right])]) -> Result<(), TargetError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let ask = |place: Option<&str>, right: Right| {
        let (reviews, namespace) = (reviews.clone(), place.map(str::to_owned));
        async move {
            let (resource, subresource) = match right.resource.split_once('/') {
                Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
                None => (right.resource, None),
            };
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(ResourceAttributes {
                        group: Some(right.group.to_owned()),
                        resource: Some(resource.to_owned()),
                        subresource,
                        verb: Some(right.verb.to_owned()),
                        namespace: namespace.clone(),
                        ..ResourceAttributes::default()
                    }),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            let answer = reviews.create(&PostParams::default(), &review).await?;
            let place = namespace.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
            Ok::<_, kube::Error>((format!("{right}{place}"), answer.status.is_some_and(|status| status.allowed)))
        }
    };
    let asked = wanted.iter().flat_map(|(place, rights)| rights.iter().map(|right| ask(*place, *right)));
    let answers = try_join_all(asked).await.map_err(|error| refused("asking which rights this user has", &error))?;
    let missing: Vec<&str> = answers.iter().filter(|(_, allowed)| !allowed).map(|(right, _)| right.as_str()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let cause = format!(
        "this user lacks {} of {} rights, and nothing was created:\n    {}",
        missing.len(),
        answers.len(),
        missing.join("\n    ")
    );
    let mut error = failed("checking the rights of this user", cause);
    error.hint =
        Some("docs/rights.md has roles that grant them; `kubectl auth can-i VERB RESOURCE` checks one".to_owned());
    Err(error)
}
