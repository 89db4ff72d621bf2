// SPDX-License-Identifier: Apache-2.0
//! Authorization of one request: credentials → identity → decisions, in one batch.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use httpd::Head;
use oci::RepositoryName;
use ports::{Access, AuthError, Credentials, Decision, Identity, Verb};

use super::{challenge, credentials};
use crate::app::Registry;
use crate::operation::wanted;
use crate::query;
use crate::reply::error::{Error, Result};
use crate::route::{Item, Route};

/// Who passed, and what a mount needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) credentials: Credentials,
    /// The repository named by `from=` on a mount, if it is a name and may be pulled from.
    pub(crate) mount_from: Option<RepositoryName>,
}

/// Lets a request in, or says why not.
pub(crate) async fn admit(registry: &Registry, head: &Head, route: &Route<'_>) -> Result<Caller> {
    let from = mount_source(route, head);
    if registry.authorizer.is_open() && registry.settings.metrics_secret.is_none() {
        return Ok(Caller {
            identity: registry.anonymous.clone(),
            credentials: Credentials::None,
            mount_from: from,
        });
    }
    let credentials = credentials::parse(&head.headers);
    let mut accesses = wanted(route, &head.method);
    let refuse = |cause: &AuthError, accesses: &[Access]| -> Error {
        let authorizer = &*registry.authorizer;
        challenge::refusal(authorizer, head, &registry.settings, cause, accesses)
    };

    if let Some(secret) = &registry.settings.metrics_secret {
        // The secret opens the metrics and nothing else; it never reaches the authorizer (2.4).
        match (route, presents(&credentials, secret.expose())) {
            (Route::Metrics, true) => return Ok(Caller::anonymous(registry, credentials)),
            (Route::Metrics, false) if credentials == Credentials::None => {
                return Err(refuse(&AuthError::Required, &accesses));
            }
            (Route::Metrics, false) | (_, true) => {
                return Err(refuse(&AuthError::Refused, &accesses));
            }
            (_, false) => {}
        }
    }

    let identity = registry
        .authorizer
        .identify(&credentials)
        .await
        .map_err(|cause| refuse(&cause, &accesses))?;
    if accesses.is_empty() {
        return Ok(Caller { identity, credentials, mount_from: None });
    }
    // The right to pull from a mount's source is asked for in the same batch, and its refusal only
    // means that there is no mount (1.10).
    let needed = accesses.len();
    if let Some(source) = &from {
        accesses.push(Access::repository(Verb::Pull, source.clone()));
    }
    let decisions = registry
        .authorizer
        .decide(&identity, &credentials, &accesses)
        .await
        .map_err(|cause| refuse(&cause, &accesses[..needed]))?;
    let allowed = |at: usize| decisions.get(at).is_some_and(Decision::is_allowed);
    if !(0..needed).all(allowed) {
        return Err(refuse(&AuthError::Refused, &accesses[..needed]));
    }
    let mount_from = from.filter(|_| allowed(needed));
    Ok(Caller { identity, credentials, mount_from })
}

impl Caller {
    fn anonymous(registry: &Registry, credentials: Credentials) -> Self {
        Self { identity: registry.anonymous.clone(), credentials, mount_from: None }
    }
}

/// The source of a mount, if the request is one.
fn mount_source(route: &Route<'_>, head: &Head) -> Option<RepositoryName> {
    let Route::Repository(_, Item::Uploads) = route else { return None };
    let query = head.target.query();
    if !query::has(query, "mount") {
        return None;
    }
    RepositoryName::parse(&query::first(query, "from")?).ok()
}

/// Compares in constant time.
fn presents(credentials: &Credentials, secret: &str) -> bool {
    let given = match credentials {
        Credentials::Basic { password, .. } => password.expose(),
        Credentials::Bearer(token) => token.expose(),
        Credentials::None | Credentials::Malformed => return false,
    };
    verify_slices_are_equal(given.as_bytes(), secret.as_bytes()).is_ok()
}
