// SPDX-License-Identifier: Apache-2.0
//! Descriptors: how a manifest refers to content (OCI image-spec, descriptor.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{Strictness, wire::not_empty};
use crate::{Digest, DigestError, media_type};

/// A reference to content: type, digest and size.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size in bytes; at most `i64::MAX`.
    pub size: u64,
    /// Where else the content may be had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Arbitrary notes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Type of the artifact, when the descriptor points to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What the image runs on, in lists and indexes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// Whether the content may be missing from the registry because it may not be copied.
    pub fn is_nondistributable(&self) -> bool {
        media_type::is_nondistributable(&self.media_type)
    }
}

/// What an image runs on. Absent parts are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Architecture of the processor, as Go names it.
    #[serde(default)]
    pub architecture: String,
    /// Operating system, as Go names it.
    #[serde(default)]
    pub os: String,
    /// Version of the operating system.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Variant of the architecture, for example `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Why something is no descriptor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// A field that every descriptor needs.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The digest does not parse.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The size is negative or does not fit 63 bits.
    #[error("the size {0} is not between 0 and 9223372036854775807")]
    Size(i128),
}

/// A descriptor as decoded, not checked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawDescriptor {
    media_type: Option<String>,
    digest: Option<String>,
    size: Option<i128>,
    urls: Option<Vec<String>>,
    annotations: Option<BTreeMap<String, String>>,
    artifact_type: Option<String>,
    platform: Option<Platform>,
}

impl RawDescriptor {
    /// Only pushed documents must state the media type; nothing in storage depends on it.
    pub(super) fn check(self, strictness: Strictness) -> Result<Descriptor, DescriptorError> {
        let digest = self.digest.ok_or(DescriptorError::Missing("digest"))?;
        let size = self.size.ok_or(DescriptorError::Missing("size"))?;
        let media_type = self.media_type.unwrap_or_default();
        if media_type.is_empty() && strictness == Strictness::Pushed {
            return Err(DescriptorError::Missing("mediaType"));
        }
        Ok(Descriptor {
            media_type,
            digest: Digest::parse(&digest)?,
            size: i64::try_from(size)
                .ok()
                .and_then(|size| u64::try_from(size).ok())
                .ok_or(DescriptorError::Size(size))?,
            urls: self.urls.unwrap_or_default(),
            annotations: self.annotations.unwrap_or_default(),
            artifact_type: not_empty(self.artifact_type),
            platform: self.platform,
        })
    }
}

impl<'de> Deserialize<'de> for Descriptor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawDescriptor::deserialize(deserializer)?
            .check(Strictness::Stored)
            .map_err(D::Error::custom)
    }
}
