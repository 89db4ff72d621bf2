// SPDX-License-Identifier: Apache-2.0
//! Whether everything that a manifest names is there, of the size it says.

use std::collections::HashSet;

use futures_util::StreamExt;
use futures_util::stream;
use oci::media_type::DOCKER_FOREIGN_LAYER;
use oci::{Descriptor, Digest, Manifest, MediaType, RepositoryName, Role};
use serde::Serialize;

use crate::app::Call;
use crate::reply::error::{Code, Error, Result};

/// Look-ups at the same time.
const AT_ONCE: usize = 16;

/// Detail of a wrong size, as the original words it.
#[derive(Serialize)]
struct WrongSize {
    #[serde(rename = "Digest")]
    digest: String,
    #[serde(rename = "ActualSize")]
    actual: u64,
    #[serde(rename = "SizeInManifest")]
    stated: u64,
}

/// Checks everything but the subject, which may be missing (OCI distribution-spec, "Pushing
/// manifests with a subject").
pub(crate) async fn check(
    call: &Call<'_>,
    repository: &RepositoryName,
    manifest: &Manifest,
) -> Result<()> {
    let limit = call.settings().limits.manifest_references;
    let count = manifest.references().count();
    if count > limit {
        return Err(Error::new(Code::ManifestInvalid)
            .detail(format!("the manifest names {count} objects, at most {limit} are allowed")));
    }
    for layer in manifest.layers() {
        check_urls(call, manifest, layer)?;
    }
    let mut seen = HashSet::with_capacity(count);
    let distinct: Vec<_> =
        manifest.references().filter(|(_, d)| seen.insert((d.digest, d.size))).collect();
    let knows_sizes = manifest.knows_sizes();
    // In the order of the document, so that the first problem is always the same one.
    let checks: Vec<_> = distinct
        .into_iter()
        .map(|(role, descriptor)| one(call, repository, role, descriptor, knows_sizes))
        .collect();
    let mut checks = stream::iter(checks).buffered(AT_ONCE);
    while let Some(result) = checks.next().await {
        result?;
    }
    Ok(())
}

async fn one(
    call: &Call<'_>,
    repository: &RepositoryName,
    role: Role,
    descriptor: &Descriptor,
    knows_sizes: bool,
) -> Result<()> {
    let digest = &descriptor.digest;
    let is_manifest = !role.is_blob() && MediaType::parse(&descriptor.media_type).is_manifest();
    let stored = if is_manifest {
        call.store().confirm_manifest(repository, digest).await?.map(|m| m.bytes.len() as u64)
    } else {
        call.store().confirm_blob(repository, digest).await?.map(|blob| blob.size)
    };
    match stored {
        Some(actual) if knows_sizes && actual != descriptor.size => {
            Err(Error::new(Code::ManifestInvalid).detail(WrongSize {
                digest: digest.to_string(),
                actual,
                stated: descriptor.size,
            }))
        }
        Some(_) => Ok(()),
        None if may_be_absent(role, descriptor) => Ok(()),
        None => Err(Error::new(Code::ManifestBlobUnknown).detail(digest.to_string())),
    }
}

/// Layers that may not be distributed, and the empty layer that the registry serves by itself.
fn may_be_absent(role: Role, descriptor: &Descriptor) -> bool {
    (role == Role::Layer && descriptor.is_nondistributable())
        || Digest::parse(oci::schema1::EMPTY_LAYER).is_ok_and(|d| d == descriptor.digest)
}

/// Docker's rules for `urls`: a foreign layer has some, an ordinary one none. OCI has no such rule.
fn check_urls(call: &Call<'_>, manifest: &Manifest, layer: &Descriptor) -> Result<()> {
    let invalid = |what: String| Err(Error::new(Code::ManifestInvalid).detail(what));
    let digest = &layer.digest;
    if *manifest.media_type() == MediaType::DockerSchema2 {
        let is_foreign = layer.is_nondistributable();
        if layer.media_type == DOCKER_FOREIGN_LAYER && layer.urls.is_empty() {
            return invalid(format!("the foreign layer {digest} has no URL"));
        }
        if !is_foreign && !layer.urls.is_empty() {
            return invalid(format!("the layer {digest} has URLs, but is not a foreign layer"));
        }
    }
    let Some(policy) = &call.settings().layer_urls else { return Ok(()) };
    match layer.urls.iter().find(|url| !policy.is_allowed(url)) {
        None => Ok(()),
        Some(url) => {
            let shown: String = url.chars().take(200).collect();
            invalid(format!("the layer {digest} has the URL {shown:?}, which is not allowed here"))
        }
    }
}
