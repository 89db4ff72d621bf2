// SPDX-License-Identifier: Apache-2.0
//! What only the SQLite store has: a directory, a format, a disk that fills up.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use apistore::sqlite::{OpenError, Options, Sqlite};
use apistore::{Clock, Error, Event, Expect, List, Store, WatchItem};
use futures_util::StreamExt;

fn open(dir: &Path) -> Sqlite {
    Sqlite::open(dir, &Options::default()).unwrap()
}

#[tokio::test]
async fn reopens_with_everything() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/below");
    let store = open(&dir);
    let first = store.create("/a", "x".into(), None).await.unwrap();
    let second = store.update("/a", "y".into(), Expect::Exists, None).await.unwrap();
    store.create("/b", "z".into(), None).await.unwrap();
    let (_, last) = store.delete("/b", Expect::Exists).await.unwrap();
    store.close();
    assert!(matches!(store.get("/a").await, Err(Error::Unavailable(_))));
    assert!(matches!(store.create("/c", "x".into(), None).await, Err(Error::Unavailable(_))));
    assert!(!dir.join("store.db-wal").exists(), "closing moves the log into the file");
    let store = open(&dir);
    assert_eq!(store.revision().await.unwrap(), last);
    assert_eq!(store.get("/a").await.unwrap(), Some(second.clone()));
    let mut changes = store.watch("/", first.modified).await.unwrap();
    let expected = Event::Put { now: second, previous: Some(first) };
    assert_eq!(changes.next().await.unwrap().unwrap(), WatchItem::Event(expected));
}

#[tokio::test]
async fn is_private() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("store");
    let store = open(&dir);
    store.create("/a", "secret".into(), None).await.unwrap();
    assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(&dir).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            entry.path()
        );
    }
}

#[tokio::test]
async fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let refused = Sqlite::open(dir.path(), &Options::default()).unwrap_err();
    assert!(matches!(&refused, OpenError::Locked { .. }), "{refused:?}");
    assert!(
        refused.to_string().ends_with(&format!("is in use by process {}", std::process::id())),
        "{refused}"
    );
    // A watch that somebody still holds keeps nothing.
    let changes = store.watch("/", 0).await.unwrap();
    drop(store);
    drop(open(dir.path()));
    drop(changes);
}

#[tokio::test]
async fn newer_format_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let file = dir.path().join("store.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute_batch(
            "UPDATE meta SET value = '9.8.7' WHERE name = 'program'; PRAGMA user_version = 7",
        )
        .unwrap();
    drop(connection);
    let before = std::fs::read(&file).unwrap();
    let refused = Sqlite::open(dir.path(), &Options::default()).unwrap_err();
    let OpenError::Newer { found: 7, supported: 1, program } = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(program, "9.8.7");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let mut names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["store.db", "store.lock"]);
}

#[tokio::test]
async fn foreign_and_damaged_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("store.db");
    std::fs::write(&file, "not a database, but long enough to have a header of a hundred bytes or more, for sure, yes")
        .unwrap();
    assert!(matches!(Sqlite::open(dir.path(), &Options::default()), Err(OpenError::Foreign)));
    std::fs::remove_file(&file).unwrap();
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
    assert!(matches!(Sqlite::open(dir.path(), &Options::default()), Err(OpenError::Foreign)));
}

/// As a crash leaves it: the file and its log, copied while they are in use.
fn crash(from: &Path, to: &Path) {
    for name in ["store.db", "store.db-wal"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[tokio::test]
async fn a_crashed_store_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in 0..500 {
        store.create(&format!("/{number}"), vec![b'x'; 500].into(), None).await.unwrap();
    }
    drop(store);
    let store = open(dir.path());
    store.create("/last", "x".into(), None).await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    crash(dir.path(), copy.path());
    assert_eq!(open(copy.path()).count("/").await.unwrap(), 501);
    let copy = tempfile::tempdir().unwrap();
    crash(dir.path(), copy.path());
    // A page in the middle turned to nothing.
    let mut bytes = std::fs::read(copy.path().join("store.db")).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0);
    std::fs::write(copy.path().join("store.db"), bytes).unwrap();
    let refused = Sqlite::open(copy.path(), &Options::default()).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_while_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    let mut last = 0;
    for number in 0..300 {
        last = store
            .create(&format!("/k/{number:03}"), vec![b'x'; 2000].into(), None)
            .await
            .unwrap()
            .modified;
    }
    let writing = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..300 {
                store.create(&format!("/l/{number}"), "x".into(), None).await.unwrap();
            }
        })
    };
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("store.db");
    store.backup(&file).await.unwrap();
    assert!(store.backup(&file).await.is_err(), "nothing is overwritten");
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    writing.await.unwrap();
    let restored = open(copy.path());
    restored.check().await.unwrap();
    let all = store.list("/k/", List::default()).await.unwrap().items;
    assert_eq!(restored.list("/k/", List::default()).await.unwrap().items, all);
    let revision = restored.revision().await.unwrap();
    assert!(revision >= last);
    // It is what the original was at that revision, and goes on from there.
    let list = List { revision: Some(revision), ..List::default() };
    let then = store.list("/", list).await.unwrap().items;
    assert_eq!(restored.list("/", List::default()).await.unwrap().items, then);
    assert_eq!(restored.create("/new", "x".into(), None).await.unwrap().modified, revision + 1);
}

