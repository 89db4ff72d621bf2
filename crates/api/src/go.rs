// SPDX-License-Identifier: Apache-2.0
//! Values as Go prints them: error texts quote strings with `%q` and other values as `encoding/json` does.

use std::fmt::Write as _;

use serde_json::Value;

/// A string as `%q` prints it.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        // A write into a String cannot fail.
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\u{7}' => out.write_str("\\a"),
            '\u{8}' => out.write_str("\\b"),
            '\u{c}' => out.write_str("\\f"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            '\u{b}' => out.write_str("\\v"),
            c if c.is_ascii_control() => write!(out, "\\x{:02x}", u32::from(c)),
            c if unprintable(c) && u32::from(c) < 0x1_0000 => {
                write!(out, "\\u{:04x}", u32::from(c))
            }
            c if unprintable(c) => write!(out, "\\U{:08x}", u32::from(c)),
            c => out.write_char(c),
        };
    }
    out.push('"');
    out
}

/// What `strconv.IsPrint` refuses, as far as it occurs in names that people paste.
fn unprintable(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{f0000}'..)
}

/// A value as `encoding/json` writes it: compact, with `<`, `>` and `&` escaped.
pub(crate) fn json(value: &Value) -> String {
    let plain = value.to_string();
    if !plain.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return plain;
    }
    // These characters can stand only inside strings.
    let mut out = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Nanoseconds as `time.Duration` prints them: `1h2m3.5s`.
pub(crate) fn duration(nanos: i64) -> String {
    let total = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    if total == 0 {
        return "0s".to_owned();
    }
    let fraction = |whole: u64, part: u64, digits: usize| {
        let part = format!("{part:0digits$}");
        match part.trim_end_matches('0') {
            "" => whole.to_string(),
            part => format!("{whole}.{part}"),
        }
    };
    let text = match total {
        0..1_000 => format!("{total}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(total / 1_000, total % 1_000, 3)),
        1_000_000..1_000_000_000 => {
            format!("{}ms", fraction(total / 1_000_000, total % 1_000_000, 6))
        }
        _ => {
            let (seconds, part) = (total / 1_000_000_000, total % 1_000_000_000);
            let mut text = String::new();
            if seconds >= 3_600 {
                let _ = write!(text, "{}h", seconds / 3_600);
            }
            if seconds >= 60 {
                let _ = write!(text, "{}m", seconds / 60 % 60);
            }
            let _ = write!(text, "{}s", fraction(seconds % 60, part, 9));
            text
        }
    };
    format!("{sign}{text}")
}

/// Reads what `time.ParseDuration` reads.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0);
    }
    let mut rest = unsigned;
    let mut total = 0_i128;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && part.is_empty()) || part.contains('.') || number.len() > 30 {
            return None;
        }
        let digits = |it: &str| if it.is_empty() { Some(0) } else { it.parse::<i128>().ok() };
        let places = u32::try_from(part.len()).ok()?.min(18);
        total = total.checked_add(digits(whole)?.checked_mul(scale)?)?;
        total += digits(&part[..places as usize])? * scale / 10_i128.pow(places);
        rest = after;
    }
    let signed = if text.starts_with('-') { -total } else { total };
    i64::try_from(signed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_go_both_ways() {
        for (text, nanos) in [
            ("0s", 0),
            ("1h0m0.5s", 3_600_500_000_000),
            ("-1m30s", -90_000_000_000),
            ("1.5ms", 1_500_000),
            ("2µs", 2_000),
            ("3ns", 3),
        ] {
            assert_eq!(duration(nanos), text);
            assert_eq!(parse_duration(text), Some(nanos));
        }
        assert_eq!(parse_duration("1.5h"), Some(5_400_000_000_000));
        for text in ["", "1", "s", "1x", "1..s", "99999999999h", "1é"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_duration(&duration(i64::MIN)), Some(i64::MIN));
    }

    #[test]
    fn quotes_as_go_does() {
        assert_eq!(quote("a\"b\\c\n\u{1}\u{7f}é\u{a0}"), r#""a\"b\\c\n\x01\x7fé\u00a0""#);
        assert_eq!(json(&json!({"a": "<b>&"})), r#"{"a":"\u003cb\u003e\u0026"}"#);
    }
}
