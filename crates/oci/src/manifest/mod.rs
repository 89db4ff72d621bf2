// SPDX-License-Identifier: Apache-2.0
//! Manifests of all types: which blobs and manifests a document refers to.
//!
//! [`Manifest::parse`] takes what a client pushes and is strict. [`Manifest::from_stored`] takes
//! what is in storage, perhaps put there by another registry, and finds the type by itself. The
//! bytes stay with the caller; they are the manifest, and what is here is a view of them.

mod descriptor;
mod error;
mod wire;

use std::collections::BTreeMap;

pub use descriptor::{Descriptor, DescriptorError, Platform};
pub use error::ManifestError;
use wire::{RawDescriptors, RawManifest};

use crate::{
    Algorithm, Digest, json,
    media_type::{self, MediaType},
    schema1,
};

/// The most entries in each list of a manifest. Container engines stop at a few hundred layers and
/// the largest artifacts have some thousand; each entry costs the registry a look-up.
pub const MAX_DESCRIPTORS: usize = 16_384;

/// A parsed manifest of any type. The bytes are kept by the caller.
#[derive(Clone, Debug)]
pub struct Manifest {
    media_type: MediaType,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Vec<Descriptor>,
    manifests: Vec<Descriptor>,
    subject: Option<Descriptor>,
    annotations: BTreeMap<String, String>,
    schema1: Option<Box<schema1::Document>>,
}

/// As what a manifest refers to content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The configuration of an image or artifact; a blob.
    Config,
    /// A layer of an image or a part of an artifact; a blob.
    Layer,
    /// A part of an OCI artifact manifest; a blob.
    Blob,
    /// An entry of a list or index; a manifest.
    Manifest,
}

impl Role {
    /// Whether the content is a blob rather than a manifest.
    pub fn is_blob(self) -> bool {
        self != Self::Manifest
    }
}

/// How much is asked of a document.
#[derive(Clone, Copy, PartialEq)]
enum Strictness {
    Pushed,
    Stored,
}

