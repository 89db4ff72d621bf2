// SPDX-License-Identifier: Apache-2.0
//! Jobs. A selector is generated unless the creator takes it upon themselves.

use api::field::{Error, ErrorList, Path};
use api::meta;
use api::selector::LabelSelector;
use api::time::Time;
use apimachinery::context::Call;
use apimachinery::resource::{Propagation, Resource};
use apimachinery::storage::Field;
use apimachinery::table::human_duration;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{column, containers_and_images, selector, timed, with_name_and_age};
use crate::define::Define;
use crate::object::{default, default_text, flag, has, items, make, number, text};
use crate::rules::{Rules, StatusRule};
use crate::validation::{immutable, label_selector, not_negative, template};

const FIELDS: &[Field] =
    &[("status.successful", |object| number(object, "/status/succeeded").unwrap_or(0).to_string())];

pub(super) fn resource(parts: &Parts) -> Resource {
    let [names, images] = containers_and_images("/spec/template/spec");
    let mut columns = with_name_and_age([
        column("Status", state),
        column("Completions", completions),
        timed("Duration", duration),
    ]);
    columns.extend([names, images, selector("Selector", "/spec/selector").wide()]);
    let rules = Rules {
        fields: FIELDS,
        status: StatusRule::Apart,
        generation: true,
        prepare,
        validate,
        propagation: Propagation::Orphan,
        ..Rules::PLAIN
    };
    Define::new("batch", "v1", "Job", "jobs").all().columns(columns).stored(
        &parts.storage,
        "jobs",
        rules,
    )
}

/// What stands in a job's specification when nobody says otherwise; also of cron jobs' templates.
pub(super) fn defaults(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    template::defaults(spec, "/template");
    if !has(spec, "/completions") && !has(spec, "/parallelism") {
        default(spec, "completions", 1);
        default(spec, "parallelism", 1);
    }
    default(spec, "parallelism", 1);
    let per_index = has(spec, "/backoffLimitPerIndex");
    default(spec, "backoffLimit", if per_index { i32::MAX } else { 6 });
    default_text(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    default(spec, "manualSelector", false);
    let replacement = if has(spec, "/podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    default_text(spec, "podReplacementPolicy", replacement);
}

/// The labels by which a job knows its pods, in their old and new names.
const UID_LABELS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];
const NAME_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    let manual = flag(object, "/spec/manualSelector");
    if let Some(spec) = object.get_mut("spec") {
        defaults(spec);
        if !manual && spec.get("manualSelector") == Some(&Value::Bool(false)) {
            crate::object::remove(spec, "manualSelector");
        }
    }
    if old.is_some() {
        return;
    }
    object["status"] = json!({});
    let (name, uid) = (meta::name(object).to_owned(), meta::uid(object).to_owned());
    if manual {
        return;
    }
    if let Some(labels) = make(object, "/spec/template/metadata/labels") {
        for (keys, value) in [(UID_LABELS, &uid), (NAME_LABELS, &name)] {
            for key in keys {
                default(labels, key, value.as_str());
            }
        }
    }
    if let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) {
        default(spec, "selector", json!({}));
        if let Some(labels) = make(spec, "/selector/matchLabels") {
            default(labels, UID_LABELS[1], uid);
        }
    }
}

/// A job's specification without what is generated; also of cron jobs' templates.
pub(super) fn spec(spec: &Value, path: &Path, errors: &mut ErrorList) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
    ] {
        not_negative(spec, path, field, errors);
    }
    let mode = text(spec, "/completionMode");
    if !matches!(mode, "" | "NonIndexed" | "Indexed") {
        errors.push(Error::not_supported(
            &path.child("completionMode"),
            mode,
            &["NonIndexed", "Indexed"],
        ));
    }
    if mode == "Indexed" && !has(spec, "/completions") {
        errors.push(Error::required(&path.child("completions"), "when completion mode is Indexed"));
    }
    let Some(found) = spec.get("template").filter(|found| !found.is_null()) else {
        return errors.push(Error::required(&path.child("template"), ""));
    };
    template::template(found, &path.child("template"), &[], errors);
    let at_policy = path.child("template").child("spec").child("restartPolicy");
    match text(found, "/spec/restartPolicy") {
        "OnFailure" | "Never" => {}
        "Always" | "" => {
            errors.push(Error::required(&at_policy, "valid values: \"OnFailure\", \"Never\""));
        }
        other => errors.push(Error::not_supported(&at_policy, other, &["OnFailure", "Never"])),
    }
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let nothing = json!({});
    let (path, found) = (Path::new("spec"), object.get("spec").unwrap_or(&nothing));
    spec(found, &path, errors);
    match found.get("selector").filter(|selector| !selector.is_null()) {
        None => errors.push(Error::required(&path.child("selector"), "")),
        Some(selector) => label_selector(selector, &path.child("selector"), errors),
    }
    if let Ok(selector) = LabelSelector::from_object(found.get("selector")) {
        template::mismatch(&selector, &found["template"], &path.child("template"), errors);
    }
    let Some(old) = old else { return };
    for pointer in ["/spec/completions", "/spec/selector", "/spec/template", "/spec/completionMode"]
    {
        // A suspended job that never ran may still be scheduled elsewhere; all else of the template stays.
        if pointer == "/spec/template"
            && flag(old, "/spec/suspend")
            && !has(old, "/status/startTime")
        {
            continue;
        }
        if pointer == "/spec/completions" && text(found, "/completionMode") == "Indexed" {
            continue;
        }
        immutable(object, old, pointer, errors);
    }
}

fn holds(object: &Value, condition: &str) -> bool {
    let found =
        items(object, "/status/conditions").iter().find(|one| text(one, "/type") == condition);
    found.is_some_and(|one| text(one, "/status") == "True")
}

fn state(object: &Value) -> String {
    let word = match () {
        () if holds(object, "Complete") => "Complete",
        () if holds(object, "Failed") => "Failed",
        () if meta::is_being_deleted(object) => "Terminating",
        () if holds(object, "Suspended") => "Suspended",
        () if holds(object, "FailureTarget") => "FailureTarget",
        () if holds(object, "SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    word.to_owned()
}

fn completions(object: &Value) -> String {
    let succeeded = number(object, "/status/succeeded").unwrap_or(0);
    match (number(object, "/spec/completions"), number(object, "/spec/parallelism").unwrap_or(0)) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn duration(object: &Value, now: Time) -> String {
    let Ok(begin) = Time::parse(text(object, "/status/startTime")) else { return String::new() };
    let end = Time::parse(text(object, "/status/completionTime")).unwrap_or(now);
    human_duration(end.seconds() - begin.seconds())
}
