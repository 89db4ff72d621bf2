// SPDX-License-Identifier: Apache-2.0
//! The driver trait: what the layout needs of a place that keeps bytes.
//!
//! It is cut to what a filesystem, S3, GCS, Azure Blob and Swift all can do, so that no driver has
//! to pretend:
//!
//! | need | filesystem | S3 | GCS | Azure | Swift |
//! |---|---|---|---|---|---|
//! | name of key `/a/b` (registry.md 5.1) | below the root directory | `root/a/b`, no leading `/` | as S3 | `/a/b` when there is no root directory: the slash form is written, both forms are read | `prefix/files/a/b` |
//! | [`Driver::stat`] | `fstatat` | HEAD; on 404 a list of `key/` with one name decides whether it is a directory | as S3 | as S3 | as S3; the size of a manifest object is that of all segments |
//! | [`Driver::open`] | `openat2`, positioned reads | GET with `Range` | as S3 | as S3 | as S3 |
//! | [`Change::Put`] | temp, fsync, rename, fsync directory | one PUT | one media upload | Put Blob as a block blob; an append blob under that name is deleted first | one PUT |
//! | [`Change::Move`] | rename | CopyObject up to 5 GB, else UploadPartCopy in parallel; then delete | rewrite until `done`, then delete | Copy Blob, poll until it is complete, delete | COPY of the manifest object, not of the segments; delete the old manifest |
//! | [`Change::RemoveTree`] | rename away, then delete | list and delete 1000 names at a time, and abort the multipart uploads below | list, delete each | list, delete each | list, delete each, and the segments that the manifests name |
//! | [`Upload`] | append to a file | multipart | resumable session | append blob, blocks of 4 MiB | segments, a dynamic large object at the end |
//! | [`Upload::suspend`] note | empty | upload id; number, size and ETag of each part | session URI and offset | empty: the blob knows its length | segment prefix; number and size of each segment |
//! | bytes too few for a part at suspend | – | kept in an object of the driver's own below `.berth/` | below 256 KiB, likewise | – | – |
//! | [`Upload::finish`] | fdatasync, fsync directories | CompleteMultipartUpload; an empty object is one empty PUT | last chunk with the total size | nothing: every append was durable | PUT of the empty object with `X-Object-Manifest` |
//! | finish at a known place | rename costs nothing | created at [`UploadHint::destination`]: no copy | likewise | likewise | segments stay where they are anyway |
//! | [`Driver::list`] | readdir, the smallest names kept | ListObjectsV2, delimiter `/`, start-after | objects.list, delimiter, startOffset | List Blobs, delimiter; a page can be short or empty and go on | container GET, delimiter, marker |
//! | absence | certain | from HEAD or GET only, never from a list | same | same | same, and for a while after a write not at all |
//! | [`Driver::redirect`] (registry.md 5.6) | none | presigned, method in the signature | signed URL, method in the signature, needs a private key | SAS for reading, good for both methods | tempurl; HEAD with the signature for GET |
//!
//! What follows for a driver of an object store:
//!
//! - **Nothing is renamed.** A `Move` copies all bytes on the server ([`Guarantees::cheap_move`]), so
//!   an upload whose digest is known beforehand is created with its destination: the driver stores
//!   it there, and the later `Move` finds the source missing and the target present, which is
//!   success. A move interrupted between copy and delete leaves an old name only (registry.md 5.4).
//! - **A part has a size, and there are at most 10 000 of them.** With parts of 10 MiB up to number
//!   1000, and from there 7 % more each hundred, every part is below 5 GiB and the whole reaches
//!   6 TiB, more than the 5 TiB that S3 takes. Part sizes may differ, so a driver that resumes with
//!   another setting goes on. All but the last part must have 5 MiB. Parts are streamed; what
//!   several uploads may hold in memory is one budget, not one buffer each.
//! - **The note of a suspended upload has a limit of 64 KiB.** 10 000 parts with ETags take more.
//!   The note then has the upload id, the count and the hash over the list, and the list is fetched
//!   with ListParts, all pages; so also when the note is lost or empty (ListMultipartUploads finds
//!   the id by the key). The answer is held against the offset: [`Error::Offset`] if it differs.
//! - **Lists may be late.** They serve enumeration and removal, never a decision that something is
//!   absent. On a backend that answers a list without a fresh object, `RemoveTree` may have to be
//!   done again, and the purge of old uploads does that.
//! - **A batch is a sequence of requests.** Each is durable when answered. Changes of one batch to
//!   different names may be sent at the same time only where no earlier one is what a later one
//!   names; a driver cannot see that, so it does not.
//! - **Retries.** PUT, HEAD, GET, DELETE, part uploads and copies can be repeated. CompleteMultipart
//!   and the append of a block cannot: after a lost answer the driver looks (HEAD; the length with
//!   the append position as a condition) before it concludes anything.
//! - Throttling (503, 429) that outlasts the retries is [`Error::Busy`], 403 is
//!   [`Error::Forbidden`], 404 is [`Error::NotFound`] only if it is about the object: a missing
//!   bucket or container is [`Error::Io`].
//!
//! Rules every driver keeps, and the module `conformance` checks:
//!
//! 1. When [`Driver::apply`] returns `Ok`, every change of the batch is durable and visible to this
//!    process, and no earlier state of a name is visible after a later one. When it fails, a
//!    *prefix* of the batch may have been applied; the caller orders a batch so that every prefix
//!    is a legal state (a name comes after what it names).
//! 2. A name holds its old bytes or its new ones, never a mixture, and never less.
//! 3. Absence is [`Error::NotFound`] and nothing else; any other failure is never read as absence.
//! 4. Memory does not grow with the size of an object.

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

