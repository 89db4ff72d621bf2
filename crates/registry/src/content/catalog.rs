// SPDX-License-Identifier: Apache-2.0
//! `GET _catalog` (registry.md 1.11): repositories, sorted, in pages.

use http::{StatusCode, header};
use httpd::Reply;
use serde::Serialize;

use super::page::{self, Beyond};
use crate::app::Call;
use crate::reply::error::Result;
use crate::reply::headers::With;
use crate::reply::pages;

/// Page length when the client names none.
const DEFAULT_PAGE: usize = 100;

#[derive(Serialize)]
struct Catalog<'a> {
    repositories: &'a [String],
}

/// One page of repositories.
pub(crate) async fn list(call: &Call<'_>) -> Result<Reply> {
    let query = call.head.target.query();
    let max = call.settings().limits.catalog_page;
    let size = page::size(query, DEFAULT_PAGE, max, Beyond::Refuse)?;
    let after = page::after(query);
    let found = call.store().repositories(after.as_deref(), size).await?;
    let list = Catalog { repositories: &found.items };
    let mut body = serde_json::to_vec(&list).expect("strings become JSON");
    body.push(b'\n');
    let reply = pages::json(StatusCode::OK, body);
    Ok(match found.items.last() {
        Some(last) if found.more => {
            let path = format!("{}/v2/_catalog", call.settings().prefix);
            reply.with(&header::LINK, page::next(&path, "", last, size))
        }
        _ => reply,
    })
}
