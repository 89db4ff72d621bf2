// SPDX-License-Identifier: Apache-2.0
//! Field values.

use std::borrow::Cow;
use std::time::Duration;

/// Longest text of one value in bytes; the rest is cut off and replaced by `[truncated]`.
///
/// Clients choose request targets and user agents, and a line is held in memory and quoted.
pub const MAX_VALUE: usize = 16 * 1024;

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Str(Cow<'a, str>),
    /// Text that need not be UTF-8, such as a header value.
    Bytes(&'a [u8]),
    /// A number.
    Int(i64),
    /// A number.
    Uint(u64),
    /// A number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A duration; text in every format, in Go's notation.
    Duration(Duration),
    /// Something structured: what the text format shows, and the JSON that the JSON formats show
    /// as it is. The caller vouches that it is one valid JSON value without line breaks.
    Json {
        /// For the text format.
        text: Cow<'a, str>,
        /// For the JSON formats.
        json: Cow<'a, str>,
    },
}

impl Value<'_> {
    /// The owned value of a configured field. Nested values have no own notation in the text
    /// format and appear there as JSON.
    pub(crate) fn from_json(value: &serde_json::Value) -> Value<'static> {
        use serde_json::Value as Json;
        match value {
            Json::String(text) => Value::Str(Cow::Owned(text.clone())),
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => {
                if let Some(number) = number.as_i64() {
                    Value::Int(number)
                } else if let Some(number) = number.as_u64() {
                    Value::Uint(number)
                } else {
                    Value::Float(number.as_f64().unwrap_or(f64::NAN))
                }
            }
            Json::Null => Value::Json { text: "<nil>".into(), json: "null".into() },
            nested => {
                let json = nested.to_string();
                Value::Json { text: json.clone().into(), json: json.into() }
            }
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Str(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Str(Cow::Borrowed(value))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Str(Cow::Owned(value))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(value: Cow<'a, str>) -> Self {
        Self::Str(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<Duration> for Value<'_> {
    fn from(value: Duration) -> Self {
        Self::Duration(value)
    }
}

macro_rules! from_integer {
    ($variant:ident($wide:ty): $($narrow:ty),*) => {$(
        impl From<$narrow> for Value<'_> {
            fn from(value: $narrow) -> Self {
                Self::$variant(<$wide>::from(value))
            }
        }
    )*};
}

from_integer!(Int(i64): i8, i16, i32, i64);
from_integer!(Uint(u64): u8, u16, u32, u64);

impl From<usize> for Value<'_> {
    fn from(value: usize) -> Self {
        // No supported platform has pointers wider than 64 bits.
        Self::Uint(value as u64)
    }
}
