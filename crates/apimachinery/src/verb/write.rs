// SPDX-License-Identifier: Apache-2.0
//! create and update, and the one order in which every write is done.
//!
//! ```text
//!  decoded body ─▶ identity (name, namespace, uid, times) ─▶ defaults ─▶ admission ─▶ strategy.prepare
//!     ─▶ validation (metadata, strategy, admission) ─▶ generation ─▶ field ownership ─▶ store, if nothing came between
//! ```
//!
//! An update that was not bound to a version is tried again on what came between; one that was, conflicts.

use std::sync::Arc;

use api::field::{ErrorList, Path};
use api::meta;
use api::status::Status;
use apistore::{Error as StoreError, Expect, KeyValue};
use http::StatusCode;
use serde_json::Value;

use super::{read_failed, store_failed};
use crate::context::Call;
use crate::fields::{self, Writer};
use crate::objectmeta;
use crate::reply::{Answer, to_request_version, to_storage_version};
use crate::resource::{Admission, ResourceParts, Strategy};
use crate::storage::{Entry, decode, encode};

/// How often an update that is not bound to a version is tried on a new state.
const UPDATE_TRIES: usize = 32;
/// How often a generated name that is taken is drawn anew.
const NAME_TRIES: usize = 8;

/// What a change may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The object; its status only where the kind has no status subresource.
    Main,
    /// The status.
    Status,
    /// Whatever the caller of [`change`] changes (scale, finalize, bindings).
    Subresource(&'static str),
}

impl Part {
    /// The subresource's name as managed fields record it.
    #[must_use]
    pub fn subresource(self) -> &'static str {
        match self {
            Self::Main => "",
            Self::Status => "status",
            Self::Subresource(name) => name,
        }
    }
}

/// Makes a new object.
///
/// # Errors
/// What validation, admission and the store refuse.
pub async fn create(call: &Call, parts: &ResourceParts<'_>, body: Value) -> Result<Answer, Status> {
    let mut object = body;
    objectmeta::for_create(call, &mut object)?;
    if !call.at.name.is_empty() && meta::name(&object) != call.at.name {
        return Err(objectmeta::wrong_name(meta::name(&object), &call.at.name));
    }
    let generated = meta::name(&object).is_empty() && !meta::generate_name(&object).is_empty();
    let mut tries = 0;
    loop {
        let mut named = object.clone();
        if generated {
            let name = api::names::generate(meta::generate_name(&object));
            meta::set_name(&mut named, &name);
        }
        match create_named(call, parts, named, Writer::update(call, Part::Main)).await {
            Err(status) if generated && status.is(api::status::Reason::AlreadyExists) => {
                tries += 1;
                if tries == NAME_TRIES {
                    let resource = call.resource.group_resource();
                    return Err(Status::generate_name_conflict(
                        &resource,
                        meta::generate_name(&object),
                        1,
                    ));
                }
            }
            done => return done,
        }
    }
}

/// Makes an object whose name is known; also where an apply or a PUT creates.
pub(super) async fn create_named(
    call: &Call,
    parts: &ResourceParts<'_>,
    mut object: Value,
    writer: Writer,
) -> Result<Answer, Status> {
    schema::default(call.version().schema.view(), &mut object);
    for plugin in parts.admission {
        plugin.mutate(call, &mut object, None).await?;
    }
    parts.strategy.prepare_create(call, &mut object);
    if parts.strategy.counts_generations() {
        meta::set_generation(&mut object, 1);
    } else {
        meta::remove(&mut object, "generation");
    }
    let mut errors = objectmeta::validate(call, parts.strategy, &object);
    errors.0.extend(parts.strategy.validate_create(call, &object).0);
    refuse(call, &object, &errors)?;
    for plugin in parts.admission {
        plugin.validate(call, Some(&object), None).await?;
    }
    for text in parts.strategy.warnings(&object, None) {
        call.warn(text);
    }
    fields::record(call, &writer, None, &mut object);
    let name = meta::name(&object).to_owned();
    let key = call.key(&name);
    to_storage_version(call, &mut object);
    if call.query.dry_run {
        if parts.storage.read(&key).await.map_err(|e| read_failed(call, e))?.is_some() {
            return Err(Status::already_exists(&call.resource.group_resource(), &name));
        }
        to_request_version(call, &mut object);
        return Ok(Answer::Object(StatusCode::CREATED, object));
    }
    let ttl = parts.strategy.ttl(&object);
    let value = encode(&mut object);
    match parts.storage.store().create(&parts.storage.key(&key), value, ttl).await {
        Ok(kv) => Ok(Answer::Entry(StatusCode::CREATED, stored(&key, object, &kv))),
        Err(StoreError::Exists) => {
            Err(Status::already_exists(&call.resource.group_resource(), &name))
        }
        Err(error) => Err(store_failed(call, error)),
    }
}

