// SPDX-License-Identifier: Apache-2.0
//! `metadata.managedFields`: who set which fields, decoded and encoded.

use schema::View;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::path::Step;
use super::set::Set;
use super::shape::{Shape, field, item, shape};

/// How many managers one object may name in what a client sends.
const MAX_MANAGERS: usize = 4096;
/// How many managers that do not apply are kept apart (kube-apiserver's `DefaultMaxUpdateManagers`).
const MAX_UPDATERS: usize = 10;
/// Whom the fields of surplus managers go to.
const ANCIENT: &str = "ancient-changes";

/// Who manages: entries of one name differ by operation and subresource, and those of updates by version too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id {
    pub manager: String,
    /// Empty for appliers, so that one who applies another version is still the same.
    version: String,
    pub subresource: String,
    pub applier: bool,
}

impl Id {
    pub(super) fn applier(manager: &str, subresource: &str) -> Self {
        Self { applier: true, version: String::new(), ..Self::updater(manager, "", subresource) }
    }

    pub(super) fn updater(manager: &str, version: &str, subresource: &str) -> Self {
        let manager = if manager.is_empty() { "unknown" } else { manager };
        Self {
            manager: manager.to_owned(),
            version: version.to_owned(),
            subresource: subresource.to_owned(),
            applier: false,
        }
    }

    /// What managers are sorted by: the JSON of an entry without its fields, as kube-apiserver identifies them.
    pub(super) fn sort_key(&self) -> String {
        let operation = if self.applier { "Apply" } else { "Update" };
        let mut out = format!(
            "{{\"manager\":{},\"operation\":\"{operation}\"",
            Value::from(self.manager.as_str())
        );
        for (name, text) in [("apiVersion", &self.version), ("subresource", &self.subresource)] {
            if !text.is_empty() {
                out.push_str(&format!(",\"{name}\":{}", Value::from(text.as_str())));
            }
        }
        out.push('}');
        out
    }
}

/// One manager's fields.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub id: Id,
    /// The version in which the fields were set.
    pub version: String,
    pub time: Option<String>,
    pub fields: Set,
    /// The fields as they were read; none once they changed. Most entries outlive a write unchanged.
    encoded: Option<Value>,
}

impl Entry {
    pub(super) fn new(id: Id, version: &str, time: Option<String>, fields: Set) -> Self {
        Self { id, version: version.to_owned(), time, fields, encoded: None }
    }

    /// Changes the fields by `change`, which says whether it did.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Set) -> bool) {
        if change(&mut self.fields) {
            self.encoded = None;
        }
    }
}

/// The managers of one object.
#[derive(Debug, Clone, Default)]
pub struct Managed {
    pub(super) entries: Vec<Entry>,
}

impl Managed {
    /// Reads `metadata.managedFields` of an object.
    ///
    /// # Errors
    /// With kube-apiserver's reason, when it is malformed.
    pub fn decode(object: &Value) -> Result<Self, String> {
        let list = match object.pointer("/metadata/managedFields") {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Array(list)) => list,
            Some(_) => return Err("managedFields must be a list".to_owned()),
        };
        if list.len() > MAX_MANAGERS {
            return Err(format!("more than {MAX_MANAGERS} managers"));
        }
        let mut managed = Self::default();
        for (at, entry) in list.iter().enumerate() {
            managed.put(decode(at, entry)?);
        }
        Ok(managed)
    }

    /// Whether nobody is known to manage anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts an entry in the place of the one with the same id.
    pub(super) fn put(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|other| other.id == entry.id) {
            Some(other) => *other = entry,
            None => self.entries.push(entry),
        }
    }

    pub(super) fn take(&mut self, id: &Id) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.id == *id)?;
        Some(self.entries.swap_remove(at))
    }

    pub(super) fn drop_empty(&mut self) {
        self.entries.retain(|entry| !entry.fields.is_empty());
    }

    /// Forgets managers that used a version that is not served any more, and lets those that own parts of what has become
    /// atomic own the whole.
    pub(super) fn reconcile(&mut self, view: View<'_>, serves: impl Fn(&str) -> bool) {
        self.entries.retain(|entry| serves(&entry.version));
        for entry in &mut self.entries {
            entry.change(|fields| reconcile(view, fields));
        }
    }

    /// Merges the oldest entries of updates per version until there are few enough.
    pub(super) fn cap(&mut self) {
        let mut updaters: Vec<(i64, Id)> = self
            .entries
            .iter()
            .filter(|entry| !entry.id.applier)
            .map(|entry| (seconds(entry.time.as_deref()), entry.id.clone()))
            .collect();
        let mut surplus = updaters.len().saturating_sub(MAX_UPDATERS);
        if surplus == 0 {
            return;
        }
        updaters.sort_by_cached_key(|(time, id)| (*time, id.sort_key()));
        let mut first_of: Vec<(String, Id)> = Vec::new();
        for (_, id) in updaters {
            if surplus == 0 {
                break;
            }
            let Some(at) = self.entries.iter().position(|entry| entry.id == id) else { continue };
            let version = self.entries[at].version.clone();
            let Some((_, first)) = first_of.iter().find(|(other, _)| *other == version) else {
                first_of.push((version, id));
                continue;
            };
            let bucket = Id::updater(ANCIENT, &version, "");
            let merged = self.entries.swap_remove(at);
            let into = self.take(&bucket).or_else(|| self.take(first));
            let mut fields = into.map(|entry| entry.fields).unwrap_or_default();
            fields.unite(merged.fields);
            // The younger time of the two.
            self.put(Entry::new(bucket, &version, merged.time, fields));
            surplus -= 1;
        }
    }

    /// Writes `metadata.managedFields`.
    pub(super) fn write(mut self, object: &mut Value) {
        let Some(object) = object.as_object_mut() else { return };
        if self.is_empty() {
            if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
                metadata.remove("managedFields");
            }
            return;
        }
        self.entries.sort_by_cached_key(|entry| {
            let id = &entry.id;
            let operation = u8::from(!id.applier);
            let names = (id.manager.clone(), entry.version.clone(), id.subresource.clone());
            (operation, seconds(entry.time.as_deref()), names)
        });
        let list = self.entries.into_iter().map(encode).collect();
        let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(metadata) = metadata {
            metadata.insert("managedFields".to_owned(), Value::Array(list));
        }
    }
}

