// SPDX-License-Identifier: Apache-2.0
//! delete and deletecollection: preconditions, grace, finalizers, and what becomes of dependents.
//!
//! An object that something still holds is only marked; it goes when the last hold is let go, in [`super::write`].

use api::meta;
use api::status::Status;
use apistore::{Error as StoreError, Expect};
use http::StatusCode;
use serde_json::Value;

use super::write::{Part, admit_delete};
use super::{read_failed, store_failed};
use crate::context::Call;
use crate::fields::{self, Writer};
use crate::objectmeta;
use crate::reply::{Answer, ListMeta, in_version, to_request_version, to_storage_version};
use crate::resource::{Grace, Propagation, ResourceParts};
use crate::storage::{Freshness, decode, encode, set_resource_version};

/// How often a delete that is not bound to a version is tried on a new state.
const TRIES: usize = 32;
/// The finalizer that lets dependents go without their owner.
pub const ORPHAN: &str = "orphan";
/// The finalizer that waits for dependents.
pub const FOREGROUND: &str = "foregroundDeletion";

/// `DeleteOptions`, from the body or the query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `gracePeriodSeconds`.
    pub grace: Option<i64>,
    /// `preconditions.uid`.
    pub uid: Option<String>,
    /// `preconditions.resourceVersion`.
    pub resource_version: Option<String>,
    /// `propagationPolicy` (or what `orphanDependents` says).
    pub propagation: Option<Propagation>,
    /// `dryRun: [All]`.
    pub dry_run: bool,
}

impl Options {
    /// Reads them; the body wins over the query, as upstream decides.
    ///
    /// # Errors
    /// 400 and 422 for values that do not fit.
    pub fn read(call: &Call, body: Option<&Value>) -> Result<Self, Status> {
        let mut options = Self::default();
        let (policy, orphan) = if let Some(body) = body {
            options.grace = body.get("gracePeriodSeconds").and_then(Value::as_i64);
            let text =
                |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            options.uid = text("/preconditions/uid");
            options.resource_version = text("/preconditions/resourceVersion");
            let dry: Vec<&str> = body
                .get("dryRun")
                .and_then(Value::as_array)
                .map(|all| all.iter().filter_map(Value::as_str).collect())
                .unwrap_or_default();
            if let Some(other) = dry.iter().find(|d| **d != "All") {
                return Err(invalid(
                    "dryRun",
                    &format!("Unsupported value: {other:?}: supported values: \"All\""),
                ));
            }
            options.dry_run = !dry.is_empty() || call.query.dry_run;
            (
                text("/propagationPolicy").unwrap_or_default(),
                body.get("orphanDependents").and_then(Value::as_bool),
            )
        } else {
            options.grace = call.query.grace_period;
            options.dry_run = call.query.dry_run;
            (call.query.propagation_policy.clone(), call.query.orphan_dependents)
        };
        options.propagation = match (policy.as_str(), orphan) {
            ("", None) => None,
            ("Orphan", None) | ("", Some(true)) => Some(Propagation::Orphan),
            ("Background", None) | ("", Some(false)) => Some(Propagation::Background),
            ("Foreground", None) => Some(Propagation::Foreground),
            (_, Some(_)) => {
                return Err(invalid(
                    "propagationPolicy",
                    "Invalid value: orphanDependents and deletionPropagation cannot be both set",
                ));
            }
            (other, None) => {
                return Err(invalid(
                    "propagationPolicy",
                    &format!(
                        "Unsupported value: {other:?}: supported values: \"Background\", \"Foreground\", \"Orphan\""
                    ),
                ));
            }
        };
        Ok(options)
    }
}

fn invalid(field: &str, text: &str) -> Status {
    Status::failure(
        api::status::Reason::Invalid,
        format!("DeleteOptions.meta.k8s.io \"\" is invalid: {field}: {text}"),
    )
}

/// Deletes one object, or begins to.
///
/// # Errors
/// 404, 409 for preconditions, what admission refuses, the store's troubles.
pub async fn delete(
    call: &Call,
    parts: &ResourceParts<'_>,
    options: &Options,
) -> Result<Answer, Status> {
    one(call, parts, options, &call.at.name, &call.at.namespace).await
}

async fn one(
    call: &Call,
    parts: &ResourceParts<'_>,
    options: &Options,
    name: &str,
    namespace: &str,
) -> Result<Answer, Status> {
    let resource = call.resource.group_resource();
    let key = crate::context::object_key(&call.resource, namespace, name);
    let not_found = || Status::not_found(&resource, name);
    let mut current =
        parts.storage.read(&key).await.map_err(|e| read_failed(call, e))?.ok_or_else(not_found)?;
    for _ in 0..TRIES {
        let mut old = decode(&current, current.modified).map_err(Status::internal)?;
        to_request_version(call, &mut old);
        check_preconditions(call, options, name, &old)?;
        admit_delete(call, parts.admission, &old).await?;
        let mut marked = old.clone();
        let held = mark(call, parts, options, &mut marked);
        if options.dry_run {
            return Ok(done(call, parts, name, old, held.then_some(marked)));
        }
        let (store, at) = (parts.storage.store(), parts.storage.key(&key));
        let expect = Expect::Modified(current.modified);
        let result = if held && marked == old {
            return Ok(Answer::Object(StatusCode::OK, old));
        } else if held {
            fields::record(call, &Writer::update(call, Part::Main), Some(&old), &mut marked);
            to_storage_version(call, &mut marked);
            let value = encode(&mut marked);
            store.update(&at, value, expect, None).await.map(|kv| kv.modified)
        } else {
            store.delete(&at, expect).await.map(|(_, revision)| revision)
        };
        match result {
            Ok(revision) if held => {
                set_resource_version(&mut marked, revision);
                to_request_version(call, &mut marked);
                return Ok(Answer::Object(StatusCode::OK, marked));
            }
            Ok(revision) => {
                set_resource_version(&mut old, revision);
                return Ok(done(call, parts, name, old, None));
            }
            Err(StoreError::Conflict(newer)) => current = *newer,
            Err(StoreError::NotFound) => return Err(not_found()),
            Err(error) => return Err(store_failed(call, error)),
        }
    }
    Err(Status::modified(&resource, name))
}

