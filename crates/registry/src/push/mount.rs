// SPDX-License-Identifier: Apache-2.0
//! Cross-repository mount (registry.md 1.10): a blob that the caller may pull elsewhere needs no
//! upload. When it does not work out, for whatever reason, the caller gets an upload session.

use blobstore::BlobInfo;
use oci::{Digest, RepositoryName};
use ports::{Access, Decision, Verb};

use crate::app::Call;
use crate::notifications::Happening;
use crate::query;
use crate::reply::error::Result;

/// Most repositories asked about in an anonymous mount; each may cost a review.
const MAX_CANDIDATES: usize = 16;

/// Mounts, or answers `None`.
pub(crate) async fn try_mount(
    call: &mut Call<'_>,
    to: &RepositoryName,
    digest: &Digest,
) -> Result<Option<BlobInfo>> {
    let sources = if query::has(call.head.target.query(), "from") {
        call.caller.mount_from.iter().cloned().collect()
    } else {
        readable_holders(call, digest).await
    };
    for source in sources {
        // The store looks at the source's own link: what a cache says gives nobody access.
        if let Some(blob) = call.store().mount_blob(&source, to, digest).await? {
            let size = blob.size;
            call.note(|| Happening::mounted_blob(to, source, *digest, size));
            return Ok(Some(BlobInfo { digest: *digest, ..blob }));
        }
    }
    Ok(None)
}

/// Repositories known to hold the blob that the caller may pull from.
async fn readable_holders(call: &Call<'_>, digest: &Digest) -> Vec<RepositoryName> {
    let mut holders = call.store().known_holders(digest);
    holders.truncate(MAX_CANDIDATES);
    if call.registry.authorizer.is_open() || holders.is_empty() {
        return holders;
    }
    let wanted: Vec<_> =
        holders.iter().map(|name| Access::repository(Verb::Pull, name.clone())).collect();
    let caller = call.caller;
    let decisions =
        call.registry.authorizer.decide(&caller.identity, &caller.credentials, &wanted).await;
    // An authority that does not answer only costs the caller an upload.
    let decisions = decisions.unwrap_or_default();
    let allowed = decisions.iter().map(Decision::is_allowed);
    holders.into_iter().zip(allowed).filter_map(|(name, yes)| yes.then_some(name)).collect()
}
