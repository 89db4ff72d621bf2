// SPDX-License-Identifier: Apache-2.0
//! Opening the store that the configuration names.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use blobstore::{Backend, BlobStore, Limits, Options, Trust};
use registry_config::Config;
use registry_config::config::berth::StoreMode;
use registry_config::config::storage::StorageDriver;
use storage::driver::{self, Driver};
use storage::filesystem::Filesystem;
use storage::memory::Memory;
use storage::observed::{Observed, Observer};
use telemetry::families::RegistryMetrics;
use telemetry::log::Line;

use super::metrics::StorageObserver;

/// About what one name costs in a list.
const BYTES_OF_A_NAME: u64 = 64;

/// What the store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To serve it.
    Serve,
    /// To read it, perhaps beside a registry that serves it.
    Read,
    /// To change it while no registry serves it.
    Maintain,
}

impl Purpose {
    /// Whether nothing is written: then neither lock nor journal is needed, and a volume that is
    /// mounted read-only will do.
    fn is_read_only(self, config: &Config) -> bool {
        match self {
            Self::Serve => config.storage.maintenance.read_only.enabled,
            Self::Read => true,
            Self::Maintain => false,
        }
    }
}

/// Opens the store. With metrics its driver is observed.
pub(super) async fn open(
    config: &Config,
    purpose: Purpose,
    metrics: Option<&RegistryMetrics>,
) -> Result<BlobStore> {
    let read_only = purpose.is_read_only(config);
    let shared = Trust::Shared { max_age: config.berth.shared.max_age };
    let (backend, trust, place) = match &config.storage.driver {
        StorageDriver::Filesystem(settings) => {
            let root = Path::new(&settings.root_directory);
            let filesystem = open_root(root, settings.max_threads, purpose, read_only)?;
            let observer = metrics.map(|metrics| observer(filesystem.name(), metrics));
            let driver = observed(filesystem.clone(), observer.clone());
            let trust = match config.berth.store {
                StoreMode::Exclusive => Trust::Exclusive,
                StoreMode::Shared => shared,
            };
            (
                Backend::Filesystem { filesystem, driver, observer },
                trust,
                root.display().to_string(),
            )
        }
        StorageDriver::InMemory => {
            let memory = Memory::default();
            let observer = metrics.map(|metrics| observer(memory.name(), metrics));
            let driver = observed(memory, observer);
            (Backend::Driver(driver), Trust::Exclusive, "memory".to_owned())
        }
        StorageDriver::Unimplemented { name } => bail!(
            "the storage driver {name} is known but not part of this build; filesystem and inmemory are"
        ),
    };
    let cache = &config.berth.cache;
    let options = Options {
        // Without the lock another process may write, or collect garbage.
        trust: if read_only { shared } else { trust },
        limits: Limits {
            manifest_bytes: cache.manifests.bytes(),
            small_blob_bytes: cache.small_blobs.bytes(),
            facts: cache.descriptors as usize,
            names: (cache.listings.bytes() / BYTES_OF_A_NAME) as usize,
            buffer_bytes: config.berth.limits.upload_buffers.bytes() as usize,
            ..Limits::default()
        },
        verify_on_read: config.berth.verify_on_read,
        read_only,
    };
    let store = BlobStore::open(backend, options).await.map_err(|error| explain(error, &place))?;
    if let Some(berth) = private_directory(config).filter(|_| purpose == Purpose::Serve)
        && folds_case(&berth)
    {
        bail!(
            "the file system of the storage directory {place} does not tell upper from lower case: \
             tags that differ only in case would overwrite each other; use another file system, or \
             turn case folding off before anything is stored"
        );
    }
    Ok(store)
}

/// Whether a directory of a lower-case name is also found under the name in upper case.
fn folds_case(directory: &Path) -> bool {
    let Some(name) = directory.file_name().and_then(|name| name.to_str()) else { return false };
    let upper = directory.with_file_name(name.to_ascii_uppercase());
    let id = |path: &Path| std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    id(directory).is_some_and(|lower| id(&upper) == Some(lower))
}

/// Opens the root directory. Only a registry that may write makes one that is missing: for
/// everything else a missing directory is a wrong path.
fn open_root(
    root: &Path,
    max_threads: u32,
    purpose: Purpose,
    read_only: bool,
) -> Result<Filesystem> {
    let place = root.display();
    let failed = || format!("cannot use the storage directory {place}");
    match std::fs::metadata(root) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => bail!("{}: it is not a directory (storage.filesystem.rootdirectory)", failed()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if purpose != Purpose::Serve || read_only {
                bail!("{}: it does not exist (storage.filesystem.rootdirectory)", failed());
            }
            Line::info(format!("the storage directory {place} does not exist and is created"))
                .emit();
        }
        Err(error) => return Err(error).with_context(failed),
    }
    let options = storage::filesystem::Options {
        max_threads: max_threads as usize,
        ..storage::filesystem::Options::default()
    };
    // The driver's errors name keys of the store; of its root the path says more.
    Filesystem::open(root, options).map_err(|error| match error {
        driver::Error::Forbidden { source, .. }
        | driver::Error::NoSpace { source, .. }
        | driver::Error::Busy { source, .. }
        | driver::Error::Io { source, .. } => anyhow::Error::new(source).context(failed()),
        other => anyhow::Error::new(other).context(failed()),
    })
}

/// Says what can be done where the error of the store alone does not.
fn explain(error: blobstore::Error, place: &str) -> anyhow::Error {
    match error {
        blobstore::Error::Storage(driver::Error::Busy { operation: "lock", source, .. })
            if source.kind() == ErrorKind::WouldBlock =>
        {
            anyhow::anyhow!(
                "the store in {place} is in use by another process, which holds the lock \
                 {place}/.berth/lock: stop it first; replicas that share a store, and a store that \
                 another registry writes to, need berth.store: shared"
            )
        }
        blobstore::Error::Journal(source) => anyhow::Error::new(source)
            .context(format!("cannot open the journal of the store in {place}")),
        other => anyhow::Error::new(other).context(format!("cannot open the store in {place}")),
    }
}

fn observer(driver: &str, metrics: &RegistryMetrics) -> Arc<dyn Observer> {
    Arc::new(StorageObserver::new(metrics.storage.driver(driver)))
}

fn observed<D: Driver>(driver: D, observer: Option<Arc<dyn Observer>>) -> Arc<dyn Driver> {
    match observer {
        Some(observer) => Arc::new(Observed::new(driver, observer)),
        None => Arc::new(driver),
    }
}

/// The directory for files of ours that are not part of the store; none where nothing is written.
pub(super) fn private_directory(config: &Config) -> Option<PathBuf> {
    match &config.storage.driver {
        StorageDriver::Filesystem(settings) if !config.storage.maintenance.read_only.enabled => {
            Some(Path::new(&settings.root_directory).join(".berth"))
        }
        _ => None,
    }
}
