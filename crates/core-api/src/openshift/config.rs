// SPDX-License-Identifier: Apache-2.0
//! config.openshift.io/v1 and what of operator.openshift.io/v1alpha1 the guide names. On OpenShift these are custom
//! resources, and clients are told so by what is refused: protobuf and strategic patches.

use api::time::Time;
use apimachinery::resource::Resource;
use apimachinery::table::{self, Column};
use serde_json::Value;

use crate::Parts;
use crate::columns::column;
use crate::define::Define;
use crate::object::{items, text};
use crate::rules::{Rules, StatusRule};

/// Custom resources count generations and, here, have a status apart.
const RULES: Rules = Rules { status: StatusRule::Apart, generation: true, ..Rules::PLAIN };

/// Kind, plural, short names.
const KINDS: [(&str, &str, &[&str]); 19] = [
    ("APIServer", "apiservers", &[]),
    ("Authentication", "authentications", &[]),
    ("Build", "builds", &[]),
    ("Console", "consoles", &[]),
    ("DNS", "dnses", &[]),
    ("FeatureGate", "featuregates", &[]),
    ("Image", "images", &[]),
    ("ImageContentPolicy", "imagecontentpolicies", &[]),
    ("ImageDigestMirrorSet", "imagedigestmirrorsets", &["idms"]),
    ("ImageTagMirrorSet", "imagetagmirrorsets", &["itms"]),
    ("Infrastructure", "infrastructures", &[]),
    ("Ingress", "ingresses", &[]),
    ("Network", "networks", &[]),
    ("Node", "nodes", &[]),
    ("OAuth", "oauths", &[]),
    ("OperatorHub", "operatorhubs", &[]),
    ("Project", "projects", &[]),
    ("Proxy", "proxies", &[]),
    ("Scheduler", "schedulers", &[]),
];

const GROUP: &str = "config.openshift.io";

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let mut all: Vec<Resource> = KINDS
        .into_iter()
        .map(|(kind, plural, short)| {
            Define::new(GROUP, "v1", kind, plural)
                .short(short)
                .namespaced(false)
                .columns(plain_columns())
                .stored(&parts.storage, &format!("{GROUP}/{plural}"), RULES)
        })
        .collect();
    all.push(
        Define::new(GROUP, "v1", "ClusterOperator", "clusteroperators")
            .short(&["co"])
            .columns(operator_columns())
            .stored(&parts.storage, "config.openshift.io/clusteroperators", RULES),
    );
    all.push(
        Define::new(GROUP, "v1", "ClusterVersion", "clusterversions")
            .columns(version_columns())
            .stored(&parts.storage, "config.openshift.io/clusterversions", RULES),
    );
    all
}

pub(crate) fn operator_resources(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new(
            "operator.openshift.io",
            "v1alpha1",
            "ImageContentSourcePolicy",
            "imagecontentsourcepolicies",
        )
        .columns(plain_columns())
        .stored(&parts.storage, "operator.openshift.io/imagecontentsourcepolicies", RULES),
    ]
}

/// A date as custom resources' tables show it: an age.
fn date(name: &str, pointer: &'static str) -> Column {
    let cell = move |object: &Value, now: Time| match text(object, pointer) {
        "" => Value::Null,
        time => table::age(time, now).into(),
    };
    Column::new(name, cell).date()
}

fn plain_columns() -> Vec<Column> {
    vec![Column::object_name(), date("Age", "/metadata/creationTimestamp")]
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(object, "/status/conditions").iter().find(|one| text(one, "/type") == kind)
}

/// A condition's field; nothing if there is none, as a JSON path that finds nothing.
fn of_condition(name: &str, kind: &'static str, field: &'static str) -> Column {
    Column::new(name, move |object: &Value, _| match condition(object, kind) {
        Some(one) => text(one, field).into(),
        None => Value::Null,
    })
}

fn since(kind: &'static str) -> Column {
    let cell = move |object: &Value, now: Time| match condition(object, kind)
        .map(|one| text(one, "/lastTransitionTime"))
    {
        Some(time) => table::age(time, now).into(),
        None => Value::Null,
    };
    Column::new("Since", cell).date()
}

fn operator_columns() -> Vec<Column> {
    let version = |object: &Value| {
        let found =
            items(object, "/status/versions").iter().find(|one| text(one, "/name") == "operator");
        found.map(|one| text(one, "/version")).unwrap_or_default().to_owned()
    };
    vec![
        Column::object_name(),
        column("Version", version),
        of_condition("Available", "Available", "/status"),
        of_condition("Progressing", "Progressing", "/status"),
        of_condition("Degraded", "Degraded", "/status"),
        since("Available"),
        // One line for whatever is not as it should be.
        column("Message", |object| {
            let said = |kind, status| {
                condition(object, kind)
                    .filter(|one| text(one, "/status") == status)
                    .map(|one| text(one, "/message"))
            };
            said("Degraded", "True")
                .or_else(|| said("Available", "False"))
                .or_else(|| said("Progressing", "True"))
                .unwrap_or_default()
                .to_owned()
        }),
    ]
}

fn version_columns() -> Vec<Column> {
    vec![
        Column::object_name(),
        column("Version", |object| {
            let done = items(object, "/status/history")
                .iter()
                .find(|one| text(one, "/state") == "Completed");
            done.map(|one| text(one, "/version")).unwrap_or_default().to_owned()
        }),
        of_condition("Available", "Available", "/status"),
        of_condition("Progressing", "Progressing", "/status"),
        since("Progressing"),
        of_condition("Status", "Progressing", "/message"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operators_show_what_is_wrong() {
        let object = json!({"metadata": {"name": "image-registry"}, "status": {
        "versions": [{"name": "operator", "version": "4.6.1"}],
        "conditions": [
            {"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "ready"},
            {"type": "Degraded", "status": "True", "message": "no storage"},
        ]}});
        let now = Time::parse("2026-01-01T01:00:00Z").expect("a time");
        let cells: Vec<Value> =
            operator_columns().iter().map(|column| (column.cell)(&object, now)).collect();
        assert_eq!(
            Value::from(cells),
            json!(["image-registry", "4.6.1", "True", null, "True", "60m", "no storage"])
        );
    }
}
