// SPDX-License-Identifier: Apache-2.0
//! Cron jobs; v1beta1 has the same fields and is what the guide's tools use.

use api::field::{Error, ErrorList, Path};
use api::meta;
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use serde_json::{Value, json};

use super::jobs;
use super::schedule::Schedule;
use crate::Parts;
use crate::columns::{
    NONE, age_at, at, at_or, boolean, containers_and_images, integer, selector, with_name_and_age,
};
use crate::define::Define;
use crate::object::{default, default_text, flag, items, text};
use crate::rules::Rules;
use crate::validation::{not_negative, one_of};

/// Most characters of a name, so that jobs' names, which are longer by a time, are valid.
const NAME_MAX: usize = 52;

pub(super) fn resource(parts: &Parts) -> Resource {
    let [names, images] = containers_and_images("/spec/jobTemplate/spec/template/spec");
    let mut columns = with_name_and_age([
        at("Schedule", "/spec/schedule"),
        at_or("Timezone", "/spec/timeZone", NONE),
        boolean("Suspend", |object| flag(object, "/spec/suspend")),
        integer("Active", |object| {
            i64::try_from(items(object, "/status/active").len()).unwrap_or(i64::MAX)
        }),
        age_at("Last Schedule", "/status/lastScheduleTime", NONE),
    ]);
    columns.extend([names, images, selector("Selector", "/spec/jobTemplate/spec/selector").wide()]);
    let deprecation = "batch/v1beta1 CronJob is deprecated in v1.21+, unavailable in v1.25+; use batch/v1 CronJob";
    Define::new("batch", "v1", "CronJob", "cronjobs")
        .short(&["cj"])
        .all()
        .columns(columns)
        .older("v1beta1", |_| {}, |_| {}, deprecation)
        .stored(&parts.storage, "cronjobs", Rules { prepare, validate, ..Rules::REPORTED })
}

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    if old.is_none() {
        object["status"] = json!({});
    }
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    default_text(spec, "concurrencyPolicy", "Allow");
    default(spec, "suspend", false);
    default(spec, "successfulJobsHistoryLimit", 3);
    default(spec, "failedJobsHistoryLimit", 1);
    if let Some(template) = spec.get_mut("jobTemplate").filter(|template| template.is_object()) {
        default(template, "metadata", json!({}));
        if let Some(spec) = template.get_mut("spec") {
            // Of a template upstream fills in the pods' part alone; the rest is the job's when it is made.
            crate::validation::template::defaults(spec, "/template");
        }
    }
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let nothing = json!({});
    let (path, spec) = (Path::new("spec"), object.get("spec").unwrap_or(&nothing));
    let (at_schedule, schedule) = (path.child("schedule"), text(spec, "/schedule"));
    if schedule.is_empty() {
        errors.push(Error::required(&at_schedule, ""));
    } else if schedule.contains("TZ") {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.push(Error::invalid(&at_schedule, schedule, detail));
    } else if let Err(error) = schedule.parse::<Schedule>() {
        errors.push(Error::invalid(&at_schedule, schedule, error.to_string()));
    }
    not_negative(spec, &path, "startingDeadlineSeconds", errors);
    if let Some(zone) = spec.get("timeZone").and_then(Value::as_str) {
        time_zone(zone, &path.child("timeZone"), errors);
    }
    one_of(spec, &path, "concurrencyPolicy", &["Allow", "Forbid", "Replace"], errors);
    let at_template = path.child("jobTemplate").child("spec");
    if let Some(job) = spec.pointer("/jobTemplate/spec") {
        jobs::spec(job, &at_template, errors);
        if job.get("manualSelector") == Some(&Value::Bool(true)) {
            let at = at_template.child("manualSelector");
            errors.push(Error::not_supported(&at, true, &["nil", "false"]));
        }
    } else {
        jobs::spec(&nothing, &at_template, errors);
    }
    not_negative(spec, &path, "successfulJobsHistoryLimit", errors);
    not_negative(spec, &path, "failedJobsHistoryLimit", errors);
    if old.is_none() && meta::name(object).len() > NAME_MAX {
        let path = Path::new("metadata").child("name");
        errors.push(Error::invalid(
            &path,
            meta::name(object),
            "must be no more than 52 characters",
        ));
    }
}

/// Schedules are in UTC; other zones need their history, which this server does not carry.
fn time_zone(zone: &str, path: &Path, errors: &mut ErrorList) {
    let detail = match zone {
        "" => "timeZone must be nil or non-empty string".to_owned(),
        "UTC" | "Etc/UTC" | "Etc/GMT" | "GMT" => return,
        zone if zone.eq_ignore_ascii_case("local") => {
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
                .to_owned()
        }
        zone => format!("unknown time zone {zone}"),
    };
    errors.push(Error::invalid(path, zone, detail));
}
