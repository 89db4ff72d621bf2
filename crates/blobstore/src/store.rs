// SPDX-License-Identifier: Apache-2.0
//! The store: what is open, what is cached, and how it is opened and closed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use oci::{Digest, MediaType, RepositoryName};
use parking_lot::Mutex;
use storage::driver::Driver;
use storage::filesystem::{FileLock, Filesystem};
use storage::observed::Observer;
use tokio::task::spawn_blocking;

use crate::buffer::{BUFFER_SIZE, Buffer, Pool};
use crate::cache::{Coherent, Trust};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::layout;
use crate::lock;
use crate::names::Names;
use crate::repositories;
use crate::upload::Sessions;

/// Objects of at most this many bytes ride in the journal and are cached whole.
pub const SMALL: usize = 64 * 1024;

/// Where the bytes of a digest lie, and how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    /// The digest under which they lie; another one than asked for when a link says so.
    pub(crate) data: Digest,
    /// Bytes.
    pub(crate) size: u64,
}

/// A blob of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// The digest it was asked for by.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// A manifest as stored: the bytes are those that were pushed.
#[derive(Clone, Debug)]
pub struct StoredManifest {
    /// The digest it was asked for by.
    pub digest: Digest,
    /// Its type, found in the bytes: the layout does not keep it.
    pub media_type: MediaType,
    /// The bytes.
    pub bytes: Bytes,
}

/// A page of an ordered list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether more follow.
    pub more: bool,
}

/// How much may be kept in memory and used at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of manifests in memory.
    pub manifest_bytes: u64,
    /// Bytes of small blobs in memory.
    pub small_blob_bytes: u64,
    /// Known facts: which blob, manifest and tag is where. Each costs some 200 bytes.
    pub facts: usize,
    /// Names of tags and repositories in memory, some 60 bytes each.
    pub names: usize,
    /// Blob files kept open.
    pub open_files: usize,
    /// Bytes of upload buffers in use at once.
    pub buffer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest_bytes: 32 << 20,
            small_blob_bytes: 32 << 20,
            facts: 100_000,
            names: 1_500_000,
            open_files: 512,
            buffer_bytes: 64 << 20,
        }
    }
}

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Who else may write to it.
    pub trust: Trust,
    /// Bounds.
    pub limits: Limits,
    /// Hash every blob when it is opened for reading, and refuse it if it is damaged.
    pub verify_on_read: bool,
    /// Nothing will be written: neither lock nor journal is needed, so the volume may be read-only.
    /// What a crash left in the journal is not applied then ([`BlobStore::journal_is_pending`]).
    pub read_only: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            trust: Trust::Exclusive,
            limits: Limits::default(),
            verify_on_read: false,
            read_only: false,
        }
    }
}

/// What holds the bytes.
pub enum Backend {
    /// A directory; owned exclusively (journal) or shared, as [`Options::trust`] says.
    Filesystem {
        /// The directory.
        filesystem: Filesystem,
        /// The driver that the store reads and uploads through: the same directory, or a wrapper
        /// that observes it.
        driver: Arc<dyn Driver>,
        /// Told of what the journal does, which goes past the driver's trait.
        observer: Option<Arc<dyn Observer>>,
    },
    /// Anything else.
    Driver(Arc<dyn Driver>),
}

/// Counters that only go up, for metrics.
#[derive(Default)]
pub(crate) struct Stats {
    pub(crate) rereads: AtomicU64,
    pub(crate) reread_bytes: AtomicU64,
    pub(crate) abandoned_uploads: AtomicU64,
    pub(crate) damaged: AtomicU64,
}

/// The repositories seen to hold a blob, newest last, for anonymous mounts. A hint only: each is
/// checked before it is used.
pub(crate) struct Holders(Mutex<VecDeque<(Digest, RepositoryName)>>);

/// Links remembered for anonymous mounts.
const HOLDERS: usize = 4096;

impl Holders {
    pub(crate) fn note(&self, digest: Digest, repository: &RepositoryName) {
        let mut seen = self.0.lock();
        if seen.back().is_some_and(|(d, r)| *d == digest && r == repository) {
            return;
        }
        if seen.len() == HOLDERS {
            seen.pop_front();
        }
        seen.push_back((digest, repository.clone()));
    }

    pub(crate) fn of(&self, digest: &Digest) -> Vec<RepositoryName> {
        let seen = self.0.lock();
        let mut found: Vec<RepositoryName> = Vec::new();
        for (known, repository) in seen.iter().rev() {
            if known == digest && !found.contains(repository) {
                found.push(repository.clone());
            }
        }
        found
    }
}

pub(crate) struct Inner {
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) filesystem: Option<Filesystem>,
    pub(crate) engine: Engine,
    pub(crate) trust: Trust,
    pub(crate) verify_on_read: bool,
    /// (repository, digest) to where the blob is; `None` is a known absence.
    pub(crate) blobs: Coherent<(RepositoryName, Digest), Option<Located>>,
    /// (repository, digest) to where the manifest is.
    pub(crate) revisions: Coherent<(RepositoryName, Digest), Option<Digest>>,
    pub(crate) tags: Coherent<(RepositoryName, oci::Tag), Option<Digest>>,
    /// Manifests by the digest of their data.
    pub(crate) manifests: Coherent<Digest, Arc<StoredManifest>>,
    pub(crate) small: Coherent<Digest, Bytes>,
    pub(crate) files: Coherent<Digest, (Arc<std::fs::File>, u64)>,
    pub(crate) tag_names: Names,
    pub(crate) repository_names: Names,
    pub(crate) holders: Holders,
    pub(crate) sessions: Sessions,
    pub(crate) scanned: crate::referrers::Scanned,
    pub(crate) stats: Stats,
    pool: Pool,
    journal_pending: bool,
    /// Held as long as the store is open; the kernel lets go of it when the process ends.
    _lock: Option<FileLock>,
}

