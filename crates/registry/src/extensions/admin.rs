// SPDX-License-Identifier: Apache-2.0
//! `DELETE /admin/blobs/<digest>` (registry.md 1.13): the image pruner's last step, removing the
//! bytes of a blob whoever refers to them.

use http::StatusCode;
use httpd::Reply;
use oci::Digest;

use crate::app::Call;
use crate::reply::error::Result;
use crate::reply::pages;

/// 204, also for a blob that does not exist.
pub(crate) async fn remove_blob(call: &Call<'_>, digest: &str) -> Result<Reply> {
    // The original's router knows no such path.
    let Ok(digest) = Digest::parse(digest) else { return Ok(pages::not_found()) };
    call.store().remove_blob(&digest).await?;
    Ok(Reply::new(StatusCode::NO_CONTENT))
}
