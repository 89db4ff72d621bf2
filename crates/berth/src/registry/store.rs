// SPDX-License-Identifier: Apache-2.0
//! Opening the store that the configuration names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use blobstore::{Backend, BlobStore, Limits, Options, Trust};
use registry_config::Config;
use registry_config::config::berth::StoreMode;
use registry_config::config::storage::StorageDriver;
use storage::driver::Driver;
use storage::filesystem::Filesystem;
use storage::memory::Memory;
use storage::observed::{Observed, Observer};
use telemetry::families::RegistryMetrics;

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

/// Opens the store. With metrics its driver is observed.
pub(super) async fn open(
    config: &Config,
    purpose: Purpose,
    metrics: Option<&RegistryMetrics>,
) -> Result<BlobStore> {
    let shared = Trust::Shared { max_age: config.berth.shared.max_age };
    let (backend, trust, place) = match &config.storage.driver {
        StorageDriver::Filesystem(settings) => {
            let root = Path::new(&settings.root_directory);
            let options = storage::filesystem::Options {
                max_threads: settings.max_threads as usize,
                ..storage::filesystem::Options::default()
            };
            let filesystem = Filesystem::open(root, options)
                .with_context(|| format!("cannot use the storage directory {}", root.display()))?;
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
        trust: if purpose == Purpose::Read { shared } else { trust },
        limits: Limits {
            manifest_bytes: cache.manifests.bytes(),
            small_blob_bytes: cache.small_blobs.bytes(),
            facts: cache.descriptors as usize,
            names: (cache.listings.bytes() / BYTES_OF_A_NAME) as usize,
            buffer_bytes: config.berth.limits.upload_buffers.bytes() as usize,
            ..Limits::default()
        },
        verify_on_read: config.berth.verify_on_read,
        read_only: purpose == Purpose::Read,
    };
    BlobStore::open(backend, options).await.with_context(|| {
        format!(
            "cannot open the store in {place} (berth.store is {}; replicas that share a store, and \
             a store that another registry writes to, need berth.store: shared)",
            if trust.is_exclusive() { "exclusive" } else { "shared" }
        )
    })
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

/// The directory for files of ours that are not part of the store.
pub(super) fn private_directory(config: &Config) -> Option<PathBuf> {
    match &config.storage.driver {
        StorageDriver::Filesystem(settings) => {
            Some(Path::new(&settings.root_directory).join(".berth"))
        }
        _ => None,
    }
}
