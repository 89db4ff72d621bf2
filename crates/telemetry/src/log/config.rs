// SPDX-License-Identifier: Apache-2.0
//! The part of the configuration's `log` section that this crate acts on (registry.md 4.1).

use std::collections::BTreeMap;
use std::str::FromStr;

use super::Level;

/// How lines are written; `log.formatter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// `time="…" level=info msg="…" key=value`, the default.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
    /// One JSON object a line with `@timestamp`, `@version` and `message`.
    Logstash,
}

/// Reads the value of `log.formatter`. The error is the word that is no formatter.
impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" | "" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "logstash" => Ok(Self::Logstash),
            _ => Err(text.to_owned()),
        }
    }
}

/// Settings of a [`super::Logger`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogConfig {
    /// Least severe level that is written.
    pub level: Level,
    /// Layout of a line.
    pub format: Format,
    /// Fields that stand on every line. `go.version` is added unless given.
    pub fields: BTreeMap<String, serde_json::Value>,
    /// Names of the crates whose `tracing` events are written at the configured level. Events of
    /// all others are written from warning up only: a library's debug output may hold header
    /// values. Empty means that no crate is foreign.
    pub own_crates: Vec<&'static str>,
}
