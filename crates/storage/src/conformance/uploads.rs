// SPDX-License-Identifier: Apache-2.0
//! Uploads: appending, letting go and going on, giving up.

use bytes::Bytes;

use super::support::{Harness, expect_not_found, pattern};
use crate::driver::{Change, Error, UploadHint};

const MIB: usize = 1 << 20;

pub(super) async fn append_and_finish(harness: Harness) {
    let bytes = pattern(1, 300_000);
    let mut upload = harness.begin("u/data", UploadHint::default()).await;
    let mut sent = 0;
    for size in [1, 0, 70_000, 200_000, 29_999] {
        assert_eq!(upload.offset(), sent as u64);
        let piece = Bytes::copy_from_slice(&bytes[sent..sent + size]);
        upload.write(piece).await.expect("write");
        sent += size;
    }
    assert_eq!(upload.offset(), 300_000);
    upload.finish().await.expect("finish");
    harness.expect_content("u/data", &bytes).await;
    harness.another().expect_content("u/data", &bytes).await;
}

pub(super) async fn empty_upload(harness: Harness) {
    let upload = harness.begin("u/data", UploadHint::default()).await;
    assert_eq!(upload.offset(), 0);
    upload.finish().await.expect("finish");
    harness.expect_content("u/data", b"").await;
    harness.rename("u/data", "blob").await.expect("move");
    harness.expect_content("blob", b"").await;
}

pub(super) async fn large_upload(harness: Harness) {
    let bytes = pattern(2, 16 * MIB);
    let hint = UploadHint { size: Some(bytes.len() as u64), destination: None };
    let mut upload = harness.begin("u/data", hint).await;
    // Pieces of many sizes, among them some larger than any buffer or part.
    let mut rest = Bytes::from(bytes.clone());
    for size in [1, 65_536, 999_999, 6 * MIB, 3, 262_144].into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let piece = rest.split_to(size.min(rest.len()));
        upload.write(piece).await.expect("write");
    }
    upload.finish().await.expect("finish");
    harness.rename("u/data", "blob").await.expect("move");
    harness.expect_content("blob", &bytes).await;
    let middle = harness.bytes("blob", 5 * MIB as u64 - 1, Some(MIB as u64)).await.expect("open");
    assert_eq!(middle, &bytes[5 * MIB - 1..6 * MIB - 1]);
}

pub(super) async fn resume_elsewhere(harness: Harness) {
    let bytes = pattern(3, 6 * MIB + 77);
    let mut note = Bytes::new();
    let mut sent = 0;
    // Less than a part, nothing at all, more than a part, the rest.
    for (index, size) in [10, 0, 5 * MIB + 5, MIB + 62].into_iter().enumerate() {
        let process = harness.another();
        let key = harness.key("u/data");
        let mut upload = if index == 0 {
            process.begin("u/data", UploadHint::default()).await
        } else {
            process.driver().resume_upload(&key, sent as u64, note).await.expect("resume")
        };
        assert_eq!(upload.offset(), sent as u64);
        let piece = Bytes::copy_from_slice(&bytes[sent..sent + size]);
        upload.write(piece).await.expect("write");
        sent += size;
        note = upload.suspend().await.expect("suspend");
        assert!(note.len() <= 64 * 1024, "the note has {} bytes", note.len());
    }
    assert_eq!(sent, bytes.len());
    let upload = harness.driver().resume_upload(&harness.key("u/data"), sent as u64, note).await;
    upload.expect("resume").finish().await.expect("finish");
    harness.expect_content("u/data", &bytes).await;
}

pub(super) async fn resume_without_a_note(harness: Harness) {
    let bytes = pattern(4, 2 * MIB);
    let (first, second) = bytes.split_at(MIB / 2);
    let mut upload = harness.begin("u/data", UploadHint::default()).await;
    upload.write(Bytes::copy_from_slice(first)).await.expect("write");
    drop(upload.suspend().await.expect("suspend"));
    let mut upload = harness
        .another()
        .driver()
        .resume_upload(&harness.key("u/data"), first.len() as u64, Bytes::new())
        .await
        .expect("resume");
    upload.write(Bytes::copy_from_slice(second)).await.expect("write");
    upload.finish().await.expect("finish");
    harness.expect_content("u/data", &bytes).await;
}

pub(super) async fn a_wrong_offset(harness: Harness) {
    let mut upload = harness.begin("u/data", UploadHint::default()).await;
    upload.write(Bytes::from_static(b"0123456789")).await.expect("write");
    let note = upload.suspend().await.expect("suspend");
    let key = harness.key("u/data");
    for believed in [0, 9, 11, u64::MAX] {
        match harness.driver().resume_upload(&key, believed, note.clone()).await.map(drop) {
            Err(Error::Offset { expected, actual: 10, .. }) if expected == believed => {}
            other => panic!("resume at {believed} of 10 answers {other:?}"),
        }
    }
    // The refusals changed nothing.
    let mut upload = harness.driver().resume_upload(&key, 10, note).await.expect("resume");
    upload.write(Bytes::from_static(b"abc")).await.expect("write");
    upload.finish().await.expect("finish");
    harness.expect_content("u/data", b"0123456789abc").await;
}

pub(super) async fn cancel(harness: Harness) {
    let mut upload = harness.begin("u/data", UploadHint::default()).await;
    upload.write(Bytes::from(pattern(5, 1000))).await.expect("write");
    upload.cancel().await.expect("cancel");
    harness.expect_absent("u/data").await;
    let key = harness.key("u/data");
    let resumed = harness.driver().resume_upload(&key, 1000, Bytes::new()).await;
    expect_not_found("resume", &resumed.map(drop)).unwrap_or_else(|reason| panic!("{reason}"));
    harness.upload("u/data", b"anew").await;
    harness.expect_content("u/data", b"anew").await;
}

pub(super) async fn a_second_upload_discards_the_first(harness: Harness) {
    let mut first = harness.begin("u/data", UploadHint::default()).await;
    first.write(Bytes::from(pattern(6, 5000))).await.expect("write");
    drop(first);
    harness.upload("u/data", b"second").await;
    harness.expect_content("u/data", b"second").await;
}

pub(super) async fn a_hint_is_only_a_hint(harness: Harness) {
    for announced in [0, 3, 2 * MIB as u64, 100 * MIB as u64, u64::MAX] {
        let hint = UploadHint { size: Some(announced), destination: None };
        let mut upload = harness.begin("u/data", hint).await;
        upload.write(Bytes::from_static(b"seven b")).await.expect("write");
        upload.finish().await.expect("finish");
        harness.expect_content("u/data", b"seven b").await;
    }
}

pub(super) async fn a_known_destination(harness: Harness) {
    // Where moving is dear the driver may store at the destination at once; the caller cannot tell.
    let bytes = pattern(7, 100_000);
    let destination = harness.key("blobs/bb/data");
    let hint =
        UploadHint { size: Some(bytes.len() as u64), destination: Some(destination.clone()) };
    let mut upload = harness.begin("u/data", hint).await;
    upload.write(Bytes::from(bytes.clone())).await.expect("write");
    harness.expect_absent("blobs/bb/data").await;
    upload.finish().await.expect("finish");
    let change = Change::Move { from: harness.key("u/data"), to: destination };
    harness.driver().apply(vec![change]).await.expect("move");
    harness.expect_content("blobs/bb/data", &bytes).await;
    harness.expect_absent("u/data").await;
}