/// Replaces an object, or its status.
///
/// # Errors
/// What validation, admission, preconditions and the store refuse.
pub async fn update(
    call: &Call,
    parts: &ResourceParts<'_>,
    body: Value,
    part: Part,
) -> Result<Answer, Status> {
    let name = call.at.name.clone();
    let mut body = body;
    if meta::name(&body).is_empty() {
        meta::set_name(&mut body, &name);
    } else if meta::name(&body) != name {
        return Err(objectmeta::wrong_name(meta::name(&body), &name));
    }
    objectmeta::same_namespace(call, &mut body)?;
    let version = super::read::version_number(meta::resource_version(&body))?.filter(|v| *v != 0);
    if version.is_none() && !parts.strategy.allows_unconditional_update() {
        let mut errors = ErrorList::new();
        let path = Path::new("metadata").child("resourceVersion");
        errors.push(api::field::Error::invalid(&path, 0, "must be specified for an update"));
        return Err(Status::invalid(&call.resource.group_kind(), &name, &errors));
    }
    if part == Part::Main && parts.strategy.allows_create_on_update() {
        let present =
            parts.storage.read(&call.key(&name)).await.map_err(|e| read_failed(call, e))?;
        if present.is_none() {
            if version.is_some() {
                return Err(Status::modified(&call.resource.group_resource(), &name));
            }
            let mut object = body;
            objectmeta::for_create(call, &mut object)?;
            return create_named(call, parts, object, Writer::update(call, part)).await;
        }
    }
    let writer = Writer::update(call, part);
    change(call, parts, &writer, part, |old| {
        if version.is_some_and(|version| meta::resource_version(old) != version.to_string()) {
            return Err(Status::modified(&call.resource.group_resource(), &name));
        }
        let uid = meta::uid(&body);
        if !uid.is_empty() && uid != meta::uid(old) {
            return Err(objectmeta::wrong_uid(
                &call.resource.group_resource(),
                &name,
                uid,
                meta::uid(old),
            ));
        }
        Ok(Some(body.clone()))
    })
    .await
}

/// Changes a stored object by `transform`, which is given the newest state in the request's version and may be called
/// again when another write came between. `None` leaves the object as it is.
///
/// # Errors
/// What `transform`, validation, admission and the store refuse; 404 for an absent object.
pub async fn change(
    call: &Call,
    parts: &ResourceParts<'_>,
    writer: &Writer,
    part: Part,
    mut transform: impl FnMut(&Value) -> Result<Option<Value>, Status> + Send,
) -> Result<Answer, Status> {
    let name = &call.at.name;
    let key = call.key(name);
    let not_found = || Status::not_found(&call.resource.group_resource(), name);
    let mut current =
        parts.storage.read(&key).await.map_err(|e| read_failed(call, e))?.ok_or_else(not_found)?;
    for _ in 0..UPDATE_TRIES {
        let mut old = decode(&current, current.modified).map_err(Status::internal)?;
        to_request_version(call, &mut old);
        let Some(mut new) = transform(&old)? else {
            return Ok(Answer::Entry(StatusCode::OK, unchanged(&key, &current)?));
        };
        prepare(call, parts, part, &old, &mut new).await?;
        fields::record(call, writer, Some(&old), &mut new);
        if same_but_version(&old, &new) {
            return Ok(Answer::Entry(StatusCode::OK, unchanged(&key, &current)?));
        }
        // The last finalizer of an object that is being deleted is gone: so is the object.
        let gone = meta::is_being_deleted(&new)
            && meta::finalizers(&new).next().is_none()
            && !parts.strategy.is_held(&new)
            && meta::deletion_grace_period_seconds(&new).unwrap_or(0) == 0;
        to_storage_version(call, &mut new);
        if call.query.dry_run {
            to_request_version(call, &mut new);
            return Ok(Answer::Object(StatusCode::OK, new));
        }
        let (store, at) = (parts.storage.store(), parts.storage.key(&key));
        let expect = Expect::Modified(current.modified);
        let result = if gone {
            store
                .delete(&at, expect)
                .await
                .map(|(_, revision)| KeyValue { modified: revision, ..current.clone() })
        } else {
            let ttl = parts.strategy.ttl(&new);
            store.update(&at, encode(&mut new), expect, ttl).await
        };
        match result {
            Ok(kv) => return Ok(Answer::Entry(StatusCode::OK, stored(&key, new, &kv))),
            Err(StoreError::Conflict(newer)) => current = *newer,
            Err(StoreError::NotFound) => return Err(not_found()),
            Err(error) => return Err(store_failed(call, error)),
        }
    }
    Err(Status::modified(&call.resource.group_resource(), name))
}

