// SPDX-License-Identifier: Apache-2.0
//! storage.k8s.io/v1: classes, and what drivers keep of themselves (stored alone).

use api::field::{Error, ErrorList, Path};
use api::meta;
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use apimachinery::table::Column;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{NONE, at, at_or, boolean, column, integer, with_name_and_age};
use crate::define::{Define, WITH_STATUS};
use crate::object::{default, default_text, flag, items, plain, text, texts};
use crate::rules::Rules;
use crate::validation::{immutable, one_of};

/// The annotation of the class that claims without one get.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
const OLD_DEFAULT_CLASS: &str = "storageclass.beta.kubernetes.io/is-default-class";

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let group = "storage.k8s.io";
    vec![
        Define::new(group, "v1", "StorageClass", "storageclasses")
            .short(&["sc"])
            .columns(class_columns())
            .stored(
                &parts.storage,
                "storageclasses",
                Rules { prepare: class_defaults, validate: validate_class, ..Rules::PLAIN },
            ),
        Define::new(group, "v1", "CSIDriver", "csidrivers").columns(driver_columns()).stored(
            &parts.storage,
            "csidrivers",
            Rules { generation: true, prepare: driver_defaults, ..Rules::PLAIN },
        ),
        Define::new(group, "v1", "CSINode", "csinodes")
            .columns(with_name_and_age([integer("Drivers", |object| {
                i64::try_from(items(object, "/spec/drivers").len()).unwrap_or(i64::MAX)
            })]))
            .stored(&parts.storage, "csinodes", Rules::PLAIN),
        Define::new(group, "v1", "CSIStorageCapacity", "csistoragecapacities")
            .columns([
                Column::object_name(),
                at("StorageClassName", "/storageClassName"),
                column("Capacity", |object| {
                    object.get("capacity").map_or_else(|| "<unset>".to_owned(), plain)
                }),
            ])
            .stored(&parts.storage, "csistoragecapacities", Rules::PLAIN),
        Define::new(group, "v1", "VolumeAttachment", "volumeattachments")
            .columns(with_name_and_age([
                at("Attacher", "/spec/attacher"),
                at("PV", "/spec/source/persistentVolumeName"),
                at("Node", "/spec/nodeName"),
                boolean("Attached", |object| flag(object, "/status/attached")),
            ]))
            .stored(&parts.storage, "volumeattachments", WITH_STATUS),
        Define::new(group, "v1", "VolumeAttributesClass", "volumeattributesclasses")
            .short(&["vac"])
            .columns(with_name_and_age([at("DriverName", "/driverName")]))
            .stored(&parts.storage, "volumeattributesclasses", Rules::PLAIN),
    ]
}

/// Whether claims without a class get this one.
fn is_default(object: &Value) -> bool {
    [DEFAULT_CLASS, OLD_DEFAULT_CLASS]
        .iter()
        .any(|name| meta::annotation(object, name) == Some("true"))
}

fn class_columns() -> Vec<Column> {
    let name = |object: &Value| match is_default(object) {
        true => format!("{} (default)", meta::name(object)),
        false => meta::name(object).to_owned(),
    };
    let mut first = column("Name", name);
    first.format = "name";
    vec![
        first,
        at("Provisioner", "/provisioner"),
        at_or("ReclaimPolicy", "/reclaimPolicy", "Delete"),
        at_or("VolumeBindingMode", "/volumeBindingMode", "<unset>"),
        column("AllowVolumeExpansion", |object| flag(object, "/allowVolumeExpansion").to_string()),
        Column::age(),
    ]
}

fn class_defaults(_call: &Call, object: &mut Value, _old: Option<&Value>) {
    default_text(object, "reclaimPolicy", "Delete");
    default_text(object, "volumeBindingMode", "Immediate");
}

fn validate_class(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let (path, provisioner) = (Path::new("provisioner"), text(object, "/provisioner"));
    if provisioner.is_empty() {
        errors.push(Error::required(&path, ""));
    } else {
        errors.invalid_each(
            &path,
            provisioner,
            api::names::qualified_name(&provisioner.to_lowercase()),
        );
    }
    one_of(object, &Path::root(), "reclaimPolicy", &["Delete", "Retain"], errors);
    one_of(
        object,
        &Path::root(),
        "volumeBindingMode",
        &["Immediate", "WaitForFirstConsumer"],
        errors,
    );
    let Some(old) = old else { return };
    if object.get("parameters") != old.get("parameters") {
        errors.push(Error::forbidden(
            &Path::new("parameters"),
            "updates to parameters are forbidden.",
        ));
    }
    if object.get("provisioner") != old.get("provisioner") {
        errors.push(Error::forbidden(&path, "updates to provisioner are forbidden."));
    }
    immutable(object, old, "/reclaimPolicy", errors);
    immutable(object, old, "/volumeBindingMode", errors);
}

fn driver_defaults(_call: &Call, object: &mut Value, _old: Option<&Value>) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    for (field, value) in [
        ("attachRequired", json!(true)),
        ("podInfoOnMount", json!(false)),
        ("fsGroupPolicy", json!("ReadWriteOnceWithFSType")),
        ("storageCapacity", json!(false)),
        ("volumeLifecycleModes", json!(["Persistent"])),
        ("requiresRepublish", json!(false)),
        ("seLinuxMount", json!(false)),
    ] {
        default(spec, field, value);
    }
}

fn driver_columns() -> Vec<Column> {
    let or_none = |all: Vec<&str>| if all.is_empty() { NONE.to_owned() } else { all.join(",") };
    with_name_and_age([
        boolean("AttachRequired", |object| {
            object.pointer("/spec/attachRequired").and_then(Value::as_bool).unwrap_or(true)
        }),
        boolean("PodInfoOnMount", |object| flag(object, "/spec/podInfoOnMount")),
        boolean("StorageCapacity", |object| flag(object, "/spec/storageCapacity")),
        column("TokenRequests", |object| match object.pointer("/spec/tokenRequests") {
            Some(Value::Array(all)) => {
                all.iter().map(|one| text(one, "/audience")).collect::<Vec<_>>().join(",")
            }
            _ => "<unset>".to_owned(),
        }),
        boolean("RequiresRepublish", |object| flag(object, "/spec/requiresRepublish")),
        column("Modes", move |object| or_none(texts(object, "/spec/volumeLifecycleModes"))),
    ])
}
