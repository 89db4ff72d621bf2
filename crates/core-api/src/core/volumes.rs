// SPDX-License-Identifier: Apache-2.0
//! Persistent volumes and claims on them.

use api::field::{Error, ErrorList, Path};
use api::meta;
use api::quantity::Quantity;
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use apimachinery::storage::Field;
use apimachinery::table::Column;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{at, at_or, column};
use crate::define::Define;
use crate::object::{default, default_text, has, plain, text, texts};
use crate::rules::{Rules, StatusRule};
use crate::validation::pod::difference;
use crate::validation::{label_selector, one_of_or_none};

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];
/// Where the storage class stood before it became a field; it still wins.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

const VOLUME_FIELDS: &[Field] = &[("name", |object| meta::name(object).to_owned())];

pub(super) fn resources(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
            .short(&["pvc"])
            .columns(claim_columns())
            .stored(
                &parts.storage,
                "persistentvolumeclaims",
                Rules {
                    fields: VOLUME_FIELDS,
                    status: StatusRule::Apart,
                    prepare: prepare_claim,
                    validate: validate_claim,
                    returns_deleted: true,
                    ..Rules::PLAIN
                },
            ),
        Define::new("", "v1", "PersistentVolume", "persistentvolumes")
            .short(&["pv"])
            .columns(volume_columns())
            .stored(
                &parts.storage,
                "persistentvolumes",
                Rules {
                    fields: VOLUME_FIELDS,
                    status: StatusRule::Apart,
                    prepare: prepare_volume,
                    validate: validate_volume,
                    returns_deleted: true,
                    ..Rules::PLAIN
                },
            ),
    ]
}

/// What stands in a claim's specification when nobody says otherwise; also of claim templates.
pub(crate) fn claim_defaults(spec: &mut Value) {
    if spec.is_object() {
        default_text(spec, "volumeMode", "Filesystem");
        default(spec, "resources", json!({}));
    }
}

fn prepare_claim(_call: &Call, object: &mut Value, old: Option<&Value>) {
    if old.is_none() {
        object["status"] = json!({"phase": "Pending"});
    }
    if let Some(spec) = object.get_mut("spec") {
        claim_defaults(spec);
    }
}

/// A claim's specification.
pub(crate) fn claim_spec(spec: &Value, path: &Path, errors: &mut ErrorList) {
    access_modes(spec, path, "at least 1 access mode is required", errors);
    if let Some(selector) = spec.get("selector").filter(|selector| !selector.is_null()) {
        label_selector(selector, &path.child("selector"), errors);
    }
    let at_storage = path.child("resources").key("storage");
    match spec.pointer("/resources/requests/storage") {
        None => errors.push(Error::required(&at_storage, "")),
        Some(value) => {
            if let Ok(quantity) = Quantity::from_value(value)
                && quantity.signum() <= 0
            {
                errors.push(Error::invalid(
                    &at_storage,
                    quantity.to_string(),
                    "must be greater than zero",
                ));
            }
        }
    }
    let class = text(spec, "/storageClassName");
    if !class.is_empty() {
        errors.invalid_each(
            &path.child("storageClassName"),
            class,
            api::names::dns1123_subdomain(class),
        );
    }
    one_of_or_none(spec, path, "volumeMode", &VOLUME_MODES, errors);
}

fn access_modes(spec: &Value, path: &Path, missing: &str, errors: &mut ErrorList) {
    let path = path.child("accessModes");
    let modes = texts(spec, "/accessModes");
    if modes.is_empty() {
        errors.push(Error::required(&path, missing));
    }
    for mode in modes.iter().filter(|mode| !MODES.contains(mode)) {
        errors.push(Error::not_supported(&path, *mode, &MODES));
    }
    if modes.contains(&"ReadWriteOncePod") && modes.len() > 1 {
        errors
            .push(Error::forbidden(&path, "may not use ReadWriteOncePod with other access modes"));
    }
}

fn validate_claim(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let (path, nothing) = (Path::new("spec"), json!({}));
    claim_spec(object.get("spec").unwrap_or(&nothing), &path, errors);
    let Some(old) = old else { return };
    let (mut now, mut before) = (object["spec"].clone(), old["spec"].clone());
    // The volume is chosen once.
    if text(&before, "/volumeName").is_empty() {
        before["volumeName"] = now["volumeName"].clone();
        now["volumeName"] = before["volumeName"].clone();
    }
    if text(object, "/status/phase") == "Bound" {
        if has(&now, "/resources/requests") {
            now["resources"]["requests"]["storage"] =
                before.pointer("/resources/requests/storage").cloned().unwrap_or_default();
        }
        match before.get("volumeAttributesClassName") {
            Some(class) => now["volumeAttributesClassName"] = class.clone(),
            None => {
                crate::object::remove(&mut now, "volumeAttributesClassName");
            }
        }
    }
    if now != before {
        let changed = difference(&before, &now);
        let detail = format!(
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n{changed}"
        );
        errors.push(Error::forbidden(&path, detail));
    }
    let size = |claim: &Value| {
        claim
            .pointer("/spec/resources/requests/storage")
            .and_then(|value| Quantity::from_value(value).ok())
    };
    if let (Some(now), Some(before)) = (size(object), size(old))
        && now < before
    {
        let path = path.child("resources").child("requests").child("storage");
        errors.push(Error::forbidden(&path, "field can not be less than previous value"));
    }
}

