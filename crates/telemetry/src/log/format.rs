// SPDX-License-Identifier: Apache-2.0
//! The three layouts of a line.
//!
//! They are those of logrus, the log library of the registry we replace, and of its logstash
//! formatter: the same order, quoting and treatment of fields that clash with the fixed ones.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::SystemTime;

use time::OffsetDateTime;

use super::value::MAX_VALUE;
use super::{Format, Level, Value};
use crate::go::{go_duration, go_float, push_json_string, push_quoted, write_json_float};

/// What a line consists of.
pub(super) struct Record<'a> {
    pub time: SystemTime,
    pub level: Level,
    pub message: &'a str,
    pub fields: Vec<(&'a str, Value<'a>)>,
    /// Fields of every line, sorted; a field of the line with the same name counts more.
    pub common: &'a [(String, Value<'static>)],
}

impl Format {
    /// The name under which a field appears; fixed fields push others aside.
    pub(super) fn renamed(self, name: &str) -> &str {
        match (self, name) {
            (Self::Text | Self::Json, "time") => "fields.time",
            (Self::Text | Self::Json, "msg") => "fields.msg",
            (_, "level") => "fields.level",
            (Self::Logstash, "message") => "fields.message",
            (_, name) => name,
        }
    }
}

/// Appends the line and its line break.
pub(super) fn write_record(format: Format, record: Record<'_>, out: &mut Vec<u8>) {
    let mut stamp = Timestamp::default();
    let stamp = stamp.render(record.time);
    let Record { level, message, mut fields, common, .. } = record;
    for (name, _) in &mut fields {
        *name = format.renamed(name);
    }
    if format == Format::Text {
        sort(&mut fields);
        text(stamp, level, message, &fields, common, out);
    } else {
        fields.extend(fixed_members(format, stamp, level, message));
        sort(&mut fields);
        json(&fields, common, out);
    }
    out.push(b'\n');
}

/// The sort is stable, so that the last of equal names is the one given last.
fn sort(fields: &mut [(&str, Value<'_>)]) {
    fields.sort_by_key(|(name, _)| *name);
}

/// Calls `each` with every field once, in order of their names.
fn merged<'r>(
    fields: &'r [(&'r str, Value<'r>)],
    common: &'r [(String, Value<'static>)],
    mut each: impl FnMut(&str, &Value<'_>),
) {
    let mut common = common.iter().peekable();
    let mut at = 0;
    while at < fields.len() {
        let (name, value) = &fields[at];
        at += 1;
        if fields.get(at).is_some_and(|(next, _)| next == name) {
            continue;
        }
        while let Some((other, value)) = common.next_if(|(other, _)| other.as_str() < *name) {
            each(other, value);
        }
        common.next_if(|(other, _)| other == name);
        each(name, value);
    }
    for (name, value) in common {
        each(name, value);
    }
}

fn text(
    stamp: &str,
    level: Level,
    message: &str,
    fields: &[(&str, Value<'_>)],
    common: &[(String, Value<'static>)],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"time=\"");
    out.extend_from_slice(stamp.as_bytes());
    out.extend_from_slice(b"\" level=");
    out.extend_from_slice(level.as_str().as_bytes());
    if !message.is_empty() {
        out.extend_from_slice(b" msg=");
        text_bytes(message.as_bytes(), out);
    }
    merged(fields, common, |name, value| {
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        text_value(value, out);
    });
}

fn text_value(value: &Value<'_>, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    match value {
        Value::Str(text) | Value::Json { text, .. } => text_bytes(text.as_bytes(), out),
        Value::Bytes(bytes) => text_bytes(bytes, out),
        Value::Int(number) => drop(write!(out, "{number}")),
        Value::Uint(number) => drop(write!(out, "{number}")),
        Value::Float(number) => drop(write!(out, "{}", go_float(*number))),
        Value::Bool(truth) => drop(write!(out, "{truth}")),
        Value::Duration(duration) => {
            let mut text = Short::default();
            let _ = write!(text, "{}", go_duration(*duration));
            text_bytes(text.as_bytes(), out);
        }
    }
}

/// Text as it is, or in quotes when it holds anything but the characters that need none.
fn text_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let bytes = &*bounded(bytes);
    if bytes.iter().all(|byte| BARE[usize::from(*byte)]) {
        out.extend_from_slice(bytes);
    } else {
        push_quoted(out, bytes);
    }
}

/// `[a-zA-Z0-9-._/@^+]`: a value made of these stands without quotes, as does an empty one.
const BARE: [bool; 256] = {
    let mut table = [false; 256];
    let bare = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/@^+";
    let mut at = 0;
    while at < bare.len() {
        table[bare[at] as usize] = true;
        at += 1;
    }
    table
};

/// The members of the JSON formats that are no fields. They go behind the fields, so that they win
/// over fields of the same name.
fn fixed_members<'a>(
    format: Format,
    stamp: &'a str,
    level: Level,
    message: &'a str,
) -> impl Iterator<Item = (&'a str, Value<'a>)> {
    let (time, text, version) = match format {
        Format::Logstash => ("@timestamp", "message", Some(("@version", Value::from("1")))),
        Format::Text | Format::Json => ("time", "msg", None),
    };
    [(time, Value::from(stamp)), ("level", Value::from(level.as_str())), (text, message.into())]
        .into_iter()
        .chain(version)
}

fn json(fields: &[(&str, Value<'_>)], common: &[(String, Value<'static>)], out: &mut Vec<u8>) {
    let mut separator = b'{';
    merged(fields, common, |name, value| {
        out.push(separator);
        separator = b',';
        push_json_string(out, name.as_bytes());
        out.push(b':');
        json_value(value, out);
    });
    out.push(b'}');
}

fn json_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Str(text) => push_json_string(out, &bounded(text.as_bytes())),
        Value::Bytes(bytes) => push_json_string(out, &bounded(bytes)),
        Value::Json { json, .. } => out.extend_from_slice(json.as_bytes()),
        Value::Float(number) => {
            let mut text = Short::default();
            let _ = write_json_float(&mut text, *number);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Int(_) | Value::Uint(_) | Value::Bool(_) => text_value(value, out),
        Value::Duration(duration) => {
            let mut text = Short::default();
            let _ = write!(text, "{}", go_duration(*duration));
            push_json_string(out, text.as_bytes());
        }
    }
}

