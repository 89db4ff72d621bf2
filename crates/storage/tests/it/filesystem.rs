// SPDX-License-Identifier: Apache-2.0
//! The filesystem driver's own: links, odd entries, temporary files, locks, modes.

use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use storage::driver::{Driver, Error, Kind};
use storage::filesystem::{Filesystem, Options};

use crate::key;

fn open(root: &Path) -> Filesystem {
    Filesystem::open(root, Options::default()).unwrap()
}

fn names(store: &Filesystem, directory: &str) -> Vec<(String, Kind)> {
    let mut names = Vec::new();
    store
        .list_dir(&key(directory), |name, kind| {
            names.push((name.to_owned(), kind));
            ControlFlow::Continue(())
        })
        .unwrap();
    names.sort_by(|one, other| one.0.cmp(&other.0));
    names
}

fn temporaries(root: &Path) -> usize {
    fs::read_dir(root.join(".berth/tmp")).map_or(0, Iterator::count)
}

#[test]
fn unsynced_writes_create_replace_and_leave_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for replace in [false, true] {
        let name = key(if replace { "/new/deep/a" } else { "/new/deep/b" });
        store.write_unsynced(&name, b"first", replace).unwrap();
        assert_eq!(store.read_small(&name, 100).unwrap(), "first");
        // Taken: falls back to replacing.
        store.write_unsynced(&name, b"second", replace).unwrap();
        assert_eq!(store.read_small(&name, 100).unwrap(), "second");
    }
    assert_eq!(temporaries(directory.path()), 0);
    // The directory goes behind the driver's back; what it remembers does not harm.
    fs::remove_dir_all(directory.path().join("new")).unwrap();
    fs::remove_dir_all(directory.path().join(".berth")).unwrap();
    store.write_unsynced(&key("/new/deep/a"), b"third", true).unwrap();
    store.write_unsynced(&key("/new/deep/b"), b"third", false).unwrap();
    assert_eq!(store.read_small(&key("/new/deep/a"), 100).unwrap(), "third");
}

#[test]
fn directories_are_reported_when_met_first() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("a/b")).unwrap();
    let store = open(directory.path());
    assert_eq!(store.make_dirs(&key("/a/b/c")).unwrap(), [key("/a"), key("/a/b"), key("/a/b/c")]);
    assert_eq!(store.make_dirs(&key("/a/b/c")).unwrap(), []);
    assert_eq!(store.make_dirs(&key("/a/b/d")).unwrap(), [key("/a/b/d")]);
    assert_eq!(store.make_dirs(&key("/")).unwrap(), []);
    store.sync_names([&key("/a/b/c"), &key("/a/b/d"), &key("/gone")]).unwrap();
    assert!(store.remove_tree(&key("/a/b")).unwrap());
    assert_eq!(store.make_dirs(&key("/a/b/c")).unwrap(), [key("/a/b"), key("/a/b/c")]);
}

#[test]
fn an_object_in_the_way_is_not_absence() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.write_unsynced(&key("/a/b"), b"x", true).unwrap();
    let written = store.write_unsynced(&key("/a/b/c/d"), b"x", true);
    assert!(matches!(written, Err(Error::Io { .. })), "{written:?}");
    assert!(matches!(store.make_dirs(&key("/a/b")), Err(Error::Io { .. })));
    assert!(store.read_small(&key("/a/b/c/d"), 10).unwrap_err().is_not_found());
    assert!(matches!(store.write_unsynced(&key("/"), b"x", true), Err(Error::Io { .. })));
    assert_eq!(temporaries(directory.path()), 0);
}

#[test]
fn links_lead_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("inside"), "x").unwrap();
    symlink(outside.path(), directory.path().join("out")).unwrap();
    symlink("../..", directory.path().join("up")).unwrap();
    symlink(outside.path().join("secret"), directory.path().join("file")).unwrap();
    symlink("inside", directory.path().join("alias")).unwrap();
    let store = open(directory.path());
    for name in ["/file", "/alias", "/out/secret"] {
        let read = store.read_small(&key(name), 100);
        assert!(read.is_err(), "{name}: {read:?}");
    }
    assert!(store.write_unsynced(&key("/out/new"), b"x", true).is_err());
    assert!(store.write_unsynced(&key("/out/new"), b"x", false).is_err());
    assert!(store.create_file(&key("/out/new")).is_err());
    assert!(store.remove(&key("/out/secret")).is_err());
    assert!(store.rename_unsynced(&key("/inside"), &key("/out/inside")).is_err());
    assert!(store.rename_unsynced(&key("/out/secret"), &key("/stolen")).is_err());
    let _ = store.remove_tree(&key("/out/secret"));
    // A link within a removed tree is removed, not followed.
    fs::create_dir(directory.path().join("tree")).unwrap();
    symlink(outside.path(), directory.path().join("tree/out")).unwrap();
    assert!(store.remove_tree(&key("/tree")).unwrap());
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(names(&store, "/"), [("inside".to_owned(), Kind::Object)]);
}

