// SPDX-License-Identifier: Apache-2.0
//! Events, of the core group and of events.k8s.io: one storage, two forms. They go away after an hour.

use std::time::Duration;

use api::field::{Error, ErrorList, Path};
use api::meta;
use api::time::Time;
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use apimachinery::storage::Field;
use apimachinery::table::{self, Column};
use serde_json::Value;

use crate::Parts;
use crate::columns::{at, column, timed};
use crate::define::Define;
use crate::object::{has, number, text};
use crate::rules::Rules;

const KEY: &str = "events";
const LIFETIME: Duration = Duration::from_secs(3600);

macro_rules! fields {
    ($($name:literal $pointer:literal),* $(,)?) => {
        &[$(($name, |object| text(object, $pointer).to_owned())),*]
    };
}

/// Of both forms: the storage is one, and what may be asked of it too.
const FIELDS: &[Field] = fields![
    "involvedObject.kind" "/involvedObject/kind",
    "involvedObject.namespace" "/involvedObject/namespace",
    "involvedObject.name" "/involvedObject/name",
    "involvedObject.uid" "/involvedObject/uid",
    "involvedObject.apiVersion" "/involvedObject/apiVersion",
    "involvedObject.resourceVersion" "/involvedObject/resourceVersion",
    "involvedObject.fieldPath" "/involvedObject/fieldPath",
    "regarding.kind" "/involvedObject/kind",
    "regarding.namespace" "/involvedObject/namespace",
    "regarding.name" "/involvedObject/name",
    "regarding.uid" "/involvedObject/uid",
    "regarding.apiVersion" "/involvedObject/apiVersion",
    "regarding.resourceVersion" "/involvedObject/resourceVersion",
    "regarding.fieldPath" "/involvedObject/fieldPath",
    "reason" "/reason",
    "reportingComponent" "/reportingComponent",
    "reportingController" "/reportingComponent",
    "source" "/source/component",
    "type" "/type",
];

const RULES: Rules = Rules {
    fields: FIELDS,
    prepare,
    validate,
    create_on_update: true,
    ttl: |_| Some(LIFETIME),
    ..Rules::PLAIN
};

pub(super) fn resource(parts: &Parts) -> Resource {
    Define::new("", "v1", "Event", "events")
        .short(&["ev"])
        .columns(columns(
            "/involvedObject",
            "/firstTimestamp",
            "/lastTimestamp",
            "/count",
            "/source",
            "/message",
        ))
        .stored(&parts.storage, KEY, RULES)
}

pub(crate) fn events_group(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new("events.k8s.io", "v1", "Event", "events")
            .short(&["ev"])
            .columns(columns(
                "/regarding",
                "/deprecatedFirstTimestamp",
                "/deprecatedLastTimestamp",
                "/deprecatedCount",
                "/deprecatedSource",
                "/note",
            ))
            .view(from_core, to_core)
            .stored(&parts.storage, KEY, RULES),
    ]
}

/// How a field of the core form is called in the other.
const RENAMED: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn rename(object: &mut Value, pairs: impl Iterator<Item = (&'static str, &'static str)>) {
    let Some(map) = object.as_object_mut() else { return };
    for (from, to) in pairs {
        if let Some(value) = map.remove(from) {
            map.insert(to.to_owned(), value);
        }
    }
}

fn from_core(object: &mut Value) {
    rename(object, RENAMED.into_iter());
}

fn to_core(object: &mut Value) {
    rename(object, RENAMED.into_iter().map(|(core, other)| (other, core)));
    object["apiVersion"] = "v1".into();
}

fn prepare(_call: &Call, object: &mut Value, _old: Option<&Value>) {
    // What Go writes for a structure without a value.
    if meta::api_version(object) == "v1" {
        crate::object::default(object, "source", serde_json::json!({}));
    }
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let new_form = meta::api_version(object) != "v1";
    let (regarding, reporter) = if new_form {
        ("regarding", "reportingController")
    } else {
        ("involvedObject", "reportingComponent")
    };
    let involved = text(object, &format!("/{regarding}/namespace"));
    let own = meta::namespace(object);
    if involved.is_empty() {
        if !matches!(own, "" | "default" | "kube-system") {
            let path = Path::new("involvedObject").child("namespace");
            errors.push(Error::invalid(&path, involved, "does not match event.namespace"));
        }
    } else if involved != own {
        let path = Path::new("involvedObject").child("namespace");
        errors.push(Error::invalid(&path, involved, "does not match event.namespace"));
    }
    if !new_form || old.is_some() {
        return;
    }
    for field in ["eventTime", reporter, "reportingInstance", "action", "reason"] {
        if !has(object, &format!("/{field}")) || text(object, &format!("/{field}")).is_empty() {
            errors.push(Error::required(&Path::new(field), ""));
        }
    }
    if !matches!(text(object, "/type"), "Normal" | "Warning") {
        errors.push(Error::invalid(
            &Path::new("type"),
            "",
            format!("has invalid value: {}", text(object, "/type")),
        ));
    }
}

fn columns(
    involved: &'static str,
    first: &'static str,
    last: &'static str,
    count: &'static str,
    source: &'static str,
    message: &'static str,
) -> Vec<Column> {
    let first_seen = move |object: &Value, now: Time| match text(object, first) {
        "" => table::age(text(object, "/eventTime"), now),
        time => table::age(time, now),
    };
    let last_seen = move |object: &Value, now: Time| match (
        text(object, "/series/lastObservedTime"),
        text(object, last),
    ) {
        ("", "") => first_seen(object, now),
        ("", time) | (time, _) => table::age(time, now),
    };
    let target = move |object: &Value| {
        let part = |name: &str| text(object, &format!("{involved}/{name}")).to_owned();
        let kind = part("kind").to_lowercase();
        match part("name") {
            name if name.is_empty() => kind,
            name => format!("{kind}/{name}"),
        }
    };
    let from = move |object: &Value| {
        let part = |pointer: String| text(object, &pointer).to_owned();
        let (mut component, mut host) =
            (part(format!("{source}/component")), part(format!("{source}/host")));
        if component.is_empty() {
            component =
                part("/reportingComponent".to_owned()) + &part("/reportingController".to_owned());
        }
        if host.is_empty() {
            host = part("/reportingInstance".to_owned());
        }
        [component, host].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    };
    let times = move |object: &Value| {
        let series = number(object, "/series/count");
        series
            .or_else(|| number(object, count))
            .filter(|count| *count != 0)
            .unwrap_or(1)
            .to_string()
    };
    vec![
        timed("Last Seen", last_seen),
        at("Type", "/type"),
        at("Reason", "/reason"),
        column("Object", target),
        column("Subobject", move |object| {
            text(object, &format!("{involved}/fieldPath")).to_owned()
        })
        .wide(),
        column("Source", from).wide(),
        column("Message", move |object| text(object, message).trim().to_owned()),
        timed("First Seen", first_seen).wide(),
        column("Count", times).wide(),
        Column::object_name().wide(),
    ]
}
