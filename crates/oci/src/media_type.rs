// SPDX-License-Identifier: Apache-2.0
//! Media types on the wire: of manifests, which decide how a document is read, and of what
//! manifests refer to.

use std::fmt;

/// Docker image manifest, schema 1, without signatures.
pub const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// Docker image manifest, schema 1, signed.
pub const DOCKER_SCHEMA1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
/// Docker image manifest, schema 2.
pub const DOCKER_SCHEMA2: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI artifact manifest: in release candidates of image-spec 1.1 only, but artifacts of it exist.
pub const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

/// Configuration of a Docker image.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Configuration of a Docker plugin.
pub const DOCKER_PLUGIN_CONFIG: &str = "application/vnd.docker.plugin.v1+json";
/// Configuration of an OCI image.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The blob `{}`, which stands for "nothing" in artifacts.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Layer of a Docker image, compressed with gzip.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Layer of a Docker image, not compressed.
pub const DOCKER_LAYER_TAR: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// Layer of a Docker image that lies elsewhere and may not be copied.
pub const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
/// Like [`DOCKER_FOREIGN_LAYER`], not compressed.
pub const DOCKER_FOREIGN_LAYER_TAR: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";
/// Layer of an OCI image.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Layer of an OCI image, compressed with gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Layer of an OCI image, compressed with zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// OCI layer that may not be distributed; deprecated, but registries must still accept it.
pub const OCI_NONDISTRIBUTABLE: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
/// Like [`OCI_NONDISTRIBUTABLE`], compressed with gzip.
pub const OCI_NONDISTRIBUTABLE_GZIP: &str =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
/// Like [`OCI_NONDISTRIBUTABLE`], compressed with zstd.
pub const OCI_NONDISTRIBUTABLE_ZSTD: &str =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";

/// Whether a layer of this type may be missing from the registry because it may not be copied.
pub fn is_nondistributable(media_type: &str) -> bool {
    matches!(
        media_type,
        DOCKER_FOREIGN_LAYER
            | DOCKER_FOREIGN_LAYER_TAR
            | OCI_NONDISTRIBUTABLE
            | OCI_NONDISTRIBUTABLE_GZIP
            | OCI_NONDISTRIBUTABLE_ZSTD
    )
}

/// The media type without parameters (RFC 9110, section 8.3.1).
pub(crate) fn essence(header: &str) -> &str {
    header.split(';').next().unwrap_or_default().trim_matches([' ', '\t'])
}

/// The type of a manifest.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MediaType {
    /// [`DOCKER_SCHEMA1`].
    DockerSchema1,
    /// [`DOCKER_SCHEMA1_SIGNED`].
    DockerSchema1Signed,
    /// [`DOCKER_SCHEMA2`].
    DockerSchema2,
    /// [`DOCKER_LIST`].
    DockerList,
    /// [`OCI_MANIFEST`].
    OciManifest,
    /// [`OCI_INDEX`].
    OciIndex,
    /// [`OCI_ARTIFACT`].
    OciArtifact,
    /// Any other; no parsed manifest has it.
    Other(String),
}

impl MediaType {
    const KNOWN: [Self; 7] = [
        Self::DockerSchema1,
        Self::DockerSchema1Signed,
        Self::DockerSchema2,
        Self::DockerList,
        Self::OciManifest,
        Self::OciIndex,
        Self::OciArtifact,
    ];

    /// Reads a media type as headers have it: parameters are dropped and upper case counts as
    /// lower case.
    pub fn parse(text: &str) -> Self {
        let text = essence(text);
        Self::KNOWN
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(text))
            .unwrap_or_else(|| Self::Other(text.to_owned()))
    }

    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::DockerSchema1 => DOCKER_SCHEMA1,
            Self::DockerSchema1Signed => DOCKER_SCHEMA1_SIGNED,
            Self::DockerSchema2 => DOCKER_SCHEMA2,
            Self::DockerList => DOCKER_LIST,
            Self::OciManifest => OCI_MANIFEST,
            Self::OciIndex => OCI_INDEX,
            Self::OciArtifact => OCI_ARTIFACT,
            Self::Other(text) => text,
        }
    }

    /// Whether documents of this type refer to manifests.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::DockerList | Self::OciIndex)
    }

    /// Whether it is one of the two forms of schema 1.
    pub fn is_schema1(&self) -> bool {
        matches!(self, Self::DockerSchema1 | Self::DockerSchema1Signed)
    }

    /// Whether it is one of the types of the OCI image-spec.
    pub fn is_oci(&self) -> bool {
        matches!(self, Self::OciManifest | Self::OciIndex | Self::OciArtifact)
    }

    /// Whether we know how to read a manifest of this type.
    pub fn is_manifest(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
