// SPDX-License-Identifier: Apache-2.0
//! Stores on disk, written directly: distribution's layout for registries, plain files for nginx.
//!
//! Pushing a million tags through every server would take longer than all measurements, so large
//! stores are laid down as an existing registry would have left them. Link files of one digest
//! have the same content and are hard links of each other here, which halves the inodes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{Advice, fadvise};

use crate::load::content::{Body, digest};

/// Hard links per file; ext4 allows 65,000.
const LINKS: usize = 60_000;

/// Takes the objects of a data set.
pub trait Store {
    /// Stores a blob of a repository.
    fn blob(&mut self, repository: &str, body: &Body) -> Result<()>;
    /// Stores a manifest, under a tag when one is given.
    fn manifest(&mut self, repository: &str, tag: Option<&str>, bytes: &[u8]) -> Result<()>;
}

/// A folder that nginx serves.
#[derive(Debug)]
pub struct Tree(pub PathBuf);

impl Store for Tree {
    fn blob(&mut self, repository: &str, body: &Body) -> Result<()> {
        let folder = self.0.join("v2").join(repository).join("blobs");
        write(&folder.join(&body.digest), &body.parts().concat())
    }

    fn manifest(&mut self, repository: &str, tag: Option<&str>, bytes: &[u8]) -> Result<()> {
        let folder = self.0.join("v2").join(repository).join("manifests");
        if let Some(tag) = tag {
            write(&folder.join(tag), bytes)?;
        }
        write(&folder.join(digest(bytes)), bytes)
    }
}

/// A store in distribution's layout.
#[derive(Debug)]
pub struct Layout {
    root: PathBuf,
    made: BTreeSet<PathBuf>,
}

impl Layout {
    /// A layout below `rootdirectory`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.join("docker/registry/v2"), made: BTreeSet::new() }
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.root.join("repositories").join(name)
    }

    fn data(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        self.root.join("blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }

    fn link(folder: &Path, digest: &str) -> Result<()> {
        let hex = digest.trim_start_matches("sha256:");
        write(&folder.join("sha256").join(hex).join("link"), digest.as_bytes())
    }

    /// Many tags `t00000000…` of one manifest that is in the store.
    pub fn tags(&mut self, repository: &str, digest: &str, count: usize) -> Result<()> {
        let tags = self.repository(repository).join("_manifests/tags");
        fs::create_dir_all(&tags)?;
        let mut source = PathBuf::new();
        for number in 0..count {
            let folder = tags.join(tag_name(number)).join("current");
            fs::create_dir_all(&folder)?;
            let link = folder.join("link");
            if number % LINKS == 0 {
                write(&link, digest.as_bytes())?;
                source = link;
            } else {
                fs::hard_link(&source, &link)?;
            }
        }
        Ok(())
    }

    /// Many repositories `cat/r00000000…`, each with one manifest that is in the store, tagged
    /// `latest`. Without `whole` only the folders are made by which repositories are found.
    pub fn repositories(
        &mut self,
        body: &Body,
        bytes: &[u8],
        count: usize,
        whole: bool,
    ) -> Result<()> {
        for number in 0..count {
            let name = repository_name(number);
            let folder = self.repository(&name);
            fs::create_dir_all(folder.join("_layers"))?;
            fs::create_dir_all(folder.join("_manifests/tags"))?;
            if whole || number == 0 {
                self.blob(&name, body)?;
                self.manifest(&name, Some("latest"), bytes)?;
            }
        }
        Ok(())
    }
}

/// Name of the n-th tag of [`Layout::tags`].
pub fn tag_name(number: usize) -> String {
    format!("t{number:08}")
}

/// Name of the n-th repository of [`Layout::repositories`].
pub fn repository_name(number: usize) -> String {
    format!("cat/r{number:08}")
}

impl Store for Layout {
    fn blob(&mut self, repository: &str, body: &Body) -> Result<()> {
        let data = self.data(&body.digest);
        if self.made.insert(data.clone()) {
            write(&data, &body.parts().concat())?;
        }
        Self::link(&self.repository(repository).join("_layers"), &body.digest)
    }

    fn manifest(&mut self, repository: &str, tag: Option<&str>, bytes: &[u8]) -> Result<()> {
        let digest = digest(bytes);
        let data = self.data(&digest);
        if self.made.insert(data.clone()) {
            write(&data, bytes)?;
        }
        let manifests = self.repository(repository).join("_manifests");
        Self::link(&manifests.join("revisions"), &digest)?;
        if let Some(tag) = tag {
            let tag = manifests.join("tags").join(tag);
            write(&tag.join("current/link"), digest.as_bytes())?;
            Self::link(&tag.join("index"), &digest)?;
        }
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let wrong = || format!("writing {}", path.display());
    match fs::write(path, bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = path.parent().with_context(wrong)?;
            fs::create_dir_all(folder).with_context(wrong)?;
            fs::write(path, bytes).with_context(wrong)
        }
        other => other.with_context(wrong),
    }
}

/// Takes the files below `folder` out of the page cache; `all` drops the caches of the whole
/// machine too, which needs root.
pub fn make_cold(folder: &Path, all: bool) -> Result<()> {
    rustix::fs::sync();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)?.flatten() {
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.metadata()?.len() > 0 && entry.file_type()?.is_file() {
                fadvise(File::open(entry.path())?, 0, None, Advice::DontNeed)?;
            }
        }
    }
    if all {
        fs::write("/proc/sys/vm/drop_caches", "3").context("dropping the caches needs root")?;
    }
    Ok(())
}

/// Removes a store and waits until the disk has nothing left to write, so that no server is
/// measured while the traces of the one before are written back.
pub fn wipe(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", folder.display()));
        }
        _ => {}
    }
    rustix::fs::sync();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_that_of_distribution() {
        let folder = tempfile::tempdir().unwrap();
        let mut layout = Layout::new(folder.path());
        let body = Body::whole(b"content".to_vec());
        layout.blob("a/b", &body).unwrap();
        layout.manifest("a/b", Some("v1"), b"{}").unwrap();
        let root = folder.path().join("docker/registry/v2");
        let hex = body.digest.trim_start_matches("sha256:");
        let data = root.join("blobs/sha256").join(&hex[..2]).join(hex).join("data");
        assert_eq!(fs::read(data).unwrap(), b"content");
        let link = root.join("repositories/a/b/_layers/sha256").join(hex).join("link");
        assert_eq!(fs::read_to_string(link).unwrap(), body.digest);
        let current = root.join("repositories/a/b/_manifests/tags/v1/current/link");
        assert_eq!(fs::read_to_string(current).unwrap(), digest(b"{}"));
        layout.tags("a/b", &digest(b"{}"), 3).unwrap();
        let third = root.join("repositories/a/b/_manifests/tags/t00000002/current/link");
        assert_eq!(fs::read_to_string(third).unwrap(), digest(b"{}"));
        make_cold(folder.path(), false).unwrap();
        wipe(folder.path()).unwrap();
        assert!(!folder.path().exists());
    }
}
