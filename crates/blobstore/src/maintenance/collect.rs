// SPDX-License-Identifier: Apache-2.0
//! Garbage collection of a store that nobody writes to meanwhile: mark, then sweep.
//!
//! A blob is kept while a kept manifest of any repository refers to it. A manifest is kept while it
//! is linked; with `delete_untagged` only while a tag leads to it, directly, as a child of a kept
//! index, or as a referrer of a kept subject (registry.md R-14). Links to what was swept go too, so
//! that nothing dangles. Links that cannot be read are passed over, never followed by an
//! abort.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use oci::{Digest, Manifest, RepositoryName, Tag};

use super::walk;
use crate::error::{Result, present};
use crate::journal::Op;
use crate::layout;
use crate::store::BlobStore;

/// Removals that are made durable together.
const BATCH: usize = 256;

/// What is collected.
#[derive(Clone, Copy, Debug, Default)]
pub struct CollectOptions {
    /// Only tell what would be removed.
    pub dry_run: bool,
    /// Manifests that no tag leads to are garbage too.
    pub delete_untagged: bool,
}

/// What a collection does, as it does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A repository is being marked.
    Repository(&'a str),
    /// A manifest is kept.
    MarkManifest(&'a str, Digest),
    /// A blob is kept.
    MarkBlob(&'a str, Digest),
    /// A manifest goes.
    DeleteManifest(&'a str, Digest),
    /// Everything is marked; the sweep begins.
    Marked {
        /// Blobs kept.
        blobs: usize,
        /// Blobs that go.
        garbage_blobs: usize,
        /// Manifests that go.
        garbage_manifests: usize,
    },
    /// A blob goes.
    DeleteBlob(Digest, u64),
}

/// What a collection removed, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs kept.
    pub marked: u64,
    /// Blobs removed.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Manifests removed.
    pub manifests: u64,
    /// Links to removed blobs that were removed.
    pub links: u64,
}

struct Revision {
    manifest: Option<Manifest>,
}

impl BlobStore {
    /// Collects garbage. The caller sees to it that nobody pushes meanwhile.
    pub async fn collect_garbage(
        &self,
        options: CollectOptions,
        mut tell: impl FnMut(Event<'_>) + Send,
    ) -> Result<Collected> {
        let driver = &self.inner.driver;
        let mut kept: HashSet<Digest> = HashSet::new();
        let mut doomed: Vec<(RepositoryName, Digest)> = Vec::new();
        let mut repositories = walk::repositories(driver);
        let mut names = Vec::new();
        while let Some((path, name)) = repositories.next().await? {
            let Ok(name) = name else { continue };
            tell(Event::Repository(&path));
            self.mark(&name, options, &mut kept, &mut doomed, &mut tell).await?;
            names.push(name);
        }
        let all = walk::blobs(driver, |_| {}).await?;
        let garbage: Vec<Digest> =
            all.into_iter().filter(|digest| !kept.contains(digest)).collect();
        tell(Event::Marked {
            blobs: kept.len(),
            garbage_blobs: garbage.len(),
            garbage_manifests: doomed.len(),
        });
        let mut collected = Collected {
            marked: kept.len() as u64,
            manifests: doomed.len() as u64,
            ..Collected::default()
        };
        let mut sweep = Sweep { store: self, ops: Vec::new(), dry_run: options.dry_run };
        for (name, digest) in &doomed {
            tell(Event::DeleteManifest(name.as_str(), *digest));
            sweep.manifest(name, digest).await?;
        }
        let gone: HashSet<Digest> = garbage.iter().copied().collect();
        for name in &names {
            collected.links += sweep.links(name, &gone).await?;
        }
        sweep.flush().await?;
        for digest in garbage {
            let size = present(driver.stat(&layout::blob_data(&digest)).await)?
                .map_or(0, |meta| meta.size);
            tell(Event::DeleteBlob(digest, size));
            collected.blobs += 1;
            collected.bytes += size;
            sweep.push(Op::RemoveTree { key: layout::blob_dir(&digest) }).await?;
        }
        sweep.flush().await?;
        Ok(collected)
    }

    async fn mark(
        &self,
        name: &RepositoryName,
        options: CollectOptions,
        kept: &mut HashSet<Digest>,
        doomed: &mut Vec<(RepositoryName, Digest)>,
        tell: &mut (impl FnMut(Event<'_>) + Send),
    ) -> Result<()> {
        let mut revisions: HashMap<Digest, Revision> = HashMap::new();
        let driver = &self.inner.driver;
        for digest in walk::digests(driver, &layout::revisions(name), |_| {}).await? {
            if self.inner.read_link(&layout::revision_link(name, &digest)).await?.is_none() {
                continue;
            }
            let stored = self.manifest(name, &digest).await?;
            let manifest = stored.and_then(|stored| Manifest::from_stored(&stored.bytes).ok());
            revisions.insert(digest, Revision { manifest });
        }
        let alive = if options.delete_untagged {
            let tagged = self.tagged(name).await?;
            reachable(&revisions, tagged)
        } else {
            revisions.keys().copied().collect()
        };
        for (digest, revision) in &revisions {
            if !alive.contains(digest) {
                doomed.push((name.clone(), *digest));
                continue;
            }
            tell(Event::MarkManifest(name.as_str(), *digest));
            kept.insert(self.data_of(&layout::revision_link(name, digest), digest).await?);
            let references = revision.manifest.iter().flat_map(Manifest::references);
            for (role, descriptor) in references {
                if !role.is_blob() {
                    continue;
                }
                let target = &descriptor.digest;
                tell(Event::MarkBlob(name.as_str(), *target));
                kept.insert(*target);
                kept.insert(self.data_of(&layout::layer_link(name, target), target).await?);
            }
        }
        Ok(())
    }

    /// The digest under which the data lies: what the link holds.
    async fn data_of(&self, link: &storage::driver::Key, digest: &Digest) -> Result<Digest> {
        Ok(self.inner.read_link(link).await?.unwrap_or(*digest))
    }

    async fn tagged(&self, name: &RepositoryName) -> Result<Vec<Digest>> {
        let mut digests = Vec::new();
        let mut list = walk::pages(&self.inner.driver, layout::tags(name));
        while let Some(tags) = list.next().await? {
            for text in tags {
                let Ok(tag) = Tag::parse(&text) else { continue };
                digests.extend(self.inner.read_link(&layout::tag_current(name, &tag)).await?);
            }
        }
        Ok(digests)
    }
}

/// What can be reached from the roots: children of indexes, and manifests whose subject is reached.
fn reachable(revisions: &HashMap<Digest, Revision>, roots: Vec<Digest>) -> HashSet<Digest> {
    let mut referrers: HashMap<Digest, Vec<Digest>> = HashMap::new();
    for (digest, revision) in revisions {
        let subject = revision.manifest.as_ref().and_then(Manifest::subject);
        if let Some(subject) = subject {
            referrers.entry(subject.digest).or_default().push(*digest);
        }
    }
    let mut alive = HashSet::new();
    let mut pending = roots;
    while let Some(digest) = pending.pop() {
        if !alive.insert(digest) {
            continue;
        }
        pending.extend(referrers.get(&digest).into_iter().flatten());
        if let Some(manifest) = revisions.get(&digest).and_then(|r| r.manifest.as_ref()) {
            pending.extend(manifest.manifests().iter().map(|child| child.digest));
        }
    }
    alive
}

struct Sweep<'a> {
    store: &'a BlobStore,
    ops: Vec<Op>,
    dry_run: bool,
}

impl Sweep<'_> {
    async fn push(&mut self, op: Op) -> Result<()> {
        if self.dry_run {
            return Ok(());
        }
        self.ops.push(op);
        if self.ops.len() >= BATCH {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let ops = std::mem::take(&mut self.ops);
        if ops.is_empty() {
            return Ok(());
        }
        let store = Arc::clone(&self.store.inner);
        let effects = Box::new(move |_| store.forget_everything());
        self.store.inner.engine.commit(ops, effects).await
    }

    async fn manifest(&mut self, name: &RepositoryName, digest: &Digest) -> Result<()> {
        if let Some(stored) = self.store.manifest(name, digest).await?
            && let Ok(manifest) = Manifest::from_stored(&stored.bytes)
            && let Some(subject) = manifest.subject()
        {
            self.push(Op::Remove { key: layout::referrer_link(name, &subject.digest, digest) })
                .await?;
        }
        self.push(Op::Remove { key: layout::revision_link(name, digest) }).await
    }

    /// Removes layer links to blobs that are about to go.
    async fn links(&mut self, name: &RepositoryName, gone: &HashSet<Digest>) -> Result<u64> {
        let Ok(layers) = layout::repository(name).join("_layers") else { return Ok(0) };
        let mut removed = 0;
        for digest in walk::digests(&self.store.inner.driver, &layers, |_| {}).await? {
            let key = layout::layer_link(name, &digest);
            if let Some(target) = self.store.inner.read_link(&key).await?
                && gone.contains(&target)
            {
                removed += 1;
                self.push(Op::RemoveTree { key: key.parent() }).await?;
            }
        }
        Ok(removed)
    }
}
