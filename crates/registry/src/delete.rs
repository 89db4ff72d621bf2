// SPDX-License-Identifier: Apache-2.0
//! `DELETE` of blobs, manifests and tags (registry.md 1.8). Whether anything may be deleted at all
//! the gate has decided before.

use http::StatusCode;
use httpd::Reply;
use oci::{Digest, Reference, RepositoryName};
use serde_json::json;

use crate::app::Call;
use crate::notifications::Happening;
use crate::pull::manifest::revision_unknown;
use crate::push::manifest::parse_reference;
use crate::reply::error::{Code, Error, Result};
use crate::reply::pages;

/// Takes a blob out of a repository; its bytes stay for other repositories and the collector.
pub(crate) async fn blob(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    digest: &str,
) -> Result<Reply> {
    let digest = Digest::parse(digest).map_err(|_| Error::digest_invalid(digest))?;
    if !call.store().unlink_blob(repository, &digest).await? {
        return Err(Error::new(Code::BlobUnknown).detail(digest.to_string()));
    }
    call.note(|| Happening::deleted(repository, Some(digest), None));
    Ok(pages::empty(StatusCode::ACCEPTED))
}

/// Removes a manifest with its tags, or one tag.
pub(crate) async fn manifest(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    reference: &str,
) -> Result<Reply> {
    match parse_reference(reference)? {
        Reference::Digest(digest) => {
            if !call.store().delete_manifest(repository, &digest).await? {
                return Err(revision_unknown(repository, &digest));
            }
            call.note(|| Happening::deleted(repository, Some(digest), None));
        }
        Reference::Tag(tag) => {
            if !call.store().delete_tag(repository, &tag).await? {
                return Err(
                    Error::new(Code::ManifestUnknown).detail(json!({ "Tag": tag.as_str() }))
                );
            }
            call.note(|| Happening::deleted(repository, None, Some(tag)));
        }
    }
    Ok(pages::empty(StatusCode::ACCEPTED))
}
