// SPDX-License-Identifier: Apache-2.0
//! Manifests as decoded: which top-level fields are there, whatever the type turns out to be.
//!
//! A document that two readers could understand differently is refused here. Readers disagree on
//! repeated keys (first or last counts) and on keys in other letter case (Go's decoder takes
//! `Layers` for `layers`); for keys that decide what a manifest refers to neither is accepted.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess},
};

use super::{MAX_DESCRIPTORS, descriptor::RawDescriptor};
use crate::json::Bounded;

pub(super) type RawDescriptors = Bounded<RawDescriptor, MAX_DESCRIPTORS>;

/// The fields of all manifest types. `null` counts as absent: it is what Go writes for an empty
/// list.
#[derive(Debug, Default)]
pub(super) struct RawManifest {
    pub(super) schema_version: Option<i64>,
    pub(super) media_type: Option<String>,
    pub(super) artifact_type: Option<String>,
    pub(super) config: Option<RawDescriptor>,
    pub(super) layers: Option<RawDescriptors>,
    pub(super) blobs: Option<RawDescriptors>,
    pub(super) manifests: Option<RawDescriptors>,
    pub(super) subject: Option<RawDescriptor>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
    /// Present in schema 1.
    pub(super) has_fs_layers: bool,
    /// Present in signed schema 1.
    pub(super) has_signatures: bool,
}

/// Keys that must occur at most once and in this spelling.
const KEYS: [&str; 11] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "blobs",
    "manifests",
    "subject",
    "annotations",
    "fsLayers",
    "signatures",
];

impl<'de> Deserialize<'de> for RawManifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Document;
        impl<'de> de::Visitor<'de> for Document {
            type Value = RawManifest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawManifest, A::Error> {
                read(map)
            }
        }
        deserializer.deserialize_map(Document)
    }
}

fn read<'de, A: MapAccess<'de>>(mut map: A) -> Result<RawManifest, A::Error> {
    let mut raw = RawManifest::default();
    let mut seen = [false; KEYS.len()];
    while let Some(Key(key)) = map.next_key()? {
        let Some(key) = key else {
            map.next_value::<IgnoredAny>()?;
            continue;
        };
        if std::mem::replace(&mut seen[key], true) {
            return Err(de::Error::custom(format_args!("the key {} occurs twice", KEYS[key])));
        }
        match KEYS[key] {
            "schemaVersion" => raw.schema_version = map.next_value()?,
            "mediaType" => raw.media_type = not_empty(map.next_value()?),
            "artifactType" => raw.artifact_type = not_empty(map.next_value()?),
            "config" => raw.config = map.next_value()?,
            "layers" => raw.layers = map.next_value()?,
            "blobs" => raw.blobs = map.next_value()?,
            "manifests" => raw.manifests = map.next_value()?,
            "subject" => raw.subject = map.next_value()?,
            "annotations" => raw.annotations = map.next_value()?,
            "fsLayers" => raw.has_fs_layers = map.next_value::<Option<IgnoredAny>>()?.is_some(),
            _ => raw.has_signatures = map.next_value::<Option<IgnoredAny>>()?.is_some(),
        }
    }
    Ok(raw)
}

/// An empty text says no more than an absent one.
pub(super) fn not_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Index of a known key, `None` for keys of no interest.
struct Key(Option<usize>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl de::Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Key, E> {
                let index = KEYS.iter().position(|key| folds_to(name, key));
                match index {
                    Some(index) if KEYS[index] != name => Err(E::custom(format_args!(
                        "a key differs from {} in letter case only",
                        KEYS[index]
                    ))),
                    index => Ok(Key(index)),
                }
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// Whether Go's JSON decoder would take `name` for `key`, which is ASCII. Two characters outside
/// ASCII fold into it: the long s and the Kelvin sign.
fn folds_to(name: &str, key: &str) -> bool {
    let mut key = key.chars();
    name.chars().all(|char| {
        let folded = match char {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other,
        };
        key.next().is_some_and(|expected| expected.eq_ignore_ascii_case(&folded))
    }) && key.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fold_as_in_go() {
        for (name, key, same) in [
            ("layers", "layers", true),
            ("Layers", "layers", true),
            ("layer\u{17f}", "layers", true),
            ("layer", "layers", false),
            ("layerss", "layers", false),
            ("", "layers", false),
        ] {
            assert_eq!(folds_to(name, key), same, "{name}");
        }
    }
}
