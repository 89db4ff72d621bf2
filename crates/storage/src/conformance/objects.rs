// SPDX-License-Identifier: Apache-2.0
//! Single objects: content, absence, ranges, names.

use super::support::{Harness, expect_not_found, pattern};
use crate::driver::{Change, Error, Kind};
use bytes::Bytes;

pub(super) async fn put_replaces(harness: Harness) {
    for len in [5, 100_000, 1, 4096] {
        let bytes = pattern(len as u64, len);
        harness.put("a/link", bytes.clone()).await;
        harness.expect_content("a/link", &bytes).await;
        harness.another().expect_content("a/link", &bytes).await;
    }
}

pub(super) async fn empty_object(harness: Harness) {
    harness.put("empty", Bytes::new()).await;
    harness.expect_content("empty", b"").await;
    harness.put("empty", "x").await;
    harness.put("empty", Bytes::new()).await;
    harness.expect_content("empty", b"").await;
}

pub(super) async fn absence_is_not_found(harness: Harness) {
    harness.expect_absent("nothing").await;
    harness.expect_absent("nor/anything/here").await;
    harness.remove("nothing").await;
    harness.remove("nor/anything/here").await;
    harness.remove_tree("nor").await;
    let resumed = harness.driver().resume_upload(&harness.key("nothing"), 0, Bytes::new()).await;
    expect_not_found("resume", &resumed.map(drop)).unwrap_or_else(|reason| panic!("{reason}"));
    // Not even below an object: on a filesystem that is another errno.
    harness.put("object", "x").await;
    harness.expect_absent("object/below").await;
    harness.remove("object/below").await;
    harness.remove_tree("object/below").await;
    harness.expect_content("object", b"x").await;
}

pub(super) async fn siblings_are_not_mistaken(harness: Harness) {
    // registry.md 5.4, trap 5: a lookup by prefix finds the neighbour.
    harness.put("blob-two", "x").await;
    harness.put("dir/blob/data", "x").await;
    for absent in ["blob", "blob-", "blob-tw", "dir/blo", "dir/blob/dat", "di"] {
        harness.expect_absent(absent).await;
    }
}

pub(super) async fn directories_are_no_objects(harness: Harness) {
    harness.put("dir/sub/object", "x").await;
    let key = harness.key("dir/sub");
    harness
        .eventually(async || match harness.driver().stat(&key).await {
            Ok(meta) if meta.kind == Kind::Directory && meta.size == 0 => Ok(()),
            other => Err(format!("stat of a directory answers {other:?}")),
        })
        .await;
    harness
        .eventually(async || {
            expect_not_found("read", &harness.driver().read(&key, 100).await)?;
            expect_not_found("open", &harness.driver().open(&key, 0, None).await.map(drop))
        })
        .await;
}

pub(super) async fn the_limit_of_a_read(harness: Harness) {
    let bytes = pattern(1, 1000);
    harness.put("object", bytes.clone()).await;
    harness.expect_content("object", &bytes).await;
    let key = harness.key("object");
    let refused = harness.driver().read(&key, 999).await;
    assert!(matches!(refused, Err(Error::TooLarge { limit: 999, .. })), "{refused:?}");
    assert_eq!(harness.driver().read(&key, usize::MAX).await.expect("read"), bytes);
}

pub(super) async fn ranges(harness: Harness) {
    let bytes = pattern(2, 1000);
    harness.put("object", bytes.clone()).await;
    harness.expect_content("object", &bytes).await;
    let cases = [
        (0, Some(1000), 0..1000),
        (0, Some(1), 0..1),
        (0, Some(0), 0..0),
        (999, Some(1), 999..1000),
        (10, Some(20), 10..30),
        (10, None, 10..1000),
        // Beyond the end a range is cut.
        (990, Some(100), 990..1000),
        (1000, None, 1000..1000),
        (1000, Some(1), 1000..1000),
        (5000, Some(10), 1000..1000),
        (1, Some(u64::MAX), 1..1000),
        (u64::MAX, Some(u64::MAX), 1000..1000),
    ];
    for (offset, len, expected) in cases {
        let range = harness.bytes("object", offset, len).await.expect("open");
        assert_eq!(range, &bytes[expected], "offset {offset}, length {len:?}");
    }
}

pub(super) async fn unusual_names(harness: Harness) {
    let longest = "n".repeat(255);
    let names = ["...", "-", "_", "..a", "a..", ".hidden", "A", "a", "CON", "0", "%", &longest];
    let names: Vec<&str> =
        names.into_iter().filter(|name| crate::driver::Key::is_element(name)).collect();
    assert_eq!(names.len(), 11, "all but the per cent sign are legal");
    for name in &names {
        harness.put(name, (*name).to_owned()).await;
        harness.put(&format!("dir/{name}/object"), (*name).to_owned()).await;
    }
    for name in &names {
        harness.expect_content(name, name.as_bytes()).await;
        harness.expect_content(&format!("dir/{name}/object"), name.as_bytes()).await;
    }
}

pub(super) async fn deep_keys(harness: Harness) {
    let deep = ["d"; 200].join("/");
    harness.put(&format!("{deep}/object"), "x").await;
    harness.put(&format!("{deep}/other"), "y").await;
    harness.expect_content(&format!("{deep}/object"), b"x").await;
    let change = Change::RemoveTree { key: harness.key("d") };
    harness.driver().apply(vec![change]).await.expect("remove tree");
    harness.expect_absent(&format!("{deep}/object")).await;
    harness.expect_absent("d").await;
}