impl Manifest {
    /// Parses a pushed manifest.
    ///
    /// `content_type` is the header as sent, parameters and all. Without one, or with
    /// `application/json`, the document's own `mediaType` counts; a document with
    /// `schemaVersion` 1 has none and needs none. Signatures of schema 1 are verified.
    ///
    /// # Errors
    /// Says what is wrong in a sentence for the client.
    pub fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Self, ManifestError> {
        let content_type = content_type
            .map(media_type::essence)
            .filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case("application/json"))
            .map(MediaType::parse);
        if let Some(MediaType::Other(text)) = content_type {
            return Err(ManifestError::UnknownMediaType(json::shorten(&text)));
        }
        let raw: RawManifest = json::decode(bytes).map_err(ManifestError::Json)?;
        let media_type = match (content_type, raw.media_type.as_deref()) {
            (Some(header), Some(body)) if !same_kind(&header, body) => {
                return Err(ManifestError::MediaTypeMismatch {
                    content_type: header.to_string(),
                    body: json::shorten(body),
                });
            }
            (Some(header), _) => header,
            (None, Some(body)) => known(body)?,
            (None, _) if raw.schema_version == Some(1) => MediaType::DockerSchema1Signed,
            (None, _) => return Err(ManifestError::NoMediaType),
        };
        if media_type.is_schema1() {
            check_shape(&media_type, &raw)?;
            // Unsigned documents were never accepted from clients, whichever type they claim.
            let document = schema1::Document::parse(bytes)?;
            document.verify()?;
            return Ok(Self::of_schema1(document));
        }
        Self::assemble(media_type, raw, Strictness::Pushed)
    }

    /// Parses a stored manifest, where no media type is kept beside the bytes. The document's
    /// `mediaType` decides, without one its shape. Fields that the specification requires but
    /// other registries did not insist on may be missing.
    ///
    /// # Errors
    /// When it is no manifest.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, ManifestError> {
        let raw: RawManifest = json::decode(bytes).map_err(ManifestError::Json)?;
        let media_type = match raw.media_type.as_deref() {
            Some(body) => known(body)?,
            _ if raw.schema_version == Some(1) || raw.has_fs_layers => MediaType::DockerSchema1,
            _ if raw.manifests.is_some() => MediaType::OciIndex,
            _ if raw.config.is_some() || raw.layers.is_some() => MediaType::OciManifest,
            _ => return Err(ManifestError::NoMediaType),
        };
        if media_type.is_schema1() {
            return Ok(Self::of_schema1(schema1::Document::parse(bytes)?));
        }
        Self::assemble(media_type, raw, Strictness::Stored)
    }

    /// Checks that the fields fit the type, and the descriptors themselves.
    fn assemble(
        media_type: MediaType,
        raw: RawManifest,
        strictness: Strictness,
    ) -> Result<Self, ManifestError> {
        if strictness == Strictness::Pushed {
            check_declarations(&media_type, &raw)?;
        }
        check_shape(&media_type, &raw)?;
        let single = |raw: Option<descriptor::RawDescriptor>, field: &str| {
            raw.map(|raw| raw.check(strictness))
                .transpose()
                .map_err(|problem| ManifestError::Descriptor { path: field.to_owned(), problem })
        };
        let parts = match media_type {
            MediaType::OciArtifact => list(raw.blobs, "blobs", strictness)?,
            _ => list(raw.layers, "layers", strictness)?,
        };
        Ok(Self {
            artifact_type: raw.artifact_type,
            config: single(raw.config, "config")?,
            layers: parts,
            manifests: list(raw.manifests, "manifests", strictness)?,
            subject: single(raw.subject, "subject")?,
            annotations: raw.annotations.unwrap_or_default(),
            schema1: None,
            media_type,
        })
    }

    fn of_schema1(document: schema1::Document) -> Self {
        let layer = |digest: &Digest| Descriptor {
            media_type: media_type::DOCKER_LAYER.to_owned(),
            digest: *digest,
            size: 0,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            artifact_type: None,
            platform: None,
        };
        Self {
            media_type: if document.is_signed() {
                MediaType::DockerSchema1Signed
            } else {
                MediaType::DockerSchema1
            },
            artifact_type: None,
            config: None,
            layers: document.layers().iter().map(layer).collect(),
            manifests: Vec::new(),
            subject: None,
            annotations: BTreeMap::new(),
            schema1: Some(Box::new(document)),
        }
    }

    /// What the document is; never [`MediaType::Other`].
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// The configuration.
    pub fn config(&self) -> Option<&Descriptor> {
        self.config.as_ref()
    }

    /// The layers, base first; of an OCI artifact manifest its blobs. See
    /// [`Manifest::knows_sizes`] for schema 1.
    pub fn layers(&self) -> &[Descriptor] {
        &self.layers
    }

    /// The entries of a list or index.
    pub fn manifests(&self) -> &[Descriptor] {
        &self.manifests
    }

    /// The manifest that this one says something about. It need not exist.
    pub fn subject(&self) -> Option<&Descriptor> {
        self.subject.as_ref()
    }

    /// The field `artifactType`, if it is there and not empty.
    pub fn artifact_type(&self) -> Option<&str> {
        self.artifact_type.as_deref()
    }

    /// The type under which the manifest stands in a list of referrers: `artifactType`, else the
    /// type of the configuration, which indexes do not have (OCI distribution-spec, "Listing
    /// Referrers").
    pub fn artifact_type_for_referrers(&self) -> Option<&str> {
        self.artifact_type().or_else(|| self.config().map(|config| config.media_type.as_str()))
    }

    /// The annotations of the document itself.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// Everything that must be there for the manifest to be complete, each occurrence: the
    /// configuration, then layers or blobs, then the entries of a list or index. Not the subject.
    pub fn references(&self) -> impl Iterator<Item = (Role, &Descriptor)> {
        let part = match self.media_type {
            MediaType::OciArtifact => Role::Blob,
            _ => Role::Layer,
        };
        let config = self.config.iter().map(|descriptor| (Role::Config, descriptor));
        let layers = self.layers.iter().map(move |descriptor| (part, descriptor));
        let manifests = self.manifests.iter().map(|descriptor| (Role::Manifest, descriptor));
        config.chain(layers).chain(manifests)
    }

    /// Whether descriptors state the size of the content. Schema 1 names digests only, and its
    /// descriptors have size 0.
    pub fn knows_sizes(&self) -> bool {
        !self.media_type.is_schema1()
    }

    /// More about a schema 1 document.
    pub fn schema1(&self) -> Option<&schema1::Document> {
        self.schema1.as_deref()
    }

    /// The digest by which a registry names the manifest with these bytes: that of the bytes, but
    /// for signed schema 1 that of the document without its signatures.
    pub fn digest(&self, algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let content = self.schema1.as_ref().map_or(bytes, |document| document.payload());
        Digest::of(algorithm, content)
    }
}

