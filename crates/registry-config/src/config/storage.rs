// SPDX-License-Identifier: Apache-2.0
//! `storage`: exactly one driver, and what concerns all of them (registry.md 4.1, 5.5, 5.7).

use std::time::Duration;

pub use crate::drivers::{
    Azure, AzureCredentials, Filesystem, Gcs, InMemory, Oss, S3, StorageClass, Swift,
};
use crate::problem::{Origin, Problem, WarningKind};
use crate::read::{Path, Reader, Scope, Setting};
use crate::schema::Shape;
use crate::yaml::{Mapping, Node, Value};

/// Where content is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The driver with its parameters.
    pub driver: StorageDriver,
    /// Caching of descriptors.
    pub cache: Cache,
    /// Whether content may be deleted.
    pub delete: Delete,
    /// Whether clients are sent to the store for blobs.
    pub redirect: Redirect,
    /// Purging of uploads, read-only mode.
    pub maintenance: Maintenance,
}

/// The storage driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageDriver {
    /// A directory.
    Filesystem(Filesystem),
    /// Memory; everything is lost at exit.
    InMemory,
    /// A driver whose parameters are known and checked, and which this build does not have.
    Unimplemented {
        /// The driver's name: `s3`, `gcs`, `azure`, `swift` or `oss`.
        name: &'static str,
    },
}

settings! {
    /// Where content is stored: exactly one driver, and what concerns all of them.
    /// `REGISTRY_STORAGE=<driver>` replaces the whole section. To give another driver than the file
    /// does, set that variable too.
    pub struct StorageSection, open to drivers {
        /// Caching of descriptors.
        "cache" => cache: Cache = "{}";
        /// Deleting.
        "delete" => delete: Delete = "{}";
        /// Redirects to the store.
        "redirect" => redirect: Redirect = "{}";
        /// Regular tasks, and read-only mode.
        "maintenance" => maintenance: Maintenance = "{}";
        /// Look-up of tags in distribution 3.
        "tag" => tag: TagLookup = "{}" ignored "tags are looked up in an index";
        /// Driver: a directory, in distribution's layout.
        "filesystem" => filesystem: Driver<Filesystem> = "";
        /// Driver: memory, for tests and demonstrations. Everything is lost at exit.
        "inmemory" => in_memory: Driver<InMemory> = "";
        /// Driver: Amazon S3 and what speaks its protocol. Not part of this build yet.
        "s3" also "s3aws" => s3: Driver<S3> = "";
        /// Driver: Google Cloud Storage. Not part of this build yet.
        "gcs" => gcs: Driver<Gcs> = "";
        /// Driver: Azure Blob Storage. Not part of this build yet.
        "azure" => azure: Driver<Azure> = "";
        /// Driver: OpenStack Swift. Not part of this build yet.
        "swift" => swift: Driver<Swift> = "";
        /// Driver: Alibaba Cloud OSS. Not part of this build yet.
        "oss" => oss: Driver<Oss> = "";
    }
}

/// The parameters of a driver, if it was given any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver<T>(pub Option<T>);

impl<T: Setting> Setting for Driver<T> {
    const SHAPE: Shape = T::SHAPE;

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        reader.lenient(|reader| Option::<T>::read(node, at, reader)).map(Self)
    }
}

choices! {
    /// Where descriptors are cached.
    pub enum DescriptorCache {
        /// In memory.
        InMemory = "inmemory",
        /// In redis; memory is used instead.
        Redis = "redis",
    }
}

settings! {
    /// Caching of descriptors. Sizes are in `berth.cache`.
    pub struct Cache {
        /// Where they are cached.
        "blobdescriptor" also "layerinfo" => blob_descriptor: DescriptorCache = "inmemory";
        /// Entries of distribution 3's cache.
        "blobdescriptorsize" => blob_descriptor_size: u32 = "10000"
            ignored "berth.cache.descriptors sets the size";
    }
}

settings! {
    /// Deleting.
    pub struct Delete {
        /// Whether blobs and manifests may be deleted.
        "enabled" => enabled: bool = "false";
    }
}

settings! {
    /// Redirects to the store, for drivers that can.
    pub struct Redirect checked by check_redirect {
        /// Whether all blobs go through the registry. Required in this section.
        "disable" => disable: bool = "false" wrong "invalid type for redirect config";
    }
}

settings! {
    /// Regular tasks, and read-only mode.
    pub struct Maintenance {
        /// Purging of uploads that were begun and never finished.
        "uploadpurging" => upload_purging: UploadPurging = "{}"
            wrong "uploadpurging config key must contain additional keys";
        /// Read-only mode.
        "readonly" => read_only: ReadOnly = "{}"
            wrong "readonly config key must contain additional keys";
    }
}

settings! {
    /// Purging of uploads that were begun and never finished.
    pub struct UploadPurging {
        /// Whether old uploads are removed.
        "enabled" => enabled: bool = "true" wrong "Unable to parse upload purge configuration";
        /// Age from which on an upload is old.
        "age" => age: Duration = "168h" wrong "Unable to parse upload purge configuration";
        /// Time between two runs.
        "interval" => interval: Duration = "24h" in "1s" .. "87600h"
            wrong "Unable to parse upload purge configuration";
        /// Whether old uploads are only logged.
        "dryrun" => dry_run: bool = "false" wrong "Unable to parse upload purge configuration";
    }
}

