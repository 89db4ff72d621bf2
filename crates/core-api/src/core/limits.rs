// SPDX-License-Identifier: Apache-2.0
//! Limit ranges and resource quotas: stored and checked for sense; the image API enforces those on images.

use api::field::{Error, ErrorList, Path};
use api::quantity::Quantity;
use apimachinery::resource::Resource;
use apimachinery::table::Column;
use serde_json::Value;

use crate::Parts;
use crate::columns::{column, name_and_created};
use crate::define::{Define, WITH_STATUS};
use crate::object::{items, map, plain, text};
use crate::rules::Rules;
use crate::validation::quantities;

pub(super) fn ranges(parts: &Parts) -> Resource {
    Define::new("", "v1", "LimitRange", "limitranges")
        .short(&["limits"])
        .columns(name_and_created())
        .stored(
            &parts.storage,
            "limitranges",
            Rules { validate: range, prepare: range_defaults, ..Rules::PLAIN },
        )
}

/// A maximum is a default limit, and a default limit a default request.
fn range_defaults(_call: &apimachinery::context::Call, object: &mut Value, _old: Option<&Value>) {
    for item in crate::object::each(object, "/spec/limits") {
        if text(item, "/type") != "Container" {
            continue;
        }
        for (from, to) in
            [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")]
        {
            let Some(values) = map(item, &format!("/{from}")).cloned() else { continue };
            crate::object::default(item, to, serde_json::json!({}));
            for (name, value) in values {
                crate::object::default(&mut item[to], &name, value);
            }
        }
    }
}

fn range(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    let mut seen: Vec<&str> = Vec::new();
    for (at, limit) in items(object, "/spec/limits").iter().enumerate() {
        let path = Path::new("spec").child("limits").index(at);
        let kind = text(limit, "/type");
        if kind.is_empty() {
            errors.push(Error::required(&path.child("type"), ""));
        }
        if seen.contains(&kind) {
            errors.push(Error::duplicate(&path.child("type"), kind));
        }
        seen.push(kind);
        let amount = |field: &str, name: &str| {
            map(limit, &format!("/{field}"))
                .and_then(|all| all.get(name))
                .and_then(|v| Quantity::from_value(v).ok())
        };
        for (name, value) in map(limit, "/min").into_iter().flatten() {
            let at_min = path.child("min").key(name);
            quantities::not_negative(value, &at_min, errors);
            if let (Some(min), Some(max)) = (amount("min", name), amount("max", name))
                && min > max
            {
                let detail = format!("min value {min} is greater than max value {max}");
                errors.push(Error::invalid(&at_min, min.to_string(), detail));
            }
        }
        for name in map(limit, "/default").into_iter().flat_map(serde_json::Map::keys) {
            if let (Some(default), Some(max)) = (amount("default", name), amount("max", name))
                && default > max
            {
                let detail = format!("default value {default} is greater than max value {max}");
                errors.push(Error::invalid(
                    &path.child("default").key(name),
                    default.to_string(),
                    detail,
                ));
            }
        }
    }
}

pub(super) fn quotas(parts: &Parts) -> Resource {
    let used = |prefix: &'static str| {
        move |object: &Value| {
            let Some(hard) = map(object, "/status/hard") else { return String::new() };
            let mut lines: Vec<String> = hard
                .iter()
                .filter(|(name, _)| name.starts_with("limits") == (prefix == "limits"))
                .map(|(name, hard)| {
                    let used = map(object, "/status/used").and_then(|used| used.get(name));
                    format!(
                        "{name}: {}/{}",
                        used.map_or_else(|| "0".to_owned(), plain),
                        plain(hard)
                    )
                })
                .collect();
            lines.sort();
            lines.join(", ")
        }
    };
    Define::new("", "v1", "ResourceQuota", "resourcequotas")
        .short(&["quota"])
        .columns([
            Column::object_name(),
            column("Request", used("")),
            column("Limit", used("limits")),
            Column::age(),
        ])
        .stored(&parts.storage, "resourcequotas", Rules { validate: quota, ..WITH_STATUS })
}

fn quota(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    for (name, value) in map(object, "/spec/hard").into_iter().flatten() {
        let path = Path::new("spec").child("hard").key(name);
        errors.invalid_each(&path, name, api::names::qualified_name(name));
        quantities::not_negative(value, &path, errors);
    }
    if let Some(old) = old {
        let (now, before) = (object.pointer("/spec/scopes"), old.pointer("/spec/scopes"));
        if now != before {
            let value = now.cloned().unwrap_or_default();
            errors.push(Error::invalid(
                &Path::new("spec").child("scopes"),
                value,
                "field is immutable",
            ));
        }
    }
}
