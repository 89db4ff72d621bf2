// SPDX-License-Identifier: Apache-2.0
//! A full disk (reliability.md T-06), on a real one: a small tmpfs, where it can be mounted.

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use storage::driver::{Change, Driver, Error, UploadHint};
use storage::filesystem::{Filesystem, Options};

use crate::key;

/// A tmpfs of 4 MiB, unmounted when dropped.
struct Small {
    directory: tempfile::TempDir,
}

impl Small {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m,nr_inodes=1000", "berth-test"])
            .arg(directory.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: a tmpfs cannot be mounted here");
            return None;
        }
        Some(Self { directory })
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.directory.path()).status();
    }
}

fn temporaries(root: &Path) -> usize {
    std::fs::read_dir(root.join(".berth/tmp")).map_or(0, Iterator::count)
}

fn put(name: &str, bytes: impl Into<Bytes>) -> Change {
    Change::Put { key: key(name), bytes: bytes.into() }
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_torn_and_writing_goes_on_afterwards() {
    let Some(small) = Small::mount() else { return };
    let store = Filesystem::open(&small.root(), Options::default()).unwrap();
    store.apply(vec![put("/link", "old")]).await.unwrap();
    let mut stored = 0;
    let full = loop {
        let name = format!("/fill/{stored}");
        match store.apply(vec![put(&name, vec![1; 256 * 1024])]).await {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 100, "4 MiB took {stored} objects of 256 KiB");
    };
    assert!(matches!(full, Error::NoSpace { .. }), "{full:?}");
    assert_eq!(temporaries(&small.root()), 0);
    let refused = store.stat(&key(&format!("/fill/{stored}")));
    assert!(refused.unwrap_err().is_not_found());
    // A batch that fails in the staging of its second put shows nothing of the first.
    let batch = vec![put("/link", "new"), put("/big", vec![2; 1 << 20])];
    assert!(matches!(store.apply(batch).await, Err(Error::NoSpace { .. })));
    assert_eq!(store.read(&key("/link"), 100).await.unwrap(), "old");
    for replace in [true, false] {
        let written = store.write_unsynced(&key("/torn"), &vec![3; 1 << 20], replace);
        assert!(matches!(written, Err(Error::NoSpace { .. })), "{written:?}");
        assert!(store.stat(&key("/torn")).unwrap_err().is_not_found());
    }
    assert_eq!(temporaries(&small.root()), 0);
    // Reading, listing and removing need no space.
    assert_eq!(store.list(&key("/fill"), None, 100).await.unwrap().names.len(), stored);
    store.apply(vec![Change::RemoveTree { key: key("/fill") }]).await.unwrap();
    assert_eq!(temporaries(&small.root()), 0);
    store.apply(vec![put("/link", "new"), put("/big", vec![2; 1 << 20])]).await.unwrap();
    assert_eq!(store.read(&key("/link"), 100).await.unwrap(), "new");
}

#[tokio::test]
async fn an_upload_on_a_full_disk_keeps_what_it_had() {
    let Some(small) = Small::mount() else { return };
    let store = Filesystem::open(&small.root(), Options::default()).unwrap();
    let announced = UploadHint { size: Some(64 << 20), destination: None };
    let refused = store.create_upload(&key("/u/0/data"), announced).await.map(drop);
    assert!(matches!(refused, Err(Error::NoSpace { .. })), "{refused:?}");
    assert!(store.stat(&key("/u/0/data")).unwrap_err().is_not_found());

    let mut upload = store.create_upload(&key("/u/1/data"), UploadHint::default()).await.unwrap();
    upload.write(Bytes::from(vec![1; 3 << 20])).await.unwrap();
    let full = upload.write(Bytes::from(vec![2; 3 << 20])).await;
    assert!(matches!(full, Err(Error::NoSpace { .. })), "{full:?}");
    // The part that did fit is taken back, and the client may go on from what it knows.
    assert_eq!(upload.offset(), 3 << 20);
    assert_eq!(store.stat(&key("/u/1/data")).unwrap().size, 3 << 20);
    upload.write(Bytes::from(vec![3; 1000])).await.unwrap();
    let note = upload.suspend().await.unwrap();
    let offset = (3 << 20) + 1000;
    let upload = store.resume_upload(&key("/u/1/data"), offset, note).await.unwrap();
    upload.finish().await.unwrap();
    assert_eq!(store.stat(&key("/u/1/data")).unwrap().size, offset);
}
