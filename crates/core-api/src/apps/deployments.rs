// SPDX-License-Identifier: Apache-2.0
//! Deployments.

use api::field::{Error, ErrorList, Path};
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use apimachinery::table::Column;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{column, containers_and_images, integer_at, with_name_and_age};
use crate::define::Define;
use crate::object::{default, default_text, has, number, text};
use crate::rules::Rules;
use crate::validation::{amount, immutable, int_or_percent, not_negative, template};

pub(super) fn resource(parts: &Parts) -> Resource {
    Define::new("apps", "v1", "Deployment", "deployments")
        .short(&["deploy"])
        .all()
        .columns(columns())
        .scale("/spec/selector")
        .stored(
            &parts.storage,
            "deployments",
            Rules {
                prepare,
                validate,
                validate_status,
                warnings: |object, _| {
                    let path = Path::new("spec").child("template").child("spec");
                    let spec = object.pointer("/spec/template/spec");
                    spec.map(|spec| crate::validation::pod::warnings(spec, &path))
                        .unwrap_or_default()
                },
                ..Rules::REPORTED
            },
        )
}

fn columns() -> Vec<Column> {
    let [names, images] = containers_and_images("/spec/template/spec");
    let mut columns = with_name_and_age([
        column("Ready", ready_of_wanted),
        integer_at("Up-to-date", "/status/updatedReplicas"),
        integer_at("Available", "/status/availableReplicas"),
    ]);
    let selector = column("Selector", |object| {
        api::selector::LabelSelector::from_object(object.pointer("/spec/selector"))
            .map_or_else(|_| "<invalid>".to_owned(), |selector| selector.to_string())
    });
    columns.extend([names, images, selector.wide()]);
    columns
}

/// `1/2`.
pub(super) fn ready_of_wanted(object: &Value) -> String {
    let ready = number(object, "/status/readyReplicas").unwrap_or(0);
    format!("{ready}/{}", number(object, "/spec/replicas").unwrap_or(0))
}

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    template::defaults(object, "/spec/template");
    if old.is_none() {
        object["status"] = json!({});
    }
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    default(spec, "replicas", 1);
    default(spec, "strategy", json!({}));
    let strategy = &mut spec["strategy"];
    default_text(strategy, "type", "RollingUpdate");
    if text(strategy, "/type") == "RollingUpdate" {
        default(strategy, "rollingUpdate", json!({}));
        default(&mut strategy["rollingUpdate"], "maxUnavailable", "25%");
        default(&mut strategy["rollingUpdate"], "maxSurge", "25%");
    }
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "progressDeadlineSeconds", 600);
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let nothing = json!({});
    let (path, spec) = (Path::new("spec"), object.get("spec").unwrap_or(&nothing));
    not_negative(spec, &path, "replicas", errors);
    template::selected(spec, "deployment", &[], errors);
    if let Some(found) = spec.get("template") {
        template::always(found, "ReplicaSet", errors);
    }
    strategy(&spec["strategy"], &path.child("strategy"), errors);
    not_negative(spec, &path, "minReadySeconds", errors);
    not_negative(spec, &path, "revisionHistoryLimit", errors);
    not_negative(spec, &path, "progressDeadlineSeconds", errors);
    if let Some(deadline) = number(spec, "/progressDeadlineSeconds")
        && deadline <= number(spec, "/minReadySeconds").unwrap_or(0)
    {
        let path = path.child("progressDeadlineSeconds");
        errors.push(Error::invalid(&path, deadline, "must be greater than minReadySeconds"));
    }
    if let Some(old) = old {
        immutable(object, old, "/spec/selector", errors);
    }
}

fn strategy(strategy: &Value, path: &Path, errors: &mut ErrorList) {
    match text(strategy, "/type") {
        "Recreate" => {
            if has(strategy, "/rollingUpdate") {
                let detail = "may not be specified when strategy `type` is 'Recreate'";
                errors.push(Error::forbidden(&path.child("rollingUpdate"), detail));
            }
        }
        "RollingUpdate" => {
            let (path, rolling) = (path.child("rollingUpdate"), &strategy["rollingUpdate"]);
            int_or_percent(&rolling["maxUnavailable"], &path.child("maxUnavailable"), errors);
            int_or_percent(&rolling["maxSurge"], &path.child("maxSurge"), errors);
            let unavailable = amount(rolling.get("maxUnavailable"));
            let at_unavailable = path.child("maxUnavailable");
            if unavailable == 0 && amount(rolling.get("maxSurge")) == 0 {
                let detail = "may not be 0 when `maxSurge` is 0";
                errors.push(Error::invalid(
                    &at_unavailable,
                    rolling["maxUnavailable"].clone(),
                    detail,
                ));
            }
            if unavailable > 100 && rolling["maxUnavailable"].is_string() {
                let detail = "must not be greater than 100%";
                errors.push(Error::invalid(
                    &at_unavailable,
                    rolling["maxUnavailable"].clone(),
                    detail,
                ));
            }
        }
        _ => errors.push(Error::not_supported(
            path,
            strategy.clone(),
            &["Recreate", "RollingUpdate"],
        )),
    }
}

fn validate_status(new: &Value, _old: &Value, errors: &mut ErrorList) {
    let nothing = json!({});
    let status = new.get("status").unwrap_or(&nothing);
    template::replica_counts(
        status,
        &["updatedReplicas", "readyReplicas", "availableReplicas"],
        errors,
    );
    let ready = number(status, "/readyReplicas").unwrap_or(0);
    if let Some(available) =
        number(status, "/availableReplicas").filter(|available| *available > ready)
    {
        let path = Path::new("status").child("availableReplicas");
        errors.push(Error::invalid(&path, available, "cannot be greater than readyReplicas"));
    }
}
