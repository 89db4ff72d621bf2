// SPDX-License-Identifier: Apache-2.0
//! `GET` and `HEAD manifests/<reference>` (registry.md 1.6).

use std::sync::{Arc, OnceLock};

use blobstore::StoredManifest;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use httpd::{Reply, ReplyBody};
use oci::schema1::{self, SignError, SigningKey};
use oci::{Digest, Manifest, MediaType, Reference, RepositoryName, Tag};
use quick_cache::sync::Cache;
use serde_json::json;
use storage::driver::Content;
use time::OffsetDateTime;

use super::accept::{Accepted, By, Plan};
use super::conditional::{self, Quotes, Verdict};
use crate::app::Call;
use crate::notifications::Happening;
use crate::push::manifest::parse_reference;
use crate::reply::error::{Code, Error, Result};
use crate::reply::headers::{DigestValues, With, from_text, name, number};

/// Resolves, negotiates, answers.
pub(crate) async fn get(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    reference: &str,
) -> Result<Reply> {
    let (stored, by, tag) = find(call, repository, reference).await?;
    let (stored, plan) = negotiate(call, repository, stored, by).await?;
    if plan == Plan::ToSchema1 {
        // The name that the converted manifest claims: conversion happens on pulls by tag only.
        let tag = tag.as_ref().map_or("", Tag::as_str);
        let signed = call.registry.conversions.convert(call, repository, &stored, tag).await?;
        return Ok(answer(call, &signed.0, &MediaType::DockerSchema1Signed, signed.1.clone()));
    }
    call.note(|| Happening::pulled_manifest(repository, &stored, tag.as_ref()));
    if stored.media_type.is_schema1() {
        let signed = call.registry.conversions.sign(&stored)?;
        return Ok(answer(call, &stored.digest, &MediaType::DockerSchema1Signed, signed));
    }
    Ok(answer(call, &stored.digest, &stored.media_type, stored.bytes.clone()))
}

/// The manifest that a reference means.
async fn find(
    call: &Call<'_>,
    repository: &RepositoryName,
    reference: &str,
) -> Result<(Arc<StoredManifest>, By, Option<Tag>)> {
    let store = call.store();
    let tag_unknown = |tag: &str| Error::new(Code::ManifestUnknown).detail(json!({ "Tag": tag }));
    match parse_reference(reference) {
        Ok(Reference::Digest(digest)) => match store.manifest(repository, &digest).await? {
            Some(stored) => Ok((stored, By::Digest, None)),
            None => Err(revision_unknown(repository, &digest)),
        },
        Ok(Reference::Tag(tag)) => {
            let Some(digest) = store.resolve_tag(repository, &tag).await? else {
                return Err(if store.has_repository(repository).await? {
                    tag_unknown(tag.as_str())
                } else {
                    Error::new(Code::NameUnknown)
                });
            };
            match store.manifest(repository, &digest).await? {
                Some(stored) => Ok((stored, By::Tag, Some(tag))),
                None => Err(tag_unknown(tag.as_str())),
            }
        }
        // What cannot be a tag is a manifest that is not there (OCI distribution-spec, "Pulling
        // manifests": 404).
        Err(error) if error.code() == Code::TagInvalid => Err(tag_unknown(reference)),
        Err(error) => Err(error),
    }
}

/// 404 with the detail of the original, its keys in the original's order.
pub(crate) fn revision_unknown(repository: &RepositoryName, digest: &Digest) -> Error {
    Error::new(Code::ManifestUnknown)
        .detail(json!({ "Name": repository.as_str(), "Revision": digest.to_string() }))
}

