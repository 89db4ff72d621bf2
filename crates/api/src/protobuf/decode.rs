// SPDX-License-Identifier: Apache-2.0
//! From messages to JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schema::{Empty, Field, ObjectType, Type, TypeId, Types};
use serde_json::{Map, Value};

use super::wire::{Raw, Reader, utf8};
use super::{MAX_DEPTH, ProtobufError};
use crate::time::Time;

/// A value costs some bytes of memory however few it has on the wire: this many in one body are enough for the
/// largest objects that the limits on requests let through.
const MAX_VALUES: usize = 4_000_000;

struct Decoder<'a> {
    types: &'a Types,
    values: usize,
}

/// The object that a message of that type is.
pub(super) fn object(message: &[u8], types: &Types, ty: TypeId) -> Result<Value, ProtobufError> {
    let mut out = Map::new();
    Decoder { types, values: 0 }.message(message, ty, 0, &mut out)?;
    Ok(Value::Object(out))
}

fn wrong(field: &Field, raw: &Raw<'_>) -> ProtobufError {
    ProtobufError::WireType { wire: raw.wire(), field: field.name.clone() }
}

impl Decoder<'_> {
    fn count(&mut self) -> Result<(), ProtobufError> {
        self.values += 1;
        if self.values > MAX_VALUES { Err(ProtobufError::TooMany) } else { Ok(()) }
    }

    /// Reads a message into `out`. An inlined message's fields go into the same map.
    fn message(
        &mut self,
        message: &[u8],
        ty: TypeId,
        depth: usize,
        out: &mut Map<String, Value>,
    ) -> Result<(), ProtobufError> {
        if depth > MAX_DEPTH {
            return Err(ProtobufError::Depth);
        }
        let object = self.types.get(ty);
        let mut reader = Reader::new(message);
        while let Some((number, raw)) = reader.field()? {
            self.count()?;
            if let Some(inlined) = object.inlined.iter().find(|it| it.proto == number) {
                if let Raw::Bytes(inner) = raw {
                    self.message(inner, inlined.ty, depth + 1, out)?;
                }
                continue;
            }
            if let Some(at) = numbered(object, number) {
                self.field(object, at, raw, depth, out)?;
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        object: &ObjectType,
        at: usize,
        raw: Raw<'_>,
        depth: usize,
        out: &mut Map<String, Value>,
    ) -> Result<(), ProtobufError> {
        let field = &object.fields[at];
        let go = object.go_field(at);
        match &field.ty {
            Type::List(list) if go.wrapped => {
                let items = self.wrapped(field, &list.items, raw, depth)?;
                out.insert(field.name.clone(), items);
            }
            Type::List(list) => {
                let slot = out.entry(field.name.as_str()).or_insert(Value::Null);
                if !slot.is_array() {
                    *slot = Value::Array(Vec::new());
                }
                if let Value::Array(items) = slot {
                    self.item(field, &list.items, raw, depth, items)?;
                }
            }
            Type::Map(map) => {
                let Raw::Bytes(entry) = raw else { return Err(wrong(field, &raw)) };
                let (key, value) = self.entry(field, &map.values, entry, depth)?;
                let slot = out.entry(field.name.as_str()).or_insert(Value::Null);
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(entries) = slot {
                    entries.insert(key, value);
                }
            }
            Type::Object(id) => {
                let Raw::Bytes(message) = raw else { return Err(wrong(field, &raw)) };
                // A message that comes in pieces is merged, as protobuf demands.
                let mut inner = match out.remove(&field.name) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                self.message(message, *id, depth + 1, &mut inner)?;
                if !(inner.is_empty() && go.empty == Empty::Dropped) {
                    out.insert(field.name.clone(), Value::Object(inner));
                }
            }
            ty => {
                let value = self.value(field, ty, raw, depth)?;
                // Go writes plain fields even when they are empty; in JSON they are then absent.
                if go.empty == Empty::Dropped && is_zero(&value) {
                    out.remove(&field.name);
                } else {
                    out.insert(field.name.clone(), value);
                }
            }
        }
        Ok(())
    }

    /// One item of a repeated field, or many packed into one value.
    fn item(
        &mut self,
        field: &Field,
        ty: &Type,
        raw: Raw<'_>,
        depth: usize,
        items: &mut Vec<Value>,
    ) -> Result<(), ProtobufError> {
        if let (Raw::Bytes(packed), Type::Integer(_) | Type::Boolean) = (raw, ty) {
            let mut reader = Reader::new(packed);
            while let Some(number) = reader.packed()? {
                self.count()?;
                items.push(self.value(field, ty, Raw::Varint(number), depth)?);
            }
            return Ok(());
        }
        items.push(self.value(field, ty, raw, depth)?);
        Ok(())
    }

    /// A message whose field 1 is the list: `Verbs`, `ExtraValue`, `OptionalNames`.
    fn wrapped(
        &mut self,
        field: &Field,
        ty: &Type,
        raw: Raw<'_>,
        depth: usize,
    ) -> Result<Value, ProtobufError> {
        let Raw::Bytes(message) = raw else { return Err(wrong(field, &raw)) };
        let mut items = Vec::new();
        let mut reader = Reader::new(message);
        while let Some((number, raw)) = reader.field()? {
            if number == 1 {
                self.count()?;
                self.item(field, ty, raw, depth, &mut items)?;
            }
        }
        Ok(Value::Array(items))
    }

    fn entry(
        &mut self,
        field: &Field,
        ty: &Type,
        entry: &[u8],
        depth: usize,
    ) -> Result<(String, Value), ProtobufError> {
        let mut key = String::new();
        let mut value = None;
        let mut reader = Reader::new(entry);
        while let Some((number, raw)) = reader.field()? {
            match (number, raw) {
                (1, Raw::Bytes(text)) => key = utf8(text, &field.name)?,
                (2, raw) => value = Some(self.value(field, ty, raw, depth)?),
                _ => {}
            }
        }
        // What is absent has the value that is empty.
        let value = match value {
            Some(value) => value,
            None => empty(ty),
        };
        Ok((key, value))
    }

    fn value(
        &mut self,
        field: &Field,
        ty: &Type,
        raw: Raw<'_>,
        depth: usize,
    ) -> Result<Value, ProtobufError> {
        let name = field.name.as_str();
        Ok(match (ty, raw) {
            (Type::String, Raw::Bytes(text)) => Value::String(utf8(text, name)?),
            (Type::Bytes, Raw::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
            (Type::Integer(32), Raw::Varint(number)) => Value::from(number as i32),
            (Type::Integer(_), Raw::Varint(number)) => Value::from(number as i64),
            (Type::Boolean, Raw::Varint(number)) => Value::Bool(number != 0),
            (Type::Number, Raw::Fixed64(bits)) => Value::from(f64::from_bits(bits)),
            (Type::Number, Raw::Fixed32(bits)) => Value::from(f32::from_bits(bits)),
            (Type::Object(id), Raw::Bytes(message)) => {
                let mut out = Map::new();
                self.message(message, *id, depth + 1, &mut out)?;
                Value::Object(out)
            }
            (Type::Quantity, Raw::Bytes(message)) => {
                let [text, ..] = parts(message)?;
                match text {
                    Some(Raw::Bytes(text)) => Value::String(utf8(text, name)?),
                    _ => Value::String("0".to_owned()),
                }
            }
            (Type::IntOrString, Raw::Bytes(message)) => {
                let [kind, number, text] = parts(message)?;
                match (kind, number, text) {
                    (Some(Raw::Varint(1)), _, Some(Raw::Bytes(text))) => {
                        Value::String(utf8(text, name)?)
                    }
                    (Some(Raw::Varint(1)), ..) => Value::String(String::new()),
                    (_, Some(Raw::Varint(number)), _) => Value::from(number as i32),
                    _ => Value::from(0),
                }
            }
            (Type::Time | Type::MicroTime, Raw::Bytes(message)) => {
                if message.is_empty() {
                    // Go's zero time.
                    return Ok(Value::Null);
                }
                let [seconds, nanos, _] = parts(message)?;
                let number = |raw| match raw {
                    Some(Raw::Varint(number)) => number,
                    _ => 0,
                };
                let nanos = u32::try_from(number(nanos)).unwrap_or(u32::MAX);
                let time = Time::from_unix(number(seconds) as i64, nanos)
                    .ok_or_else(|| ProtobufError::Time(name.to_owned()))?;
                let micro = *ty == Type::MicroTime;
                Value::String(if micro { time.to_micro() } else { time.to_string() })
            }
            (Type::Duration, Raw::Bytes(message)) => {
                let [nanos, ..] = parts(message)?;
                let nanos = match nanos {
                    Some(Raw::Varint(number)) => number as i64,
                    _ => 0,
                };
                Value::String(crate::go::duration(nanos))
            }
            (Type::Any, Raw::Bytes(message)) => {
                let [json, ..] = parts(message)?;
                match json {
                    Some(Raw::Bytes(json)) if !json.is_empty() => serde_json::from_slice(json)
                        .map_err(|_| ProtobufError::Json(name.to_owned()))?,
                    _ => Value::Null,
                }
            }
            // A list of lists is a list of wrapped lists.
            (Type::List(list), raw @ Raw::Bytes(_)) => {
                self.wrapped(field, &list.items, raw, depth)?
            }
            (_, raw) => return Err(wrong(field, &raw)),
        })
    }
}

/// Fields 1, 2 and 3 of a small message; of repeated ones the last.
fn parts(message: &[u8]) -> Result<[Option<Raw<'_>>; 3], ProtobufError> {
    let mut parts = [None; 3];
    let mut reader = Reader::new(message);
    while let Some((number, raw)) = reader.field()? {
        if let Some(slot) = (number as usize).checked_sub(1).and_then(|at| parts.get_mut(at)) {
            *slot = Some(raw);
        }
    }
    Ok(parts)
}

/// The field of this message with that number.
fn numbered(object: &ObjectType, number: u32) -> Option<usize> {
    object.fields.iter().position(|it| it.proto == number && !it.inline && number > 0)
}

fn empty(ty: &Type) -> Value {
    match ty {
        Type::String | Type::Bytes => Value::String(String::new()),
        Type::Integer(_) | Type::Number | Type::IntOrString => Value::from(0),
        Type::Boolean => Value::Bool(false),
        Type::Quantity => Value::String("0".to_owned()),
        Type::Object(_) | Type::Map(_) => Value::Object(Map::new()),
        Type::List(_) => Value::Array(Vec::new()),
        _ => Value::Null,
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::Number(it) => it.as_f64() == Some(0.0),
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
    }
}
