// SPDX-License-Identifier: Apache-2.0
//! Schema 2 made into schema 1, for clients whose Accept header lacks schema 2.
//!
//! The image configuration's history becomes a chain of v1 images, the last of which carries the
//! configuration. Ids are derived from layers and parents, the way Docker's registry derives them,
//! so the same image gives the same payload, and thus digest, everywhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, ser::SerializeStruct as _};
use serde_json::value::{RawValue, to_raw_value};
use time::OffsetDateTime;

use super::{SignError, Signed, SigningKey};
use crate::{
    Algorithm, Descriptor, Digest, Manifest, MediaType,
    json::{self, Bounded},
    manifest::MAX_DESCRIPTORS,
};

/// Digest of [`EMPTY_LAYER_GZIP`].
pub const EMPTY_LAYER: &str =
    "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";

/// The layer without files that stands for steps of the history that changed none: 1024 zero bytes,
/// compressed. Converted manifests refer to it, so a registry that converts must serve it.
pub const EMPTY_LAYER_GZIP: [u8; 32] = [
    0x1f, 0x8b, 8, 0, 0, 9, 0x6e, 0x88, 0, 0xff, 0x62, 0x18, 5, 0xa3, 0x60, 0x14, 0x8c, 0x58, 0, 8,
    0, 0, 0xff, 0xff, 0x2e, 0xaf, 0xb5, 0xef, 0, 4, 0, 0,
];

/// Why an image cannot be expressed in schema 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// Only Docker's schema 2 is converted.
    #[error("only a schema 2 image manifest can be converted to schema 1")]
    NotSchema2,
    /// The configuration cannot be decoded.
    #[error("the image configuration is not acceptable JSON: {0}")]
    Config(String),
    /// Schema 1 consists of history.
    #[error("the image configuration has no history, which schema 1 needs")]
    NoHistory,
    /// Manifest, root file system and history count layers differently.
    #[error(
        "the manifest has {layers} layers, but the image configuration has {diff_ids} in its \
         rootfs and {filled} in its history"
    )]
    LayerCount {
        /// Layers of the manifest.
        layers: usize,
        /// Entries of the configuration's `rootfs.diff_ids`.
        diff_ids: usize,
        /// History entries that have a layer.
        filled: usize,
    },
    /// It could be expressed but not signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    rootfs: Option<RootFs>,
    #[serde(default)]
    history: Option<Bounded<Step, MAX_DESCRIPTORS>>,
}

#[derive(Default, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Bounded<serde::de::IgnoredAny, MAX_DESCRIPTORS>>,
    #[serde(default)]
    base_layer: Option<String>,
}

/// How the image was built, step by step.
#[derive(Deserialize)]
struct Step {
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    created_by: Option<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    empty_layer: Option<bool>,
}

impl Step {
    fn is_empty(&self) -> bool {
        self.empty_layer == Some(true)
    }
}

/// A v1 image in as far as a step tells.
#[derive(Serialize)]
struct V1Image<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    parent: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    comment: &'a str,
    created: &'a str,
    container_config: ContainerConfig<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    author: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    throwaway: bool,
}

#[derive(Serialize)]
struct ContainerConfig<'a> {
    #[serde(rename = "Cmd")]
    cmd: [&'a str; 1],
}

/// Converts a schema 2 image and signs the result. `name` and `tag` are what was asked for.
///
/// # Errors
/// When the image has no history, or its parts do not fit together.
pub fn convert(
    manifest: &Manifest,
    config: &[u8],
    name: &str,
    tag: &str,
    key: &SigningKey,
    at: OffsetDateTime,
) -> Result<Signed, ConvertError> {
    if *manifest.media_type() != MediaType::DockerSchema2 {
        return Err(ConvertError::NotSchema2);
    }
    let payload = payload(manifest.layers(), config, name, tag)?;
    Ok(key.sign(payload.as_bytes(), at)?)
}

