// SPDX-License-Identifier: Apache-2.0
//! Batches: order, removal, moves, failure in the middle.

use bytes::Bytes;

use super::support::{Harness, pattern};
use crate::driver::{Change, Error, UploadHint};

pub(super) async fn changes_are_made_in_order(harness: Harness) {
    let put = |path: &str, text: &'static str| Change::Put {
        key: harness.key(path),
        bytes: Bytes::from_static(text.as_bytes()),
    };
    harness.put("a/removed", "old").await;
    let batch = vec![
        put("a/one", "1"),
        put("a/one", "2"),
        Change::Remove { key: harness.key("a/removed") },
        put("a/removed", "new"),
        put("b/two", "3"),
        Change::Move { from: harness.key("b/two"), to: harness.key("b/three") },
        put("b/two", "4"),
        put("c/four", "5"),
        Change::RemoveTree { key: harness.key("c") },
        put("c/five", "6"),
    ];
    harness.driver().apply(batch).await.expect("apply");
    for (path, text) in
        [("a/one", "2"), ("a/removed", "new"), ("b/three", "3"), ("b/two", "4"), ("c/five", "6")]
    {
        harness.expect_content(path, text.as_bytes()).await;
    }
    harness.expect_absent("c/four").await;
    harness.driver().apply(Vec::new()).await.expect("an empty batch");
}

pub(super) async fn remove(harness: Harness) {
    harness.put("a/one", "1").await;
    harness.put("a/two", "2").await;
    harness.remove("a/one").await;
    harness.expect_absent("a/one").await;
    harness.expect_content("a/two", b"2").await;
    harness.remove("a/one").await;
    harness.put("a/one", "again").await;
    harness.expect_content("a/one", b"again").await;
}

pub(super) async fn remove_tree(harness: Harness) {
    for path in ["t/a/1", "t/a/b/2", "t/a/b/c/3", "t/a-b/4", "t/ab/5", "t/a.", "t/b"] {
        harness.put(path, "x").await;
    }
    harness.upload("t/a/upload", b"bytes").await;
    let open = harness.begin("t/a/session/data", UploadHint::default()).await;
    drop(open);
    harness.remove_tree("t/a").await;
    for path in ["t/a", "t/a/1", "t/a/b/2", "t/a/b/c/3", "t/a/upload", "t/a/session/data"] {
        harness.expect_absent(path).await;
    }
    harness.expect_names("t", &["a-b", "a.", "ab", "b"]).await;
    let resumed = harness
        .driver()
        .resume_upload(&harness.key("t/a/session/data"), 0, Bytes::new())
        .await
        .map(drop);
    assert!(matches!(resumed, Err(Error::NotFound { .. })), "{resumed:?}");
    // A tree that is a single object goes too, and the name can be used anew.
    harness.remove_tree("t/b").await;
    harness.expect_absent("t/b").await;
    harness.put("t/a/1", "again").await;
    harness.expect_content("t/a/1", b"again").await;
}

pub(super) async fn move_replaces(harness: Harness) {
    let (old, new) = (pattern(1, 3000), pattern(2, 2000));
    harness.put("from/data", new.clone()).await;
    harness.put("to/data", old).await;
    harness.rename("from/data", "to/data").await.expect("move");
    harness.expect_content("to/data", &new).await;
    harness.expect_absent("from/data").await;
    harness.rename("to/data", "quite/another/place").await.expect("move");
    harness.expect_content("quite/another/place", &new).await;
    harness.expect_absent("to/data").await;
}

pub(super) async fn move_can_be_replayed(harness: Harness) {
    harness.put("from", "x").await;
    harness.rename("from", "to/data").await.expect("move");
    harness.rename("from", "to/data").await.expect("the same move again");
    harness.rename("no/such/directory", "to/data").await.expect("source and directory gone");
    harness.expect_content("to/data", b"x").await;
    let neither = harness.rename("from", "to/nothing").await;
    assert!(matches!(neither, Err(Error::NotFound { .. })), "{neither:?}");
    harness.expect_absent("to/nothing").await;
}

pub(super) async fn a_failed_batch_leaves_a_prefix(harness: Harness) {
    let batch = vec![
        Change::Put { key: harness.key("first"), bytes: "1".into() },
        Change::Move { from: harness.key("missing"), to: harness.key("second") },
        Change::Put { key: harness.key("third"), bytes: "3".into() },
    ];
    let failed = harness.driver().apply(batch).await;
    assert!(matches!(failed, Err(Error::NotFound { .. })), "{failed:?}");
    // The cause lies in the second change, so the third must not be there.
    harness.expect_absent("third").await;
    harness.expect_absent("second").await;
}

pub(super) async fn an_upload_becomes_a_blob(harness: Harness) {
    // The batch of every blob push: bytes, the link that names them, the session's end.
    let bytes = pattern(3, 200_000);
    harness.put("u/1/startedat", "2020-01-01T00:00:00Z").await;
    harness.upload("u/1/data", &bytes).await;
    let batch = vec![
        Change::Move { from: harness.key("u/1/data"), to: harness.key("blobs/aa/data") },
        Change::Put { key: harness.key("layers/aa/link"), bytes: "sha256:aa".into() },
        Change::RemoveTree { key: harness.key("u/1") },
    ];
    harness.driver().apply(batch.clone()).await.expect("apply");
    // Replayed as a whole it changes nothing.
    harness.driver().apply(batch).await.expect("apply again");
    harness.expect_content("blobs/aa/data", &bytes).await;
    harness.expect_content("layers/aa/link", b"sha256:aa").await;
    harness.expect_absent("u/1/data").await;
    harness.expect_absent("u/1").await;
}
