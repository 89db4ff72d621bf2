// SPDX-License-Identifier: Apache-2.0
//! Server-side apply, and the record in `metadata.managedFields` of who set which field.
//!
//! ```text
//!  apply:   live ─┬─ merge ◀─ applied ─▶ field_set ─▶ the manager's new fields
//!                 │    └▶ prune: what it applied before, and nobody owns now, goes
//!                 └─ compare ─▶ others' fields that changed: conflicts, or taken from them
//!  update:  old ──── compare ◀─ new ─▶ changed fields become the manager's; vanished ones nobody's
//! ```
//!
//! | module | has |
//! |---|---|
//! | `path`, `set`, `fields_v1` | paths, sets of them, their JSON |
//! | `shape` | what is owned as one and what field by field, by type |
//! | `extract`, `compare`, `combine`, `prune` | the walks over objects |
//! | `managed`, `conflict`, `last_applied` | the record, and what comes of it |
//!
//! Paths are the same in all versions of a kind: Berth converts between versions by renaming `apiVersion`.

mod combine;
mod compare;
mod conflict;
mod extract;
mod fields_v1;
mod last_applied;
mod managed;
mod path;
mod prune;
mod set;
mod shape;

use std::sync::LazyLock;

use schema::View;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{Answer, MAX_DEPTH, deeper_than};
use compare::Changes;
use managed::{Entry, Id};

pub use conflict::{Conflict, Conflicts};
pub use managed::Managed;
pub use path::Step;
pub use set::Set;

/// Who gets the fields that were set before anything was tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Fields that nobody manages.
static UNMANAGED: LazyLock<Set> = LazyLock::new(|| {
    let metadata = "name namespace creationTimestamp selfLink uid clusterName generation managedFields resourceVersion";
    let metadata: Vec<String> =
        metadata.split(' ').map(|name| format!("metadata.{name}")).collect();
    Set::of_fields(
        ["apiVersion", "kind", "metadata"].into_iter().chain(metadata.iter().map(String::as_str)),
    )
});

/// A write: what is written, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The type of the object.
    pub view: View<'a>,
    /// The version of the request and of all objects that come with it.
    pub api_version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The subresource that is written; empty for the object itself.
    pub subresource: &'a str,
    /// The field manager; empty becomes `unknown`.
    pub manager: &'a str,
    /// Fields that this resource or subresource does not let change (`status` for the resource that has such a
    /// subresource), and that the manager therefore does not get.
    pub reset: &'a Set,
    /// The versions in which the kind is served: managers that used another are forgotten. Empty keeps all.
    pub served: &'a [&'a str],
    /// The time now, in RFC 3339 with whole seconds.
    pub now: &'a str,
}

impl Request<'_> {
    fn serves(&self, version: &str) -> bool {
        self.served.is_empty() || version == self.api_version || self.served.contains(&version)
    }
}

/// Why a configuration was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// Others own fields that it sets.
    #[error("{0}")]
    Conflicts(Conflicts),
    /// It is for another version or kind than the request.
    #[error("invalid object type: {0}")]
    ObjectType(String),
    /// It has `metadata.managedFields`.
    #[error("metadata.managedFields must be nil")]
    ManagedFields,
    /// It or the live object is nested more than [`MAX_DEPTH`] deep.
    #[error("exceeded max depth")]
    TooDeep,
    /// It does not fit the type: kube-apiserver's text.
    #[error("failed to create typed patch object ({object}): {problems}")]
    Problems {
        /// `namespace/name; group/version, Kind=kind`.
        object: String,
        /// What is wrong.
        problems: String,
    },
    /// The live object's `metadata.managedFields` is malformed.
    #[error("failed to decode managed fields: {0}")]
    Managed(String),
    /// The live object does not fit its type.
    #[error("failed to create typed live object: {0}")]
    Live(String),
}

impl Error {
    /// How the request is answered; the message is what the error prints.
    #[must_use]
    pub fn answer(&self) -> Answer {
        match self {
            Self::Conflicts(_) => Answer::Conflict,
            Self::ObjectType(_) | Self::ManagedFields | Self::TooDeep => Answer::BadRequest,
            Self::Problems { .. } | Self::Managed(_) | Self::Live(_) => Answer::Internal,
        }
    }
}