fn known(media_type: &str) -> Result<MediaType, ManifestError> {
    match MediaType::parse(media_type) {
        MediaType::Other(text) => Err(ManifestError::UnknownMediaType(json::shorten(&text))),
        // What is in the document is compared as it is; clients do not fold it either.
        known if known.as_str() != media_type => {
            Err(ManifestError::UnknownMediaType(json::shorten(media_type)))
        }
        known => Ok(known),
    }
}

/// Whether a document that calls itself `body` may come under that header. The two types of schema
/// 1 differ in the signatures only, which the document has or has not.
fn same_kind(header: &MediaType, body: &str) -> bool {
    header.as_str() == body
        || (header.is_schema1() && known(body).is_ok_and(|body| body.is_schema1()))
}

fn wire_name(media_type: &MediaType) -> &'static str {
    match media_type {
        MediaType::DockerSchema1 | MediaType::DockerSchema1Signed => media_type::DOCKER_SCHEMA1,
        MediaType::DockerSchema2 => media_type::DOCKER_SCHEMA2,
        MediaType::DockerList => media_type::DOCKER_LIST,
        MediaType::OciIndex => media_type::OCI_INDEX,
        MediaType::OciArtifact => media_type::OCI_ARTIFACT,
        _ => media_type::OCI_MANIFEST,
    }
}

/// What a document must say about itself.
fn check_declarations(media_type: &MediaType, raw: &RawManifest) -> Result<(), ManifestError> {
    let name = wire_name(media_type);
    // The artifact manifest has no schemaVersion, and Docker's types require mediaType.
    if *media_type != MediaType::OciArtifact && raw.schema_version != Some(2) {
        return Err(ManifestError::SchemaVersion { media_type: name });
    }
    let needs_type = !matches!(media_type, MediaType::OciManifest | MediaType::OciIndex);
    if needs_type && raw.media_type.is_none() {
        return Err(ManifestError::Missing { media_type: name, field: "mediaType" });
    }
    if *media_type == MediaType::OciArtifact && raw.artifact_type.is_none() {
        return Err(ManifestError::Missing { media_type: name, field: "artifactType" });
    }
    Ok(())
}

/// Refuses documents that also look like another type, and those without their essential part.
fn check_shape(media_type: &MediaType, raw: &RawManifest) -> Result<(), ManifestError> {
    let name = wire_name(media_type);
    let fields = [
        ("config", raw.config.is_some()),
        ("layers", raw.layers.is_some()),
        ("manifests", raw.manifests.is_some()),
        ("fsLayers", raw.has_fs_layers),
    ];
    let own: &[&str] = match media_type {
        MediaType::DockerList | MediaType::OciIndex => &["manifests"],
        MediaType::OciArtifact => &[],
        MediaType::DockerSchema1 | MediaType::DockerSchema1Signed => &["fsLayers"],
        _ => &["config", "layers"],
    };
    for (field, present) in fields {
        if present && !own.contains(&field) {
            return Err(ManifestError::Ambiguous { media_type: name, field });
        }
    }
    // An absent list is an empty one: some clients write neither `[]` nor `null`.
    if own.contains(&"config") && raw.config.is_none() {
        return Err(ManifestError::Missing { media_type: name, field: "config" });
    }
    Ok(())
}

fn list(
    raw: Option<RawDescriptors>,
    field: &str,
    strictness: Strictness,
) -> Result<Vec<Descriptor>, ManifestError> {
    raw.unwrap_or_default()
        .0
        .into_iter()
        .enumerate()
        .map(|(index, raw)| {
            raw.check(strictness).map_err(|problem| {
                let path = format!("{field}[{index}]");
                ManifestError::Descriptor { path, problem }
            })
        })
        .collect()
}
