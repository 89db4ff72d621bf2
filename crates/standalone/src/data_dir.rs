// SPDX-License-Identifier: Apache-2.0
//! The data directory: everything that `berth up` keeps, and the lock that says it is in use.
//!
//! ```text
//! DIR/                      0700
//!   lock                    held while `berth up` runs
//!   version                 the format of this directory
//!   admin.kubeconfig        0600, for kubectl and oc
//!   kubeadmin-password      0600, of the first administrator
//!   session.key             0600, signs the login page's cookies
//!   cluster-id              the cluster's own uid
//!   pki/                    0700: ca.{crt,key}, serving.{crt,key}, admin.{crt,key}, accounts.key
//!   store/                  the API's objects (SQLite)
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The format of the directory that this release writes.
const FORMAT: &str = "1";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Something below it cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another `berth up` runs on it.
    #[error(
        "{0} is in use by another `berth up`; stop that one, or give this one another --data-dir"
    )]
    InUse(PathBuf),
    /// A newer release wrote it.
    #[error(
        "{path} has format {found}, this release reads up to {FORMAT}; use the release that wrote it"
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: String,
    },
}

/// An open data directory; the lock is let go when it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Opens or makes it.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let at = |source| DataDirError::Io { path: path.to_owned(), source };
        make_dir(path).map_err(at)?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path);
        let lock = lock.map_err(|source| DataDirError::Io { path: lock_path, source })?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(DataDirError::InUse(path.to_owned()));
        }
        let dir = Self { path: path.to_owned(), _lock: lock };
        match dir.read("version")? {
            Some(found) if found.trim() != FORMAT => {
                return Err(DataDirError::Newer {
                    path: path.to_owned(),
                    found: found.trim().to_owned(),
                });
            }
            Some(_) => {}
            None => dir.write("version", FORMAT)?,
        }
        make_dir(&path.join("pki")).map_err(at)?;
        make_dir(&path.join("store")).map_err(at)?;
        Ok(dir)
    }

    /// A path below it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A file's text; none when it does not exist.
    ///
    /// # Errors
    /// [`DataDirError::Io`].
    pub fn read(&self, name: &str) -> Result<Option<String>, DataDirError> {
        let path = self.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataDirError::Io { path, source }),
        }
    }

    /// Writes a file whole, readable by its owner alone: beside it first, so that no crash leaves half of it.
    ///
    /// # Errors
    /// [`DataDirError::Io`].
    pub fn write(&self, name: &str, text: &str) -> Result<(), DataDirError> {
        let path = self.join(name);
        let beside = self.join(&format!("{name}.new"));
        let write = || {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(path.parent().unwrap_or(&self.path))?.sync_all()
        };
        write().map_err(|source| DataDirError::Io { path: path.clone(), source })
    }
}

fn make_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn one_at_a_time_and_private() {
        let temporary = tempfile::tempdir().expect("a directory");
        let path = temporary.path().join("data");
        let dir = DataDir::open(&path).expect("opened");
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse(_))));
        dir.write("secret", "x").expect("written");
        let mode =
            |name: &str| fs::metadata(path.join(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(""), mode("secret"), mode("pki")), (0o700, 0o600, 0o700));
        dir.write("version", "2").expect("written");
        drop(dir);
        assert!(matches!(DataDir::open(&path), Err(DataDirError::Newer { .. })));
    }
}