/// A key: an absolute, slash-separated name whose elements are `[A-Za-z0-9._-]+` and neither `.`
/// nor `..` (registry.md 5.1). The root directory or prefix of the driver is not part of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

/// A string that is not a [`Key`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a storage key: /-separated elements of A-Z a-z 0-9 . _ - are allowed")]
pub struct InvalidKey(pub String);

impl Key {
    /// Longest key in bytes: what S3, GCS, Azure and Swift take as a name, all 1024, less room for a
    /// root directory. The layout's longest is below 600.
    pub const MAX_LEN: usize = 960;
    /// Longest element in bytes: what filesystems take as a name.
    pub const MAX_ELEMENT_LEN: usize = 255;

    /// The root: the directory that holds everything.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// Checks a key.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        match text.strip_prefix('/') {
            Some("") => Ok(Self::root()),
            Some(rest) if text.len() <= Self::MAX_LEN && rest.split('/').all(Self::is_element) => {
                Ok(Self(text.into()))
            }
            _ => Err(InvalidKey(text.to_owned())),
        }
    }

    /// Whether a text can be an element of a key.
    pub fn is_element(text: &str) -> bool {
        !text.is_empty()
            && text.len() <= Self::MAX_ELEMENT_LEN
            && text != "."
            && text != ".."
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    }

    /// The key as text, with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key without its leading slash: the path below a root directory or prefix.
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }

    /// The key of a child.
    pub fn join(&self, element: &str) -> Result<Self, InvalidKey> {
        let base = if &*self.0 == "/" { "" } else { &self.0 };
        Self::parse(&format!("{base}/{element}"))
    }

    /// The directory that holds this key; the root holds itself.
    pub fn parent(&self) -> Self {
        match self.0.rfind('/') {
            Some(0) | None => Self::root(),
            Some(at) => Self(self.0[..at].into()),
        }
    }

    /// The last element; empty for the root.
    pub fn name(&self) -> &str {
        &self.0[self.0.rfind('/').map_or(0, |at| at + 1)..]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// What can go wrong in a driver. The kinds are those that a caller treats differently.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing has this name.
    #[error("{key} does not exist")]
    NotFound {
        /// The name.
        key: Key,
    },
    /// An object is larger than the caller allowed.
    #[error("{key} is larger than {limit} bytes")]
    TooLarge {
        /// The name.
        key: Key,
        /// The caller's limit in bytes.
        limit: usize,
    },
    /// An upload holds another number of bytes than the caller believes.
    #[error("{key} holds {actual} bytes where {expected} were expected")]
    Offset {
        /// The upload's key.
        key: Key,
        /// What the caller believed.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// The device is full or a quota is used up (ENOSPC, EDQUOT, EFBIG).
    #[error("no space is left for {key}")]
    NoSpace {
        /// The name that was being written.
        key: Key,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The filesystem, bucket or container is read-only, or the credentials may not write.
    #[error("{key} may not be accessed")]
    Forbidden {
        /// The name.
        key: Key,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// This process or the backend is out of a resource for now (EMFILE, ENFILE, ENOMEM, 503).
    #[error("the storage is busy: {operation} of {key}")]
    Busy {
        /// What was tried.
        operation: &'static str,
        /// The name.
        key: Key,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Anything else.
    #[error("{operation} of {key} failed")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The name.
        key: Key,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The name that the operation was about.
    pub fn key(&self) -> &Key {
        match self {
            Self::NotFound { key }
            | Self::TooLarge { key, .. }
            | Self::Offset { key, .. }
            | Self::NoSpace { key, .. }
            | Self::Forbidden { key, .. }
            | Self::Busy { key, .. }
            | Self::Io { key, .. } => key,
        }
    }

    /// Whether the name does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

/// Result of a driver operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether a name is an object or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Holds bytes.
    Object,
    /// Holds names.
    Directory,
}

/// What [`Driver::stat`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Object or directory.
    pub kind: Kind,
    /// Size in bytes; 0 for a directory.
    pub size: u64,
    /// Last modification. On object stores a directory has none and answers the epoch.
    pub modified: SystemTime,
}

/// The bytes of an object, or a range of them.
pub enum Content {
    /// A range of an open local file: positioned reads, sendfile.
    File {
        /// The file.
        file: Arc<File>,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
    },
    /// In memory.
    Bytes(Bytes),
    /// From elsewhere. `len` bytes follow, or an error.
    Stream {
        /// Number of bytes.
        len: u64,
        /// The bytes.
        stream: BoxStream<'static, std::io::Result<Bytes>>,
    },
}

/// One page of the names directly below a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Names (not keys), ascending in byte order, each once.
    pub names: Vec<String>,
    /// Whether more follow the last one.
    pub more: bool,
}

/// One change of the names in the store.
#[derive(Clone, Debug)]
pub enum Change {
    /// Creates or atomically replaces a small object.
    Put {
        /// Its name.
        key: Key,
        /// Its whole content.
        bytes: Bytes,
    },
    /// Gives a finished object a new name; what had that name is replaced. Both names lie in the
    /// same driver. A missing source is no error when the target exists (replay).
    Move {
        /// The present name.
        from: Key,
        /// The new name.
        to: Key,
    },
    /// Removes one object. Absence is no error.
    Remove {
        /// Its name.
        key: Key,
    },
    /// Removes a directory with all that it holds, uploads included, and an object of that very
    /// name. Absence is no error.
    RemoveTree {
        /// Its name.
        key: Key,
    },
}

impl Change {
    /// The names that the change is about: one, or of a move the present and the new one.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        let (first, second) = match self {
            Self::Put { key, .. } | Self::Remove { key } | Self::RemoveTree { key } => (key, None),
            Self::Move { from, to } => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
    }
}

/// Changes that belong together, in order.
pub type Batch = Vec<Change>;

/// What a backend guarantees; callers adapt to it instead of to a driver's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarantees {
    /// What one process wrote, every process reads at once (else after a while: Swift).
    pub read_after_write: bool,
    /// `Move` costs nothing; else it is a server-side copy of all bytes, and an upload whose digest
    /// is known beforehand should be created with its final place.
    pub cheap_move: bool,
    /// [`Driver::redirect`] may give a URL.
    pub redirects: bool,
}

