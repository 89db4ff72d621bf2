// SPDX-License-Identifier: Apache-2.0
//! Referrers: manifests whose `subject` is another manifest (OCI distribution 1.1).
//!
//! The index is a directory of links beside the revisions (registry.md D-8); other registries
//! ignore it. Manifests that another registry stored have no such links: the first question about a
//! repository reads those it does not know yet and adds the links. In a store that this process
//! owns that happens once per repository and start.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use oci::{Descriptor, Digest, Manifest, RepositoryName, Tag};
use parking_lot::Mutex;
use quick_cache::sync::Cache;

use crate::error::{Result, present};
use crate::journal::Op;
use crate::layout;
use crate::store::{BlobStore, Page, StoredManifest};

/// Names asked of the driver at once.
const STEP: usize = 1000;

/// Repositories whose index is known to be complete.
const COMPLETE: usize = 100_000;

/// Manifests known to be indexed, where repositories are never complete for long.
const EXAMINED: usize = 100_000;

/// What is known of the index.
pub(crate) struct Scanned {
    complete: Mutex<HashSet<RepositoryName>>,
    examined: Cache<(RepositoryName, Digest), ()>,
}

impl Default for Scanned {
    fn default() -> Self {
        Self { complete: Mutex::new(HashSet::new()), examined: Cache::new(EXAMINED) }
    }
}

impl BlobStore {
    /// Manifests that refer to `subject`, ascending by digest, behind `after`, at most `limit`.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Arc<StoredManifest>>> {
        self.complete_index(repository).await?;
        let mut digests = self.digests_below(&layout::referrers(repository, subject)).await?;
        digests.sort_unstable();
        if let Some(after) = after {
            digests.retain(|digest| digest > after);
        }
        let mut items = Vec::new();
        let mut more = false;
        for digest in digests {
            // The link outlives its manifest only if another registry removed that one.
            let Some(manifest) = self.manifest(repository, &digest).await? else { continue };
            if items.len() == limit {
                more = true;
                break;
            }
            items.push(manifest);
        }
        Ok(Page { items, more })
    }

    /// What the fallback tag `<algorithm>-<hex>` lists: referrers that a client recorded in a
    /// registry without the API. Empty if there is no such tag or it holds no index.
    pub async fn fallback_referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>> {
        // The tag schema cuts the encoded part at 64 characters (OCI distribution 1.1).
        let hex = subject.hex();
        let text = format!("{}-{}", subject.algorithm().as_str(), &hex[..hex.len().min(64)]);
        let Ok(tag) = Tag::parse(&text) else { return Ok(Vec::new()) };
        let Some(digest) = self.resolve_tag(repository, &tag).await? else {
            return Ok(Vec::new());
        };
        let Some(stored) = self.manifest(repository, &digest).await? else {
            return Ok(Vec::new());
        };
        if !stored.media_type.is_index() {
            return Ok(Vec::new());
        }
        let index = Manifest::from_stored(&stored.bytes);
        Ok(index.map(|index| index.manifests().to_vec()).unwrap_or_default())
    }

    /// All digests named by `<alg>/<hex>` directories.
    async fn digests_below(&self, directory: &storage::driver::Key) -> Result<Vec<Digest>> {
        let driver = &self.inner.driver;
        let mut digests = Vec::new();
        let Some(algorithms) = present(driver.list(directory, None, 8).await)? else {
            return Ok(digests);
        };
        for algorithm in algorithms.names {
            let Ok(below) = directory.join(&algorithm) else { continue };
            let mut after: Option<String> = None;
            loop {
                let listing = driver.list(&below, after.as_deref(), STEP).await;
                let Some(listing) = present(listing)? else { break };
                let parsed = listing.names.iter().map(|hex| format!("{algorithm}:{hex}"));
                digests.extend(parsed.filter_map(|text| Digest::parse(&text).ok()));
                if !listing.more {
                    break;
                }
                after = listing.names.last().cloned();
            }
        }
        Ok(digests)
    }

    /// Adds the links that manifests stored by other registries lack.
    async fn complete_index(&self, repository: &RepositoryName) -> Result<()> {
        let inner = &self.inner;
        let exclusive = inner.trust.is_exclusive();
        if exclusive && inner.scanned.complete.lock().contains(repository) {
            return Ok(());
        }
        for digest in self.digests_below(&layout::revisions(repository)).await? {
            let fact = (repository.clone(), digest);
            if inner.scanned.examined.get(&fact).is_some() {
                continue;
            }
            if let Some(stored) = self.manifest(repository, &digest).await?
                && let Ok(manifest) = Manifest::from_stored(&stored.bytes)
                && let Some(subject) = manifest.subject()
            {
                let key = layout::referrer_link(repository, &subject.digest, &digest);
                if inner.read_link(&key).await?.is_none() {
                    let bytes = Bytes::from(digest.to_string());
                    let op = Op::Put { key, bytes };
                    inner.engine.commit(vec![op], Box::new(|_| {})).await?;
                }
            }
            inner.scanned.examined.insert(fact, ());
        }
        if exclusive {
            let mut complete = inner.scanned.complete.lock();
            if complete.len() >= COMPLETE {
                complete.clear();
            }
            complete.insert(repository.clone());
        }
        Ok(())
    }
}
