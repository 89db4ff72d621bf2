// SPDX-License-Identifier: Apache-2.0
//! Docker image manifests of schema 1, which clients of old still push and pull.
//!
//! A document carries its own signatures in the pretty-printed JWS form of Docker's libtrust. The
//! signed text, the payload, is what was there before the signatures were inserted; it is what
//! counts, and its digest names the manifest. [`Document`] reads and verifies, [`SigningKey`]
//! signs, [`convert`] makes schema 1 of schema 2 for clients that do not know the latter.

mod convert;
mod jws;
mod key;
mod public_key;

pub use convert::{ConvertError, EMPTY_LAYER, EMPTY_LAYER_GZIP, convert};
pub use jws::{SignError, SignatureError, Signed};
pub use key::{KeyError, SigningKey};
pub use public_key::PublicKey;
use serde::Deserialize;

use crate::{
    Digest, DigestError,
    json::{self, Bounded},
    manifest::MAX_DESCRIPTORS,
};

/// A schema 1 manifest as read from its payload.
#[derive(Clone, Debug)]
pub struct Document {
    name: String,
    tag: String,
    architecture: String,
    layers: Vec<Digest>,
    history: Vec<String>,
    payload: Vec<u8>,
    signatures: Vec<jws::Signature>,
}

/// Why a document is no schema 1 manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The payload cannot be decoded.
    #[error("the schema 1 manifest is not acceptable JSON: {0}")]
    Json(String),
    /// `schemaVersion` is missing or another.
    #[error("the schemaVersion of a schema 1 manifest is 1")]
    SchemaVersion,
    /// There is nothing in it.
    #[error("a schema 1 manifest needs at least one entry in fsLayers")]
    NoLayers,
    /// Layers and history belong together pairwise.
    #[error("the schema 1 manifest has {layers} entries in fsLayers but {history} in history")]
    UnequalLengths {
        /// Entries in `fsLayers`.
        layers: usize,
        /// Entries in `history`.
        history: usize,
    },
    /// A layer's digest does not parse.
    #[error("fsLayers[{index}]: {problem}")]
    Layer {
        /// Position in `fsLayers`.
        index: usize,
        /// What is wrong with it.
        problem: DigestError,
    },
    /// The signatures do not even say what they sign.
    #[error(transparent)]
    Signatures(#[from] SignatureError),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    schema_version: Option<i64>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    fs_layers: Bounded<FsLayer, MAX_DESCRIPTORS>,
    #[serde(default)]
    history: Bounded<History, MAX_DESCRIPTORS>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FsLayer {
    blob_sum: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    v1_compatibility: String,
}

impl Document {
    /// Reads a document with or without signatures. They are not verified here, see
    /// [`Document::verify`].
    ///
    /// # Errors
    /// When it is no schema 1 manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let (payload, signatures) = match jws::split(bytes)? {
            Some(signed) => signed,
            None => (bytes.to_vec(), Vec::new()),
        };
        let decoded: Payload = json::decode(&payload).map_err(DocumentError::Json)?;
        if decoded.schema_version != Some(1) {
            return Err(DocumentError::SchemaVersion);
        }
        let (layers, history) = (decoded.fs_layers.0, decoded.history.0);
        if layers.len() != history.len() {
            let (layers, history) = (layers.len(), history.len());
            return Err(DocumentError::UnequalLengths { layers, history });
        }
        if layers.is_empty() {
            return Err(DocumentError::NoLayers);
        }
        let mut digests = Vec::with_capacity(layers.len());
        for (index, layer) in layers.iter().enumerate() {
            let digest = Digest::parse(&layer.blob_sum)
                .map_err(|problem| DocumentError::Layer { index, problem })?;
            digests.push(digest);
        }
        digests.reverse();
        Ok(Self {
            name: decoded.name,
            tag: decoded.tag,
            architecture: decoded.architecture,
            layers: digests,
            history: history.into_iter().rev().map(|entry| entry.v1_compatibility).collect(),
            payload,
            signatures,
        })
    }

    /// Verifies every signature with the key that comes with it, which tells that the document is
    /// whole, not who made it.
    ///
    /// # Errors
    /// When there is no signature, or one that does not hold.
    pub fn verify(&self) -> Result<Vec<PublicKey>, SignatureError> {
        jws::verify(&self.payload, &self.signatures)
    }

    /// Whether it carries signatures.
    pub fn is_signed(&self) -> bool {
        !self.signatures.is_empty()
    }

    /// The document without its signatures; its digest is that of the manifest.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The repository it was made for, unchecked.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tag it was made for, unchecked.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The architecture of the image.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The layers, base first: the other way round than in the document.
    pub fn layers(&self) -> &[Digest] {
        &self.layers
    }

    /// What the document says about each layer, in the order of [`Document::layers`]: JSON that
    /// nobody has checked. The last one describes the image.
    pub fn history(&self) -> &[String] {
        &self.history
    }
}
