// SPDX-License-Identifier: Apache-2.0
//! Projects: namespaces as their users see them (image-api.md 12.4).

use std::sync::Arc;

use api::field::{Error, ErrorList, Path};
use api::meta;
use apimachinery::context::Call;
use apimachinery::resource::{Resource, Verbs, Visible};
use apimachinery::storage::Entry;
use apimachinery::table::Column;
use rbac::Attributes;
use serde_json::Value;

use crate::Parts;
use crate::columns::{at, column};
use crate::core::namespaces;
use crate::define::{Define, place};
use crate::object::map;
use crate::rules::{Rules, Special};

/// The group.
pub(crate) const GROUP: &str = "project.openshift.io";
/// A name for people.
pub(crate) const DISPLAY_NAME: &str = "openshift.io/display-name";
/// What it is for.
pub(crate) const DESCRIPTION: &str = "openshift.io/description";
/// Who asked for it.
pub(crate) const REQUESTER: &str = "openshift.io/requester";

/// Shortest name.
const NAME_MIN: usize = 2;

const RULES: Rules =
    Rules { status: crate::rules::StatusRule::Plain, prepare, validate, ..namespaces::RULES };

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let verbs = Verbs::GET
        .and(Verbs::LIST)
        .and(Verbs::WATCH)
        .and(Verbs::CREATE)
        .and(Verbs::UPDATE)
        .and(Verbs::PATCH)
        .and(Verbs::DELETE);
    let policy = parts.policy.clone();
    let sight = Arc::new(move |call: &Call| -> Visible {
        let (policy, user) = (policy.clone(), call.user.clone());
        Arc::new(move |entry: &Entry| {
            let name = entry.name();
            let asked =
                Attributes::resource(&user, "get", "", "namespaces").named(name).in_namespace(name);
            policy.read().authorize(&asked).is_allowed()
        })
    });
    let strategy = Special { rules: RULES, made: None, visible: Some(sight) };
    vec![
        Define::new(GROUP, "v1", "Project", "projects")
            .namespaced(false)
            .verbs(verbs)
            .columns([
                Column::object_name(),
                column("Display Name", |object| {
                    meta::annotation(object, DISPLAY_NAME).unwrap_or_default().to_owned()
                }),
                at("Status", "/status/phase"),
            ])
            .view(
                |object| object["kind"] = "Project".into(),
                |object| {
                    object["apiVersion"] = "v1".into();
                    object["kind"] = "Namespace".into();
                },
            )
            .kept(place(&parts.storage, namespaces::KEY, &namespaces::RULES), Arc::new(strategy)),
    ]
}

fn prepare(call: &Call, object: &mut Value, old: Option<&Value>) {
    if let Some(old) = old {
        for field in ["status", "spec"] {
            match old.get(field) {
                Some(value) => object[field] = value.clone(),
                None => {
                    crate::object::remove(object, field);
                }
            }
        }
    } else {
        crate::object::remove(object, "status");
    }
    (namespaces::RULES.prepare)(call, object, old);
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let metadata = Path::new("metadata");
    let name = meta::name(object);
    if name.len() < NAME_MIN {
        errors.push(Error::invalid(
            &metadata.child("name"),
            name,
            "must be at least 2 characters long",
        ));
    }
    let shown = meta::annotation(object, DISPLAY_NAME).unwrap_or_default();
    if shown.contains(['\n', '\t']) {
        let path = metadata.child("annotations").key(DISPLAY_NAME);
        errors.push(Error::invalid(&path, shown, "may not contain a new line or tab"));
    }
    let Some(old) = old else { return };
    changes(object, old, "annotations", "field is immutable, try updating the namespace", errors);
    changes(object, old, "labels", "field is immutable, , try updating the namespace", errors);
}

/// Entries that a project's editor may not change.
fn changes(new: &Value, old: &Value, field: &str, detail: &str, errors: &mut ErrorList) {
    let pointer = format!("/metadata/{field}");
    let (now, before) = (map(new, &pointer), map(old, &pointer));
    let keys = now.into_iter().chain(before).flat_map(serde_json::Map::keys);
    let mut seen: Vec<&String> = Vec::new();
    for key in keys {
        if seen.contains(&key) || matches!(key.as_str(), DISPLAY_NAME | DESCRIPTION) {
            continue;
        }
        seen.push(key);
        let value = |map: Option<&serde_json::Map<String, Value>>| {
            map.and_then(|map| map.get(key)).cloned()
        };
        if value(now) != value(before) {
            let path = Path::new("metadata").child(field).key(key);
            errors.push(Error::invalid(&path, value(now).unwrap_or_else(|| "".into()), detail));
        }
    }
}
