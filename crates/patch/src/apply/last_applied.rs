// SPDX-License-Identifier: Apache-2.0
//! The annotation of kubectl's client-side apply, for those who change over to server-side apply with kubectl.

use serde_json::{Map, Value};

use super::compare::Changes;
use super::conflict::Conflicts;
use super::extract::{field_set, problems};
use super::{Error, Request};
use crate::text::go_json;

/// The annotation.
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// kubectl's name as a manager; any other opts out.
pub(super) const KUBECTL: &str = "kubectl";
/// How large all annotations may be together.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Whether all conflicts are over fields that the user's client-side apply had set, and that have kept the value: then the
/// configuration takes them over. Otherwise those that remain.
pub(super) fn allow(
    request: &Request<'_>,
    live: &Value,
    conflicts: Conflicts,
) -> Result<(), Error> {
    if request.manager != KUBECTL {
        return Err(Error::Conflicts(conflicts));
    }
    let Some(applied) = decode(request, live) else { return Err(Error::Conflicts(conflicts)) };
    let own = || {
        let mut own = field_set(request.view, &applied)?;
        let changes = Changes::between(request.view, &applied, live)?;
        own.subtract(&changes.modified);
        own.subtract(&changes.added);
        own.subtract(&changes.removed);
        Ok::<_, String>(own)
    };
    let Ok(own) = own() else { return Err(Error::Conflicts(conflicts)) };
    let left: Vec<_> =
        conflicts.0.into_iter().filter(|conflict| !own.contains(conflict.path())).collect();
    if left.is_empty() { Ok(()) } else { Err(Error::Conflicts(Conflicts(left))) }
}

fn decode(request: &Request<'_>, live: &Value) -> Option<Value> {
    let applied: Value =
        serde_json::from_str(annotations(live)?.get(ANNOTATION)?.as_str()?).ok()?;
    let fits = applied.get("apiVersion").and_then(Value::as_str) == Some(request.api_version)
        && problems(request.view, &applied, false).is_empty()
        && problems(request.view, live, false).is_empty();
    fits.then_some(applied)
}

fn annotations(object: &Value) -> Option<&Map<String, Value>> {
    object.pointer("/metadata/annotations")?.as_object()
}

/// Keeps the annotation in step, so that the user can go back to client-side apply.
pub(super) fn update(request: &Request<'_>, object: &mut Value, applied: &Value) {
    let has = annotations(object).and_then(|all| all.get(ANNOTATION)).and_then(Value::as_str);
    if request.manager != KUBECTL || has.is_none_or(str::is_empty) {
        return;
    }
    let mut applied = applied.clone();
    if let Some(Value::Object(annotations)) = applied.pointer_mut("/metadata/annotations") {
        annotations.remove(ANNOTATION);
    }
    let text = go_json(&applied) + "\n";
    if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
        annotations.insert(ANNOTATION.to_owned(), Value::String(text));
        let size: usize = annotations
            .iter()
            .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
            .sum();
        if size > MAX_ANNOTATIONS {
            annotations.remove(ANNOTATION);
        }
    }
}