impl Inner {
    /// A write of ours has made sure that this repository exists.
    pub(crate) fn touch(&self, repository: &RepositoryName) {
        repositories::touch(&self.repository_names, repository);
    }

    /// Data was removed: which repositories linked to it is not known.
    pub(crate) fn forget_facts(&self) {
        self.blobs.forget_all();
        self.revisions.forget_all();
    }

    /// Much was removed at once.
    pub(crate) fn forget_everything(&self) {
        self.forget_facts();
        self.tags.forget_all();
        self.manifests.forget_all();
        self.small.forget_all();
        self.files.forget_all();
        self.tag_names.forget_all();
        self.repository_names.forget_all();
    }
}

/// A registry's store. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct BlobStore {
    pub(crate) inner: Arc<Inner>,
}

impl BlobStore {
    /// Opens the store: takes the lock and replays the journal if it is to be exclusive. What the
    /// store holds is not looked at, so this takes as long for a large store as for an empty one.
    ///
    /// # Errors
    /// [`Error::Storage`] when the lock is held by another process (after waiting half a minute for
    /// a predecessor to stop) or the root cannot be used; [`Error::Journal`] when the journal cannot
    /// be read or was written by a newer version.
    pub async fn open(backend: Backend, options: Options) -> Result<Self> {
        let (driver, filesystem, observer) = match backend {
            Backend::Filesystem { filesystem, driver, observer } => {
                (driver, Some(filesystem), observer)
            }
            Backend::Driver(driver) => (driver, None, None),
        };
        let exclusive = options.trust.is_exclusive() && !options.read_only;
        let mut journal_pending = false;
        let (engine, lock) = match &filesystem {
            Some(filesystem) if options.read_only => {
                let filesystem = filesystem.clone();
                journal_pending = spawn_blocking(move || Journal::is_pending(&filesystem))
                    .await
                    .map_err(|_| Error::Stopping)??;
                (Engine::Direct(Arc::clone(&driver)), None)
            }
            Some(filesystem) if !exclusive => {
                (Engine::Direct(Arc::clone(&driver)), Some(lock::share(filesystem).await?))
            }
            Some(filesystem) => {
                let lock = lock::own(filesystem).await?;
                let filesystem = filesystem.clone();
                let journal = spawn_blocking(move || Journal::open(filesystem, observer))
                    .await
                    .map_err(|_| Error::Stopping)??;
                (Engine::Journal(journal), Some(lock))
            }
            None => (Engine::Direct(Arc::clone(&driver)), None),
        };
        let Options { trust, limits, verify_on_read, .. } = options;
        let facts = limits.facts;
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                trust,
                verify_on_read,
                blobs: Coherent::new(facts, facts as u64, |_, _| 1, trust),
                revisions: Coherent::new(facts, facts as u64, |_, _| 1, trust),
                tags: Coherent::new(facts, facts as u64, |_, _| 1, trust),
                manifests: Coherent::new(
                    (limits.manifest_bytes / 2048) as usize,
                    limits.manifest_bytes,
                    |_, manifest| manifest.bytes.len() as u64 + 256,
                    trust,
                ),
                small: Coherent::new(
                    (limits.small_blob_bytes / 4096) as usize,
                    limits.small_blob_bytes,
                    |_, bytes| bytes.len() as u64 + 128,
                    trust,
                ),
                files: Coherent::new(limits.open_files, limits.open_files as u64, |_, _| 1, trust),
                tag_names: Names::new(Arc::clone(&driver), trust, limits.names),
                repository_names: Names::new(Arc::clone(&driver), trust, limits.names),
                holders: Holders(Mutex::new(VecDeque::new())),
                sessions: Sessions::default(),
                scanned: crate::referrers::Scanned::default(),
                stats: Stats::default(),
                pool: Pool::new(limits.buffer_bytes / BUFFER_SIZE),
                driver,
                filesystem,
                journal_pending,
                _lock: lock,
            }),
        })
    }

    /// Writes out the upload sessions that are in memory alone, syncs everything and empties the
    /// journal. No write is taken afterwards.
    pub async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        let closed = spawn_blocking(move || {
            inner.save_sessions();
            if let Some(journal) = inner.engine.journal() {
                journal.close();
            }
        });
        if closed.await.is_err() {
            tracing::error!("the store was not closed; its journal will be replayed");
        }
    }

    /// Whether the store was opened for reading while its journal holds changes that the layout may
    /// lack: a registry is writing to it right now, or one has crashed and was not started again.
    pub fn journal_is_pending(&self) -> bool {
        self.inner.journal_pending
    }

    /// Takes a buffer for receiving an upload, waiting while too many are in use.
    pub async fn buffer(&self) -> Buffer {
        self.inner.pool.take().await
    }

    /// The driver's name.
    pub fn driver_name(&self) -> &'static str {
        self.inner.driver.name()
    }

    /// Asks the store for the root of its tree: the health check. A store that holds nothing yet
    /// is healthy (registry.md R-17).
    pub async fn ping(&self) -> Result<()> {
        crate::error::present(self.inner.driver.stat(&layout::repositories()).await).map(drop)
    }
}
