// SPDX-License-Identifier: Apache-2.0
//! get and list.

use std::sync::Arc;

use api::selector::{FieldSelector, LabelSelector};
use api::status::Status;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::read_failed;
use crate::context::Call;
use crate::reply::{Answer, List, ListMeta};
use crate::request::{Query, VersionMatch};
use crate::resource::{Resource, Source};
use crate::storage::{Entry, Freshness, Listed, ResourceStorage, Selection};

/// The largest page that is made of exact revisions at once, when a client asks for no limit.
const UNLIMITED: usize = 0;

/// One object.
///
/// # Errors
/// 404 and the store's troubles.
pub async fn get(call: &Call, storage: &ResourceStorage) -> Result<Answer, Status> {
    let freshness = match version_number(&call.query.resource_version)? {
        None => Freshness::Newest,
        Some(0) => Freshness::Any,
        Some(version) => Freshness::NotOlderThan(version),
    };
    let entry =
        storage.get(&call.key(&call.at.name), freshness).await.map_err(|e| read_failed(call, e))?;
    match entry {
        Some(entry) => Ok(Answer::Entry(StatusCode::OK, entry)),
        None => Err(Status::not_found(&call.resource.group_resource(), &call.at.name)),
    }
}

/// Many objects.
///
/// # Errors
/// 400 for selectors and tokens that cannot be read, 410 for history that is gone.
pub async fn list(call: &Call, storage: &ResourceStorage) -> Result<Answer, Status> {
    let selection = selection(call, storage)?;
    let query = &call.query;
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let version = version_number(&query.resource_version)?;
    check_version_match(query, version)?;
    let listed = if query.continue_token.is_empty() {
        let exact = query.version_match == Some(VersionMatch::Exact)
            || (query.version_match.is_none() && limit > 0 && version.is_some_and(|v| v > 0));
        match version {
            Some(version) if exact => storage.list_at(&selection, limit, None, version).await,
            None => storage.list(&selection, limit, None, Freshness::Newest).await,
            // A list that may be as old as you like is not cut into pages, as upstream does not.
            Some(0) => storage.list(&selection, UNLIMITED, None, Freshness::Any).await,
            Some(version) => {
                storage.list(&selection, limit, None, Freshness::NotOlderThan(version)).await
            }
        }
    } else {
        if version.is_some() {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        let token = Token::decode(&query.continue_token)?;
        match token.revision {
            -1 => storage.list(&selection, limit, Some(&token.after), Freshness::Newest).await,
            revision => {
                let revision = u64::try_from(revision).map_err(|_| bad_token())?;
                match storage.list_at(&selection, limit, Some(&token.after), revision).await {
                    Err(crate::storage::ReadError::Store(apistore::Error::Compacted {
                        ..
                    })) => {
                        return Err(expired(&token.after));
                    }
                    other => other,
                }
            }
        }
    };
    Ok(Answer::List(page(listed.map_err(|e| read_failed(call, e))?)))
}

fn page(listed: Listed) -> List {
    let continue_token = listed
        .next
        .map(|after| Token { revision: listed.revision.cast_signed(), after }.encode())
        .unwrap_or_default();
    let meta = ListMeta {
        resource_version: listed.revision.to_string(),
        continue_token,
        remaining: listed.remaining,
    };
    List { meta, entries: listed.entries }
}

/// What the request's path and selectors select.
///
/// # Errors
/// 400 for selectors that cannot be read or name fields that the kind does not offer.
pub fn selection(call: &Call, storage: &ResourceStorage) -> Result<Selection, Status> {
    let mut selection = select(&call.resource, &call.at.namespace, &call.query, storage)?;
    let Source::Stored { strategy, .. } = &call.resource.source else { return Ok(selection) };
    if let Some(visible) = strategy.visible(call) {
        selection.matches = Some(match selection.matches.take() {
            Some(matches) => Arc::new(move |entry: &Entry| matches(entry) && visible(entry)),
            None => visible,
        });
    }
    Ok(selection)
}

fn select(
    resource: &Resource,
    namespace: &str,
    query: &Query,
    storage: &ResourceStorage,
) -> Result<Selection, Status> {
    let labels = LabelSelector::parse(&query.label_selector)
        .map_err(|e| Status::bad_request(format!("unable to parse requirement: {e}")))?;
    let fields = FieldSelector::parse(&query.field_selector)
        .map_err(|e| Status::bad_request(e.to_string()))?;
    let own: Vec<&str> = storage.fields().iter().map(|(path, _)| *path).collect();
    fields.check(&own).map_err(|e| Status::bad_request(e.to_string()))?;
    let mut selection = Selection::of_namespace(if resource.namespaced { namespace } else { "" });
    selection.name = fields.exact("metadata.name").map(str::to_owned);
    if !labels.is_everything() || !fields.is_everything() {
        let only_name =
            labels.is_everything() && fields.requirements().len() == 1 && selection.name.is_some();
        if !only_name {
            selection.matches = Some(Arc::new(move |entry: &Entry| {
                (labels.is_everything() || labels.matches(entry))
                    && fields.matches(|path| entry.field(path).unwrap_or_default().into())
            }));
        }
    }
    Ok(selection)
}

/// A `resourceVersion` parameter as a number; none when absent.
///
/// # Errors
/// 400 for anything else.
pub fn version_number(text: &str) -> Result<Option<u64>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        Status::bad_request(format!(
            "invalid resource version {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
        ))
    })
}

fn check_version_match(query: &Query, version: Option<u64>) -> Result<(), Status> {
    let forbidden = |detail: &str| {
        Err(Status::bad_request(format!("resourceVersionMatch: Forbidden: {detail}")))
    };
    match query.version_match {
        Some(_) if version.is_none() && query.send_initial_events.is_none() => {
            forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided")
        }
        Some(_) if !query.continue_token.is_empty() => {
            forbidden("resourceVersionMatch is forbidden when continue is provided")
        }
        Some(VersionMatch::Exact) if version == Some(0) => {
            forbidden("resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"")
        }
        _ => Ok(()),
    }
}

/// Where a list goes on; opaque to clients, in upstream's own format.
struct Token {
    revision: i64,
    after: String,
}

#[derive(Serialize, Deserialize)]
struct TokenForm {
    v: String,
    #[serde(default)]
    rv: i64,
    start: String,
}

/// What follows the last key in a token, so that the next page begins behind it.
const AFTER: char = '\0';

impl Token {
    fn encode(&self) -> String {
        let form = TokenForm {
            v: "meta.k8s.io/v1".to_owned(),
            rv: self.revision,
            start: format!("{}{AFTER}", self.after),
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&form).unwrap_or_default())
    }

    fn decode(text: &str) -> Result<Self, Status> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| bad_token())?;
        let form: TokenForm = serde_json::from_slice(&bytes).map_err(|_| bad_token())?;
        if form.v != "meta.k8s.io/v1" || form.start.contains("..") || (form.rv == 0 || form.rv < -1)
        {
            return Err(bad_token());
        }
        Ok(Self {
            revision: form.rv,
            after: form.start.trim_end_matches(AFTER).trim_start_matches('/').to_owned(),
        })
    }
}

fn bad_token() -> Status {
    Status::bad_request("continue key is not valid: it must be the value that the server returned")
}

/// The history of a paged list is gone: 410, with a token that goes on at the newest revision.
fn expired(after: &str) -> Status {
    let mut status = Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    status.set_continue(&Token { revision: -1, after: after.to_owned() }.encode());
    status
}