fn check_preconditions(
    call: &Call,
    options: &Options,
    name: &str,
    old: &Value,
) -> Result<(), Status> {
    let resource = call.resource.group_resource();
    if let Some(uid) = &options.uid
        && uid != meta::uid(old)
    {
        return Err(objectmeta::wrong_uid(&resource, name, uid, meta::uid(old)));
    }
    if let Some(version) = &options.resource_version {
        let found = meta::resource_version(old);
        if version != found {
            let cause = format!(
                "Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {found}"
            );
            return Err(Status::conflict(&resource, name, cause));
        }
    }
    Ok(())
}

/// Marks an object for deletion as far as something holds it; says whether anything does.
fn mark(call: &Call, parts: &ResourceParts<'_>, options: &Options, object: &mut Value) -> bool {
    dependents(parts, options, object);
    let grace = match parts.strategy.grace(object, options.grace) {
        Grace::None => 0,
        Grace::Seconds(seconds) => seconds.max(0),
    };
    let held = meta::finalizers(object).next().is_some() || parts.strategy.is_held(object);
    if !held && grace == 0 {
        return false;
    }
    let before = meta::deletion_grace_period_seconds(object);
    if meta::is_being_deleted(object) {
        // A later delete can only shorten the time.
        if before.is_none_or(|before| grace < before) {
            shorten(call, object, grace, before.unwrap_or(0));
        }
        return held || grace > 0;
    }
    let at = api::time::Time::from_unix(call.now.seconds() + grace, 0).unwrap_or(call.now);
    meta::set_deletion_timestamp(object, &at.to_string());
    meta::set(object, "deletionGracePeriodSeconds", grace);
    if meta::generation(object) > 0 {
        let generation = meta::generation(object) + 1;
        meta::set_generation(object, generation);
    }
    parts.strategy.begin_delete(object);
    true
}

fn shorten(call: &Call, object: &mut Value, grace: i64, before: i64) {
    let set = api::time::Time::parse(meta::deletion_timestamp(object)).unwrap_or(call.now);
    let at = api::time::Time::from_unix(set.seconds() - before + grace, 0).unwrap_or(call.now);
    meta::set_deletion_timestamp(object, &at.to_string());
    meta::set(object, "deletionGracePeriodSeconds", grace);
}

/// The finalizers that garbage collection acts on.
fn dependents(parts: &ResourceParts<'_>, options: &Options, object: &mut Value) {
    let policy = options.propagation.unwrap_or_else(|| {
        if meta::has_finalizer(object, ORPHAN) {
            Propagation::Orphan
        } else if meta::has_finalizer(object, FOREGROUND) {
            Propagation::Foreground
        } else {
            parts.strategy.default_propagation()
        }
    });
    match policy {
        Propagation::Orphan => {
            meta::remove_finalizer(object, FOREGROUND);
            meta::add_finalizer(object, ORPHAN);
        }
        Propagation::Foreground => {
            meta::remove_finalizer(object, ORPHAN);
            meta::add_finalizer(object, FOREGROUND);
        }
        Propagation::Background => {
            meta::remove_finalizer(object, ORPHAN);
            meta::remove_finalizer(object, FOREGROUND);
        }
    }
}

fn done(
    call: &Call,
    parts: &ResourceParts<'_>,
    name: &str,
    old: Value,
    marked: Option<Value>,
) -> Answer {
    match marked {
        Some(marked) => Answer::Object(StatusCode::OK, marked),
        None if parts.strategy.returns_deleted() => Answer::Object(StatusCode::OK, old),
        None => {
            Answer::Status(Status::success(&call.resource.group_resource(), name, meta::uid(&old)))
        }
    }
}

/// Deletes what the request selects, one after the other; what is gone already is no error.
///
/// # Errors
/// The first that cannot be deleted.
pub async fn delete_collection(
    call: &Call,
    parts: &ResourceParts<'_>,
    options: &Options,
) -> Result<Answer, Status> {
    let selection = super::read::selection(call, parts.storage)?;
    let limit = usize::try_from(call.query.limit).unwrap_or(usize::MAX);
    let listed = parts
        .storage
        .list(&selection, limit, None, Freshness::Newest)
        .await
        .map_err(|e| read_failed(call, e))?;
    let mut deleted = Vec::with_capacity(listed.entries.len());
    for entry in &listed.entries {
        match one(call, parts, options, entry.name(), entry.namespace()).await {
            Ok(_) => deleted.push(in_version(call, entry)),
            Err(status) if status.is(api::status::Reason::NotFound) => {}
            Err(status) => return Err(status),
        }
    }
    let meta = ListMeta { resource_version: listed.revision.to_string(), ..ListMeta::default() };
    Ok(Answer::Objects(meta, deleted))
}
