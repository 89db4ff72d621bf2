// SPDX-License-Identifier: Apache-2.0
//! Tags: names that point to manifests.
//!
//! A tag is the directory `_manifests/tags/<tag>`; it exists if its `current/link` can be read. The
//! mark of a tag's name in memory is the fingerprint of the digest it points to, so that "which
//! tags point to this manifest" is a scan of memory.

use std::ops::Bound;
use std::sync::Arc;

use oci::{Digest, RepositoryName, Tag};

use crate::error::Result;
use crate::journal::{Op, Outcome};
use crate::layout;
use crate::names::UNMARKED;
use crate::store::{BlobStore, Inner, Page};

/// 63 bits of a digest, never [`UNMARKED`].
pub(crate) fn fingerprint(digest: &Digest) -> u64 {
    let bytes = digest.as_bytes();
    let head: [u8; 8] = bytes[..8].try_into().expect("digests have at least 32 bytes");
    u64::from_le_bytes(head) | 1
}

impl Inner {
    /// A write of ours has pointed a tag to a manifest, or may have.
    pub(crate) fn note_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        digest: Digest,
        outcome: Outcome,
    ) {
        let fact = (repository.clone(), tag.clone());
        let mark = match outcome {
            Outcome::Applied => {
                self.tags.set(fact, Some(digest));
                fingerprint(&digest)
            }
            Outcome::Unknown => {
                self.tags.forget(&fact);
                UNMARKED
            }
        };
        self.tag_names.insert(&layout::tags(repository), tag.as_str(), mark);
    }

    /// A write of ours has removed a tag, or may have.
    pub(crate) fn note_untag(&self, repository: &RepositoryName, tag: &Tag, outcome: Outcome) {
        let fact = (repository.clone(), tag.clone());
        let directory = layout::tags(repository);
        match outcome {
            Outcome::Applied => {
                self.tags.set(fact, None);
                self.tag_names.remove(&directory, tag.as_str());
            }
            Outcome::Unknown => {
                self.tags.forget(&fact);
                self.tag_names.unmark(&directory, tag.as_str());
            }
        }
    }

    /// Finds out what unmarked names point to. Names that point nowhere are left out.
    async fn confirm_tags(
        &self,
        repository: &RepositoryName,
        names: Vec<(Box<str>, u64)>,
    ) -> Result<Vec<(Box<str>, u64)>> {
        let directory = layout::tags(repository);
        let mut confirmed = Vec::with_capacity(names.len());
        for (name, mark) in names {
            if mark != UNMARKED {
                confirmed.push((name, mark));
                continue;
            }
            let Ok(tag) = Tag::parse(&name) else { continue };
            match self.read_link(&layout::tag_current(repository, &tag)).await? {
                Some(digest) => {
                    let mark = fingerprint(&digest);
                    self.tag_names.mark(&directory, &name, mark);
                    confirmed.push((name, mark));
                }
                None if self.trust.is_exclusive() && self.engine.journal().is_some() => {
                    self.tag_names.remove(&directory, &name);
                }
                None => {}
            }
        }
        Ok(confirmed)
    }
}

impl BlobStore {
    /// What a tag points to.
    pub async fn resolve_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<Digest>> {
        let inner = &self.inner;
        let fact = (repository.clone(), tag.clone());
        if let Some(known) = inner.tags.get(&fact) {
            return Ok(known);
        }
        let ticket = inner.tags.ticket(&fact);
        let found = inner.read_link(&layout::tag_current(repository, tag)).await?;
        if found.is_some() || inner.trust.is_exclusive() {
            inner.tags.fill(&ticket, fact, found);
        }
        Ok(found)
    }

    /// Tags behind `after` in byte order. `None`: there is no such repository.
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Page<String>>> {
        let inner = &self.inner;
        let directory = layout::tags(repository);
        let mut items: Vec<String> = Vec::new();
        let mut after: Option<String> = after.map(str::to_owned);
        // One tag more than asked for tells whether there are more that can be read.
        while items.len() <= limit {
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let want = limit + 1 - items.len();
            let Some((page, more)) = inner.tag_names.page(&directory, from, want).await? else {
                if !self.has_repository(repository).await? {
                    return Ok(None);
                }
                break;
            };
            after = page.last().map(|(name, _)| name.to_string());
            let confirmed = if page.iter().all(|(_, mark)| *mark != UNMARKED) {
                page
            } else {
                inner.confirm_tags(repository, page).await?
            };
            items.extend(confirmed.into_iter().map(|(name, _)| name.into_string()));
            if !more {
                break;
            }
        }
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(Some(Page { items, more }))
    }

    /// Every tag that points to a manifest.
    pub(crate) async fn tags_of(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Vec<Tag>> {
        let inner = &self.inner;
        let directory = layout::tags(repository);
        let wanted = fingerprint(digest);
        // Marks are exact only where commits are ordered with them; elsewhere each tag is read.
        let trusted = inner.engine.journal().is_some();
        let candidates = inner
            .tag_names
            .with(&directory, |names| {
                names
                    .iter()
                    .filter(|(_, mark)| !trusted || **mark == UNMARKED || **mark == wanted)
                    .map(|(name, _)| name.clone())
                    .collect::<Vec<_>>()
            })
            .await?
            .unwrap_or_default();
        let mut tags = Vec::new();
        for name in candidates {
            let Ok(tag) = Tag::parse(&name) else { continue };
            let found = inner.read_link(&layout::tag_current(repository, &tag)).await?;
            if let Some(found) = found {
                inner.tag_names.mark(&directory, &name, fingerprint(&found));
                if found == *digest {
                    tags.push(tag);
                }
            }
        }
        Ok(tags)
    }

    /// Removes a tag; the manifest stays. `false` if there was none.
    pub async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<bool> {
        let inner = &self.inner;
        if inner.read_link(&layout::tag_current(repository, tag)).await?.is_none() {
            return Ok(false);
        }
        let Some(key) = layout::tag(repository, tag.as_str()) else { return Ok(false) };
        let store = Arc::clone(inner);
        let (repository, tag) = (repository.clone(), tag.clone());
        let effects = Box::new(move |outcome| store.note_untag(&repository, &tag, outcome));
        inner.engine.commit(vec![Op::RemoveTree { key }], effects).await?;
        Ok(true)
    }
}