settings! {
    /// Read-only mode: pushes and deletes are answered with 405.
    pub struct ReadOnly {
        /// Whether the registry is read-only.
        "enabled" => enabled: bool = "false"
            wrong "readonly's enabled config key must have a boolean value";
    }
}

settings! {
    /// Look-up of tags in distribution 3.
    pub struct TagLookup {
        /// Look-ups at a time.
        "concurrencylimit" => concurrency_limit: u32 = "0";
    }
}

fn check_redirect(_: &mut Redirect, scope: &Scope<'_>, reader: &mut Reader) {
    // A default section has no origin; a written one without `disable` is the original's error.
    if *scope.origin != Origin::Default && !scope.has("disable") {
        let text = "invalid type for redirect config: disable is required, true or false";
        reader.error(scope.at, scope.origin, Problem::Missing(text.to_owned()));
    }
}

/// The keys of the section that are not drivers.
const NOT_DRIVERS: [&str; 5] = ["cache", "delete", "redirect", "maintenance", "tag"];

impl Setting for Storage {
    const SHAPE: Shape = Shape::Section(StorageSection::SECTION);

    fn read(node: &Node, at: &Path<'_>, reader: &mut Reader) -> Option<Self> {
        // `storage: inmemory` is short for `storage: {inmemory: {}}`.
        let expanded;
        let node = match &node.value {
            Value::Scalar { text, .. } => {
                let mut map = Mapping::default();
                map.set(text, Node::empty_map(node.origin.clone()));
                expanded = Node { value: Value::Mapping(map), origin: node.origin.clone() };
                &expanded
            }
            _ => node,
        };
        let section = StorageSection::read(node, at, reader)?;
        let empty = Mapping::default();
        let map = node.as_mapping().unwrap_or(&empty);
        let drivers: Vec<(&str, &Node)> =
            map.iter().filter(|(name, _)| !NOT_DRIVERS.contains(name)).collect();
        let driver = match drivers.as_slice() {
            [(name, driver)] => section.driver(name, driver, at, reader),
            [] => {
                let text = "No storage configuration provided".to_owned();
                reader.error(at, &node.origin, Problem::Missing(text));
                None
            }
            several => {
                report_several(several, at, reader);
                None
            }
        };
        Some(Self {
            // After an error the configuration is not used; any driver will do.
            driver: driver.unwrap_or(StorageDriver::InMemory),
            cache: section.cache,
            delete: section.delete,
            redirect: section.redirect,
            maintenance: section.maintenance,
        })
    }
}

impl StorageSection {
    fn driver(
        &self,
        name: &str,
        node: &Node,
        at: &Path<'_>,
        reader: &mut Reader,
    ) -> Option<StorageDriver> {
        let known = Self::SECTION.keys.iter().filter(|key| !NOT_DRIVERS.contains(&key.name));
        let Some(key) = known.clone().find(|key| key.name == name || key.aliases.contains(&name))
        else {
            let names: Vec<&str> = known.map(|key| key.name).collect();
            let name: String = name.chars().take(100).collect();
            let text = format!("unknown storage driver {name:?}; expected one of {names:?}");
            reader.error(&at.child(&name), &node.origin, Problem::Value(text));
            return None;
        };
        match key.name {
            "filesystem" => {
                let parameters = self.filesystem.0.clone().or_else(|| {
                    let null = Node { value: Value::Null, origin: node.origin.clone() };
                    Filesystem::read(&null, &at.child(name), reader)
                });
                parameters.map(StorageDriver::Filesystem)
            }
            "inmemory" => Some(StorageDriver::InMemory),
            name => Some(StorageDriver::Unimplemented { name }),
        }
    }
}

/// Two drivers: the original's text says whether a variable brought one of them.
fn report_several(drivers: &[(&str, &Node)], at: &Path<'_>, reader: &mut Reader) {
    let names: Vec<&str> = drivers.iter().map(|(name, _)| *name).collect();
    let from_variable = drivers.iter().find(|(_, node)| matches!(node.origin, Origin::Variable(_)));
    let (node, text) = match from_variable {
        Some((_, node)) => (
            *node,
            format!(
                "multiple storage drivers specified in configuration or environment: {}; set \
                 REGISTRY_STORAGE to the one that is meant",
                names.join(", ")
            ),
        ),
        None => (
            drivers[drivers.len() - 1].1,
            format!("Must provide exactly one storage type. Provided: [{}]", names.join(" ")),
        ),
    };
    reader.error(at, &node.origin, Problem::Conflict(text));
}

/// Raises the number of file operations to the original's least one, with a warning.
pub(crate) fn check_filesystem(driver: &mut Filesystem, scope: &Scope<'_>, reader: &mut Reader) {
    if driver.root_directory.is_empty() {
        let at = scope.at.child("rootdirectory");
        let text = "a directory is required".to_owned();
        reader.error(&at, scope.origin_of("rootdirectory"), Problem::Value(text));
    }
    if driver.max_threads < 25 {
        let at = scope.at.child("maxthreads");
        let text = format!("{at}: less than 25 is taken as 25");
        reader.warn(&at, scope.origin_of("maxthreads"), WarningKind::Doubtful, text);
        driver.max_threads = 25;
    }
}