/// The document to be signed.
fn payload(
    layers: &[Descriptor],
    config: &[u8],
    name: &str,
    tag: &str,
) -> Result<String, ConvertError> {
    let decoded: Config = json::decode(config).map_err(ConvertError::Config)?;
    let steps = decoded.history.unwrap_or_default().0;
    let rootfs = decoded.rootfs.unwrap_or_default();
    let diff_ids = rootfs.diff_ids.unwrap_or_default().0.len();
    let (last, earlier) = steps.split_last().ok_or(ConvertError::NoHistory)?;
    let filled = steps.iter().filter(|step| !step.is_empty()).count();
    if layers.len() != diff_ids || filled > layers.len() {
        return Err(ConvertError::LayerCount { layers: layers.len(), diff_ids, filled });
    }

    let empty = Digest::parse(EMPTY_LAYER).expect("the constant is a digest");
    let mut unused = layers.iter();
    let mut blob = |step: &Step| match step.is_empty() {
        true => empty,
        false => unused.next().map_or(empty, |layer| layer.digest),
    };
    let mut images = Vec::with_capacity(steps.len());
    let mut parent = String::new();
    for (index, step) in earlier.iter().enumerate() {
        let blob = blob(step);
        let id = sha256_hex(&format!("{} {parent}", blob.hex()));
        if let (0, Some(base)) = (index, rootfs.base_layer.as_deref().filter(|id| !id.is_empty())) {
            // Windows: the first layer lies on a base that is in no registry.
            parent = Digest::of(Algorithm::Sha384, base.as_bytes()).hex()[..64].to_owned();
        }
        let image = V1Image {
            id: &id,
            parent: &parent,
            comment: step.comment.as_deref().unwrap_or_default(),
            created: step.created.as_deref().unwrap_or("0001-01-01T00:00:00Z"),
            container_config: ContainerConfig {
                cmd: [step.created_by.as_deref().unwrap_or_default()],
            },
            author: step.author.as_deref().unwrap_or_default(),
            throwaway: step.is_empty(),
        };
        images.push((blob, go_json(&image)?));
        parent = id;
    }
    let blob = blob(last);
    images.push((blob, top_image(config, blob, &parent, last.is_empty())?));
    images.reverse();

    let architecture = decoded.architecture.as_deref().unwrap_or_default();
    let document = Document { name, tag, architecture, images: &images };
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    document
        .serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter))
        .map_err(failed)?;
    String::from_utf8(out).map(|text| escape_html(&text)).map_err(|_| SignError::Failed.into())
}

/// The image itself: its configuration without what v1 did not have, with its place in the chain.
fn top_image(
    config: &[u8],
    blob: Digest,
    parent: &str,
    throwaway: bool,
) -> Result<String, ConvertError> {
    let text = std::str::from_utf8(config).map_err(|_| SignError::Failed)?;
    let id = sha256_hex(&format!("{} {parent} {text}", blob.hex()));
    let mut fields: BTreeMap<String, Box<RawValue>> =
        json::decode(config).map_err(ConvertError::Config)?;
    fields.remove("rootfs");
    fields.remove("history");
    fields.insert("id".to_owned(), to_raw_value(&id).map_err(failed)?);
    if !parent.is_empty() {
        fields.insert("parent".to_owned(), to_raw_value(parent).map_err(failed)?);
    }
    if throwaway {
        fields.insert("throwaway".to_owned(), to_raw_value(&true).map_err(failed)?);
    }
    go_json(&fields).map(|text| compact(&text))
}

struct Document<'a> {
    name: &'a str,
    tag: &'a str,
    architecture: &'a str,
    images: &'a [(Digest, String)],
}

impl Serialize for Document<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct FsLayer {
            blob_sum: Digest,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct History<'a> {
            v1_compatibility: &'a str,
        }
        let layers: Vec<_> =
            self.images.iter().map(|&(blob_sum, _)| FsLayer { blob_sum }).collect();
        let history: Vec<_> =
            self.images.iter().map(|(_, image)| History { v1_compatibility: image }).collect();
        let mut document = serializer.serialize_struct("Document", 6)?;
        document.serialize_field("schemaVersion", &1)?;
        document.serialize_field("name", self.name)?;
        document.serialize_field("tag", self.tag)?;
        document.serialize_field("architecture", self.architecture)?;
        document.serialize_field("fsLayers", &layers)?;
        document.serialize_field("history", &history)?;
        document.end()
    }
}

fn sha256_hex(text: &str) -> String {
    Digest::of(Algorithm::Sha256, text.as_bytes()).hex()
}

fn failed(_: serde_json::Error) -> ConvertError {
    SignError::Failed.into()
}

/// JSON as Go writes it: with characters of HTML escaped.
fn go_json<T: Serialize>(value: &T) -> Result<String, ConvertError> {
    serde_json::to_string(value).map(|text| escape_html(&text)).map_err(failed)
}

/// These characters stand in JSON inside strings only.
fn escape_html(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(char)));
            }
            other => out.push(other),
        }
    }
    out
}

/// Drops white space between tokens, which parts taken over as they are may have.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|&char| {
            if in_string {
                in_string = escaped || char != '"';
                escaped = !escaped && char == '\\';
                return true;
            }
            in_string = char == '"';
            !char.is_ascii_whitespace()
        })
        .collect()
}