fn decode(at: usize, entry: &Value) -> Result<Entry, String> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let applier = match text("operation") {
        "Apply" => true,
        "Update" => false,
        _ => return Err("operation must be `Apply` or `Update`".to_owned()),
    };
    let version = text("apiVersion");
    if version.is_empty() {
        return Err("apiVersion must not be empty".to_owned());
    }
    match text("fieldsType") {
        "FieldsV1" => {}
        "" => return Err(format!("missing fieldsType in managed fields entry {at}")),
        other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {at}")),
    }
    let encoded = entry.get("fieldsV1").cloned().unwrap_or_default();
    let fields =
        Set::from_fields_v1(&encoded).map_err(|reason| format!("error decoding set: {reason}"))?;
    let id = Id {
        manager: text("manager").to_owned(),
        version: if applier { String::new() } else { version.to_owned() },
        subresource: text("subresource").to_owned(),
        applier,
    };
    let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
    let encoded = encoded.is_object().then_some(encoded);
    Ok(Entry { id, version: version.to_owned(), time, fields, encoded })
}

fn encode(entry: Entry) -> Value {
    let fields = entry.encoded.unwrap_or_else(|| entry.fields.to_fields_v1());
    let operation = if entry.id.applier { "Apply" } else { "Update" };
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("apiVersion", entry.version.into());
    put("fieldsType", "FieldsV1".into());
    put("fieldsV1", fields);
    put("operation", operation.into());
    if !entry.id.manager.is_empty() {
        put("manager", entry.id.manager.into());
    }
    if !entry.id.subresource.is_empty() {
        put("subresource", entry.id.subresource.into());
    }
    if let Some(time) = entry.time {
        put("time", time.into());
    }
    Value::Object(out)
}

/// Seconds since 1970; 0 for no time.
fn seconds(time: Option<&str>) -> i64 {
    time.and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok())
        .map_or(0, OffsetDateTime::unix_timestamp)
}

/// True if something changed.
fn reconcile(view: View<'_>, set: &mut Set) -> bool {
    // A set says nothing of null or not, so that a type that is deduced has no shape here.
    let shape = shape(view, None);
    let mut changed = false;
    for node in &mut set.nodes {
        let child = match (shape, &node.step) {
            (Shape::Structure(_) | Shape::Map(_), Step::Field(name)) => field(view, shape, name).0,
            (Shape::Set(items) | Shape::Keyed(items, _), _) => item(view, items),
            _ => continue,
        };
        let inside = !node.inner.is_empty();
        if inside && matches!(self::shape(child, None), Shape::Atomic) {
            node.inner = Set::default();
            node.member = true;
            changed = true;
        } else if inside {
            changed |= reconcile(child, &mut node.inner);
        }
    }
    changed
}