/// Applies the negotiation table; a list may lead to one of its entries.
async fn negotiate(
    call: &Call<'_>,
    repository: &RepositoryName,
    stored: Arc<StoredManifest>,
    by: By,
) -> Result<(Arc<StoredManifest>, Plan)> {
    let accepted = Accepted::of(&call.head.headers);
    let refuse = |message| Err(Error::new(Code::ManifestUnknown).message(message));
    match accepted.plan(&stored.media_type, by) {
        Plan::Refuse(message) => refuse(message),
        Plan::FirstOfList => {
            let entry =
                linux_amd64(&stored.bytes).ok_or_else(|| Error::new(Code::ManifestUnknown))?;
            let entry = call
                .store()
                .manifest(repository, &entry)
                .await?
                .ok_or_else(|| Error::new(Code::ManifestUnknown))?;
            match accepted.plan(&entry.media_type, By::Tag) {
                Plan::Refuse(message) => refuse(message),
                // A list in a list: one step only.
                Plan::FirstOfList => Ok((entry, Plan::AsStored)),
                plan => Ok((entry, plan)),
            }
        }
        plan => Ok((stored, plan)),
    }
}

/// The first entry of a list for linux/amd64.
fn linux_amd64(list: &[u8]) -> Option<Digest> {
    let list = Manifest::from_stored(list).ok()?;
    let entry = list.manifests().iter().find(|entry| {
        entry.platform.as_ref().is_some_and(|p| p.os == "linux" && p.architecture == "amd64")
    })?;
    Some(entry.digest)
}

/// 200, or 304.
fn answer(call: &Call<'_>, digest: &Digest, media_type: &MediaType, bytes: Bytes) -> Reply {
    let values = DigestValues::of(digest);
    let headers = &call.head.headers;
    let status = match conditional::evaluate(headers, &values.quoted, Quotes::Optional) {
        Verdict::NotModified => StatusCode::NOT_MODIFIED,
        Verdict::Failed => StatusCode::PRECONDITION_FAILED,
        Verdict::Proceed => StatusCode::OK,
    };
    let reply = Reply::new(status)
        .with(&name::CONTENT_DIGEST, values.plain)
        .with(&header::ETAG, values.quoted);
    if status != StatusCode::OK {
        return reply;
    }
    let reply = reply
        .with(&header::CONTENT_TYPE, content_type(media_type))
        .with(&header::CONTENT_LENGTH, number(bytes.len() as u64));
    if call.head.method == Method::HEAD {
        return reply;
    }
    reply.with_body(ReplyBody::Bytes(bytes))
}

/// Without an allocation for the types that registries hold.
fn content_type(media_type: &MediaType) -> HeaderValue {
    macro_rules! known {
        ($($variant:ident = $constant:ident),*) => {
            match media_type {
                $(MediaType::$variant => HeaderValue::from_static(oci::media_type::$constant),)*
                MediaType::Other(text) => from_text(text.as_str()),
            }
        };
    }
    known!(
        DockerSchema1 = DOCKER_SCHEMA1,
        DockerSchema1Signed = DOCKER_SCHEMA1_SIGNED,
        DockerSchema2 = DOCKER_SCHEMA2,
        DockerList = DOCKER_LIST,
        OciManifest = OCI_MANIFEST,
        OciIndex = OCI_INDEX,
        OciArtifact = OCI_ARTIFACT
    )
}

/// Signed schema 1 manifests, made when asked for: forms of schema 2 images, and stored schema 1
/// manifests with a signature. Remembered, so that a HEAD and the GET after it see the same
/// signature and length.
pub(crate) struct Conversions {
    /// Few registries ever need it, and making one delays the start.
    key: OnceLock<SigningKey>,
    made: Cache<(Digest, RepositoryName, String), Arc<(Digest, Bytes)>>,
    signed: Cache<Digest, Bytes>,
}

/// Conversions remembered; some 10 KiB each.
const CONVERSIONS: usize = 256;

/// Largest image configuration that is read for a conversion.
const MAX_CONFIG: u64 = 4 << 20;

impl Conversions {
    pub(crate) fn new(key: Option<SigningKey>) -> Self {
        let key = key.map(OnceLock::from).unwrap_or_default();
        Self { key, made: Cache::new(CONVERSIONS), signed: Cache::new(CONVERSIONS) }
    }

