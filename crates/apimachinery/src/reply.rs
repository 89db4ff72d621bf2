// SPDX-License-Identifier: Apache-2.0
//! Answers in the form the client asked for: object, table or metadata; JSON, YAML or protobuf; the version of the path.

use std::sync::Arc;

use api::status::Status;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::body::{self, Response};
use crate::context::Call;
use crate::request::accept::{As, Encoding, MetaVersion};
use crate::storage::Entry;
use crate::table::{self, Include};

/// What a handler answers.
pub enum Answer {
    /// An object in the version of the request.
    Object(StatusCode, Value),
    /// A stored object as it is.
    Entry(StatusCode, Arc<Entry>),
    /// A list of stored objects.
    List(List),
    /// A list of objects that are made, in the version of the request.
    Objects(ListMeta, Vec<Value>),
    /// A Status (of a delete).
    Status(Status),
    /// Anything else, as it is.
    Raw(Response),
}

/// `metadata` of a list.
#[derive(Debug, Clone, Default)]
pub struct ListMeta {
    /// `resourceVersion`.
    pub resource_version: String,
    /// `continue`.
    pub continue_token: String,
    /// `remainingItemCount`.
    pub remaining: Option<u64>,
}

impl ListMeta {
    fn to_value(&self) -> Value {
        let mut meta = json!({"resourceVersion": self.resource_version});
        if !self.continue_token.is_empty() {
            meta["continue"] = self.continue_token.as_str().into();
        }
        if let Some(remaining) = self.remaining {
            meta["remainingItemCount"] = remaining.into();
        }
        meta
    }
}

/// A list of stored objects.
pub struct List {
    /// Its metadata.
    pub meta: ListMeta,
    /// Its items.
    pub entries: Vec<Arc<Entry>>,
}

/// Turns an answer into bytes.
///
/// # Errors
/// A Status when the answer cannot be written as asked.
pub fn render(call: &Call, answer: Answer) -> Result<Response, Status> {
    let mut response = match answer {
        Answer::Raw(response) => response,
        Answer::Status(status) => encoded(
            StatusCode::from_u16(status.code).unwrap_or(StatusCode::OK),
            &status.to_value(),
            call.wanted.encoding,
        )?,
        Answer::Entry(code, entry) => match (call.wanted.form, call.wanted.encoding) {
            (As::Object, Encoding::Json) if call.version == call.resource.storage_version => {
                bytes(code, Encoding::Json, entry.json.clone())
            }
            _ => render_object(call, code, in_version(call, &entry))?,
        },
        Answer::Object(code, object) => render_object(call, code, object)?,
        Answer::List(list) => match (call.wanted.form, call.wanted.encoding) {
            (As::Object, Encoding::Json) => {
                bytes(StatusCode::OK, Encoding::Json, list_bytes(call, &list))
            }
            _ => {
                let objects: Vec<Value> =
                    list.entries.iter().map(|entry| in_version(call, entry)).collect();
                render_list(call, &list.meta, &objects)?
            }
        },
        Answer::Objects(meta, objects) => render_list(call, &meta, &objects)?,
    };
    for warning in call.warnings() {
        if let Ok(value) = HeaderValue::from_str(&warning_header(&warning)) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    Ok(response)
}

/// `299 - "text"` with the text quoted as RFC 9110 demands; control characters become spaces.
fn warning_header(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 10);
    out.push_str("299 - \"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A stored object in the version of the request.
#[must_use]
pub fn in_version(call: &Call, entry: &Entry) -> Value {
    let mut object = entry.object();
    to_request_version(call, &mut object);
    object
}

/// Makes the stored form into the requested version's.
pub fn to_request_version(call: &Call, object: &mut Value) {
    if call.version == call.resource.storage_version {
        return;
    }
    if let Some(convert) = call.version().from_storage {
        convert(object);
    }
    object["apiVersion"] = call.api_version().into();
}

/// Makes an object of the requested version into the stored form.
pub fn to_storage_version(call: &Call, object: &mut Value) {
    if call.version == call.resource.storage_version {
        return;
    }
    object["apiVersion"] = call.resource.api_version(call.resource.storage_version).into();
    // After it, so that a view of another group's objects can say which those are.
    if let Some(convert) = call.version().to_storage {
        convert(object);
    }
}

fn include(call: &Call) -> Include {
    match call.query.include_object.as_str() {
        "None" => Include::None,
        "Object" => Include::Object,
        _ => Include::Metadata,
    }
}

/// One object, or the event's object of a watch, in the wanted form.
#[must_use]
pub fn formed(call: &Call, object: Value) -> Value {
    match call.wanted.form {
        As::Object => object,
        As::PartialMetadata(version) => table::partial(&object, version.api_version()),
        // Reviews, deletes and the like come as they are (image-api.md 12.1).
        As::Table(_) if api::meta::kind(&object) != call.resource.kind => object,
        As::Table(version) => {
            let meta = json!({"resourceVersion": api::meta::resource_version(&object)});
            table_of(call, version, &meta, std::slice::from_ref(&object))
        }
    }
}

fn table_of(call: &Call, version: MetaVersion, meta: &Value, objects: &[Value]) -> Value {
    let columns = &call.version().columns;
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| table::row(columns, object, call.now, include(call), version.api_version()))
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": version.api_version(),
        "metadata": meta,
        "columnDefinitions": table::definitions(columns),
        "rows": rows,
    })
}

