// SPDX-License-Identifier: Apache-2.0
//! watch: one JSON event a line, until the client, the time-out or the history ends it.

use std::time::Duration;

use api::status::Status;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior};

use super::read::{selection, version_number};
use super::{read_failed, store_failed};
use crate::body::{self, Response};
use crate::context::Call;
use crate::reply::{self, Answer};
use crate::request::VersionMatch;
use crate::request::accept::{As, Encoding};
use crate::storage::{Freshness, ResourceStorage, Told, Watching};

/// How long a watch without `timeoutSeconds` lives, at least; up to twice that, so that not all end at once.
const DEFAULT_LIFE: Duration = Duration::from_secs(30 * 60);
/// How often a watcher that wants them gets bookmarks.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// The annotation of the bookmark that ends a WatchList's initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
/// Most bytes of events that are sent in one piece.
const BATCH_BYTES: usize = 64 << 10;

/// Begins a watch.
///
/// # Errors
/// 400 and 422 for parameters that do not fit, 410 for history that is gone.
pub async fn watch(call: Call, storage: &ResourceStorage) -> Result<Answer, Status> {
    let selection = selection(&call, storage)?;
    let version = version_number(&call.query.resource_version)?;
    let initial = initial_events(&call)?;
    let (after, freshness) = match (initial, version) {
        (Some(false), None | Some(0)) => {
            (Some(storage_now(storage).await.map_err(|e| store_failed(&call, e))?), Freshness::Any)
        }
        (None | Some(true), None) => (None, Freshness::Newest),
        (None | Some(true), Some(0)) => (None, Freshness::Any),
        (Some(true), Some(version)) => (None, Freshness::NotOlderThan(version)),
        (_, Some(version)) => (Some(version), Freshness::Any),
    };
    let watching = storage.watch(selection, after, freshness).await;
    let events = match watching {
        Ok(watching) => stream(call, watching, initial == Some(true)),
        // Clients of watches look for the error in the first event (410 inside a 200).
        Err(crate::storage::ReadError::Store(apistore::Error::Compacted { asked, oldest })) => {
            let gone = Status::too_old_resource_version(asked, oldest);
            return Ok(Answer::Raw(streamed(body::full(line("ERROR", &gone.to_value())))));
        }
        Err(error) => return Err(read_failed(&call, error)),
    };
    Ok(Answer::Raw(streamed(body::stream(events))))
}

async fn storage_now(storage: &ResourceStorage) -> Result<u64, apistore::Error> {
    storage.store().revision().await
}

