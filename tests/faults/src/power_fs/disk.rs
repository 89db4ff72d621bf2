// SPDX-License-Identifier: Apache-2.0
//! A disk that keeps a record: one file, served through FUSE, on which a loop device lies. What a
//! filesystem writes to the device and when it flushes it arrives here in order.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::log::{Content, Event};
use crate::kill::lock;

/// Nothing changes behind the kernel's back.
const KEPT: Duration = Duration::from_secs(3600);

const NAME: &str = "disk";
const FILE: INodeNo = INodeNo(2);

/// What the disk holds and how it came to.
#[derive(Default)]
struct State {
    content: Content,
    events: Vec<Event>,
}

/// A recording disk; gone when dropped.
pub struct Disk {
    state: Arc<Mutex<State>>,
    /// Dropped first: it unmounts.
    session: Option<BackgroundSession>,
    folder: tempfile::TempDir,
}

impl Disk {
    /// An empty disk of that size.
    pub fn new(size: u64) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("berth-disk-").tempdir()?;
        let state = Arc::default();
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("berth-disk".into())];
        let server = Server { state: Arc::clone(&state), size };
        let session =
            fuser::spawn_mount(server, folder.path(), &config).context("mount through FUSE")?;
        Ok(Self { state, session: Some(session), folder })
    }

    /// The file that is the disk.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(NAME)
    }

    /// How much has happened so far.
    pub fn position(&self) -> usize {
        lock(&self.state).events.len()
    }

    /// Forgets what happened and returns what the disk holds now.
    pub fn begin(&self) -> Content {
        let mut state = lock(&self.state);
        state.events.clear();
        state.content.clone()
    }

    /// All that has happened since.
    pub fn events(&self) -> Vec<Event> {
        lock(&self.state).events.clone()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(Err(cause)) = self.session.take().map(BackgroundSession::umount_and_join) {
            eprintln!("could not unmount {}: {cause}", self.folder.path().display());
        }
    }
}

/// The filesystem. One thread answers, so that the order of events is the order of answers.
struct Server {
    state: Arc<Mutex<State>>,
    size: u64,
}

impl Server {
    fn attributes(&self, inode: INodeNo) -> FileAttr {
        let (kind, perm, size) = match inode {
            INodeNo::ROOT => (FileType::Directory, 0o700, 0),
            _ => (FileType::RegularFile, 0o600, self.size),
        };
        FileAttr {
            ino: inode,
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Server {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&KEPT, &self.attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&KEPT, &self.attributes(inode));
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        // Times change when a loop device is set up; a size never does.
        reply.attr(&KEPT, &self.attributes(inode));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Without the page cache each write is here before the device confirms it.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let length = u64::from(size).min(self.size.saturating_sub(offset));
        reply.data(&lock(&self.state).content.read(offset, length as usize));
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        if offset + bytes.len() as u64 > self.size {
            return reply.error(Errno::ENOSPC);
        }
        let mut state = lock(&self.state);
        state.content.write(offset, bytes);
        state.events.push(Event::Write { offset, bytes: bytes.to_vec() });
        reply.written(bytes.len() as u32);
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut state = lock(&self.state);
        // Twice the same is once.
        if state.events.last() != Some(&Event::Flush) {
            state.events.push(Event::Flush);
        }
        reply.ok();
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }
}