/// What is known of an upload when it begins.
#[derive(Clone, Debug, Default)]
pub struct UploadHint {
    /// Total size, if announced: space can be reserved, a single PUT chosen.
    pub size: Option<u64>,
    /// Where the bytes will go, if the digest was given beforehand.
    pub destination: Option<Key>,
}

/// Bytes being appended to one object that is not yet complete.
#[async_trait]
pub trait Upload: Send {
    /// Bytes taken so far.
    fn offset(&self) -> u64;

    /// Appends. The bytes are kept, though not yet durable, when this returns. After an error the
    /// upload holds what it held before, and `offset` says so; if even that could not be brought
    /// about, every later call fails and [`Driver::resume_upload`] answers [`Error::Offset`].
    /// A caller that stops waiting does not stop the write: the next call waits for it first.
    async fn write(&mut self, data: Bytes) -> Result<()>;

    /// Lets go of the upload so that any process can go on with [`Driver::resume_upload`]. The
    /// answer is the driver's own note for that (S3: upload id and parts), at most 64 KiB, which
    /// the caller keeps beside the session.
    async fn suspend(self: Box<Self>) -> Result<Bytes>;

    /// Completes the object under the upload's key and makes its bytes and its name durable, so
    /// that a [`Change::Move`] may name it. After an error the bytes may be gone, and the upload has
    /// to be sent again unless [`Driver::resume_upload`] still finds it.
    async fn finish(self: Box<Self>) -> Result<()>;

