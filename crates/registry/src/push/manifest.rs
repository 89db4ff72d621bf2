// SPDX-License-Identifier: Apache-2.0
//! `PUT manifests/<reference>` (registry.md 1.7).

use blobstore::ManifestWrite;
use bytes::Bytes;
use http::{StatusCode, header};
use httpd::{Body, BodyError, Reply};
use oci::{
    Algorithm, Digest, Manifest, ManifestError, MediaType, Reference, RepositoryName, Tag,
    media_type,
};

use super::references;
use crate::app::Call;
use crate::notifications::Happening;
use crate::query;
use crate::reply::error::{Code, Error, Result};
use crate::reply::headers::{DigestValues, With, from_text, name};
use crate::reply::{location, pages};

/// Reads, checks, stores and tags.
pub(crate) async fn put(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    reference: &str,
    body: &mut Body<'_>,
) -> Result<Reply> {
    let reference = parse_reference(reference)?;
    let named = names(call, &reference)?;
    let bytes = read(call, body).await?;
    let manifest = parse(call, &bytes)?;
    check_class(call, &manifest)?;
    let digest = verify_digest(&manifest, &bytes, &reference)?;
    if call.settings().validation_enabled {
        references::check(call, repository, &manifest).await?;
    }
    let size = bytes.len() as u64;
    let bytes = to_store(&manifest, bytes);
    let write = ManifestWrite { manifest: &manifest, bytes, digest, tags: &named };
    call.store().put_manifest(repository, write).await?;
    call.note(|| Happening::pushed_manifest(repository, &manifest, digest, size, named.first()));

    let base = location::base(call.head, call.settings());
    let mut reply = pages::empty(StatusCode::CREATED)
        .with(&header::LOCATION, from_text(format!("{base}/v2/{repository}/manifests/{digest}")))
        .with(&name::CONTENT_DIGEST, DigestValues::of(&digest).plain);
    if let Some(subject) = manifest.subject() {
        let subject = DigestValues::of(&subject.digest).plain;
        reply.headers.insert(&name::OCI_SUBJECT, subject);
    }
    if reference.tag().is_none() {
        for tag in &named {
            reply.headers.append(&name::OCI_TAG, from_text(tag.as_str()));
        }
    }
    Ok(reply)
}

/// What is kept: the bytes as pushed, but of schema 1 only what the digest covers. Distribution
/// does not keep signatures either and signs anew with its own key when such a manifest is pulled.
fn to_store(manifest: &Manifest, bytes: Bytes) -> Bytes {
    match manifest.schema1() {
        Some(document) => Bytes::copy_from_slice(document.payload()),
        None => bytes,
    }
}

/// A reference as it stands in a URL: whatever has a colon must be a digest (registry.md 1.3).
pub(crate) fn parse_reference(text: &str) -> Result<Reference> {
    if text.contains(':') {
        return Digest::parse(text).map(Reference::Digest).map_err(|_| Error::digest_invalid(text));
    }
    Tag::parse(text).map(Reference::Tag).map_err(|_| {
        let shown: String = text.chars().take(200).collect();
        Error::new(Code::TagInvalid).detail(format!(
            "{shown:?} is not a tag: letters, digits, _ . and -, not first . or -, at most 128"
        ))
    })
}

/// The tags to set: the reference, or the `tag` parameters of a push by digest.
fn names(call: &Call<'_>, reference: &Reference) -> Result<Vec<Tag>> {
    if let Reference::Tag(tag) = reference {
        return Ok(vec![tag.clone()]);
    }
    let limit = call.settings().limits.tag_parameters;
    let mut tags: Vec<Tag> = Vec::new();
    for text in query::all(call.head.target.query(), "tag") {
        let tag = match parse_reference(&text)? {
            Reference::Tag(tag) => tag,
            Reference::Digest(_) => {
                return Err(Error::new(Code::TagInvalid).detail("a tag cannot be a digest"));
            }
        };
        if tags.contains(&tag) {
            continue;
        }
        if tags.len() == limit {
            return Err(Error::new(Code::TagInvalid)
                .status(StatusCode::URI_TOO_LONG)
                .detail(format!("at most {limit} tag parameters are allowed")));
        }
        tags.push(tag);
    }
    Ok(tags)
}

async fn read(call: &Call<'_>, body: &mut Body<'_>) -> Result<Bytes> {
    let limit = call.settings().limits.manifest_bytes;
    let too_large = || {
        Error::new(Code::ManifestInvalid)
            .status(StatusCode::PAYLOAD_TOO_LARGE)
            .detail(format!("a manifest may have {limit} bytes at most"))
    };
    if body.announced().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    match body.collect(limit).await {
        Ok(bytes) => Ok(bytes),
        Err(BodyError::TooLarge { .. }) => Err(too_large()),
        Err(error) => Err(error.into()),
    }
}

fn parse(call: &Call<'_>, bytes: &[u8]) -> Result<Manifest> {
    let content_type =
        call.head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let manifest = Manifest::parse(content_type, bytes).map_err(|error| {
        let code = match &error {
            ManifestError::Unverified(_) => Code::ManifestUnverified,
            _ => Code::ManifestInvalid,
        };
        Error::new(code).detail(error.to_string())
    })?;
    if *manifest.media_type() == MediaType::DockerSchema2 && !call.settings().accept_schema2 {
        return Err(Error::new(Code::ManifestInvalid).detail("manifest V2 schema 2 not allowed"));
    }
    Ok(manifest)
}

/// `policy.repository.classes`: what kind of thing a config's media type makes of an image. Indexes
/// have no class, their children have.
fn check_class(call: &Call<'_>, manifest: &Manifest) -> Result<()> {
    let allowed = &call.settings().classes;
    if allowed.is_empty() {
        return Ok(());
    }
    let denied = |message: String| Err(Error::new(Code::Denied).message(message));
    let class = match (manifest.media_type(), manifest.config()) {
        (kind, _) if kind.is_schema1() => "image",
        (_, Some(config)) => match config.media_type.as_str() {
            media_type::DOCKER_CONFIG | media_type::OCI_CONFIG => "image",
            media_type::DOCKER_PLUGIN_CONFIG => "plugin",
            other => return denied(format!("unknown manifest class for {other}")),
        },
        (_, None) => return Ok(()),
    };
    if allowed.iter().any(|name| name == class) {
        return Ok(());
    }
    denied(format!("registry does not allow {class} manifest"))
}

/// The digest under which the manifest is stored; the one of the URL must be it.
fn verify_digest(manifest: &Manifest, bytes: &[u8], reference: &Reference) -> Result<Digest> {
    let Reference::Digest(named) = reference else {
        return Ok(manifest.digest(Algorithm::Sha256, bytes));
    };
    let actual = manifest.digest(named.algorithm(), bytes);
    if actual != *named {
        return Err(Error::new(Code::DigestInvalid)
            .detail(format!("the manifest has the digest {actual}, the URL says {named}")));
    }
    Ok(actual)
}
