// SPDX-License-Identifier: Apache-2.0
//! Pulling blobs (registry.md 1.5).

use crate::client::{Client, sha256};

#[tokio::test]
async fn head_and_get_have_the_same_headers() {
    let client = Client::open().await;
    let digest = client.push_blob("a/b", b"0123456789").await;
    let target = format!("/v2/a/b/blobs/{digest}");
    let get = client.get(&target).await.expect(200);
    let head = client.send("HEAD", &target, &[], "").await.expect(200);
    assert_eq!(get.body, b"0123456789");
    assert!(head.body.is_empty());
    for (name, expected) in [
        ("accept-ranges", "bytes"),
        ("cache-control", "max-age=31536000"),
        ("content-type", "application/octet-stream"),
        ("content-length", "10"),
        ("docker-content-digest", digest.as_str()),
        ("docker-distribution-api-version", "registry/2.0"),
        ("etag", format!("\"{digest}\"").as_str()),
    ] {
        assert_eq!(get.header(name), expected);
        assert_eq!(head.header(name), expected);
    }
    assert_ne!(get.header("x-request-id"), head.header("x-request-id"));
}

#[tokio::test]
async fn ranges() {
    let client = Client::open().await;
    let digest = client.push_blob("a/b", b"0123456789").await;
    let target = format!("/v2/a/b/blobs/{digest}");
    for (range, body, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
    ] {
        let answer = client.send("GET", &target, &[("range", range)], "").await.expect(206);
        assert_eq!(answer.body, body.as_bytes());
        assert_eq!(answer.header("content-range"), content_range);
        assert_eq!(answer.header("content-length"), body.len().to_string());
    }
    let answer = client.send("GET", &target, &[("range", "bytes=20-")], "").await.expect(416);
    assert_eq!(answer.header("content-range"), "bytes */10");
    assert_eq!(answer.body, b"invalid range: failed to overlap\n");
    let answer = client.send("GET", &target, &[("range", "bytes=5-0")], "").await.expect(416);
    assert_eq!(answer.body, b"invalid range\n");

    let answer = client.send("GET", &target, &[("range", "bytes=0-1,4-5")], "").await.expect(206);
    let boundary = answer.header("content-type").split_once("boundary=").unwrap().1.to_owned();
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!(text.matches(&format!("--{boundary}")).count(), 3);
    assert!(text.contains("Content-Range: bytes 4-5/10\r\n"), "{text}");
    assert_eq!(answer.header("content-length"), text.len().to_string());

    let other = [("range", "bytes=0-3"), ("if-range", "\"sha256:other\"")];
    client.send("GET", &target, &other, "").await.expect(200);
    let etag = format!("\"{digest}\"");
    let same = [("range", "bytes=0-3"), ("if-range", etag.as_str())];
    client.send("GET", &target, &same, "").await.expect(206);
}

#[tokio::test]
async fn conditions() {
    let client = Client::open().await;
    let digest = client.push_blob("a/b", b"x").await;
    let target = format!("/v2/a/b/blobs/{digest}");
    let etag = format!("\"{digest}\"");
    for method in ["GET", "HEAD"] {
        let answer = client.send(method, &target, &[("if-none-match", &etag)], "").await;
        let answer = answer.expect(304);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("etag"), etag);
        client.send(method, &target, &[("if-none-match", &digest)], "").await.expect(200);
        client.send(method, &target, &[("if-match", "\"other\"")], "").await.expect(412);
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let client = Client::open().await;
    let digest = client.push_blob("a/b", b"x").await;
    let absent = sha256(b"absent");
    let answer = client.get(&format!("/v2/a/b/blobs/{absent}")).await;
    assert_eq!(answer.expect_error(404, "BLOB_UNKNOWN").error().1, absent);
    client.get(&format!("/v2/a/other/blobs/{digest}")).await.expect_error(404, "BLOB_UNKNOWN");
    for bad in ["sha256:12", "md5:d41d8cd98f00b204e9800998ecf8427e", "latest"] {
        client.get(&format!("/v2/a/b/blobs/{bad}")).await.expect_error(400, "DIGEST_INVALID");
    }
}

#[tokio::test]
async fn the_empty_layer_of_schema_1_is_everywhere() {
    let client = Client::open().await;
    let target = format!("/v2/a/b/blobs/{}", oci::schema1::EMPTY_LAYER);
    let get = client.get(&target).await.expect(200);
    assert_eq!(sha256(&get.body), oci::schema1::EMPTY_LAYER);
    let head = client.send("HEAD", &target, &[], "").await.expect(200);
    assert_eq!(head.header("content-length"), "32");
    let range = client.send("GET", &target, &[("range", "bytes=0-1")], "").await.expect(206);
    assert_eq!(range.body, [0x1f, 0x8b]);
}
