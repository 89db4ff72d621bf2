// SPDX-License-Identifier: Apache-2.0
//! Secrets: their types and what each type must hold. No value appears in an error.

use api::field::{Error, ErrorList, Path};
use api::meta;
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use apimachinery::storage::Field;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::configmaps::{MAX_SIZE, check_key, decoded_size, frozen};
use crate::Parts;
use crate::columns::{at, integer, with_name_and_age};
use crate::define::Define;
use crate::object::{default_text, entries, map, text};
use crate::rules::Rules;
use crate::validation::immutable;

const FIELDS: &[Field] = &[("type", |object| text(object, "/type").to_owned())];

pub(super) fn resource(parts: &Parts) -> Resource {
    let mut data =
        integer("Data", |object| i64::try_from(entries(object, "/data")).unwrap_or(i64::MAX));
    data.kind = "string";
    Define::new("", "v1", "Secret", "secrets")
        .columns(with_name_and_age([at("Type", "/type"), data]))
        .stored(
            &parts.storage,
            "secrets",
            Rules { fields: FIELDS, prepare, validate, ..Rules::PLAIN },
        )
}

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    // stringData is only written: it becomes data.
    if let Some(Value::Object(plain)) = crate::object::remove(object, "stringData") {
        crate::object::default(object, "data", json!({}));
        for (key, value) in plain {
            object["data"][key] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
        }
    }
    // An update without a type means the one it has.
    if let Some(old) = old {
        default_text(object, "type", text(old, "/type"));
    }
    default_text(object, "type", "Opaque");
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    if let Some(old) = old {
        immutable(object, old, "/type", errors);
        frozen(object, old, &["data"], errors);
    }
    let mut size = 0;
    for (key, value) in map(object, "/data").into_iter().flatten() {
        check_key("data", key, errors);
        size += decoded_size(value);
    }
    let data = Path::new("data");
    if size > MAX_SIZE {
        errors.push(Error::too_long(&data, MAX_SIZE));
    }
    let has = |key: &str| map(object, "/data").is_some_and(|data| data.contains_key(key));
    let mut demand = |key: &str| {
        if !has(key) {
            errors.push(Error::required(&data.key(key), ""));
        }
    };
    match text(object, "/type") {
        "kubernetes.io/service-account-token" => {
            let annotation = "kubernetes.io/service-account.name";
            if meta::annotation(object, annotation).unwrap_or_default().is_empty() {
                let path = Path::new("metadata").child("annotations").key(annotation);
                errors.push(Error::required(&path, ""));
            }
        }
        "kubernetes.io/dockercfg" => docker_config(object, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => docker_config(object, ".dockerconfigjson", errors),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            demand("username");
            demand("password");
        }
        "kubernetes.io/ssh-auth" => {
            let key = map(object, "/data")
                .and_then(|data| data.get("ssh-privatekey"))
                .and_then(Value::as_str);
            if key.unwrap_or_default().is_empty() {
                errors.push(Error::required(&data.key("ssh-privatekey"), ""));
            }
        }
        "kubernetes.io/tls" => {
            demand("tls.crt");
            demand("tls.key");
        }
        _ => {}
    }
}

/// Credentials of registries: JSON objects.
fn docker_config(object: &Value, key: &str, errors: &mut ErrorList) {
    let path = Path::new("data").key(key);
    let Some(value) = map(object, "/data").and_then(|data| data.get(key)) else {
        return errors.push(Error::required(&path, ""));
    };
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
    let problem = match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(_) | Value::Null) => return,
        Ok(_) => "json: cannot unmarshal a value that is no object".to_owned(),
        Err(_) if bytes.is_empty() => "unexpected end of JSON input".to_owned(),
        // The parser's own text would repeat a character of the secret.
        Err(error) => format!("no JSON object (line {}, column {})", error.line(), error.column()),
    };
    errors.push(Error::invalid(&path, "<secret contents redacted>", problem));
}
