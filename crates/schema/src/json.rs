// SPDX-License-Identifier: Apache-2.0
//! JSON text to values, noting keys that come twice.
//!
//! Of duplicates the last wins, as in Go; strict field validation refuses the object with the list, the others warn.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::path::Path;

/// How many duplicates are reported; Kubernetes stops there too.
pub const MAX_REPORTED: usize = 100;

/// A value and what was odd about its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The value.
    pub value: Value,
    /// Paths of keys that came more than once, in the order of the text; at most [`MAX_REPORTED`].
    pub duplicates: Vec<String>,
}

/// A text that is no JSON, or nests deeper than 128 levels.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JsonError(#[from] serde_json::Error);

/// Reads one JSON value.
///
/// # Errors
/// When the text is no JSON, goes on after the value, or nests deeper than 128 levels.
pub fn parse(text: &[u8]) -> Result<Parsed, JsonError> {
    let mut notes = Notes::default();
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Seed(&mut notes).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(Parsed { value, duplicates: notes.duplicates })
}

#[derive(Default)]
struct Notes {
    path: Path,
    duplicates: Vec<String>,
}

struct Seed<'a>(&'a mut Notes);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number out of range"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let before = self.0.path.index(items.len());
            let item = access.next_element_seed(Seed(self.0))?;
            self.0.path.leave(before);
            match item {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let before = self.0.path.field(&key);
            if map.contains_key(&key) && self.0.duplicates.len() < MAX_REPORTED {
                let path = self.0.path.text();
                if !self.0.duplicates.contains(&path) {
                    self.0.duplicates.push(path);
                }
            }
            let value = access.next_value_seed(Seed(self.0))?;
            self.0.path.leave(before);
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn duplicates_are_named_and_the_last_wins() {
        let text = br#"{"a": 1, "b": [{"c": 1, "c": 2, "c": 3}], "a": {"d": null}}"#;
        let parsed = parse(text).expect("JSON");
        assert_eq!(parsed.value, json!({"a": {"d": null}, "b": [{"c": 3}]}));
        assert_eq!(parsed.duplicates, ["b[0].c", "a"]);
    }

    #[test]
    fn refusals() {
        for text in ["", "{", "{} {}", "{\"a\" 1}", "nan", &"[".repeat(200)] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn values_are_those_of_the_plain_parser(text in "[\\[\\]{}\",:0-9a-c.eE+-]{0,40}") {
            let plain = serde_json::from_str::<Value>(&text).ok();
            proptest::prop_assert_eq!(parse(text.as_bytes()).ok().map(|it| it.value), plain);
        }
    }
}
