// SPDX-License-Identifier: Apache-2.0
//! `GET referrers/<digest>` (OCI distribution-spec, "Listing referrers"): an index of the manifests
//! whose subject is that digest, those of the fallback tag of older clients folded in.

use std::collections::BTreeMap;

use http::{HeaderValue, StatusCode, header};
use httpd::{Reply, ReplyBody};
use oci::{Descriptor, Digest, Manifest, RepositoryName};
use serde::Serialize;

use super::page::{self, Beyond};
use crate::app::Call;
use crate::query;
use crate::reply::error::{Error, Result};
use crate::reply::headers::{With, name, value};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: &'a [Descriptor],
}

/// One page of referrers, ascending by digest; an unknown subject has none.
pub(crate) async fn list(
    call: &Call<'_>,
    repository: &RepositoryName,
    subject: &str,
) -> Result<Reply> {
    let subject = Digest::parse(subject).map_err(|_| Error::digest_invalid(subject))?;
    let query = call.head.target.query();
    let max = call.settings().limits.referrers_page;
    let size = page::size(query, max, max, Beyond::Clamp)?;
    let wanted_type = query::first(query, "artifactType").filter(|t| !t.is_empty());
    let after = match page::after(query) {
        Some(text) => Some(Digest::parse(&text).map_err(|_| Error::digest_invalid(&text))?),
        None => None,
    };
    let wanted = Wanted { subject, after, artifact_type: wanted_type.as_deref() };

    let mut found: Vec<_> = wanted.find(call, repository, size + 1).await?.into_values().collect();
    let (body, more) = page_body(&mut found, size, call.settings().limits.manifest_bytes);

    let mut reply = Reply::new(StatusCode::OK)
        .with(&header::CONTENT_TYPE, value::OCI_INDEX.clone())
        .with_body(ReplyBody::Bytes(body.into()));
    if wanted_type.is_some() {
        reply.headers.insert(&name::OCI_FILTERS, HeaderValue::from_static("artifactType"));
    }
    if let Some(last) = found.last().filter(|_| more) {
        let path = format!("{}/v2/{repository}/referrers/{subject}", call.settings().prefix);
        let filter = match &wanted_type {
            Some(wanted) => format!("artifactType={}&", query::encode(wanted)),
            None => String::new(),
        };
        let link = page::next(&path, &filter, &last.digest.to_string(), size);
        reply.headers.insert(header::LINK, link);
    }
    Ok(reply)
}

/// What is looked for.
struct Wanted<'a> {
    subject: Digest,
    after: Option<Digest>,
    artifact_type: Option<&'a str>,
}

/// Referrers asked of the store at once.
const STEP: usize = 200;

impl Wanted<'_> {
    /// The first `limit` referrers that fit, each once. What the store found by itself counts more
    /// than what a client wrote into a fallback index, which must at least name a manifest that is
    /// here.
    async fn find(
        &self,
        call: &Call<'_>,
        repository: &RepositoryName,
        limit: usize,
    ) -> Result<BTreeMap<Digest, Descriptor>> {
        let store = call.store();
        let mut found = BTreeMap::new();
        let mut after = self.after;
        loop {
            let page = store.referrers(repository, &self.subject, after.as_ref(), STEP).await?;
            after = page.items.last().map(|stored| stored.digest);
            for stored in &page.items {
                if let Some(descriptor) = describe(&stored.digest, &stored.bytes)
                    && self.has_type(&descriptor)
                {
                    found.insert(stored.digest, descriptor);
                }
            }
            if !page.more || found.len() >= limit {
                break;
            }
        }
        for claimed in store.fallback_referrers(repository, &self.subject).await? {
            let digest = claimed.digest;
            if self.after.is_some_and(|after| digest <= after) || found.contains_key(&digest) {
                continue;
            }
            if let Some(stored) = store.manifest(repository, &digest).await?
                && let Some(mut descriptor) = describe(&digest, &stored.bytes)
            {
                descriptor.artifact_type = descriptor.artifact_type.or(claimed.artifact_type);
                if self.has_type(&descriptor) {
                    found.insert(digest, descriptor);
                }
            }
        }
        Ok(found)
    }

    fn has_type(&self, descriptor: &Descriptor) -> bool {
        self.artifact_type.is_none_or(|wanted| descriptor.artifact_type.as_deref() == Some(wanted))
    }
}

/// A manifest as it stands in the list.
fn describe(digest: &Digest, bytes: &[u8]) -> Option<Descriptor> {
    let manifest = Manifest::from_stored(bytes).ok()?;
    Some(Descriptor {
        media_type: manifest.media_type().as_str().to_owned(),
        digest: *digest,
        size: bytes.len() as u64,
        urls: Vec::new(),
        annotations: manifest.annotations().clone(),
        artifact_type: manifest.artifact_type_for_referrers().map(str::to_owned),
        platform: None,
    })
}

/// Cuts the list to a page that is no larger than a manifest may be, and writes it.
fn page_body(found: &mut Vec<Descriptor>, size: usize, max_bytes: usize) -> (Vec<u8>, bool) {
    let mut more = found.len() > size;
    found.truncate(size);
    loop {
        let index =
            Index { schema_version: 2, media_type: oci::media_type::OCI_INDEX, manifests: found };
        let body = serde_json::to_vec(&index).expect("strings and numbers become JSON");
        if body.len() <= max_bytes || found.len() <= 1 {
            return (body, more);
        }
        found.truncate(found.len() / 2);
        more = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(at: u8, note: &str) -> Descriptor {
        let mut descriptor =
            describe(&Digest::of(oci::Algorithm::Sha256, &[at]), MANIFEST).expect("is a manifest");
        descriptor.annotations.insert("note".into(), note.into());
        descriptor
    }

    const MANIFEST: &[u8] = br#"{"schemaVersion":2,
        "mediaType":"application/vnd.oci.image.manifest.v1+json",
        "config":{"mediaType":"application/x.conf","size":2,"digest":
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}"#;

    #[test]
    fn the_artifact_type_falls_back_to_the_configurations() {
        let described = descriptor(0, "");
        assert_eq!(described.artifact_type.as_deref(), Some("application/x.conf"));
        assert_eq!(described.size, MANIFEST.len() as u64);
    }

    #[test]
    fn pages_end_by_number_and_by_bytes() {
        let make = || (0..8).map(|at| descriptor(at, &"x".repeat(100))).collect::<Vec<_>>();
        let mut found = make();
        assert!(!page_body(&mut found, 8, 1 << 20).1);
        let mut found = make();
        assert!(page_body(&mut found, 3, 1 << 20).1);
        assert_eq!(found.len(), 3);
        let mut found = make();
        let (body, more) = page_body(&mut found, 8, 1000);
        assert!(more && body.len() <= 1000 && !found.is_empty());
    }
}