/// At most [`MAX_VALUE`] bytes, cut between characters where the value is text.
fn bounded(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.len() <= MAX_VALUE {
        return Cow::Borrowed(bytes);
    }
    let is_continuation = |at: usize| bytes[at] & 0xc0 == 0x80;
    let end = (MAX_VALUE - 3..=MAX_VALUE).rev().find(|at| !is_continuation(*at));
    let mut cut = bytes[..end.unwrap_or(MAX_VALUE)].to_vec();
    cut.extend_from_slice(b"[truncated]");
    Cow::Owned(cut)
}

/// A buffer for one number, duration or time, each of which is shorter than this.
struct Short {
    bytes: [u8; 64],
    len: usize,
}

impl Default for Short {
    fn default() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }
}

impl Short {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl std::fmt::Write for Short {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        let end = self.len + s.len();
        self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?.copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// RFC 3339 with up to nine decimals, trailing zeros removed, in UTC.
#[derive(Default)]
struct Timestamp {
    text: Short,
}

impl Timestamp {
    fn render(&mut self, time: SystemTime) -> &str {
        let utc = OffsetDateTime::from(time);
        let (year, month, day) = utc.to_calendar_date();
        let (hour, minute, second, nano) = utc.to_hms_nano();
        let bytes = &mut self.text.bytes;
        bytes[..19].copy_from_slice(b"0000-00-00T00:00:00");
        let mut put = |at: usize, digits: usize, mut value: u32| {
            for place in (at..at + digits).rev() {
                bytes[place] = b'0' + (value % 10) as u8;
                value /= 10;
            }
        };
        put(0, 4, year.unsigned_abs());
        put(5, 2, u32::from(u8::from(month)));
        put(8, 2, u32::from(day));
        put(11, 2, u32::from(hour));
        put(14, 2, u32::from(minute));
        put(17, 2, u32::from(second));
        let mut end = 19;
        if nano > 0 {
            put(20, 9, nano);
            bytes[19] = b'.';
            end = 29;
            while bytes[end - 1] == b'0' {
                end -= 1;
            }
        }
        bytes[end] = b'Z';
        self.text.len = end + 1;
        std::str::from_utf8(self.text.as_bytes()).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times() {
        let base = Duration::from_secs(1_795_452_486);
        for (nanos, want) in [
            (0, "2026-11-23T16:48:06Z"),
            (844_828_044, "2026-11-23T16:48:06.844828044Z"),
            (471_431_440, "2026-11-23T16:48:06.47143144Z"),
            (500_000_000, "2026-11-23T16:48:06.5Z"),
            (1, "2026-11-23T16:48:06.000000001Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + base + Duration::from_nanos(nanos);
            assert_eq!(Timestamp::default().render(time), want);
        }
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        assert_eq!(bounded(&[b'a'; MAX_VALUE]).len(), MAX_VALUE);
        let text = "é".repeat(MAX_VALUE);
        let cut = bounded(&text.as_bytes()[1..]).into_owned();
        assert!(cut.ends_with("é[truncated]".as_bytes()));
        assert!(cut.len() <= MAX_VALUE + 11);
        assert!(std::str::from_utf8(&cut[1..]).is_ok());
    }
}