fn prepare_volume(_call: &Call, object: &mut Value, old: Option<&Value>) {
    if old.is_none() {
        object["status"] = json!({"phase": "Pending"});
    }
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    default_text(spec, "persistentVolumeReclaimPolicy", "Retain");
    default_text(spec, "volumeMode", "Filesystem");
    if let Some(source) = spec.get_mut("hostPath").filter(|source| source.is_object()) {
        default(source, "type", "");
    }
}

/// What a volume's specification holds beside its source.
const NO_SOURCES: [&str; 10] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
    "type",
];

fn validate_volume(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let (path, nothing) = (Path::new("spec"), json!({}));
    let spec = object.get("spec").unwrap_or(&nothing);
    access_modes(spec, &path, "", errors);
    match spec.pointer("/capacity/storage") {
        None if crate::object::entries(spec, "/capacity") == 0 => {
            errors.push(Error::required(&path.child("capacity"), ""));
        }
        None => errors.push(Error::not_supported(
            &path.child("capacity"),
            spec["capacity"].clone(),
            &["storage"],
        )),
        Some(value) => {
            if let Ok(quantity) = Quantity::from_value(value)
                && quantity.signum() <= 0
            {
                let path = path.child("capacity").key("storage");
                errors.push(Error::invalid(
                    &path,
                    quantity.to_string(),
                    "must be greater than zero",
                ));
            }
        }
    }
    one_of_or_none(
        spec,
        &path,
        "persistentVolumeReclaimPolicy",
        &["Delete", "Recycle", "Retain"],
        errors,
    );
    let sources: Vec<&String> = spec
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| !NO_SOURCES.contains(&key.as_str()) && !value.is_null())
        .map(|(key, _)| key)
        .collect();
    if sources.is_empty() {
        errors.push(Error::required(&path, "must specify a volume type"));
    }
    for extra in sources.iter().skip(1) {
        errors
            .push(Error::forbidden(&path.child(extra), "may not specify more than 1 volume type"));
    }
    one_of_or_none(spec, &path, "volumeMode", &VOLUME_MODES, errors);
    if let Some(old) = old {
        let source = |object: &Value| {
            sources.first().and_then(|name| object["spec"].get(name.as_str()).cloned())
        };
        if source(object) != source(old) {
            let detail = "spec.persistentvolumesource is immutable after creation\n";
            errors.push(Error::forbidden(&path.child("persistentvolumesource"), detail));
        }
        crate::validation::immutable(object, old, "/spec/volumeMode", errors);
    }
}

/// `RWO,ROX`, each once and in the order of strength.
fn short_modes(object: &Value, pointer: &str) -> String {
    let modes = texts(object, pointer);
    let known = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    known
        .iter()
        .filter(|(mode, _)| modes.contains(mode))
        .map(|(_, short)| *short)
        .collect::<Vec<_>>()
        .join(",")
}

fn class(object: &Value) -> String {
    match meta::annotation(object, CLASS_ANNOTATION) {
        Some(class) => class.to_owned(),
        None => text(object, "/spec/storageClassName").to_owned(),
    }
}

fn phase(object: &Value) -> String {
    if meta::is_being_deleted(object) {
        "Terminating".to_owned()
    } else {
        text(object, "/status/phase").to_owned()
    }
}

fn claim_columns() -> Vec<Column> {
    let bound = |object: &Value| !text(object, "/spec/volumeName").is_empty();
    vec![
        Column::object_name(),
        column("Status", phase),
        at("Volume", "/spec/volumeName"),
        column("Capacity", move |object| match object.pointer("/status/capacity/storage") {
            Some(size) if bound(object) => plain(size),
            None if bound(object) => "0".to_owned(),
            _ => String::new(),
        }),
        column("Access Modes", move |object| match bound(object) {
            true => short_modes(object, "/status/accessModes"),
            false => String::new(),
        }),
        column("StorageClass", class),
        at_or("VolumeAttributesClass", "/spec/volumeAttributesClassName", "<unset>"),
        Column::age(),
        at_or("VolumeMode", "/spec/volumeMode", "<unset>").wide(),
    ]
}

fn volume_columns() -> Vec<Column> {
    vec![
        Column::object_name(),
        column("Capacity", |object| {
            object.pointer("/spec/capacity/storage").map_or_else(|| "0".to_owned(), plain)
        }),
        column("Access Modes", |object| short_modes(object, "/spec/accessModes")),
        at("Reclaim Policy", "/spec/persistentVolumeReclaimPolicy"),
        column("Status", phase),
        column("Claim", |object| match has(object, "/spec/claimRef") {
            true => format!(
                "{}/{}",
                text(object, "/spec/claimRef/namespace"),
                text(object, "/spec/claimRef/name")
            ),
            false => String::new(),
        }),
        column("StorageClass", class),
        at_or("VolumeAttributesClass", "/spec/volumeAttributesClassName", "<unset>"),
        at("Reason", "/status/reason"),
        Column::age(),
        at_or("VolumeMode", "/spec/volumeMode", "<unset>").wide(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_shortened_in_order() {
        let object = json!({"m": ["ReadWriteMany", "ReadWriteOnce", "ReadWriteMany"]});
        assert_eq!(short_modes(&object, "/m"), "RWO,RWX");
    }
}