/// Brings a changed object into the form in which it may be stored, or refuses it.
async fn prepare(
    call: &Call,
    parts: &ResourceParts<'_>,
    part: Part,
    old: &Value,
    new: &mut Value,
) -> Result<(), Status> {
    objectmeta::for_update(call, old, new);
    schema::default(call.version().schema.view(), new);
    for plugin in parts.admission {
        plugin.mutate(call, new, Some(old)).await?;
    }
    match part {
        Part::Main => parts.strategy.prepare_update(call, new, old),
        Part::Status => parts.strategy.prepare_status(call, new, old),
        Part::Subresource(_) => {}
    }
    count_generation(parts.strategy, old, new);
    let mut errors = objectmeta::validate_update(new, old);
    errors.0.extend(
        match part {
            Part::Status => parts.strategy.validate_status(call, new, old),
            Part::Main | Part::Subresource(_) => parts.strategy.validate_update(call, new, old),
        }
        .0,
    );
    refuse(call, new, &errors)?;
    for plugin in parts.admission {
        plugin.validate(call, Some(new), Some(old)).await?;
    }
    for text in parts.strategy.warnings(new, Some(old)) {
        call.warn(text);
    }
    Ok(())
}

/// A new generation for a change of anything but metadata and status.
fn count_generation(strategy: &dyn Strategy, old: &Value, new: &mut Value) {
    let generation = meta::generation(old);
    if !strategy.counts_generations() {
        if generation != 0 {
            meta::set_generation(new, generation);
        }
        return;
    }
    let changed = match (old.as_object(), new.as_object()) {
        (Some(old), Some(new)) => {
            let counts = |key: &str| !matches!(key, "metadata" | "status" | "apiVersion" | "kind");
            let keys = old.keys().chain(new.keys()).filter(|key| counts(key));
            keys.into_iter().any(|key| old.get(key) != new.get(key))
        }
        _ => false,
    };
    meta::set_generation(new, if changed { generation + 1 } else { generation.max(1) });
}

fn refuse(call: &Call, object: &Value, errors: &ErrorList) -> Result<(), Status> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(&call.resource.group_kind(), meta::name(object), errors))
}

/// Whether a write would change nothing that is stored.
fn same_but_version(old: &Value, new: &Value) -> bool {
    if meta::resource_version(old) == meta::resource_version(new) {
        return old == new;
    }
    let mut new = new.clone();
    meta::set_resource_version(&mut new, meta::resource_version(old));
    *old == new
}

fn stored(key: &str, mut object: Value, kv: &KeyValue) -> Arc<Entry> {
    crate::storage::set_resource_version(&mut object, kv.modified);
    Arc::new(Entry::new(key, kv.modified, &object, &[]))
}

fn unchanged(key: &str, kv: &KeyValue) -> Result<Arc<Entry>, Status> {
    let object = decode(kv, kv.modified).map_err(Status::internal)?;
    Ok(stored(key, object, kv))
}

/// Runs all plugins' last look at a delete.
pub(super) async fn admit_delete(
    call: &Call,
    admission: &[Arc<dyn Admission>],
    old: &Value,
) -> Result<(), Status> {
    for plugin in admission {
        plugin.validate(call, None, Some(old)).await?;
    }
    Ok(())
}