/// Applies a configuration to the live object, or makes an object of it where there is none. The result has the new
/// `metadata.managedFields`; it still has to be defaulted and validated.
///
/// # Errors
/// When the configuration is malformed, or conflicts with others and is not forced.
pub fn apply(
    request: &Request<'_>,
    live: Option<&Value>,
    applied: &Value,
    force: bool,
) -> Result<Value, Error> {
    let view = request.view;
    if deeper_than(applied, MAX_DEPTH) || live.is_some_and(|live| deeper_than(live, MAX_DEPTH)) {
        return Err(Error::TooDeep);
    }
    check(request, applied)?;
    let (existed, empty) = (live.is_some(), live.is_none().then(|| empty_object(request)));
    let live = live.or(empty.as_ref()).unwrap_or(&Value::Null);
    let mut managed = Managed::decode(live).map_err(Error::Managed)?;
    if managed.is_empty() && existed {
        track(request, BEFORE_FIRST_APPLY, &empty_object(request), live, &mut managed)
            .map_err(Error::Live)?;
    }
    managed.reconcile(view, |version| request.serves(version));

    let merged = combine::merge(view, live, applied).map_err(Error::Live)?;
    let id = Id::applier(request.manager, request.subresource);
    let last = managed.take(&id);
    let mut fields = extract::field_set(view, applied).map_err(Error::Live)?;
    fields.subtract_recursively(request.reset);
    let time = last.as_ref().and_then(|last| last.time.clone());
    managed.put(Entry::new(id.clone(), request.api_version, time, fields.clone()));
    let mut new = match last {
        Some(last) => {
            prune::prune(view, merged, &managed, &fields, &last.fields).map_err(Error::Live)?
        }
        None => merged,
    };

    let mut changes = Changes::between(view, live, &new).map_err(Error::Live)?;
    changes.exclude(request.reset);
    let mut touched = changes.modified;
    touched.unite(changes.added);
    let others = managed.entries.iter().filter(|entry| entry.id != id);
    let conflicts =
        if force { Conflicts::default() } else { conflict::conflicts(others, &touched) };
    if !conflicts.0.is_empty() {
        last_applied::allow(request, live, conflicts)?;
    }
    for entry in &mut managed.entries {
        if entry.id == id {
            fields.subtract(&UNMANAGED);
            let fields = std::mem::take(&mut fields);
            entry.change(|own| {
                *own = fields;
                true
            });
            if !path::same(live, &new) {
                entry.time = Some(request.now.to_owned());
            }
        } else {
            entry.change(|others| others.subtract(&touched) | others.subtract(&changes.removed));
        }
    }
    managed.drop_empty();

    combine::drop_nulls(view, &mut new);
    last_applied::update(request, &mut new, applied);
    managed.write(&mut new);
    Ok(new)
}

fn check(request: &Request<'_>, applied: &Value) -> Result<(), Error> {
    let text = |pointer: &str| applied.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let group_kind = |version: &str, kind: &str| {
        let slash = if version.contains('/') { "" } else { "/" };
        format!("{slash}{version}, Kind={kind}")
    };
    let (version, kind) = (text("/apiVersion"), text("/kind"));
    if (version, kind) != (request.api_version, request.kind) {
        return Err(Error::ObjectType(group_kind(version, kind)));
    }
    if applied.pointer("/metadata/managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Error::ManagedFields);
    }
    let problems = extract::problems(request.view, applied, false);
    let problems = match problems.as_slice() {
        [] => return Ok(()),
        [problem] => problem.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    let name = format!("{}/{}", text("/metadata/namespace"), text("/metadata/name"));
    Err(Error::Problems { object: format!("{name}; {}", group_kind(version, kind)), problems })
}

/// Records a write that is not an apply: `request.manager` gets the fields in which `new` differs from `old`. Nothing is
/// recorded for an object that was there before anything was tracked. The result is `new` with the new
/// `metadata.managedFields`.
///
/// What `new` has there is taken for what the client wants recorded; an empty list, or a list of one empty entry, clears
/// the record. Writes to a subresource cannot do that.
#[must_use]
pub fn track_update(request: &Request<'_>, old: Option<&Value>, mut new: Value) -> Value {
    if deeper_than(&new, MAX_DEPTH) || old.is_some_and(|old| deeper_than(old, MAX_DEPTH)) {
        Managed::default().write(&mut new);
        return new;
    }
    let live =
        |old: Option<&Value>| old.and_then(|old| Managed::decode(old).ok()).unwrap_or_default();
    let sent = new.pointer("/metadata/managedFields").and_then(Value::as_array);
    let reset = sent.is_some_and(|list| match list.as_slice() {
        [] => true,
        [Value::Object(entry)] => entry.values().all(Value::is_null),
        _ => false,
    });
    let mut managed = if !request.subresource.is_empty() {
        live(old)
    } else if reset {
        Managed::default()
    } else {
        Managed::decode(&new)
            .ok()
            .filter(|managed| !managed.is_empty())
            .unwrap_or_else(|| live(old))
    };
    if let Some(Value::Object(metadata)) = new.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    let creates =
        old.and_then(|old| old.pointer("/metadata/uid")?.as_str()).is_none_or(str::is_empty);
    if !managed.is_empty() || creates {
        let empty;
        let old = match old {
            Some(old) => old,
            None => {
                empty = empty_object(request);
                &empty
            }
        };
        if track(request, request.manager, old, &new, &mut managed).is_err() {
            // A record that may be wrong is worse than none.
            managed = Managed::default();
        }
    }
    managed.write(&mut new);
    new
}

fn track(
    request: &Request<'_>,
    manager: &str,
    old: &Value,
    new: &Value,
    managed: &mut Managed,
) -> Result<(), String> {
    managed.reconcile(request.view, |version| request.serves(version));
    let mut changes = Changes::between(request.view, old, new)?;
    changes.exclude(request.reset);
    let mut touched = changes.modified;
    touched.unite(changes.added);
    for entry in &mut managed.entries {
        entry.change(|fields| fields.subtract(&touched) | fields.subtract(&changes.removed));
    }
    touched.subtract(&UNMANAGED);
    if !touched.is_empty() {
        let id = Id::updater(manager, request.api_version, request.subresource);
        if let Some(previous) = managed.take(&id) {
            touched.unite(previous.fields);
        }
        managed.put(Entry::new(id, request.api_version, Some(request.now.to_owned()), touched));
    }
    managed.drop_empty();
    managed.cap();
    Ok(())
}

/// The object that nothing was set in, as Go has it: fields that are written even when empty are there, so that nobody comes
/// to own them by creating the object.
fn empty_object(request: &Request<'_>) -> Value {
    let mut object = Value::Object(Map::new());
    schema::normalise(request.view, &mut object, &mut |_, _| {});
    object["apiVersion"] = request.api_version.into();
    object["kind"] = request.kind.into();
    object
}
