// SPDX-License-Identifier: Apache-2.0
//! Replication controllers and pod templates, the forebears of replica sets.

use api::field::{Error, ErrorList, Path};
use api::selector::LabelSelector;
use apimachinery::context::Call;
use apimachinery::resource::{Propagation, Resource};
use apimachinery::storage::Field;
use apimachinery::table::Column;
use serde_json::{Map, Value, json};

use crate::Parts;
use crate::columns::{column, containers_and_images, integer_at, label_map, with_name_and_age};
use crate::define::Define;
use crate::object::{default, number};
use crate::rules::Rules;
use crate::validation::{not_negative, template};

const FIELDS: &[Field] =
    &[("status.replicas", |object| number(object, "/status/replicas").unwrap_or(0).to_string())];

pub(super) fn resources(parts: &Parts) -> Vec<Resource> {
    let [names, images] = containers_and_images("/spec/template/spec");
    let columns = with_name_and_age([
        integer_at("Desired", "/spec/replicas"),
        integer_at("Current", "/status/replicas"),
        integer_at("Ready", "/status/readyReplicas"),
    ])
    .into_iter()
    .chain([
        names,
        images,
        column("Selector", |object| label_map(object, "/spec/selector")).wide(),
    ]);
    let [mut names_of_template, mut images_of_template] = containers_and_images("/template/spec");
    (names_of_template.priority, images_of_template.priority) = (0, 0);
    vec![
        Define::new("", "v1", "ReplicationController", "replicationcontrollers")
            .short(&["rc"])
            .all()
            .columns(columns)
            .scale("/spec/selector")
            .stored(
                &parts.storage,
                "controllers",
                Rules {
                    fields: FIELDS,
                    prepare,
                    validate,
                    propagation: Propagation::Orphan,
                    ..Rules::REPORTED
                },
            ),
        Define::new("", "v1", "PodTemplate", "podtemplates")
            .columns([
                Column::object_name(),
                names_of_template,
                images_of_template,
                column("Pod Labels", |object| label_map(object, "/template/metadata/labels")),
            ])
            .stored(
                &parts.storage,
                "podtemplates",
                Rules {
                    generation: true,
                    prepare: |_, object, _| template::defaults(object, "/template"),
                    validate: |object, _, errors| {
                        let nothing = json!({});
                        let found = object.get("template").unwrap_or(&nothing);
                        template::template(found, &Path::new("template"), &[], errors);
                    },
                    ..Rules::PLAIN
                },
            ),
    ]
}

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    template::defaults(object, "/spec/template");
    let labels = object.pointer("/spec/template/metadata/labels").cloned();
    if let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) {
        default(spec, "replicas", 1);
        if let Some(labels) = &labels {
            default(spec, "selector", labels.clone());
        }
    }
    if let Some(labels) = labels
        && api::meta::labels(object).next().is_none()
    {
        api::meta::set(object, "labels", labels);
    }
    if old.is_none() {
        object["status"] = json!({"replicas": 0});
    }
}

fn validate(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    let nothing = json!({});
    let (path, spec) = (Path::new("spec"), object.get("spec").unwrap_or(&nothing));
    not_negative(spec, &path, "minReadySeconds", errors);
    let none = Map::new();
    let selector = spec.get("selector").and_then(Value::as_object).unwrap_or(&none);
    if selector.is_empty() {
        errors.push(Error::required(&path.child("selector"), ""));
    }
    not_negative(spec, &path, "replicas", errors);
    let Some(found) = spec.get("template").filter(|found| !found.is_null()) else {
        return errors.push(Error::required(&path.child("template"), ""));
    };
    if let Ok(selector) = LabelSelector::from_map(selector) {
        template::mismatch(&selector, found, &path.child("template"), errors);
    }
    template::template(found, &path.child("template"), &[], errors);
    template::always(found, "ReplicationController", errors);
}
