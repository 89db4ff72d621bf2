// SPDX-License-Identifier: Apache-2.0
//! Reading a whole store: is everything there, and is it what its name says.
//!
//! Every blob is hashed, every link followed, every manifest parsed and its references looked up.
//! Nothing is changed. On a store that is being written to, what is just being made may be
//! reported; a second run tells.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use oci::{Digest, Manifest, RepositoryName};
use storage::driver::{Driver, Key};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::walk;
use crate::blobs::parse_link;
use crate::content;
use crate::error::{Result, present};
use crate::layout;
use crate::manifests::MAX_STORED_MANIFEST;
use crate::store::BlobStore;

/// Blobs that are hashed at the same time.
const PARALLEL: usize = 2;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is lost; a collection or purge will remove it.
    Note,
    /// Something that clients may ask for is missing or wrong.
    Damage,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The bytes do not have the digest of their name.
    WrongDigest {
        /// The digest they have.
        actual: Digest,
    },
    /// A file of no bytes where there should be some: an interrupted write.
    Empty,
    /// A blob's directory without its data.
    NoData,
    /// A link that holds no digest.
    TornLink,
    /// A link to data that is not in the store.
    DanglingLink {
        /// What it leads to.
        target: Digest,
    },
    /// A revision whose bytes are not a manifest.
    NotAManifest {
        /// Why.
        reason: String,
    },
    /// A manifest refers to something the repository does not have.
    MissingReference {
        /// What is missing.
        target: Digest,
    },
    /// A manifest states another size than the data has.
    WrongSize {
        /// The reference.
        target: Digest,
        /// Stated by the manifest.
        stated: u64,
        /// In the store.
        actual: u64,
    },
    /// A tag that points to a manifest the repository does not have.
    DanglingTag {
        /// What it points to.
        target: Digest,
    },
    /// A file or directory that is not part of the layout.
    Foreign,
    /// An upload session that is not ended.
    OpenUpload,
}

impl Problem {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Foreign | Self::OpenUpload | Self::NoData => Severity::Note,
            _ => Severity::Damage,
        }
    }

    /// A word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongDigest { .. } => "wrong-digest",
            Self::Empty => "empty",
            Self::NoData => "no-data",
            Self::TornLink => "torn-link",
            Self::DanglingLink { .. } => "dangling-link",
            Self::NotAManifest { .. } => "not-a-manifest",
            Self::MissingReference { .. } => "missing-reference",
            Self::WrongSize { .. } => "wrong-size",
            Self::DanglingTag { .. } => "dangling-tag",
            Self::Foreign => "foreign",
            Self::OpenUpload => "open-upload",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongDigest { actual } => {
                write!(f, "the bytes have digest {actual}: push the blob again to repair it")
            }
            Self::Empty => f.write_str("the file is empty: an interrupted write, counts as absent"),
            Self::NoData => f.write_str("the blob's directory holds no data"),
            Self::TornLink => f.write_str("the link holds no digest and counts as absent"),
            Self::DanglingLink { target } => write!(f, "the link leads to missing data {target}"),
            Self::NotAManifest { reason } => write!(f, "not a manifest: {reason}"),
            Self::MissingReference { target } => {
                write!(f, "the manifest refers to {target}, which the repository does not have")
            }
            Self::WrongSize { target, stated, actual } => {
                write!(f, "the manifest states {stated} bytes for {target}, the store has {actual}")
            }
            Self::DanglingTag { target } => {
                write!(f, "the tag points to {target}, which the repository does not have")
            }
            Self::Foreign => f.write_str("not part of the layout; left alone"),
            Self::OpenUpload => f.write_str("an upload session that was not ended"),
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub key: Key,
    /// What.
    pub problem: Problem,
}

/// Figures of a check, also while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Blobs hashed.
    pub blobs: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// Repositories read.
    pub repositories: u64,
    /// Links followed.
    pub links: u64,
    /// Manifests parsed.
    pub manifests: u64,
    /// Findings that are damage.
    pub damaged: u64,
    /// Findings that are notes.
    pub notes: u64,
}

/// Who is told of findings and progress.
pub trait Observer: Send {
    /// One finding.
    fn finding(&mut self, finding: &Finding);
    /// Told now and then.
    fn progress(&mut self, progress: &Progress);
}