#[test]
fn odd_entries_are_passed_over_and_can_be_removed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.write_unsynced(&key("/d/object"), b"x", true).unwrap();
    let odd = directory.path().join("d");
    fs::create_dir(odd.join("lost+found")).unwrap();
    fs::write(odd.join(OsStr::from_bytes(b"\xff\xfe")), "x").unwrap();
    let fifo = rustix::fs::mknodat(
        rustix::fs::CWD,
        odd.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    );
    fifo.unwrap();
    assert_eq!(names(&store, "/d"), [("object".to_owned(), Kind::Object)]);
    // Opening a FIFO would wait for a writer.
    assert!(store.open_read(&key("/d/fifo")).unwrap_err().is_not_found());
    assert!(store.stat(&key("/d/fifo")).unwrap_err().is_not_found());
    assert!(store.remove_tree(&key("/d")).unwrap());
    assert!(!odd.exists());
    assert_eq!(temporaries(directory.path()), 0);
}

#[test]
fn a_large_tree_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for outer in 0..20 {
        for inner in 0..20 {
            let name = key(&format!("/t/{outer}/{inner}/x/y/object"));
            store.write_unsynced(&name, b"x", false).unwrap();
        }
        for object in 0..300 {
            store.write_unsynced(&key(&format!("/t/{outer}/o{object}")), b"x", false).unwrap();
        }
    }
    let tree = store.detach_tree(&key("/t")).unwrap().expect("it is there");
    assert!(store.stat(&key("/t")).unwrap_err().is_not_found());
    assert_eq!(temporaries(directory.path()), 1);
    store.delete_detached(&tree).unwrap();
    store.delete_detached(&tree).unwrap();
    assert_eq!(temporaries(directory.path()), 0);
    assert!(store.detach_tree(&key("/t")).unwrap().is_none());
}

#[test]
fn leftovers_are_reclaimed_by_age() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    assert_eq!(store.reclaim_temporaries(SystemTime::now()).unwrap(), 0);
    let private = directory.path().join(".berth/tmp");
    fs::create_dir_all(private.join("1-dead-1/deep/er")).unwrap();
    fs::write(private.join("1-dead-1/deep/file"), "x").unwrap();
    fs::write(private.join("1-dead-2"), "x").unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(store.reclaim_temporaries(SystemTime::now() - hour).unwrap(), 0);
    assert_eq!(temporaries(directory.path()), 2);
    assert_eq!(store.reclaim_temporaries(SystemTime::now() + hour).unwrap(), 2);
    assert_eq!(temporaries(directory.path()), 0);
}

#[test]
fn a_lock_excludes_until_it_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (open(directory.path()), open(directory.path()));
    let name = key("/.berth/lock");
    let lock = one.lock_exclusive(&name).unwrap();
    assert!(matches!(other.lock_exclusive(&name), Err(Error::Busy { .. })));
    drop(lock);
    let lock = other.lock_exclusive(&name).unwrap();
    // A lock on a file that is gone from its name keeps nobody out, and is not given.
    fs::remove_file(directory.path().join(".berth/lock")).unwrap();
    let new = one.lock_exclusive(&name).unwrap();
    drop((lock, new));
}

#[tokio::test]
async fn our_own_directory_is_not_listed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.write_unsynced(&key("/docker/x"), b"x", true).unwrap();
    assert!(directory.path().join(".berth").exists());
    assert_eq!(store.list(&key("/"), None, 10).await.unwrap().names, ["docker"]);
    store.write_unsynced(&key("/sub/.berth/x"), b"x", true).unwrap();
    assert_eq!(store.list(&key("/sub"), None, 10).await.unwrap().names, [".berth"]);
}

#[test]
fn modes_are_those_of_any_new_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("root"));
    store.write_unsynced(&key("/d/a"), b"x", true).unwrap();
    store.write_unsynced(&key("/d/b"), b"x", false).unwrap();
    drop(store.create_file(&key("/d/c")).unwrap());
    // The standard library also asks for 0666 and 0777 and leaves the rest to the umask.
    fs::write(directory.path().join("file"), "x").unwrap();
    fs::create_dir(directory.path().join("dir")).unwrap();
    let mode = |path: &str| fs::metadata(directory.path().join(path)).unwrap().permissions().mode();
    for file in ["root/d/a", "root/d/b", "root/d/c"] {
        assert_eq!(mode(file), mode("file"), "{file}");
    }
    for made in ["root", "root/d", "root/.berth/tmp"] {
        assert_eq!(mode(made), mode("dir"), "{made}");
    }
}

#[test]
fn renames_replace_and_can_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.write_unsynced(&key("/a"), b"new", true).unwrap();
    store.write_unsynced(&key("/d/b"), b"old", true).unwrap();
    store.rename_unsynced(&key("/a"), &key("/d/b")).unwrap();
    store.rename_unsynced(&key("/a"), &key("/d/b")).unwrap();
    assert_eq!(store.read_small(&key("/d/b"), 10).unwrap(), "new");
    assert!(store.rename_unsynced(&key("/a"), &key("/d/c")).unwrap_err().is_not_found());
    assert!(store.remove(&key("/d/b")).unwrap());
    assert!(!store.remove(&key("/d/b")).unwrap());
    assert!(!store.remove(&key("/no/such")).unwrap());
}
