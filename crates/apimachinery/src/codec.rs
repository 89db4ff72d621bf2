// SPDX-License-Identifier: Apache-2.0
//! Bodies in: JSON, YAML, protobuf, with the strictness that the client asked for. Values out as YAML and protobuf.

use api::status::Status;
use api::{GroupVersionKind, meta};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use schema::Schema;
use serde_json::Value;

use crate::context::Call;
use crate::request::FieldValidation;

/// What bodies of objects may be written in.
const ACCEPTED: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
/// Most unknown or duplicate fields that are named.
const MAX_STRICT_ERRORS: usize = 10;

/// A decoded body.
#[derive(Debug)]
pub struct Decoded {
    /// The value.
    pub value: Value,
    /// Keys that came twice, as paths.
    pub duplicates: Vec<String>,
}

/// The media type of a body without its parameters; JSON when nothing is said.
#[must_use]
pub fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type.is_empty() { ACCEPTED[0].to_owned() } else { media_type }
}

/// Decodes a body by its content type.
///
/// # Errors
/// 415 for other types, 400 for bodies that cannot be read.
pub fn decode(headers: &HeaderMap, bytes: &[u8]) -> Result<Decoded, Status> {
    match media_type(headers).as_str() {
        "application/json" | "*/*" => json(bytes),
        "application/yaml" | "application/x-yaml" => yaml(bytes),
        "application/vnd.kubernetes.protobuf" => protobuf(bytes),
        _ => Err(Status::unsupported_media_type(&ACCEPTED)),
    }
}

/// JSON, with the keys that came twice.
///
/// # Errors
/// 400.
pub fn json(bytes: &[u8]) -> Result<Decoded, Status> {
    let parsed = schema::parse(bytes).map_err(|e| Status::bad_request(e.to_string()))?;
    Ok(Decoded { value: parsed.value, duplicates: parsed.duplicates })
}

/// YAML, by way of JSON's model.
///
/// # Errors
/// 400.
pub fn yaml(bytes: &[u8]) -> Result<Decoded, Status> {
    let text = std::str::from_utf8(bytes).map_err(|e| Status::bad_request(format!("yaml: {e}")))?;
    // JSON is YAML, and the usual body of an apply; its own parser is faster and says more.
    if text.trim_start().starts_with('{')
        && let Ok(decoded) = json(bytes)
    {
        return Ok(decoded);
    }
    let value = serde_saphyr::from_str(text)
        .map_err(|e| Status::bad_request(format!("error converting YAML to JSON: yaml: {e}")))?;
    Ok(Decoded { value, duplicates: Vec::new() })
}

fn protobuf(bytes: &[u8]) -> Result<Decoded, Status> {
    let (gvk, mut value) =
        api::protobuf::decode(bytes).map_err(|e| Status::bad_request(e.to_string()))?;
    if meta::kind(&value).is_empty() {
        meta::set_gvk(&mut value, &gvk);
    }
    Ok(Decoded { value, duplicates: Vec::new() })
}

/// A value as YAML.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_default()
}

/// A value as protobuf.
///
/// # Errors
/// 406 for kinds without a protobuf form.
pub fn to_protobuf(value: &Value) -> Result<Vec<u8>, Status> {
    let gvk = meta::gvk(value).map_err(Status::internal)?;
    api::protobuf::encode(&gvk, value)
        .map_err(|_| Status::not_acceptable(&["application/json", "application/yaml"]))
}

/// Brings a decoded body into the shape of the kind: right `apiVersion` and `kind`, right types, unknown fields gone,
/// warned of or refused.
///
/// # Errors
/// 400.
pub fn shape(
    call: &Call,
    decoded: Decoded,
    kind: &GroupVersionKind,
    schema: &Schema,
) -> Result<Value, Status> {
    let Decoded { mut value, duplicates } = decoded;
    if !value.is_object() {
        return Err(Status::bad_request(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            json_kind(&value)
        )));
    }
    let (found_version, found_kind) =
        (meta::api_version(&value).to_owned(), meta::kind(&value).to_owned());
    if found_kind.is_empty() || found_version.is_empty() {
        // What is missing is what the path says, as upstream's decoder fills it in.
        let gvk = GroupVersionKind {
            kind: if found_kind.is_empty() { kind.kind.clone() } else { found_kind.clone() },
            ..kind.clone()
        };
        meta::set_gvk(&mut value, &gvk);
    }
    if meta::kind(&value) != kind.kind {
        let found = meta::gvk(&value).map_err(|e| Status::bad_request(e.to_string()))?;
        return Err(Status::not_decodable(
            &found,
            &kind.kind,
            format!("no kind {:?} is registered for version {:?}", found.kind, found.api_version()),
        ));
    }
    if meta::api_version(&value) != kind.api_version() {
        return Err(Status::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({})",
            meta::api_version(&value),
            kind.api_version()
        )));
    }
    schema::check_types(schema.view(), &value)
        .map_err(|e| Status::not_decodable(kind, &kind.kind, e))?;
    strict(call, &mut value, duplicates, kind, schema)?;
    api::builtin::normalise(schema, &mut value);
    Ok(value)
}

/// Prunes unknown fields, and says what `fieldValidation` wants said of them.
///
/// # Errors
/// 400 when it is `Strict` and there are any.
pub fn strict(
    call: &Call,
    value: &mut Value,
    duplicates: Vec<String>,
    kind: &GroupVersionKind,
    schema: &Schema,
) -> Result<(), Status> {
    let unknown = schema::prune(schema.view(), value);
    let problems: Vec<String> = duplicates
        .into_iter()
        .map(|path| format!("duplicate field {path:?}"))
        .chain(unknown.into_iter().map(|path| format!("unknown field {path:?}")))
        .take(MAX_STRICT_ERRORS)
        .collect();
    match call.query.field_validation {
        _ if problems.is_empty() => Ok(()),
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            problems.into_iter().for_each(|problem| call.warn(problem));
            Ok(())
        }
        FieldValidation::Strict => Err(Status::strict_decoding(kind, &kind.kind, &problems)),
    }
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
