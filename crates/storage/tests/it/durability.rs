// SPDX-License-Identifier: Apache-2.0
//! The order of a batch in shared mode, read off the system calls: before a name appears, its bytes,
//! the directories it lies in and every name before it have been synced.
//!
//! The batch runs in a child under `strace`, which is this binary again. Without `strace`, or where
//! tracing is not allowed, the test says so and passes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use storage::driver::{Change, Driver};
use storage::filesystem::{Filesystem, Options};

use crate::key;

const ROOT: &str = "BERTH_TEST_TRACED_ROOT";

/// The batch of a push of a blob and of a manifest, one name deep and one deeper.
fn batch() -> Vec<Change> {
    let put = |name: &str| Change::Put { key: key(name), bytes: "content".into() };
    vec![
        Change::Move { from: key("/u/2/data"), to: key("/blobs/bb/bb01/data") },
        put("/layers/bb01/link"),
        Change::RemoveTree { key: key("/u/2") },
        Change::Move { from: key("/v/data"), to: key("/blobs/cc/cc01/data") },
        put("/blobs/aa/aa01/data"),
        put("/revisions/aa01/link"),
        put("/revisions/aa01/other"),
        Change::Remove { key: key("/tags/old/link") },
        put("/tags/new/link"),
    ]
}

/// Not a test: the child whose system calls are read.
#[tokio::test]
async fn traced_child() {
    let Ok(root) = std::env::var(ROOT) else { return };
    let store = Filesystem::open(Path::new(&root), Options::default()).unwrap();
    store.apply(batch()).await.unwrap();
}

#[derive(Debug, PartialEq, Eq)]
enum Call {
    Mkdir(String),
    SyncFile(String),
    SyncDir(String),
    Rename(String, String),
    Unlink(String),
}

#[test]
fn every_name_is_durable_before_the_next_appears() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap().join("root");
    for file in ["u/2/data", "u/2/startedat", "v/data", "tags/old/link"] {
        std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        std::fs::write(root.join(file), "x").unwrap();
    }
    let trace = directory.path().join("trace");
    let traced = Command::new("strace")
        .args(["-ff", "-y", "-s", "4096", "-e", "trace=desc,file,fsync,fdatasync,syncfs", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "durability::traced_child", "--test-threads=1"])
        .env(ROOT, &root)
        .output();
    if !traced.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: strace is missing or not allowed: {traced:?}");
        return;
    }
    // One hop is one thread, and strace writes one file a thread: the one with the renames.
    let calls = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("trace."))
        .map(|path| calls(&std::fs::read_to_string(path).unwrap(), root.to_str().unwrap()))
        .find(|calls| calls.iter().any(|call| matches!(call, Call::Rename(..))))
        .expect("one thread renames");
    check(&calls);
    // What is left out is left out: one sync fewer for the source that a later change removes.
    let synced = |path: &str| calls.contains(&Call::SyncDir(path.to_owned()));
    assert!(!synced("u/2") && synced("u") && synced("v"), "{calls:#?}");
}

/// Holds a trace against the rules at the top of the filesystem driver.
fn check(calls: &[Call]) {
    // The directories that were there have names no sync of this process made durable either.
    let mut unsynced: BTreeSet<String> =
        ["u", "u/2", "v", "tags", "tags/old"].map(str::to_owned).into();
    let mut durable_files = BTreeSet::new();
    let mut pending: Option<&str> = None;
    let mut names = 0;
    for call in calls {
        match call {
            Call::Mkdir(path) => {
                unsynced.insert(path.clone());
            }
            Call::SyncFile(path) => {
                durable_files.insert(path.as_str());
            }
            Call::SyncDir(path) => {
                unsynced.retain(|name| parent(name) != path);
                if pending == Some(path.as_str()) {
                    pending = None;
                }
            }
            Call::Rename(from, to) if to.starts_with(".berth/tmp/") => {
                assert_eq!(pending, None, "{from} goes before an earlier change is durable");
                pending = Some(parent(from));
                names += 1;
            }
            Call::Rename(from, to) => {
                assert_eq!(pending, None, "{to} appears before an earlier change is durable");
                let staged = from.starts_with(".berth/tmp/");
                assert!(!staged || durable_files.contains(from.as_str()), "{to} before its bytes");
                for above in std::iter::successors(Some(parent(to)), |path| Some(parent(path)))
                    .take_while(|path| !path.is_empty())
                {
                    assert!(!unsynced.contains(above), "{to} before the name of {above}");
                }
                pending = Some(parent(to));
                names += 1;
            }
            // Temporary names and what a detached tree holds need no order.
            Call::Unlink(path) if path.starts_with(".berth/") => {}
            Call::Unlink(path) => {
                assert_eq!(pending, None, "{path} goes before an earlier change is durable");
                pending = Some(parent(path));
                names += 1;
            }
        }
    }
    assert_eq!(pending, None, "the last change is not durable");
    assert_eq!(names, batch().len(), "{calls:#?}");
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Reads the successful calls that matter, with paths below the root.
fn calls(trace: &str, root: &str) -> Vec<Call> {
    let below = |path: &str| {
        let path = path.strip_prefix(root).unwrap_or(path);
        path.trim_matches('/').to_owned()
    };
    let mut calls = Vec::new();
    for line in trace.lines().filter(|line| line.ends_with("= 0")) {
        let Some((name, arguments)) = line.split_once('(') else { continue };
        // Descriptors come as `5</path>`, names as `"name"`: in order of appearance.
        let mut descriptors =
            arguments.split('<').skip(1).filter_map(|text| text.split('>').next());
        let mut texts = arguments.split('"').skip(1).step_by(2);
        let mut at = || -> Option<String> {
            Some(below(&format!("{}/{}", descriptors.next()?, texts.next()?)))
        };
        let call = match name {
            "mkdirat" => at().map(Call::Mkdir),
            "renameat" | "renameat2" => at().and_then(|from| Some(Call::Rename(from, at()?))),
            "unlinkat" => at().map(Call::Unlink),
            "fsync" => descriptors.next().map(|path| Call::SyncDir(below(path))),
            "fdatasync" => descriptors.next().map(|path| Call::SyncFile(below(path))),
            _ => None,
        };
        calls.extend(call);
    }
    calls
}
