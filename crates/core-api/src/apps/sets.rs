// SPDX-License-Identifier: Apache-2.0
//! Replica sets and daemon sets.

use api::field::{Error, ErrorList, Path};
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use apimachinery::storage::Field;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{
    column, containers_and_images, integer_at, label_map, selector, with_name_and_age,
};
use crate::define::Define;
use crate::object::{default, default_text, number, text};
use crate::rules::Rules;
use crate::validation::{immutable, int_or_percent, not_negative, template};

const FIELDS: &[Field] =
    &[("status.replicas", |object| number(object, "/status/replicas").unwrap_or(0).to_string())];

pub(super) fn replica_sets(parts: &Parts) -> Resource {
    let [names, images] = containers_and_images("/spec/template/spec");
    let mut columns = with_name_and_age([
        integer_at("Desired", "/spec/replicas"),
        integer_at("Current", "/status/replicas"),
        integer_at("Ready", "/status/readyReplicas"),
    ]);
    columns.extend([names, images, selector("Selector", "/spec/selector").wide()]);
    Define::new("apps", "v1", "ReplicaSet", "replicasets")
        .short(&["rs"])
        .all()
        .columns(columns)
        .scale("/spec/selector")
        .stored(
            &parts.storage,
            "replicasets",
            Rules {
                fields: FIELDS,
                prepare: |_, object, old| {
                    template::defaults(object, "/spec/template");
                    if old.is_none() {
                        object["status"] = json!({"replicas": 0});
                    }
                    if let Some(spec) = object.get_mut("spec") {
                        default(spec, "replicas", 1);
                    }
                },
                validate: validate_replica_set,
                validate_status: |new, _, errors| {
                    let bounded = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
                    template::replica_counts(&new["status"], &bounded, errors);
                },
                ..Rules::REPORTED
            },
        )
}

fn validate_replica_set(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let nothing = json!({});
    let (path, spec) = (Path::new("spec"), object.get("spec").unwrap_or(&nothing));
    not_negative(spec, &path, "replicas", errors);
    not_negative(spec, &path, "minReadySeconds", errors);
    // Upstream's text says deployment here too.
    template::selected(spec, "deployment", &[], errors);
    if let Some(found) = spec.get("template") {
        template::always(found, "ReplicaSet", errors);
    }
    if let Some(old) = old {
        immutable(object, old, "/spec/selector", errors);
    }
}

pub(super) fn daemon_sets(parts: &Parts) -> Resource {
    let [names, images] = containers_and_images("/spec/template/spec");
    let mut columns = with_name_and_age([
        integer_at("Desired", "/status/desiredNumberScheduled"),
        integer_at("Current", "/status/currentNumberScheduled"),
        integer_at("Ready", "/status/numberReady"),
        integer_at("Up-to-date", "/status/updatedNumberScheduled"),
        integer_at("Available", "/status/numberAvailable"),
        column("Node Selector", |object| label_map(object, "/spec/template/spec/nodeSelector")),
    ]);
    columns.extend([names, images, selector("Selector", "/spec/selector").wide()]);
    Define::new("apps", "v1", "DaemonSet", "daemonsets")
        .short(&["ds"])
        .all()
        .columns(columns)
        .stored(
            &parts.storage,
            "daemonsets",
            Rules { prepare: prepare_daemon_set, validate: validate_daemon_set, ..Rules::REPORTED },
        )
}

fn prepare_daemon_set(_call: &Call, object: &mut Value, old: Option<&Value>) {
    template::defaults(object, "/spec/template");
    if old.is_none() {
        object["status"] = json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        });
    }
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    default(spec, "updateStrategy", json!({}));
    let strategy = &mut spec["updateStrategy"];
    default_text(strategy, "type", "RollingUpdate");
    if text(strategy, "/type") == "RollingUpdate" {
        default(strategy, "rollingUpdate", json!({}));
        default(&mut strategy["rollingUpdate"], "maxUnavailable", 1);
        default(&mut strategy["rollingUpdate"], "maxSurge", 0);
    }
    default(spec, "revisionHistoryLimit", 10);
}

fn validate_daemon_set(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let nothing = json!({});
    let (path, spec) = (Path::new("spec"), object.get("spec").unwrap_or(&nothing));
    template::selected(spec, "daemonset", &[], errors);
    if let Some(found) = spec.get("template") {
        template::always(found, "DaemonSet", errors);
    }
    not_negative(spec, &path, "minReadySeconds", errors);
    let strategy = &spec["updateStrategy"];
    match text(strategy, "/type") {
        "OnDelete" => {}
        "RollingUpdate" => {
            let (path, rolling) =
                (path.child("updateStrategy").child("rollingUpdate"), &strategy["rollingUpdate"]);
            int_or_percent(&rolling["maxUnavailable"], &path.child("maxUnavailable"), errors);
            int_or_percent(&rolling["maxSurge"], &path.child("maxSurge"), errors);
            let (unavailable, surge) = (
                crate::validation::amount(rolling.get("maxUnavailable")),
                crate::validation::amount(rolling.get("maxSurge")),
            );
            if unavailable == 0 && surge == 0 {
                let value = rolling["maxUnavailable"].clone();
                errors.push(Error::invalid(
                    &path.child("maxUnavailable"),
                    value,
                    "cannot be 0 when maxSurge is 0",
                ));
            }
            if unavailable != 0 && surge != 0 {
                let value = rolling["maxSurge"].clone();
                let detail = "may not be set when maxUnavailable is non-zero";
                errors.push(Error::invalid(&path.child("maxSurge"), value, detail));
            }
        }
        other => {
            let path = path.child("updateStrategy").child("type");
            errors.push(Error::not_supported(&path, other, &["RollingUpdate", "OnDelete"]));
        }
    }
    not_negative(spec, &path, "revisionHistoryLimit", errors);
    if let Some(old) = old {
        immutable(object, old, "/spec/selector", errors);
    }
}
