// SPDX-License-Identifier: Apache-2.0
//! apps., build. and template.openshift.io/v1: stored, so that lists of them answer (the pruner needs that) and old
//! manifests apply. Nothing acts on them.

use api::field::{Error, ErrorList, Path};
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use apimachinery::table::Column;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{age_at, at, column, integer, integer_at};
use crate::define::{Define, WITH_STATUS};
use crate::object::{default, items, map, number, text};
use crate::rules::Rules;
use crate::validation::template as pods;

pub(super) fn apps(parts: &Parts) -> Vec<Resource> {
    let triggers = |object: &Value| {
        let one = |trigger: &Value| match text(trigger, "/type") {
            "ConfigChange" => "config".to_owned(),
            "ImageChange" => format!("image({})", text(trigger, "/imageChangeParams/from/name")),
            other => other.to_owned(),
        };
        items(object, "/spec/triggers").iter().map(one).collect::<Vec<_>>().join(",")
    };
    vec![
        Define::new("apps.openshift.io", "v1", "DeploymentConfig", "deploymentconfigs")
            .short(&["dc"])
            .all()
            .columns([
                Column::object_name(),
                integer_at("Revision", "/status/latestVersion"),
                integer_at("Desired", "/spec/replicas"),
                integer_at("Current", "/status/replicas"),
                column("Triggered By", triggers),
            ])
            .scale("/spec/selector")
            .stored(
                &parts.storage,
                "/openshift.io/deploymentconfigs",
                Rules { prepare, ..Rules::REPORTED },
            ),
    ]
}

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    pods::defaults(object, "/spec/template");
    if old.is_none() {
        object["status"] = json!({
            "latestVersion": 0, "observedGeneration": 0, "replicas": 0, "updatedReplicas": 0,
            "availableReplicas": 0, "unavailableReplicas": 0,
        });
    }
    if let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) {
        default(spec, "strategy", json!({"type": "Rolling"}));
        default(spec, "triggers", json!([{"type": "ConfigChange"}]));
        default(spec, "replicas", 1);
        default(spec, "revisionHistoryLimit", 10);
    }
}

pub(super) fn build(parts: &Parts) -> Vec<Resource> {
    let source = |object: &Value| match (
        text(object, "/spec/source/type"),
        text(object, "/spec/source/git/ref"),
    ) {
        ("Git", reference) if !reference.is_empty() => format!("Git@{reference}"),
        (kind, _) => kind.to_owned(),
    };
    let strategy = |object: &Value| {
        text(object, "/spec/strategy/type").trim_end_matches("Strategy").to_owned()
    };
    let took = |object: &Value| match number(object, "/status/duration") {
        Some(nanoseconds) if nanoseconds > 0 => {
            apimachinery::table::human_duration(nanoseconds / 1_000_000_000)
        }
        _ => String::new(),
    };
    vec![
        Define::new("build.openshift.io", "v1", "BuildConfig", "buildconfigs")
            .short(&["bc"])
            .all()
            .columns([
                Column::object_name(),
                column("Type", strategy),
                column("From", source),
                integer_at("Latest", "/status/lastVersion"),
            ])
            .stored(
                &parts.storage,
                "/openshift.io/buildconfigs",
                Rules { generation: true, ..Rules::PLAIN },
            ),
        Define::new("build.openshift.io", "v1", "Build", "builds")
            .all()
            .columns([
                Column::object_name(),
                column("Type", strategy),
                column("From", source),
                at("Status", "/status/phase"),
                age_at("Started", "/status/startTimestamp", ""),
                column("Duration", took),
            ])
            .stored(
                &parts.storage,
                "/openshift.io/builds",
                Rules { generation: true, ..Rules::PLAIN },
            ),
    ]
}

pub(super) fn template(parts: &Parts) -> Vec<Resource> {
    let description = |object: &Value| {
        let text = api::meta::annotation(object, "description").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        match line.char_indices().nth(80) {
            Some((cut, _)) => format!("{}...", line.get(..cut).unwrap_or_default()),
            None => line.to_owned(),
        }
    };
    let parameters = |object: &Value| {
        let all = items(object, "/parameters");
        let empty = all.iter().filter(|one| text(one, "/value").is_empty());
        let (blank, generated) =
            empty.fold((0, 0), |(blank, generated), one| match text(one, "/generate") {
                "" => (blank + 1, generated),
                _ => (blank, generated + 1),
            });
        match (blank, generated) {
            (0, 0) => format!("{} (all set)", all.len()),
            (0, generated) => format!("{} ({generated} generated)", all.len()),
            (blank, _) => format!("{} ({blank} blank)", all.len()),
        }
    };
    vec![
        Define::new("template.openshift.io", "v1", "Template", "templates")
            .columns([
                Column::object_name(),
                column("Description", description),
                column("Parameters", parameters),
                integer("Objects", |object| {
                    i64::try_from(items(object, "/objects").len()).unwrap_or(i64::MAX)
                }),
            ])
            .stored(
                &parts.storage,
                "/openshift.io/templates",
                Rules { validate: validate_template, ..Rules::PLAIN },
            ),
        Define::new("template.openshift.io", "v1", "TemplateInstance", "templateinstances").stored(
            &parts.storage,
            "/openshift.io/templateinstances",
            WITH_STATUS,
        ),
    ]
}

fn validate_template(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    for (at, parameter) in items(object, "/parameters").iter().enumerate() {
        let path = Path::new("parameters").index(at).child("name");
        let name = text(parameter, "/name");
        if name.is_empty() {
            errors.push(Error::required(&path, ""));
        } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            errors.push(Error::invalid(&path, name, "does not match ^[a-zA-Z0-9\\_]+$"));
        }
    }
    for (key, value) in map(object, "/labels").into_iter().flatten() {
        let path = Path::new("labels");
        errors.invalid_each(&path, key, api::names::qualified_name(key));
        let value = value.as_str().unwrap_or_default();
        errors.invalid_each(&path, value, api::names::label_value(value));
    }
}