fn render_object(call: &Call, code: StatusCode, object: Value) -> Result<Response, Status> {
    encoded(code, &formed(call, object), call.wanted.encoding)
}

fn render_list(call: &Call, meta: &ListMeta, objects: &[Value]) -> Result<Response, Status> {
    let meta = meta.to_value();
    let value = match call.wanted.form {
        As::Table(version) => table_of(call, version, &meta, objects),
        As::PartialMetadata(version) => {
            let items: Vec<Value> = objects
                .iter()
                .map(|object| table::partial(object, version.api_version()))
                .collect();
            json!({"kind": "PartialObjectMetadataList", "apiVersion": version.api_version(), "metadata": meta, "items": items})
        }
        As::Object => {
            json!({"kind": call.resource.list_kind, "apiVersion": call.api_version(), "metadata": meta, "items": objects})
        }
    };
    encoded(StatusCode::OK, &value, call.wanted.encoding)
}

/// A list as JSON, made of the items' ready bytes.
fn list_bytes(call: &Call, list: &List) -> Bytes {
    let size: usize = list.entries.iter().map(|entry| entry.json.len() + 1).sum();
    let mut out = Vec::with_capacity(size + 256);
    let (version, kind) =
        (Value::from(call.api_version()), Value::from(call.resource.list_kind.as_str()));
    let head = format!(
        "{{\"kind\":{kind},\"apiVersion\":{version},\"metadata\":{},\"items\":[",
        list.meta.to_value()
    );
    out.extend_from_slice(head.as_bytes());
    for (at, entry) in list.entries.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if call.version == call.resource.storage_version {
            out.extend_from_slice(&entry.json);
        } else {
            out.extend_from_slice(in_version(call, entry).to_string().as_bytes());
        }
    }
    out.extend_from_slice(b"]}");
    out.into()
}

/// An answer with these bytes.
#[must_use]
pub fn bytes(code: StatusCode, encoding: Encoding, bytes: Bytes) -> Response {
    let mut response = Response::new(body::full(bytes));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(encoding.media_type()));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A value, encoded.
///
/// # Errors
/// 406 when it has no protobuf form.
pub fn encoded(code: StatusCode, value: &Value, encoding: Encoding) -> Result<Response, Status> {
    let data = match encoding {
        Encoding::Json => value.to_string().into(),
        Encoding::Yaml => crate::codec::to_yaml(value).into(),
        Encoding::Protobuf => crate::codec::to_protobuf(value)?.into(),
    };
    Ok(bytes(code, encoding, data))
}

/// A Status as an answer; always JSON unless YAML was agreed.
#[must_use]
pub fn status(status: &Status) -> Response {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = bytes(code, Encoding::Json, status.to_value().to_string().into());
    if let Some(seconds) = status.retry_after_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
