// SPDX-License-Identifier: Apache-2.0
//! One stored object as lists and watches need it: its answer's bytes, ready to send, and what selectors ask.
//!
//! Objects are kept as the JSON that is sent, not as trees: an idle server with ten thousand objects stays small, a list
//! is a concatenation, and one change is serialised once for a thousand watchers. Writers decode when they need to.

use std::sync::Arc;

use apistore::{KeyValue, Revision};
use bytes::Bytes;
use serde_json::Value;

/// An object at one revision.
#[derive(Debug)]
pub struct Entry {
    /// Its key below the resource's prefix: `name` or `namespace/name`.
    pub key: Box<str>,
    /// The revision at which it looked like this; what `metadata.resourceVersion` says.
    pub revision: Revision,
    /// The whole object as JSON, `resourceVersion` included, in the storage version.
    pub json: Bytes,
    /// `metadata.labels`.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// The values of the fields that selectors may name, beside name and namespace.
    pub fields: Box<[(&'static str, Box<str>)]>,
}

/// Takes a selectable field's value out of an object.
pub type Field = (&'static str, fn(&Value) -> String);

/// A value in the store that is no object.
#[derive(Debug, thiserror::Error)]
#[error("stored object {key} cannot be read: {source}")]
pub struct Undecodable {
    /// The key in the store.
    pub key: String,
    /// Why.
    source: serde_json::Error,
}

impl Entry {
    /// Reads a stored value; `prefix` is the resource's, `revision` becomes the object's `resourceVersion`.
    ///
    /// # Errors
    /// When the value is not a JSON object.
    pub fn decode(
        prefix: &str,
        kv: &KeyValue,
        revision: Revision,
        fields: &[Field],
    ) -> Result<Self, Undecodable> {
        let object = decode(kv, revision)?;
        Ok(Self::new(kv.key.strip_prefix(prefix).unwrap_or(&kv.key), revision, &object, fields))
    }

    /// An entry for an object whose `resourceVersion` is set already.
    #[must_use]
    pub fn new(key: &str, revision: Revision, object: &Value, fields: &[Field]) -> Self {
        let labels = object
            .pointer("/metadata/labels")
            .and_then(Value::as_object)
            .map(|labels| {
                labels
                    .iter()
                    .filter_map(|(k, v)| Some((k.as_str().into(), v.as_str()?.into())))
                    .collect()
            })
            .unwrap_or_default();
        let fields =
            fields.iter().map(|(name, value)| (*name, value(object).into_boxed_str())).collect();
        // A tree of strings, numbers and maps with string keys always serialises.
        let json = Bytes::from(serde_json::to_vec(object).unwrap_or_default());
        Self { key: key.into(), revision, json, labels, fields }
    }

    /// The namespace, empty for objects of the cluster's scope.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.key.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.rsplit_once('/').map_or(&self.key, |(_, name)| name)
    }

    /// The label of that key.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| &**k == key).map(|(_, v)| &**v)
    }

    /// The selectable field of that path.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&str> {
        match path {
            "metadata.name" => Some(self.name()),
            "metadata.namespace" => Some(self.namespace()),
            _ => self.fields.iter().find(|(p, _)| *p == path).map(|(_, v)| &**v),
        }
    }

    /// The object as a tree.
    #[must_use]
    pub fn object(&self) -> Value {
        // What `new` wrote is JSON.
        serde_json::from_slice(&self.json).unwrap_or_default()
    }
}

impl api::selector::Labels for Entry {
    fn get(&self, key: &str) -> Option<&str> {
        self.label(key)
    }
}

/// A stored value as a tree, its `resourceVersion` set.
///
/// # Errors
/// When the value is not a JSON object.
pub fn decode(kv: &KeyValue, revision: Revision) -> Result<Value, Undecodable> {
    let mut object: Value = serde_json::from_slice(&kv.value)
        .map_err(|source| Undecodable { key: kv.key.clone(), source })?;
    set_resource_version(&mut object, revision);
    Ok(object)
}

/// Writes the revision into `metadata.resourceVersion`.
pub fn set_resource_version(object: &mut Value, revision: Revision) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), Value::String(revision.to_string()));
    }
}

/// The bytes to store: the object without its `resourceVersion`, which the store's revision is.
#[must_use]
pub fn encode(object: &mut Value) -> Bytes {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    Bytes::from(serde_json::to_vec(object).unwrap_or_default())
}

/// A change of one object.
#[derive(Debug, Clone)]
pub struct Change {
    /// When.
    pub revision: Revision,
    /// What it is now; none: deleted.
    pub now: Option<Arc<Entry>>,
    /// What it was; none: created. Of a deleted object, this carries the deletion's revision.
    pub previous: Option<Arc<Entry>>,
}