/// `sendInitialEvents` and the rules that go with it.
fn initial_events(call: &Call) -> Result<Option<bool>, Status> {
    let invalid = |detail: &str| {
        let mut errors = api::field::ErrorList::new();
        let (path, detail) = detail.split_once(": ").unwrap_or(("sendInitialEvents", detail));
        errors.push(api::field::Error::forbidden(&api::field::Path::new(path), detail));
        Err(Status::invalid(&api::GroupKind::new("meta.k8s.io", "ListOptions"), "", &errors))
    };
    match call.query.send_initial_events {
        None if call.query.version_match.is_some() => invalid(
            "resourceVersionMatch: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        None => Ok(None),
        Some(_) if call.query.version_match != Some(VersionMatch::NotOlderThan) => invalid(
            "resourceVersionMatch: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        Some(true) if !call.query.bookmarks => invalid(
            "allowWatchBookmarks: sendInitialEvents requires setting allowWatchBookmarks to true",
        ),
        Some(wanted) => Ok(Some(wanted)),
    }
}

fn streamed(body: body::Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(Encoding::Json.media_type()));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// How long this watch lives.
fn life(call: &Call) -> Duration {
    call.query.timeout.unwrap_or_else(|| {
        // Spread by the clock's nanoseconds: nothing depends on how random it is.
        DEFAULT_LIFE.mul_f64(1.0 + f64::from(call.now.nanos()) / 1e9)
    })
}

/// What a watch remembers between events.
struct Writer {
    call: Call,
    watching: Watching,
    ends: Instant,
    ticks: tokio::time::Interval,
    initial: bool,
    /// WatchList: the bookmark that ends the initial events is still to come, at this revision.
    end_of_initial: Option<u64>,
    first_table: bool,
    over: bool,
}

/// The events as bytes, several at once when several are ready.
fn stream(
    call: Call,
    watching: Watching,
    initial: bool,
) -> impl futures_core::Stream<Item = Result<Bytes, body::BoxError>> + Send + 'static {
    let ends = Instant::now() + life(&call);
    let mut ticks = tokio::time::interval_at(Instant::now() + BOOKMARK_EVERY, BOOKMARK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end_of_initial = initial.then_some(watching.revision);
    if initial {
        // The cache answers with a progress item behind everything that is queued now.
        watching.ask_progress();
    }
    let writer = Writer {
        call,
        watching,
        ends,
        ticks,
        initial,
        end_of_initial,
        first_table: true,
        over: false,
    };
    futures_util::stream::unfold(writer, |mut writer| async move {
        let bytes = writer.next().await?;
        Some((Ok(bytes), writer))
    })
}

impl Writer {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut out = Vec::new();
        loop {
            let told = if out.is_empty() {
                tokio::select! {
                    told = self.watching.stream.next() => told,
                    () = tokio::time::sleep_until(self.ends) => return None,
                    _ = self.ticks.tick() => {
                        if self.call.query.bookmarks {
                            self.watching.ask_progress();
                        }
                        continue;
                    }
                }
            } else {
                match futures_util::FutureExt::now_or_never(self.watching.stream.next()) {
                    Some(told) => told,
                    None => return Some(out.into()),
                }
            };
            match told {
                Some(Ok(told)) => self.write(&mut out, &told),
                Some(Err(error)) => {
                    self.over = true;
                    let status = store_failed(&self.call, error);
                    out.extend_from_slice(&line("ERROR", &status.to_value()));
                    return Some(out.into());
                }
                // The feed cut this watcher, because it was too slow or because history is gone.
                None => {
                    self.over = true;
                    return (!out.is_empty()).then(|| out.into());
                }
            }
            if out.len() >= BATCH_BYTES {
                return Some(out.into());
            }
        }
    }

    fn write(&mut self, out: &mut Vec<u8>, told: &Told) {
        let (kind, entry) = match told {
            Told::Added(entry) => ("ADDED", entry),
            Told::Modified(entry) => ("MODIFIED", entry),
            Told::Deleted(entry) => ("DELETED", entry),
            Told::Progress(revision) => return self.bookmark(out, *revision),
        };
        let as_stored = self.call.version == self.call.resource.storage_version;
        if self.call.wanted.form == As::Object && as_stored {
            out.extend_from_slice(b"{\"type\":\"");
            out.extend_from_slice(kind.as_bytes());
            out.extend_from_slice(b"\",\"object\":");
            out.extend_from_slice(&entry.json);
            out.extend_from_slice(b"}\n");
            return;
        }
        let mut object = reply::formed(&self.call, reply::in_version(&self.call, entry));
        self.once_columns(&mut object);
        out.extend_from_slice(&line(kind, &object));
    }

    /// Only the first table of a watch says what its columns are.
    fn once_columns(&mut self, object: &mut Value) {
        if matches!(self.call.wanted.form, As::Table(_)) && !std::mem::take(&mut self.first_table) {
            object["columnDefinitions"] = Value::Null;
        }
    }

    fn bookmark(&mut self, out: &mut Vec<u8>, revision: u64) {
        if !self.call.query.bookmarks {
            return;
        }
        let mut metadata =
            json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
        if self.initial && self.end_of_initial.is_some_and(|end| revision >= end) {
            self.end_of_initial = None;
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let object = json!({
            "kind": self.call.resource.kind,
            "apiVersion": self.call.api_version(),
            "metadata": metadata,
        });
        let mut object = reply::formed(&self.call, object);
        self.once_columns(&mut object);
        out.extend_from_slice(&line("BOOKMARK", &object));
    }
}

fn line(kind: &str, object: &Value) -> Vec<u8> {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n").into_bytes()
}
