// SPDX-License-Identifier: Apache-2.0
//! Every recorded log line, taken apart and written again, is the same line.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::value::RawValue;
use std::collections::BTreeMap;
use telemetry::log::{Capture, Format, Level, Line, LogConfig, Logger, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const TEXT: &str = include_str!("../golden/log-text.txt");
const AUDIT: &str = include_str!("../golden/log-audit.txt");
const JSON: &str = include_str!("../golden/log-json.txt");

fn logger(format: Format, capture: &Capture) -> Arc<Logger> {
    let config = LogConfig {
        format,
        level: Level::Debug,
        // The recordings carry the version of the original; it comes from here, not from the line.
        fields: BTreeMap::from([("go.version".to_owned(), "go1.19.8".into())]),
        ..LogConfig::default()
    };
    Arc::new(Logger::new(&config, Box::new(capture.clone())))
}

fn recorded(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

fn level(word: &str) -> Level {
    word.parse().expect("a level that lines show")
}

fn time(text: &str) -> SystemTime {
    OffsetDateTime::parse(text, &Rfc3339).expect("RFC 3339").into()
}

/// Splits a text line into names and values; quoted values keep their quotes.
fn split(mut line: &str) -> Vec<(&str, &str)> {
    let mut fields = Vec::new();
    while let Some((name, rest)) = line.split_once('=') {
        let end = match rest.strip_prefix('"') {
            Some(inner) => {
                let mut escaped = false;
                let closing = inner.find(|c| {
                    let closing = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    closing
                });
                closing.expect("a closing quote") + 2
            }
            None => rest.find(' ').unwrap_or(rest.len()),
        };
        fields.push((name, &rest[..end]));
        line = rest[end..].trim_start();
    }
    fields
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        // The recordings hold no other escapes.
        Some(inner) => inner.replace("\\\"", "\""),
        None => value.to_owned(),
    }
}

fn check_text(recording: &str, least: usize) {
    let capture = Capture::new();
    let logger = logger(Format::Text, &capture);
    let mut count = 0;
    for line in recorded(recording) {
        let fields: Vec<_> =
            split(line).into_iter().map(|(name, value)| (name, unquoted(value))).collect();
        assert_eq!([fields[0].0, fields[1].0, fields[2].0], ["time", "level", "msg"]);
        let built = fields[3..]
            .iter()
            // Not in order, to see that they are put in order.
            .rev()
            .filter(|(name, _)| *name != "go.version")
            .fold(
                Line::to(Some(Arc::clone(&logger)), level(&fields[1].1), fields[2].1.as_str()),
                |built, (name, value)| match value.parse::<u64>() {
                    Ok(number) => built.field(name, number),
                    Err(_) => built.field(name, value),
                },
            );
        built.at(time(&fields[0].1)).emit();
        count += 1;
        assert_eq!(capture.lines().last().map(String::as_str), Some(line));
    }
    assert!(count >= least, "only {count} lines");
}

#[test]
fn text_lines() {
    check_text(TEXT, 40);
}

#[test]
fn audit_lines() {
    check_text(AUDIT, 80);
}

#[test]
fn json_lines() {
    let capture = Capture::new();
    let logger = logger(Format::Json, &capture);
    let mut count = 0;
    for line in recorded(JSON) {
        let members: BTreeMap<Cow<'_, str>, &RawValue> =
            serde_json::from_str(line).expect("a JSON object");
        let text = |name: &str| -> String {
            serde_json::from_str(members[name].get()).expect("a JSON string")
        };
        let message = text("msg");
        let mut built = Line::to(Some(Arc::clone(&logger)), level(&text("level")), &message);
        for (name, value) in members.iter().rev() {
            if matches!(&**name, "level" | "msg" | "time" | "go.version") {
                continue;
            }
            built = match serde_json::from_str(value.get()).expect("a JSON value") {
                serde_json::Value::String(text) => built.field(name, text),
                serde_json::Value::Number(number) => {
                    built.field(name, number.as_u64().expect("a whole number"))
                }
                _ => built.field(name, Value::Json { text: "".into(), json: value.get().into() }),
            };
        }
        built.at(time(&text("time"))).emit();
        count += 1;
        assert_eq!(capture.lines().last().map(String::as_str), Some(line));
    }
    assert!(count >= 40, "only {count} lines");
}