    fn key(&self) -> Result<&SigningKey> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let made = SigningKey::generate().map_err(|error| {
            Error::new(Code::Unknown).detail("the manifest cannot be signed").caused_by(error)
        })?;
        // Another request may have been faster: all use the one that was set.
        Ok(self.key.get_or_init(|| made))
    }

    /// A stored schema 1 manifest with a signature of ours: only its payload is stored.
    fn sign(&self, stored: &StoredManifest) -> Result<Bytes> {
        if let Some(signed) = self.signed.get(&stored.digest) {
            return Ok(signed);
        }
        let signed = match self.key()?.sign(&stored.bytes, OffsetDateTime::now_utc()) {
            Ok(signed) => Bytes::from(signed.bytes),
            // Another registry stored it so, and its digest is that of the whole.
            Err(SignError::Signed) => return Ok(stored.bytes.clone()),
            Err(error) => {
                return Err(Error::new(Code::Unknown)
                    .detail("the manifest cannot be signed")
                    .caused_by(error));
            }
        };
        self.signed.insert(stored.digest, signed.clone());
        Ok(signed)
    }

    async fn convert(
        &self,
        call: &Call<'_>,
        repository: &RepositoryName,
        stored: &StoredManifest,
        tag: &str,
    ) -> Result<Arc<(Digest, Bytes)>> {
        let key = (stored.digest, repository.clone(), tag.to_owned());
        if let Some(made) = self.made.get(&key) {
            return Ok(made);
        }
        let invalid = |why: String| Error::new(Code::ManifestInvalid).detail(why);
        let manifest = Manifest::from_stored(&stored.bytes).map_err(|e| invalid(e.to_string()))?;
        let config = manifest.config().map(|config| config.digest);
        let config = match config {
            Some(digest) => read_config(call, repository, &digest).await?,
            None => return Err(invalid("the manifest names no image configuration".into())),
        };
        let now = OffsetDateTime::now_utc();
        let signed =
            schema1::convert(&manifest, &config, repository.as_str(), tag, self.key()?, now)
                .map_err(|error| {
                    invalid(format!(
                        "the client does not accept schema 2, and a conversion to schema 1 is not \
                         possible: {error}"
                    ))
                })?;
        let made = Arc::new((signed.digest, Bytes::from(signed.bytes)));
        self.made.insert(key, Arc::clone(&made));
        Ok(made)
    }
}

async fn read_config(
    call: &Call<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Bytes> {
    let missing = || Error::new(Code::ManifestBlobUnknown).detail(digest.to_string());
    let blob = call.store().open_blob(repository, digest).await?.ok_or_else(missing)?;
    if blob.size > MAX_CONFIG {
        return Err(Error::new(Code::ManifestInvalid)
            .detail(format!("the image configuration has more than {MAX_CONFIG} bytes")));
    }
    let failed = |error: std::io::Error| {
        Error::new(Code::Unknown)
            .detail("the registry's storage failed; see the log")
            .caused_by(error)
    };
    match blob.content(0, blob.size).await? {
        Content::Bytes(bytes) => Ok(bytes),
        Content::File { file, offset, len } => {
            let read = move || {
                use std::os::unix::fs::FileExt;
                // At most MAX_CONFIG.
                let mut bytes = vec![0; len as usize];
                file.read_exact_at(&mut bytes, offset).map(|()| Bytes::from(bytes))
            };
            let done = tokio::task::spawn_blocking(read).await;
            done.map_err(|_| failed(std::io::Error::other("the read was stopped")))?.map_err(failed)
        }
        Content::Stream { mut stream, len } => {
            use futures_util::StreamExt;
            let mut bytes = Vec::new();
            while let Some(chunk) = stream.next().await {
                bytes.extend_from_slice(&chunk.map_err(failed)?);
                if bytes.len() as u64 > len {
                    return Err(failed(std::io::Error::other("more bytes than announced")));
                }
            }
            Ok(Bytes::from(bytes))
        }
    }
}
