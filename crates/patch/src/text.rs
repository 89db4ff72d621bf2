// SPDX-License-Identifier: Apache-2.0
//! Values as Go prints them: kube-apiserver's messages are made with `%v` and `%q`, and clients show them as they are.

use std::fmt::{self, Display as _, Write as _};

use serde_json::{Number, Value};

/// `%v`: maps as `map[a:1 b:2]` in the order of their keys, lists as `[1 2]`, strings without quotes.
pub(crate) struct Plain<'a>(pub &'a Value);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("<nil>"),
            Value::Bool(value) => value.fmt(f),
            Value::Number(number) => write_number(f, number),
            Value::String(text) => f.write_str(text),
            Value::Array(items) => PlainList(items).fmt(f),
            Value::Object(fields) => PlainMap(fields).fmt(f),
        }
    }
}

/// `%v` of a list.
pub(crate) struct PlainList<'a>(pub &'a [Value]);

impl fmt::Display for PlainList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (at, item) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            Plain(item).fmt(f)?;
        }
        f.write_char(']')
    }
}

/// `%v` of a map.
pub(crate) struct PlainMap<'a>(pub &'a serde_json::Map<String, Value>);

impl fmt::Display for PlainMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("map[")?;
        for (at, (key, value)) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            write!(f, "{key}:{}", Plain(value))?;
        }
        f.write_char(']')
    }
}

/// The name of the Go type that a decoded JSON value has.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A number as `%v` prints it: exponents below 1e-4 and from 1e21 on.
pub(crate) fn write_number(f: &mut fmt::Formatter<'_>, number: &Number) -> fmt::Result {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.fmt(f);
    };
    let size = float.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        // Rust prints 1e21, Go 1e+21; and Go's exponents have at least two digits.
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) =
            exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        return write!(f, "{mantissa}e{sign}{digits:0>2}");
    }
    float.fmt(f)
}

/// `%q` of a string.
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\x07' => f.write_str("\\a")?,
                '\x08' => f.write_str("\\b")?,
                '\x0c' => f.write_str("\\f")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\x0b' => f.write_str("\\v")?,
                c if printable(c) => f.write_char(c)?,
                c if u32::from(c) < 0x80 => write!(f, "\\x{:02x}", u32::from(c))?,
                c if u32::from(c) < 0x1_0000 => write!(f, "\\u{:04x}", u32::from(c))?,
                c => write!(f, "\\U{:08x}", u32::from(c))?,
            }
        }
        f.write_char('"')
    }
}

/// Go's `strconv.IsPrint`, by way of what Rust's debug output escapes; a quotation mark is not among them here.
fn printable(c: char) -> bool {
    let escaped = c.escape_debug().len() > 1;
    !escaped || c == '\'' || is_mark(c)
}

/// Combining marks are printable in Go but escaped by Rust when they stand first.
fn is_mark(c: char) -> bool {
    matches!(u32::from(c), 0x300..=0x36f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f)
}

/// JSON as Go's encoder writes it: `<`, `>`, `&` and the two line separators are escaped.
pub(crate) fn go_json(value: &Value) -> String {
    let plain = value.to_string();
    if !plain.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return plain;
    }
    let mut out = String::with_capacity(plain.len() + 32);
    for c in plain.chars() {
        match c {
            // These only ever stand inside strings.
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prints_as_go_does() {
        let value = json!({"b": [1, 2.5, null, true], "a": {"x": "y z"}});
        assert_eq!(Plain(&value).to_string(), "map[a:map[x:y z] b:[1 2.5 <nil> true]]");
        assert_eq!(Plain(&json!(1e21)).to_string(), "1e+21");
        assert_eq!(Plain(&json!(0.00001)).to_string(), "1e-05");
        assert_eq!(Plain(&json!(80.0)).to_string(), "80");
        assert_eq!(Quoted("a\"\n'ü\u{200b}\x01").to_string(), "\"a\\\"\\n'ü\\u200b\\x01\"");
        assert_eq!(go_json(&json!({"a": "<&>"})), r#"{"a":"\u003c\u0026\u003e"}"#);
    }
}
