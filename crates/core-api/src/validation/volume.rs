// SPDX-License-Identifier: Apache-2.0
//! Volumes of pods: names, one source each, what each source needs.

use std::collections::BTreeSet;

use api::field::{Error, ErrorList, Path};
use serde_json::Value;

use crate::object::{items, text};

/// The names of all volumes that are well formed; the rest is refused.
pub(crate) fn all<'a>(
    volumes: &'a [Value],
    path: &Path,
    errors: &mut ErrorList,
) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (at, volume) in volumes.iter().enumerate() {
        let path = path.index(at);
        let before = errors.len();
        source(volume, &path, errors);
        let (name, at_name) = (text(volume, "/name"), path.child("name"));
        if name.is_empty() {
            errors.push(Error::required(&at_name, ""));
        } else {
            errors.invalid_each(&at_name, name, api::names::dns1123_label(name));
        }
        if names.contains(name) {
            errors.push(Error::duplicate(&at_name, name));
        }
        if errors.len() == before {
            names.insert(name);
        }
    }
    names
}

fn source(volume: &Value, path: &Path, errors: &mut ErrorList) {
    let sources: Vec<(&String, &Value)> = volume
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| *key != "name" && !value.is_null())
        .collect();
    for (name, _) in sources.iter().skip(1) {
        errors.push(Error::forbidden(&path.child(name), "may not specify more than 1 volume type"));
    }
    let Some((kind, source)) = sources.first() else {
        return errors.push(Error::required(path, "must specify a volume type"));
    };
    let path = path.child(kind);
    let needs = |field: &str, errors: &mut ErrorList| {
        if text(source, &format!("/{field}")).is_empty() {
            errors.push(Error::required(&path.child(field), ""));
        }
    };
    match kind.as_str() {
        "secret" => {
            needs("secretName", errors);
            keys(source, &path, errors);
        }
        "configMap" => {
            needs("name", errors);
            keys(source, &path, errors);
        }
        "persistentVolumeClaim" => needs("claimName", errors),
        "hostPath" => {
            needs("path", errors);
            if text(source, "/path").split('/').any(|part| part == "..") {
                errors.push(Error::invalid(
                    &path.child("path"),
                    text(source, "/path"),
                    "must not contain '..'",
                ));
            }
        }
        "nfs" => {
            needs("server", errors);
            needs("path", errors);
        }
        "csi" => needs("driver", errors),
        _ => {}
    }
}

/// `items` of a secret's or config map's volume.
fn keys(source: &Value, path: &Path, errors: &mut ErrorList) {
    for (at, item) in items(source, "/items").iter().enumerate() {
        let path = path.child("items").index(at);
        for field in ["key", "path"] {
            if text(item, &format!("/{field}")).is_empty() {
                errors.push(Error::required(&path.child(field), ""));
            }
        }
        descending(text(item, "/path"), &path.child("path"), errors);
    }
}

/// A path below a directory.
pub(crate) fn descending(target: &str, path: &Path, errors: &mut ErrorList) {
    if target.starts_with('/') {
        errors.push(Error::invalid(path, target, "must be a relative path"));
    }
    if target.split('/').any(|part| part == "..") {
        errors.push(Error::invalid(path, target, "must not contain '..'"));
    }
}