    /// Gives up and removes what was stored.
    async fn cancel(self: Box<Self>) -> Result<()>;
}

/// A place that keeps bytes under names.
#[async_trait]
pub trait Driver: Send + Sync + 'static {
    /// The driver's name in configuration and metrics: `filesystem`, `inmemory`, `s3aws`, …
    fn name(&self) -> &'static str;

    /// What the backend guarantees.
    fn guarantees(&self) -> Guarantees;

    /// Kind, size and age of a name.
    async fn stat(&self, key: &Key) -> Result<Meta>;

    /// A whole object of at most `limit` bytes. A directory is no object: [`Error::NotFound`].
    async fn read(&self, key: &Key, limit: usize) -> Result<Bytes>;

    /// `len` bytes of an object from `offset`, or all that follow. A range beyond the end is cut.
    async fn open(&self, key: &Key, offset: u64, len: Option<u64>) -> Result<Content>;

    /// The names below a directory that sort behind `after`, at most `limit` of them.
    /// A missing directory is [`Error::NotFound`] where the backend has directories, else empty.
    async fn list(&self, directory: &Key, after: Option<&str>, limit: usize) -> Result<Listing>;

    /// Makes the changes, in order, durably (rule 1 above).
    async fn apply(&self, batch: Batch) -> Result<()>;

    /// Begins an upload under a key; an older one there is discarded.
    async fn create_upload(&self, key: &Key, hint: UploadHint) -> Result<Box<dyn Upload>>;

    /// Goes on with an upload that holds `offset` bytes ([`Error::Offset`] if it does not).
    /// `note` is what [`Upload::suspend`] returned, or empty: then the driver finds out itself.
    async fn resume_upload(&self, key: &Key, offset: u64, note: Bytes) -> Result<Box<dyn Upload>>;

    /// A URL from which a client can fetch the object with that method (`GET` or `HEAD`) during
    /// `valid`, or `None` if the backend has no such thing.
    async fn redirect(&self, key: &Key, method: &str, valid: Duration) -> Result<Option<String>>;
}
