// SPDX-License-Identifier: Apache-2.0
//! Storage errors at every call (reliability.md T-05): a batch meets one failing system call. It
//! says so with the right kind of error or succeeds all the same, tears nothing, and the same
//! process can apply it again afterwards.
//!
//! The batch runs in a child under `strace`, which makes the call fail. Without `strace`, or where
//! tracing is not allowed, the test says so and passes.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use storage::driver::{Change, Driver, Error};
use storage::filesystem::{Filesystem, Options};

use crate::key;

const ROOT: &str = "BERTH_TEST_FAULT_ROOT";
const EXPECTED: &str = "BERTH_TEST_FAULT_KIND";

fn batch() -> Vec<Change> {
    let put =
        |name: &str, content: &'static str| Change::Put { key: key(name), bytes: content.into() };
    vec![
        Change::Move { from: key("/u/data"), to: key("/blobs/aa/data") },
        put("/layers/aa/link", "new"),
        put("/tags/latest/link", "new"),
        Change::RemoveTree { key: key("/u") },
        Change::Remove { key: key("/tags/old/link") },
    ]
}

/// Not a test: the child that meets the failing call.
#[test]
fn faulty_child() {
    let Ok(root) = std::env::var(ROOT) else { return };
    let expected = std::env::var(EXPECTED).unwrap();
    // strace counts for each thread; with one that may block, one call fails in all.
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(meet_the_fault(root, &expected));
}

async fn meet_the_fault(root: String, expected: &str) {
    let open = move || match Filesystem::open(Path::new(&root), Options::default()) {
        Ok(store) => store,
        // Without an open root nothing can have been harmed.
        Err(_) => Filesystem::open(Path::new(&root), Options::default()).unwrap(),
    };
    let store = tokio::task::spawn_blocking(open).await.unwrap();
    let mut faults = 0;
    let mut check = |error: Error| {
        let kind = match error {
            Error::Io { .. } => "io",
            Error::NoSpace { .. } => "no space",
            Error::Busy { .. } => "busy",
            _ => "another",
        };
        assert_eq!(kind, expected, "{error:?}");
        faults += 1;
    };
    // Several times, so that the call has failed when the last round is over.
    for _ in 0..6 {
        store.apply(batch()).await.unwrap_or_else(&mut check);
        for (name, contents) in [
            ("/blobs/aa/data", &["blob"][..]),
            ("/layers/aa/link", &["new"]),
            ("/tags/latest/link", &["old", "new"]),
        ] {
            match store.read(&key(name), 100).await {
                Ok(read) => assert!(contents.iter().any(|text| read == text), "{name}: {read:?}"),
                Err(error) if error.is_not_found() => assert_eq!(contents.len(), 1, "{name}"),
                Err(error) => check(error),
            }
        }
    }
    assert!(faults <= 1, "one failing call made {faults} operations fail");
}

/// How often each call is made to fail, at its first, second, … use; more than a batch has.
const CALLS: [(&str, usize); 10] = [
    ("openat2", 24),
    ("mkdirat", 6),
    ("renameat", 5),
    ("fdatasync", 3),
    ("fsync", 14),
    ("unlinkat", 4),
    ("newfstatat", 4),
    ("fstat", 3),
    ("statx", 12),
    ("getdents64", 2),
];

#[test]
fn one_failing_call_tears_nothing() {
    for (calls, count) in CALLS {
        for index in 1..=count {
            // Each place sees one errno; which one changes from place to place.
            let (errno, kind) =
                [("EIO", "io"), ("ENOSPC", "no space"), ("EMFILE", "busy")][index % 3];
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path().join("root");
            for (file, content) in [
                ("u/data", "blob"),
                ("u/startedat", "x"),
                ("tags/latest/link", "old"),
                ("tags/old/link", "old"),
            ] {
                std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
                std::fs::write(root.join(file), content).unwrap();
            }
            let traced = Command::new("strace")
                .args(["-f", "-o", "/dev/null", "-e"])
                .arg(format!("inject={calls}:error={errno}:when={index}"))
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", "faults::faulty_child", "--test-threads=1"])
                .env(ROOT, &root)
                .env(EXPECTED, kind)
                .output();
            let Ok(traced) = traced else {
                println!("skipped: strace is missing");
                return;
            };
            let said = String::from_utf8_lossy(&traced.stdout);
            if !said.contains("running 1 test") {
                let why = String::from_utf8_lossy(&traced.stderr);
                println!("skipped: strace is not allowed here: {why}");
                return;
            }
            assert!(traced.status.success(), "{calls} number {index} with {errno}:\n{said}");
            let final_state = [
                ("blobs/aa/data", Some("blob")),
                ("layers/aa/link", Some("new")),
                ("tags/latest/link", Some("new")),
                ("tags/old/link", None),
            ];
            for (name, content) in final_state {
                let found = std::fs::read_to_string(root.join(name)).ok();
                assert_eq!(found.as_deref(), content, "{calls} number {index}: {name}");
            }
            assert!(!root.join("u").exists(), "{calls} number {index}: a tree stays");
            let left = std::fs::read_dir(root.join(".berth/tmp")).map_or(0, Iterator::count);
            // Only what should have removed a temporary name can leave one, until it is reclaimed.
            let allowed = usize::from(["unlinkat", "openat2", "getdents64"].contains(&calls));
            assert!(left <= allowed, "{calls} number {index} with {errno} leaves {left} files");
            let store = Filesystem::open(&root, Options::default()).unwrap();
            let cutoff = SystemTime::now() + Duration::from_secs(3600);
            assert_eq!(store.reclaim_temporaries(cutoff).unwrap(), left as u64);
        }
    }
}
