// SPDX-License-Identifier: Apache-2.0
//! Tables: what `kubectl get` prints is decided here (guide-commands.md 1.3).

use std::sync::Arc;

use api::time::Time;
use serde_json::{Value, json};

/// What a cell is made of: the object and the present time.
pub type Cell = Arc<dyn Fn(&Value, Time) -> Value + Send + Sync>;

/// A column.
#[derive(Clone)]
pub struct Column {
    /// Its header.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `date`.
    pub kind: &'static str,
    /// `name` marks the column that names the object; otherwise a hint for its rendering.
    pub format: &'static str,
    /// For `kubectl explain`-like tools.
    pub description: String,
    /// 0: always shown; more: only with `-o wide`.
    pub priority: i32,
    /// The cell.
    pub cell: Cell,
}

impl Column {
    /// A column of text.
    pub fn new(name: &str, cell: impl Fn(&Value, Time) -> Value + Send + Sync + 'static) -> Self {
        Self {
            name: name.to_owned(),
            kind: "string",
            format: "",
            description: String::new(),
            priority: 0,
            cell: Arc::new(cell),
        }
    }

    /// The object's name.
    #[must_use]
    pub fn object_name() -> Self {
        let cell = |object: &Value, _| Value::from(api::meta::name(object));
        let description = "Name must be unique within a namespace.".to_owned();
        Self { format: "name", description, ..Self::new("Name", cell) }
    }

    /// The object's age, as text.
    #[must_use]
    pub fn age() -> Self {
        Self::new("Age", |object, now| Value::from(age(api::meta::creation_timestamp(object), now)))
    }

    /// Only shown with `-o wide`.
    #[must_use]
    pub fn wide(mut self) -> Self {
        self.priority = 1;
        self
    }

    /// Whole numbers.
    #[must_use]
    pub fn integer(mut self) -> Self {
        self.kind = "integer";
        self
    }

    /// A point in time, shown as an age.
    #[must_use]
    pub fn date(mut self) -> Self {
        self.kind = "date";
        self
    }
}

/// The columns of a kind that names none: what Kubernetes shows for such custom resources.
#[must_use]
pub fn default_columns() -> Vec<Column> {
    vec![Column::object_name(), Column::age().date()]
}

/// A time's distance from now as Kubernetes prints ages; `<unknown>` without a time.
#[must_use]
pub fn age(time: &str, now: Time) -> String {
    match Time::parse(time) {
        Ok(time) => human_duration(now.seconds().saturating_sub(time.seconds())),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// Seconds as Kubernetes' short human duration: `5s`, `2m30s`, `3h`, `2d4h`, `1y30d`.
#[must_use]
pub fn human_duration(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let years = days / 365;
    let two = |a: i64, unit_a: char, b: i64, unit_b: char| {
        if b == 0 { format!("{a}{unit_a}") } else { format!("{a}{unit_a}{b}{unit_b}") }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, 'd', hours % 24, 'h'),
        () if years < 2 => format!("{days}d"),
        () if years < 8 => two(years, 'y', days % 365, 'd'),
        () => format!("{years}y"),
    }
}

/// What `includeObject` asks rows to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// The metadata.
    Metadata,
    /// Everything.
    Object,
}

/// The column definitions of a table.
#[must_use]
pub fn definitions(columns: &[Column]) -> Value {
    columns
        .iter()
        .map(|c| {
            json!({"name": c.name, "type": c.kind, "format": c.format, "description": c.description, "priority": c.priority})
        })
        .collect()
}

/// A row.
#[must_use]
pub fn row(
    columns: &[Column],
    object: &Value,
    now: Time,
    include: Include,
    meta_version: &str,
) -> Value {
    let cells: Vec<Value> = columns.iter().map(|column| (column.cell)(object, now)).collect();
    let mut row = json!({"cells": cells});
    match include {
        Include::None => {}
        Include::Metadata => row["object"] = partial(object, meta_version),
        Include::Object => row["object"] = object.clone(),
    }
    row
}

/// The object's metadata as `PartialObjectMetadata`.
#[must_use]
pub fn partial(object: &Value, meta_version: &str) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": meta_version,
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_kubectl_prints_them() {
        let table = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (150, "2m30s"),
            (660, "11m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (9 * 3600 + 60, "9h"),
            (49 * 3600, "2d1h"),
            (9 * 86_400 + 5000, "9d"),
            (800 * 86_400, "2y70d"),
            (-5, "<invalid>"),
        ];
        for (seconds, text) in table {
            assert_eq!(human_duration(seconds), text, "{seconds}");
        }
    }
}
