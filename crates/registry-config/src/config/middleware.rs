// SPDX-License-Identifier: Apache-2.0
//! `middleware`: what the original registries plug in, by place (registry.md 4.1, 5.6).

use std::collections::BTreeMap;

use crate::problem::WarningKind;
use crate::read::{Path, Reader, Scope, Setting};
use crate::schema::{Leaf, Shape};
use crate::value::Secret;
use crate::yaml::{Node, Value};

settings! {
    /// Middleware of the original registries. The `openshift` entries are accepted and not needed;
    /// `cloudfront` is understood and not part of this build yet.
    pub struct Middlewares checked by check_middlewares {
        /// Around the registry.
        "registry" => registry: Vec<Middleware> = "[]";
        /// Around each repository. Options of `openshift` are old names of `openshift.*` keys.
        "repository" => repository: Vec<Middleware> = "[]";
        /// Around the storage driver.
        "storage" => storage: Vec<Middleware> = "[]";
    }
}

settings! {
    /// One middleware.
    pub struct Middleware checked by check_middleware {
        /// Its name. Required.
        "name" => name: String = "";
        /// Whether it is off.
        "disabled" => disabled: bool = "false";
        /// Its options.
        "options" => options: BTreeMap<String, OptionValue> = "{}";
    }
}

/// The value of an option: text, or a list of texts. Options may hold keys, so nothing is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// One value.
    Text(Secret),
    /// Several values.
    List(Vec<Secret>),
}

impl Setting for OptionValue {
    const SHAPE: Shape = Shape::Leaf(Leaf {
        name: "option",
        expected: "a single value or a list",
        choices: &[],
        secret: true,
    });

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Sequence(_) => Vec::<Secret>::read(node, at, reader).map(Self::List),
            Value::Scalar { .. } | Value::Null => Secret::read(node, at, reader).map(Self::Text),
            Value::Mapping(_) => {
                reader.wrong::<Self>(node, at);
                None
            }
        }
    }
}

fn check_middleware(_: &mut Middleware, scope: &Scope<'_>, reader: &mut Reader) {
    reader.require(scope, "name");
}

fn check_middlewares(all: &mut Middlewares, scope: &Scope<'_>, reader: &mut Reader) {
    for (place, list) in
        [("registry", &all.registry), ("repository", &all.repository), ("storage", &all.storage)]
    {
        for middleware in list.iter().filter(|middleware| !middleware.name.is_empty()) {
            let name = middleware.name.as_str();
            let text = match (name, middleware.disabled) {
                ("openshift", true) => "the openshift middleware can't be disabled",
                ("openshift", false) | (_, true) => continue,
                _ => "this build has no such middleware",
            };
            let at = scope.at.child(place);
            let text = format!("middleware {name} in {at} has no effect: {text}");
            reader.warn(&at, scope.origin_of(place), WarningKind::NoEffect, text);
        }
    }
}
