// SPDX-License-Identifier: Apache-2.0
//! A process that ends without closing the store: the journal restores what was acknowledged.

use std::path::{Path, PathBuf};

use crate::common::{
    Mode, image, name, noise, open, push_blob, push_manifest, read_blob, sha256, tag,
};

/// Copies the journal, as a power failure would leave it when nothing else was written back.
fn journal_only(from: &Path, to: &Path) {
    let journal = to.join(".berth/journal");
    std::fs::create_dir_all(&journal).unwrap();
    for segment in ["a", "b"] {
        let _ = std::fs::copy(from.join(".berth/journal").join(segment), journal.join(segment));
    }
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_alone_restores_small_objects() {
    let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let repository = name("ns/app");
    let store = open(live.path(), Mode::Exclusive).await;
    let bytes = noise(5000, 1);
    let blob = push_blob(&store, &repository, &bytes).await;
    let first = image(&blob, &[blob], None);
    let first = push_manifest(&store, &repository, &first, &["a", "b"]).await;
    let second = image(&blob, &[], None);
    let second = push_manifest(&store, &repository, &second, &["b"]).await;
    store.delete_tag(&repository, &tag("a")).await.unwrap();
    journal_only(live.path(), crashed.path());

    let store = open(crashed.path(), Mode::Exclusive).await;
    assert_eq!(read_blob(&store, &repository, &blob).await.unwrap(), bytes);
    assert!(store.manifest(&repository, &first).await.unwrap().is_some());
    assert_eq!(store.resolve_tag(&repository, &tag("b")).await.unwrap(), Some(second));
    assert_eq!(store.resolve_tag(&repository, &tag("a")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_over_what_was_applied_changes_nothing() {
    let (live, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let repository = name("ns/app");
    let store = open(live.path(), Mode::Exclusive).await;
    let large = noise(300_000, 2);
    let digest = push_blob(&store, &repository, &large).await;
    store.remove_blob(&digest).await.unwrap();
    assert!(read_blob(&store, &repository, &digest).await.is_none());
    // The same name again: a naive replay would remove it first and find nothing to move.
    push_blob(&store, &repository, &large).await;
    journal_only(live.path(), copy.path());
    let tree = live.path().join("docker");
    for file in files(&tree) {
        let target = copy.path().join("docker").join(file.strip_prefix(&tree).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
    let store = open(copy.path(), Mode::Exclusive).await;
    assert_eq!(read_blob(&store, &repository, &digest).await.unwrap(), large);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_leaves_an_empty_journal_and_a_second_owner_is_kept_out() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), Mode::Exclusive).await;
    push_blob(&store, &name("ns/app"), &noise(100, 1)).await;
    store.close().await;
    let refused = store.start_upload(&name("ns/app"), oci::Algorithm::Sha256).await.unwrap();
    let mut refused = refused;
    refused.write(noise(10, 1)).await.unwrap();
    assert!(refused.commit(&sha256(&noise(10, 1))).await.is_err(), "closed");
    for segment in ["a", "b"] {
        let bytes = std::fs::read(root.path().join(".berth/journal").join(segment)).unwrap();
        assert!(bytes.iter().take(32).all(|byte| *byte == 0), "segment {segment} is empty");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_owners_journal_is_applied_before_others_share_the_store() {
    let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let repository = name("ns/app");
    let store = open(live.path(), Mode::Exclusive).await;
    let first = push_manifest(&store, &repository, &image(&sha256(b"1"), &[], None), &["t"]).await;
    journal_only(live.path(), crashed.path());

    let sharing = open(crashed.path(), Mode::Shared).await;
    assert_eq!(sharing.resolve_tag(&repository, &tag("t")).await.unwrap(), Some(first));
    let second = image(&sha256(b"2"), &[], None);
    let second = push_manifest(&sharing, &repository, &second, &["t"]).await;
    let another = open(crashed.path(), Mode::Shared).await;
    assert_eq!(another.resolve_tag(&repository, &tag("t")).await.unwrap(), Some(second));
    drop((sharing, another));
    // The old record must not speak again.
    let owner = open(crashed.path(), Mode::Exclusive).await;
    assert_eq!(owner.resolve_tag(&repository, &tag("t")).await.unwrap(), Some(second));
}
