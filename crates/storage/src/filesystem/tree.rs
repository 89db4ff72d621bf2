// SPDX-License-Identifier: Apache-2.0
//! The root directory and the one way to open something below it.
//!
//! Every path handed to the kernel is relative to the root's descriptor. With `openat2` (Linux 5.6)
//! the kernel itself refuses to leave the root, whatever links an administrator or an attacker with
//! access to the volume has laid: `RESOLVE_BENEATH`. Where it is missing or filtered away, `openat`
//! is used; a key has no `..`, so then only symbolic links in the middle of a path could lead out.
//! An object is never a link. A directory may be one where the kernel sees to it that it leads to
//! another directory below the root.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::Errno;

/// Objects are created 0666 and directories 0777, both minus the umask (registry.md 5.5).
pub(super) const FILE_MODE: Mode = Mode::from_raw_mode(0o666);
/// See [`FILE_MODE`].
pub(super) const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o777);

/// How often a lookup that raced with a rename (EAGAIN of `openat2`) is repeated.
const LOOKUP_ATTEMPTS: usize = 16;

/// What tells one directory from another that later has the same name.
///
/// Inode numbers are used again quickly, so the time of birth belongs to it; filesystems without
/// one (NFS) are told apart by inode number alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: (u32, u32),
    inode: u64,
    born: (i64, u32),
}

/// The root directory.
pub(super) struct Tree {
    root: OwnedFd,
    beneath: bool,
}

impl Tree {
    /// Opens the root directory, creating it if it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        create_durably(path)?;
        let root = rustix::io::retry_on_intr(|| {
            rustix::fs::open(
                path,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
        })?;
        // Old kernels answer ENOSYS, old seccomp profiles EPERM: any failure here means "not usable".
        let beneath = rustix::fs::openat2(
            &root,
            ".",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH,
        )
        .is_ok();
        Ok(Self { root, beneath })
    }

    /// The root's descriptor.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens a path below the root; the empty path is the root itself.
    pub(super) fn open_at(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        let follow = self.beneath && flags.contains(OFlags::DIRECTORY);
        let flags = flags | OFlags::CLOEXEC;
        let flags = if follow { flags } else { flags | OFlags::NOFOLLOW };
        let mode = if flags.contains(OFlags::CREATE) { FILE_MODE } else { Mode::empty() };
        if !self.beneath {
            return Ok(rustix::io::retry_on_intr(|| {
                rustix::fs::openat(&self.root, path, flags, mode)
            })?);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut attempts = 0;
        loop {
            match rustix::fs::openat2(&self.root, path, flags, mode, resolve) {
                Ok(fd) => return Ok(fd),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if attempts < LOOKUP_ATTEMPTS => attempts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Opens a file. A FIFO that somebody put there must not block the open, hence NONBLOCK, which
    /// means nothing for a regular file.
    pub(super) fn open_file(&self, path: &str, flags: OFlags) -> io::Result<File> {
        Ok(File::from(self.open_at(path, flags | OFlags::NONBLOCK | OFlags::NOCTTY)?))
    }

    /// Opens a directory so that it can be listed and synced.
    pub(super) fn open_dir(&self, path: &str) -> io::Result<OwnedFd> {
        self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Opens a directory only to name things in it: needs no right to read it.
    pub(super) fn open_dir_path(&self, path: &str) -> io::Result<OwnedFd> {
        self.open_at(path, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// Which directory has this path now. `None` where the kernel does not tell (`statx` filtered).
    pub(super) fn identity(&self, path: &str) -> io::Result<Option<Identity>> {
        let path = if path.is_empty() { "." } else { path };
        let wanted = StatxFlags::INO | StatxFlags::BTIME;
        match rustix::fs::statx(&self.root, path, AtFlags::SYMLINK_NOFOLLOW, wanted) {
            Ok(found) => {
                let has_birth = found.stx_mask & StatxFlags::BTIME.bits() != 0;
                let birth = (found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
                Ok(Some(Identity {
                    device: (found.stx_dev_major, found.stx_dev_minor),
                    inode: found.stx_ino,
                    born: if has_birth { birth } else { (0, 0) },
                }))
            }
            Err(Errno::NOSYS | Errno::PERM) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Splits the path of a key into directory and name; the root has no name.
pub(super) fn split(path: &str) -> io::Result<(&str, &str)> {
    if path.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the root is not an object"));
    }
    Ok(path.rsplit_once('/').unwrap_or(("", path)))
}

/// The directory of a path; the root's is the root.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// Creates the root directory and the directories above it, each synced into its parent.
fn create_durably(path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut at = path;
    while !at.as_os_str().is_empty() && !at.try_exists()? {
        missing.push(at);
        let Some(above) = at.parent() else { break };
        at = above;
    }
    for directory in missing.into_iter().rev() {
        match std::fs::create_dir(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let above = directory.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without `openat2` the same paths open, and a link at the end is still refused.
    #[test]
    fn the_fallback_opens_the_same() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("d")).unwrap();
        std::fs::write(directory.path().join("d/file"), "x").unwrap();
        std::os::unix::fs::symlink("file", directory.path().join("d/link")).unwrap();
        for beneath in [true, false] {
            let mut tree = Tree::open(directory.path()).unwrap();
            if beneath && !tree.beneath {
                println!("skipped: this kernel or sandbox has no openat2");
                continue;
            }
            tree.beneath = beneath;
            tree.open_file("d/file", OFlags::RDONLY).unwrap();
            tree.open_file("d/new", OFlags::WRONLY | OFlags::CREATE).unwrap();
            tree.open_dir("").unwrap();
            tree.open_dir_path("d").unwrap();
            let link = tree.open_file("d/link", OFlags::RDONLY).unwrap_err();
            assert_eq!(link.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
            let absent = tree.open_file("d/absent", OFlags::RDONLY).unwrap_err();
            assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn a_root_is_created_with_all_above_it() {
        let directory = tempfile::tempdir().unwrap();
        Tree::open(&directory.path().join("a/b/c")).unwrap();
        assert!(directory.path().join("a/b/c").is_dir());
    }
}
