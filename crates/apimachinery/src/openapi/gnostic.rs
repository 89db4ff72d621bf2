// SPDX-License-Identifier: Apache-2.0
//! The v2 document in gnostic's protobuf form, which kubectl before 1.27 takes alone.
//!
//! Only what these clients read is written: paths with operations, parameters and marks; definitions with types,
//! properties and marks. Field numbers are those of gnostic's `OpenAPIv2.proto`. `Any` values travel as YAML text, and
//! JSON is YAML.

use serde_json::{Map, Value};

/// A protobuf message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            // The low seven bits.
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u64, value: Option<&Value>) {
        if let Some(text) = value.and_then(Value::as_str) {
            self.bytes(field, text.as_bytes());
        }
    }

    fn texts(&mut self, field: u64, value: Option<&Value>) {
        for text in value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            self.bytes(field, text.as_bytes());
        }
    }

    fn flag(&mut self, field: u64, value: Option<&Value>) {
        if value.and_then(Value::as_bool) == Some(true) {
            self.varint(field << 3);
            self.varint(1);
        }
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// `NamedX {name = 1; value = 2}`.
    fn named(&mut self, field: u64, name: &str, value: &Self) {
        let mut named = Self::default();
        named.bytes(1, name.as_bytes());
        named.message(2, value);
        self.message(field, &named);
    }

    /// The `x-…` members of an object.
    fn extensions(&mut self, field: u64, object: &Value) {
        for (name, value) in members(object).filter(|(name, _)| name.starts_with("x-")) {
            self.named(field, name, &any(value));
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn any(value: &Value) -> Message {
    let mut any = Message::default();
    any.bytes(2, value.to_string().as_bytes());
    any
}

/// Encodes a document of [`super::v2`].
#[must_use]
pub fn encode(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, document.get("swagger"));
    let mut info = Message::default();
    info.text(1, document.pointer("/info/title"));
    info.text(2, document.pointer("/info/version"));
    out.message(2, &info);
    let mut paths = Message::default();
    for (path, item) in members(&document["paths"]) {
        paths.named(2, path, &path_item(item));
    }
    out.message(8, &paths);
    let mut definitions = Message::default();
    for (name, value) in members(&document["definitions"]) {
        definitions.named(1, name, &schema(value));
    }
    out.message(9, &definitions);
    out.0
}

fn path_item(item: &Value) -> Message {
    let mut out = Message::default();
    for (field, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if let Some(value) = item.get(method) {
            out.message(field, &operation(value));
        }
    }
    out
}

fn operation(value: &Value) -> Message {
    let mut out = Message::default();
    out.text(5, value.get("operationId"));
    out.texts(6, value.get("produces"));
    out.texts(7, value.get("consumes"));
    for one in value["parameters"].as_array().into_iter().flatten() {
        let mut item = Message::default();
        item.message(1, &parameter(one));
        out.message(8, &item);
    }
    let mut responses = Message::default();
    for (code, answer) in members(&value["responses"]) {
        let mut response = Message::default();
        response.text(1, answer.get("description"));
        if let Some(value) = answer.get("schema") {
            let mut item = Message::default();
            item.message(1, &schema(value));
            response.message(2, &item);
        }
        let mut either = Message::default();
        either.message(1, &response);
        responses.named(1, code, &either);
    }
    out.message(9, &responses);
    out.extensions(13, value);
    out
}

fn parameter(value: &Value) -> Message {
    let mut out = Message::default();
    let place = value["in"].as_str().unwrap_or_default();
    if place == "body" {
        let mut body = Message::default();
        body.text(2, value.get("name"));
        body.text(3, value.get("in"));
        body.flag(4, value.get("required"));
        body.message(5, &schema(&value["schema"]));
        out.message(1, &body);
        return out;
    }
    let mut sub = Message::default();
    sub.flag(1, value.get("required"));
    sub.text(2, value.get("in"));
    sub.text(4, value.get("name"));
    let (field, kind) = if place == "path" { (4, 5) } else { (3, 6) };
    sub.text(kind, value.get("type"));
    let mut other = Message::default();
    other.message(field, &sub);
    out.message(2, &other);
    out
}

fn schema(value: &Value) -> Message {
    let mut out = Message::default();
    out.text(1, value.get("$ref"));
    out.text(2, value.get("format"));
    out.text(4, value.get("description"));
    if let Some(default) = value.get("default") {
        out.message(5, &any(default));
    }
    out.texts(19, value.get("required"));
    match value.get("additionalProperties") {
        Some(Value::Bool(_)) | None => {}
        Some(values) => {
            let mut item = Message::default();
            item.message(1, &schema(values));
            out.message(21, &item);
        }
    }
    if let Some(kind) = value.get("type").and_then(Value::as_str) {
        let mut item = Message::default();
        item.bytes(1, kind.as_bytes());
        out.message(22, &item);
    }
    if let Some(items) = value.get("items") {
        let mut item = Message::default();
        item.message(1, &schema(items));
        out.message(23, &item);
    }
    for one in value.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        out.message(24, &schema(one));
    }
    if let Some(properties) = value.get("properties") {
        let mut all = Message::default();
        for (name, value) in members(properties) {
            all.named(1, name, &schema(value));
        }
        out.message(25, &all);
    }
    out.extensions(31, value);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_document_becomes_fields_of_gnostic() {
        let document = json!({"swagger": "2.0", "info": {"title": "t", "version": "v"},
            "paths": {}, "definitions": {"a": {"type": "string"}}});
        let bytes = super::encode(&document);
        // swagger = 1, info = 2 {title = 1, version = 2}, paths = 8 {}, definitions = 9 {1 {1: "a", 2 {22 {1: "string"}}}}
        let want = b"\x0a\x032.0\x12\x06\x0a\x01t\x12\x01v\x42\x00\x4a\x12\x0a\x10\x0a\x01a\x12\x0b\xb2\x01\x08\x0a\x06string";
        assert_eq!(bytes, want);
    }
}
