// SPDX-License-Identifier: Apache-2.0
//! `notifications`: webhooks (registry.md 6.9).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::problem::Problem;
use crate::read::{Reader, Scope};
use crate::value::{Secret, Url};

settings! {
    /// Webhooks that are told about pushes, pulls and deletes.
    pub struct Notifications checked by check_notifications {
        /// What events contain.
        "events" env "EVENTCONFIG" => events: Events = "{}";
        /// A receiver of events.
        "endpoints" => endpoints: Vec<Endpoint> = "[]";
    }
}

settings! {
    /// What events contain.
    pub struct Events {
        /// Whether a manifest's event lists what the manifest refers to.
        "includereferences" => include_references: bool = "false";
    }
}

settings! {
    /// A receiver of events.
    pub struct Endpoint checked by check_endpoint {
        /// Name for logs and metrics; must differ from the others.
        "name" => name: String = "";
        /// Whether the endpoint is off.
        "disabled" => disabled: bool = "false";
        /// Where events are posted. Required.
        "url" => url: Option<Url> = "";
        /// Headers of the requests, for example an authorization: a list of values for each name.
        "headers" => headers: BTreeMap<String, Vec<Secret>> = "{}";
        /// Time limit of a request.
        "timeout" => timeout: Duration = "1s" in "0s" .. "1h";
        /// Failures in a row after which the endpoint is left alone for `backoff`.
        "threshold" => threshold: u32 = "10";
        /// Pause after too many failures.
        "backoff" => backoff: Duration = "1s" in "0s" .. "24h";
        /// Media types whose events are not sent.
        "ignoredmediatypes" => ignored_media_types: Vec<String> = "[]";
        /// Events that are not sent.
        "ignore" => ignore: Ignore = "{}";
    }
}

settings! {
    /// Events that are not sent.
    pub struct Ignore {
        /// By the media type of their target.
        "mediatypes" => media_types: Vec<String> = "[]";
        /// By their action.
        "actions" => actions: Vec<Action> = "[]";
    }
}

choices! {
    /// What an event is about.
    pub enum Action {
        /// Content was pulled.
        Pull = "pull",
        /// Content was pushed.
        Push = "push",
        /// A blob was mounted from another repository.
        Mount = "mount",
        /// Content was deleted.
        Delete = "delete",
    }
}

fn check_endpoint(endpoint: &mut Endpoint, scope: &Scope<'_>, reader: &mut Reader) {
    reader.require(scope, "url");
    if !endpoint.disabled {
        refuse_credentials(endpoint.url.as_ref(), scope, "url", reader);
    }
    // Zero stands for the default in the original.
    if endpoint.timeout.is_zero() {
        endpoint.timeout = Duration::from_secs(1);
    }
    if endpoint.backoff.is_zero() {
        endpoint.backoff = Duration::from_secs(1);
    }
    if endpoint.threshold == 0 {
        endpoint.threshold = 10;
    }
    let list = endpoint.ignored_media_types.drain(..);
    endpoint.ignore.media_types.extend(list);
}

/// Credentials belong into headers, which are secret; a URL is shown in logs and metrics.
pub(super) fn refuse_credentials(
    url: Option<&Url>,
    scope: &Scope<'_>,
    key: &str,
    reader: &mut Reader,
) {
    if url.is_some_and(Url::has_credentials) {
        let text = "credentials in the URL are not supported; use headers".to_owned();
        reader.error(&scope.at.child(key), scope.origin_of(key), Problem::Unsupported(text));
    }
}

fn check_notifications(all: &mut Notifications, scope: &Scope<'_>, reader: &mut Reader) {
    for (index, endpoint) in all.endpoints.iter().enumerate() {
        if all.endpoints[..index].iter().any(|other| other.name == endpoint.name) {
            let text = format!("two endpoints are named {:?}", endpoint.name);
            let at = scope.at.child("endpoints");
            reader.error(&at, scope.origin_of("endpoints"), Problem::Conflict(text));
        }
    }
}
