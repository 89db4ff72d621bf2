// SPDX-License-Identifier: Apache-2.0
//! Walking the layout.

use std::sync::Arc;

use oci::{Digest, RepositoryName};
use storage::driver::{Driver, Key, Kind};

use crate::error::{Result, present};
use crate::layout;

/// Names asked of the driver at once.
const STEP: usize = 10_000;

/// The names below a directory, page by page.
pub(super) struct Pages {
    driver: Arc<dyn Driver>,
    directory: Key,
    after: Option<String>,
    done: bool,
}

/// Starts to list a directory; a missing one has no names.
pub(super) fn pages(driver: &Arc<dyn Driver>, directory: Key) -> Pages {
    Pages { driver: Arc::clone(driver), directory, after: None, done: false }
}

impl Pages {
    /// The next names, in order; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<String>>> {
        if self.done {
            return Ok(None);
        }
        let listing = self.driver.list(&self.directory, self.after.as_deref(), STEP).await;
        let Some(listing) = present(listing)? else {
            self.done = true;
            return Ok(None);
        };
        self.done = !listing.more;
        self.after = listing.names.last().cloned();
        Ok((!listing.names.is_empty()).then_some(listing.names))
    }

    /// All names, for directories that are known to be small.
    pub(super) async fn all(mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        while let Some(page) = self.next().await? {
            names.extend(page);
        }
        Ok(names)
    }
}

/// Every directory below `repositories` that is a repository or looks like one.
pub(super) struct Repositories {
    driver: Arc<dyn Driver>,
    pending: Vec<String>,
}

/// Starts to walk all repositories, in no particular order.
pub(super) fn repositories(driver: &Arc<dyn Driver>) -> Repositories {
    Repositories { driver: Arc::clone(driver), pending: vec![String::new()] }
}

impl Repositories {
    /// The next path that has a part of a repository in it; names that are no repository names
    /// come as they are.
    pub(super) async fn next(&mut self) -> Result<Option<(String, Result<RepositoryName, Key>)>> {
        while let Some(path) = self.pending.pop() {
            let Some(directory) = layout::repository_path(&path) else { continue };
            let mut is_repository = false;
            let mut list = pages(&self.driver, directory.clone());
            while let Some(names) = list.next().await? {
                for name in names {
                    if name.starts_with('_') {
                        is_repository = true;
                    } else if path.is_empty() {
                        self.pending.push(name);
                    } else {
                        self.pending.push(format!("{path}/{name}"));
                    }
                }
            }
            if is_repository {
                let name = RepositoryName::parse(&path).map_err(|_| directory);
                return Ok(Some((path, name)));
            }
        }
        Ok(None)
    }
}

/// Every `<alg>/<hex>` below a directory that is a digest; the others through `foreign`.
pub(super) async fn digests(
    driver: &Arc<dyn Driver>,
    directory: &Key,
    mut foreign: impl FnMut(Key),
) -> Result<Vec<Digest>> {
    let mut found = Vec::new();
    for algorithm in pages(driver, directory.clone()).all().await? {
        let Ok(below) = directory.join(&algorithm) else { continue };
        let mut list = pages(driver, below.clone());
        while let Some(names) = list.next().await? {
            for name in names {
                match Digest::parse(&format!("{algorithm}:{name}")) {
                    Ok(digest) => found.push(digest),
                    Err(_) => foreign(below.join(&name).unwrap_or_else(|_| below.clone())),
                }
            }
        }
    }
    Ok(found)
}

/// Every digest that has a directory below `blobs`; what is no such directory through `foreign`.
pub(super) async fn blobs(
    driver: &Arc<dyn Driver>,
    mut foreign: impl FnMut(Key),
) -> Result<Vec<Digest>> {
    let mut found = Vec::new();
    let root = layout::blobs();
    for algorithm in pages(driver, root.clone()).all().await? {
        let Ok(below) = root.join(&algorithm) else { continue };
        for prefix in pages(driver, below.clone()).all().await? {
            let Ok(directory) = below.join(&prefix) else { continue };
            if !is_directory(driver, &directory).await? {
                foreign(directory);
                continue;
            }
            let mut list = pages(driver, directory.clone());
            while let Some(names) = list.next().await? {
                for name in names {
                    let digest = Digest::parse(&format!("{algorithm}:{name}"));
                    match digest.ok().filter(|_| name.starts_with(&prefix)) {
                        Some(digest) => found.push(digest),
                        None => {
                            foreign(directory.join(&name).unwrap_or_else(|_| directory.clone()));
                        }
                    }
                }
            }
        }
    }
    Ok(found)
}

pub(super) async fn is_directory(driver: &Arc<dyn Driver>, key: &Key) -> Result<bool> {
    Ok(present(driver.stat(key).await)?.is_some_and(|meta| meta.kind == Kind::Directory))
}
