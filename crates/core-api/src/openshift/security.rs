// SPDX-License-Identifier: Apache-2.0
//! security.openshift.io/v1: constraints on pods, stored for those who list and edit them; pods here are processes of one
//! user whatever they say.

use apimachinery::resource::Resource;
use apimachinery::table::Column;
use serde_json::Value;

use crate::Parts;
use crate::columns::{boolean, column};
use crate::define::Define;
use crate::object::{flag, plain, text};
use crate::rules::Rules;

pub(super) fn resources(parts: &Parts) -> Vec<Resource> {
    let value = |name: &str, pointer: &'static str| {
        column(name, move |object: &Value| match object.pointer(pointer) {
            None | Some(Value::Null) => "<no value>".to_owned(),
            Some(value) => plain(value),
        })
    };
    let strategy = |name: &str, pointer: &'static str| {
        column(name, move |object| text(object, pointer).to_owned())
    };
    vec![
        Define::new(
            "security.openshift.io",
            "v1",
            "SecurityContextConstraints",
            "securitycontextconstraints",
        )
        .short(&["scc"])
        .namespaced(false)
        .columns([
            Column::object_name(),
            boolean("Priv", |object| flag(object, "/allowPrivilegedContainer")),
            value("Caps", "/allowedCapabilities"),
            strategy("SELinux", "/seLinuxContext/type"),
            strategy("RunAsUser", "/runAsUser/type"),
            strategy("FSGroup", "/fsGroup/type"),
            strategy("SupGroup", "/supplementalGroups/type"),
            value("Priority", "/priority"),
            boolean("ReadOnlyRootFS", |object| flag(object, "/readOnlyRootFilesystem")),
            value("Volumes", "/volumes"),
        ])
        .stored(
            &parts.storage,
            "security.openshift.io/securitycontextconstraints",
            Rules { generation: true, ..Rules::PLAIN },
        ),
    ]
}
