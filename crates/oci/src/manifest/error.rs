// SPDX-License-Identifier: Apache-2.0
//! What can be wrong with a manifest, in words for whoever pushed it.

use super::DescriptorError;
use crate::schema1;

/// Why a document is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It cannot be decoded.
    #[error("the manifest is not acceptable JSON: {0}")]
    Json(String),
    /// Neither the request nor the document says what it is.
    #[error("neither the Content-Type nor a mediaType field says what kind of manifest this is")]
    NoMediaType,
    /// A type that is not a manifest's.
    #[error("{0} is not a type of manifest that this registry knows")]
    UnknownMediaType(String),
    /// The document calls itself something else than the request does.
    #[error("the Content-Type is {content_type} but the manifest's mediaType is {body}")]
    MediaTypeMismatch {
        /// From the request.
        content_type: String,
        /// From the document.
        body: String,
    },
    /// `schemaVersion` is missing or another.
    #[error("the schemaVersion of {media_type} is 2")]
    SchemaVersion {
        /// What the document is.
        media_type: &'static str,
    },
    /// A field that the type needs is missing.
    #[error("a manifest of type {media_type} needs the field {field}")]
    Missing {
        /// What the document is.
        media_type: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A field that belongs to another type: readers would disagree on what the document is
    /// (CVE-2021-41190).
    #[error("a manifest of type {media_type} cannot have the field {field}")]
    Ambiguous {
        /// What the document is.
        media_type: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A descriptor is malformed.
    #[error("{path}: {problem}")]
    Descriptor {
        /// Where it stands, for example `layers[3]`.
        path: String,
        /// What is wrong with it.
        problem: DescriptorError,
    },
    /// A schema 1 document is malformed.
    #[error(transparent)]
    Schema1(#[from] schema1::DocumentError),
    /// A schema 1 document is not signed, or its signature does not hold. Registries answer this
    /// with an error code of its own.
    #[error(transparent)]
    Unverified(#[from] schema1::SignatureError),
}