#[tokio::test]
async fn ttl_goes_by_its_own_clock() {
    let dir = tempfile::tempdir().unwrap();
    let hour = Duration::from_secs(3600);
    let clock = Clock::manual("boot 1");
    let options = Options { clock: clock.clone(), ..Options::default() };
    let store = Sqlite::open(dir.path(), &options).unwrap();
    store.create("/a", "x".into(), Some(hour)).await.unwrap();
    clock.advance(hour - Duration::from_millis(1));
    store.expire_due().await.unwrap();
    assert!(store.get("/a").await.unwrap().is_some(), "too early");
    drop(store);
    // The same boot: what has passed counts.
    let store = Sqlite::open(dir.path(), &options).unwrap();
    assert!(store.get("/a").await.unwrap().is_some());
    clock.advance(Duration::from_millis(3));
    store.expire_due().await.unwrap();
    assert!(store.get("/a").await.unwrap().is_none());
    store.create("/b", "x".into(), Some(hour)).await.unwrap();
    drop(store);
    // Another boot, whose clock is far ahead: the whole time again.
    let clock = Clock::manual("boot 2");
    clock.advance(hour * 1000);
    let store =
        Sqlite::open(dir.path(), &Options { clock: clock.clone(), ..Options::default() }).unwrap();
    store.expire_due().await.unwrap();
    assert!(store.get("/b").await.unwrap().is_some(), "too early after a boot");
    clock.advance(hour + Duration::from_millis(2));
    store.expire_due().await.unwrap();
    assert!(store.get("/b").await.unwrap().is_none());
}

#[tokio::test]
async fn compaction_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut now = store.create("/a", vec![0; 4000].into(), None).await.unwrap();
    store.create("/gone", "x".into(), None).await.unwrap();
    store.delete("/gone", Expect::Exists).await.unwrap();
    for _ in 0..2000 {
        now = store.update("/a", vec![0; 4000].into(), Expect::Exists, None).await.unwrap();
    }
    store.compact(now.modified).await.unwrap();
    // Closing waits for the writer, which deletes when it has nothing else to do; opening goes on with it.
    let rows = || {
        let connection = rusqlite::Connection::open(dir.path().join("store.db")).unwrap();
        connection.query_row("SELECT count(*) FROM log", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    tokio::time::timeout(Duration::from_secs(30), async {
        while rows() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the rows are deleted");
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.get("/a").await.unwrap(), Some(now.clone()));
    let past = store.list("/", List { revision: Some(now.modified - 1), ..List::default() }).await;
    assert!(matches!(past, Err(Error::Compacted { .. })), "compaction is remembered");
}

/// A file system of a few MiB, where the machine lets us make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(dir.path());
        let mounted =
            mount.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: no file system can be mounted");
        }
        mounted.then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_disk() {
    let Some(disk) = SmallDisk::new("8m") else { return };
    let filler = disk.0.path().join("filler");
    let dir = disk.0.path().join("store");
    let store = open(&dir);
    let first = store.create("/first", "x".into(), None).await.unwrap();
    std::fs::write(&filler, vec![0; 5 << 20]).unwrap();
    let mut written = Vec::new();
    let full = loop {
        let key = format!("/k/{:04}", written.len());
        match store.create(&key, vec![b'x'; 64 << 10].into(), None).await {
            Ok(now) => written.push(now),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, Error::Full(_)), "{full:?}");
    // One that is too large does not fail those that came with it.
    let before = store.revision().await.unwrap();
    assert!(matches!(
        store.create("/large", vec![0; 8 << 20].into(), None).await,
        Err(Error::Full(_))
    ));
    assert_eq!(store.revision().await.unwrap(), before, "what was refused is not there");
    assert_eq!(store.get("/first").await.unwrap(), Some(first.clone()));
    assert_eq!(store.list("/k/", List::default()).await.unwrap().items, written);
    std::fs::remove_file(&filler).unwrap();
    let after = store.create("/after", "x".into(), None).await.unwrap();
    assert_eq!(after.modified, before + 1);
    drop(store);
    let store = open(&dir);
    store.check().await.unwrap();
    assert_eq!(store.list("/k/", List::default()).await.unwrap().items, written);
    assert_eq!(store.get("/after").await.unwrap(), Some(after));
}
