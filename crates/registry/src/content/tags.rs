// SPDX-License-Identifier: Apache-2.0
//! `GET tags/list` (registry.md 1.11): sorted, in pages.

use http::{StatusCode, header};
use httpd::Reply;
use oci::RepositoryName;
use serde::Serialize;
use serde_json::json;

use super::page::{self, Beyond};
use crate::app::Call;
use crate::reply::error::{Code, Error, Result};
use crate::reply::headers::With;
use crate::reply::pages;

#[derive(Serialize)]
struct TagList<'a> {
    name: &'a str,
    tags: &'a [String],
}

/// One page of tags. Without `n` it is the longest that is allowed.
pub(crate) async fn list(call: &Call<'_>, repository: &RepositoryName) -> Result<Reply> {
    let query = call.head.target.query();
    let max = call.settings().limits.tags_page;
    let size = page::size(query, max, max, Beyond::Clamp)?;
    let after = page::after(query);
    let found = call.store().tags(repository, after.as_deref(), size).await?.ok_or_else(|| {
        Error::new(Code::NameUnknown).detail(json!({ "name": repository.as_str() }))
    })?;
    let list = TagList { name: repository.as_str(), tags: &found.items };
    let mut body = serde_json::to_vec(&list).expect("strings become JSON");
    body.push(b'\n');
    let reply = pages::json(StatusCode::OK, body);
    Ok(match found.items.last() {
        Some(last) if found.more => {
            let path = format!("{}/v2/{repository}/tags/list", call.settings().prefix);
            reply.with(&header::LINK, page::next(&path, "", last, size))
        }
        _ => reply,
    })
}