struct Check<'a> {
    store: &'a BlobStore,
    driver: Arc<dyn Driver>,
    observer: &'a mut dyn Observer,
    progress: Progress,
    /// Size of every blob that is in order.
    sound: HashMap<Digest, u64>,
}

impl BlobStore {
    /// Reads the whole store and tells what is wrong with it.
    pub async fn check(&self, observer: &mut dyn Observer) -> Result<Progress> {
        let mut check = Check {
            store: self,
            driver: Arc::clone(&self.inner.driver),
            observer,
            progress: Progress::default(),
            sound: HashMap::new(),
        };
        check.blobs().await?;
        let mut repositories = walk::repositories(&check.driver);
        while let Some((_, name)) = repositories.next().await? {
            match name {
                Ok(name) => check.repository(&name).await?,
                Err(key) => check.report(key, Problem::Foreign),
            }
        }
        check.observer.progress(&check.progress);
        Ok(check.progress)
    }
}

impl Check<'_> {
    fn report(&mut self, key: Key, problem: Problem) {
        match problem.severity() {
            Severity::Note => self.progress.notes += 1,
            Severity::Damage => self.progress.damaged += 1,
        }
        self.observer.finding(&Finding { key, problem });
    }

    async fn blobs(&mut self) -> Result<()> {
        let mut foreign = Vec::new();
        let digests = walk::blobs(&self.driver, |key| foreign.push(key)).await?;
        for key in foreign {
            self.report(key, Problem::Foreign);
        }
        let mut running = JoinSet::new();
        for digest in digests {
            if running.len() >= PARALLEL {
                self.hashed(running.join_next().await).await?;
            }
            let driver = Arc::clone(&self.driver);
            running.spawn(async move { (digest, hash(&driver, digest).await) });
        }
        while let Some(done) = running.join_next().await {
            self.hashed(Some(done)).await?;
        }
        Ok(())
    }

    async fn hashed(
        &mut self,
        done: Option<Result<(Digest, Result<Hashed>), tokio::task::JoinError>>,
    ) -> Result<()> {
        let Some(Ok((digest, hashed))) = done else { return Ok(()) };
        let key = layout::blob_data(&digest);
        match hashed? {
            Hashed::Sound(size) => {
                self.progress.bytes += size;
                self.sound.insert(digest, size);
            }
            Hashed::Missing => self.report(key, Problem::NoData),
            Hashed::Empty => self.report(key, Problem::Empty),
            Hashed::Wrong { actual, size } => {
                self.progress.bytes += size;
                self.report(key, Problem::WrongDigest { actual });
            }
        }
        self.progress.blobs += 1;
        if self.progress.blobs.is_multiple_of(256) {
            self.observer.progress(&self.progress);
        }
        Ok(())
    }

    async fn repository(&mut self, name: &RepositoryName) -> Result<()> {
        let base = layout::repository(name);
        for part in walk::pages(&self.driver, base.clone()).all().await? {
            let known = ["_layers", "_manifests", "_uploads"].contains(&part.as_str());
            if !known && part.starts_with('_') {
                self.report(base.join(&part).unwrap_or_else(|_| base.clone()), Problem::Foreign);
            }
        }
        for digest in self.linked(&base, "_layers").await? {
            self.link(&layout::layer_link(name, &digest)).await?;
        }
        for digest in self.linked(&base, "_manifests/revisions").await? {
            if let Some(data) = self.link(&layout::revision_link(name, &digest)).await? {
                self.manifest(name, &digest, &data).await?;
            }
        }
        self.tags(name).await?;
        for upload in walk::pages(&self.driver, layout::uploads(name)).all().await? {
            // One that ended in this process is removed with the next cut of the journal.
            if Uuid::parse_str(&upload).is_ok_and(|id| self.store.inner.sessions.has_ended(id)) {
                continue;
            }
            if let Ok(key) = layout::uploads(name).join(&upload) {
                self.report(key, Problem::OpenUpload);
            }
        }
        self.progress.repositories += 1;
        self.observer.progress(&self.progress);
        Ok(())
    }

    async fn linked(&mut self, base: &Key, part: &str) -> Result<Vec<Digest>> {
        let Ok(directory) = Key::parse(&format!("{base}/{part}")) else { return Ok(Vec::new()) };
        let mut foreign = Vec::new();
        let digests = walk::digests(&self.driver, &directory, |key| foreign.push(key)).await?;
        for key in foreign {
            self.report(key, Problem::Foreign);
        }
        Ok(digests)
    }

    /// Follows a link to sound data. A directory without its link is how deletion leaves it.
    async fn link(&mut self, key: &Key) -> Result<Option<Digest>> {
        let Some(target) = self.read_link(key).await? else { return Ok(None) };
        if self.sound.contains_key(&target) {
            return Ok(Some(target));
        }
        // Damaged data was reported with the data; here only what is not there at all.
        if present(self.driver.stat(&layout::blob_data(&target)).await)?.is_none() {
            self.report(key.clone(), Problem::DanglingLink { target });
        }
        Ok(None)
    }

    async fn read_link(&mut self, key: &Key) -> Result<Option<Digest>> {
        let bytes = match self.driver.read(key, layout::MAX_LINK).await {
            Err(storage::driver::Error::TooLarge { .. }) => {
                self.report(key.clone(), Problem::TornLink);
                return Ok(None);
            }
            other => present(other)?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        self.progress.links += 1;
        let target = parse_link(&bytes);
        if target.is_none() {
            self.report(key.clone(), Problem::TornLink);
        }
        Ok(target)
    }

    async fn manifest(
        &mut self,
        name: &RepositoryName,
        digest: &Digest,
        data: &Digest,
    ) -> Result<()> {
        let key = layout::revision_link(name, digest);
        let bytes = match self.driver.read(&layout::blob_data(data), MAX_STORED_MANIFEST).await {
            Err(storage::driver::Error::TooLarge { limit, .. }) => {
                let reason = format!("larger than {limit} bytes");
                self.report(key, Problem::NotAManifest { reason });
                return Ok(());
            }
            other => other?,
        };
        let manifest = match Manifest::from_stored(&bytes) {
            Ok(manifest) => manifest,
            Err(error) => {
                self.report(key, Problem::NotAManifest { reason: error.to_string() });
                return Ok(());
            }
        };
        self.progress.manifests += 1;
        let references: Vec<_> = manifest
            .references()
            .filter(|(_, descriptor)| !descriptor.is_nondistributable())
            .map(|(role, descriptor)| (role.is_blob(), descriptor.digest, descriptor.size))
            .collect();
        for (is_blob, target, stated) in references {
            let link = if is_blob {
                layout::layer_link(name, &target)
            } else {
                layout::revision_link(name, &target)
            };
            let linked = present(self.driver.read(&link, layout::MAX_LINK).await)?;
            let Some(found) = linked.and_then(|bytes| parse_link(&bytes)) else {
                self.report(key.clone(), Problem::MissingReference { target });
                continue;
            };
            match self.sound.get(&found) {
                Some(actual) if manifest.knows_sizes() && *actual != stated => {
                    let problem = Problem::WrongSize { target, stated, actual: *actual };
                    self.report(key.clone(), problem);
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn tags(&mut self, name: &RepositoryName) -> Result<()> {
        let mut list = walk::pages(&self.driver, layout::tags(name));
        while let Some(tags) = list.next().await? {
            for text in tags {
                let Ok(tag) = oci::Tag::parse(&text) else {
                    if let Some(key) = layout::tag(name, &text) {
                        self.report(key, Problem::Foreign);
                    }
                    continue;
                };
                let key = layout::tag_current(name, &tag);
                let Some(target) = self.read_link(&key).await? else { continue };
                let revision = layout::revision_link(name, &target);
                if present(self.driver.stat(&revision).await)?.is_none() {
                    self.report(key, Problem::DanglingTag { target });
                }
            }
        }
        Ok(())
    }
}

enum Hashed {
    Sound(u64),
    Missing,
    Empty,
    Wrong { actual: Digest, size: u64 },
}

async fn hash(driver: &Arc<dyn Driver>, digest: Digest) -> Result<Hashed> {
    let key = layout::blob_data(&digest);
    let Some(content) = present(driver.open(&key, 0, None).await)? else {
        return Ok(Hashed::Missing);
    };
    let hasher = oci::Hasher::new(digest.algorithm());
    let hasher = content::for_each(content, hasher, oci::Hasher::update).await?;
    let size = hasher.length();
    let actual = hasher.finish();
    Ok(match (actual == digest, size) {
        (true, size) => Hashed::Sound(size),
        (false, 0) => Hashed::Empty,
        (false, size) => Hashed::Wrong { actual, size },
    })
}
