// SPDX-License-Identifier: Apache-2.0
//! From JSON to messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schema::{Field, ObjectType, Type, TypeId, Types};
use serde_json::{Map, Value};

use super::wire::{put_bytes, put_double, put_number};
use super::{MAX_DEPTH, ProtobufError};
use crate::quantity::Quantity;
use crate::time::Time;

/// The message of an object.
pub(super) fn object(value: &Value, types: &Types, ty: TypeId) -> Result<Vec<u8>, ProtobufError> {
    let map = value.as_object().ok_or_else(|| ProtobufError::Type("object".to_owned()))?;
    let mut out = Vec::new();
    Encoder { types }.message(map, types.get(ty), 0, &mut out)?;
    Ok(out)
}

struct Encoder<'a> {
    types: &'a Types,
}

fn wrong(field: &Field) -> ProtobufError {
    ProtobufError::Type(field.name.clone())
}

impl Encoder<'_> {
    /// Fields in the order of their numbers, as Go writes them.
    fn message(
        &self,
        map: &Map<String, Value>,
        object: &ObjectType,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), ProtobufError> {
        if depth > MAX_DEPTH {
            return Err(ProtobufError::Depth);
        }
        let mut numbers: Vec<(u32, Result<usize, TypeId>)> = object
            .fields
            .iter()
            .enumerate()
            .filter(|(_, it)| !it.inline && it.proto > 0 && map.contains_key(&it.name))
            .map(|(at, it)| (it.proto, Ok(at)))
            .chain(object.inlined.iter().map(|it| (it.proto, Err(it.ty))))
            .collect();
        numbers.sort_unstable_by_key(|it| it.0);
        for (number, what) in numbers {
            match what {
                Ok(at) => {
                    let field = &object.fields[at];
                    let Some(value) = map.get(&field.name).filter(|it| !it.is_null()) else {
                        continue;
                    };
                    let wrapped = object.go_field(at).wrapped;
                    self.field(field, &field.ty, number, value, wrapped, depth, out)?;
                }
                Err(ty) => {
                    let mut inner = Vec::new();
                    self.message(map, self.types.get(ty), depth + 1, &mut inner)?;
                    put_bytes(out, number, &inner);
                }
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "what one value of one field needs")]
    fn field(
        &self,
        field: &Field,
        ty: &Type,
        number: u32,
        value: &Value,
        wrapped: bool,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), ProtobufError> {
        match ty {
            Type::List(list) => {
                let items = value.as_array().ok_or_else(|| wrong(field))?;
                let mut inner = Vec::new();
                let (target, number_of_items) =
                    if wrapped { (&mut inner, 1) } else { (&mut *out, number) };
                for item in items {
                    // Lists of lists and maps of lists wrap what is inside.
                    let nested = matches!(list.items, Type::List(_));
                    self.field(field, &list.items, number_of_items, item, nested, depth, target)?;
                }
                if wrapped {
                    put_bytes(out, number, &inner);
                }
            }
            Type::Map(map) => {
                let entries = value.as_object().ok_or_else(|| wrong(field))?;
                for (key, value) in entries {
                    let mut entry = Vec::new();
                    put_bytes(&mut entry, 1, key.as_bytes());
                    let nested = matches!(map.values, Type::List(_));
                    self.field(field, &map.values, 2, value, nested, depth, &mut entry)?;
                    put_bytes(out, number, &entry);
                }
            }
            Type::Object(id) => {
                let empty = Map::new();
                let map = match value {
                    Value::Null => &empty,
                    other => other.as_object().ok_or_else(|| wrong(field))?,
                };
                let mut inner = Vec::new();
                self.message(map, self.types.get(*id), depth + 1, &mut inner)?;
                put_bytes(out, number, &inner);
            }
            _ => scalar(field, ty, number, value, out)?,
        }
        Ok(())
    }
}

fn scalar(
    field: &Field,
    ty: &Type,
    number: u32,
    value: &Value,
    out: &mut Vec<u8>,
) -> Result<(), ProtobufError> {
    let bad = || wrong(field);
    match ty {
        Type::String => {
            let text = if value.is_null() { "" } else { value.as_str().ok_or_else(bad)? };
            put_bytes(out, number, text.as_bytes());
        }
        Type::Bytes => {
            let text = if value.is_null() { "" } else { value.as_str().ok_or_else(bad)? };
            put_bytes(out, number, &STANDARD.decode(text).map_err(|_| bad())?);
        }
        Type::Integer(_) => {
            let whole = if value.is_null() { 0 } else { value.as_i64().ok_or_else(bad)? };
            // Negative numbers take ten bytes, as protobuf has it for plain integers.
            put_number(out, number, whole as u64);
        }
        Type::Boolean => {
            let flag = if value.is_null() { false } else { value.as_bool().ok_or_else(bad)? };
            put_number(out, number, u64::from(flag));
        }
        Type::Number => put_double(out, number, value.as_f64().ok_or_else(bad)?),
        Type::Quantity => {
            let quantity = Quantity::from_value(value).map_err(|_| bad())?;
            let mut inner = Vec::new();
            put_bytes(&mut inner, 1, quantity.to_string().as_bytes());
            put_bytes(out, number, &inner);
        }
        Type::IntOrString => {
            let mut inner = Vec::new();
            let (kind, whole, text) = match value {
                Value::String(text) => (1, 0, text.as_str()),
                Value::Null => (0, 0, ""),
                other => (0, other.as_i64().ok_or_else(bad)?, ""),
            };
            put_number(&mut inner, 1, kind);
            put_number(&mut inner, 2, whole as u64);
            put_bytes(&mut inner, 3, text.as_bytes());
            put_bytes(out, number, &inner);
        }
        Type::Time | Type::MicroTime => {
            let mut inner = Vec::new();
            if let Some(text) = value.as_str() {
                let time = Time::parse(text).map_err(|_| bad())?;
                put_number(&mut inner, 1, time.seconds() as u64);
                let nanos = if *ty == Type::MicroTime { time.nanos() } else { 0 };
                put_number(&mut inner, 2, nanos.into());
            } else if !value.is_null() {
                return Err(bad());
            }
            put_bytes(out, number, &inner);
        }
        Type::Duration => {
            let nanos = value.as_str().and_then(crate::go::parse_duration).ok_or_else(bad)?;
            let mut inner = Vec::new();
            put_number(&mut inner, 1, nanos as u64);
            put_bytes(out, number, &inner);
        }
        Type::Any => {
            let mut inner = Vec::new();
            if !value.is_null() {
                put_bytes(&mut inner, 1, value.to_string().as_bytes());
            }
            put_bytes(out, number, &inner);
        }
        Type::Object(_) | Type::List(_) | Type::Map(_) => return Err(bad()),
    }
    Ok(())
}
