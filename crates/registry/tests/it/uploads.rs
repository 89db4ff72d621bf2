// SPDX-License-Identifier: Apache-2.0
//! Upload sessions (registry.md 1.9, 1.10).

use oci::{Algorithm, Digest};

use crate::client::{Client, sha256};

async fn start(client: &Client) -> String {
    let answer = client.send("POST", "/v2/a/b/blobs/uploads/", &[], "").await.expect(202);
    assert_eq!(answer.header("range"), "0-0");
    assert_eq!(answer.header("content-length"), "0");
    assert!(answer.header("location").starts_with("http://registry.test:5000/v2/a/b/blobs/"));
    assert!(answer.header("location").contains(answer.header("docker-upload-uuid")));
    answer.location()
}

#[tokio::test]
async fn a_blob_in_chunks_and_a_last_chunk_in_the_put() {
    let client = Client::open().await;
    let location = start(&client).await;
    let range = [("content-range", "0-2")];
    let answer = client.send("PATCH", &location, &range, "abc").await.expect(202);
    assert_eq!(answer.header("range"), "0-2");
    let status = client.get(&answer.location()).await.expect(204);
    assert_eq!(status.header("range"), "0-2");
    let digest = sha256(b"abcdef");
    let put = format!("{}&digest={digest}", status.location());
    let answer = client.send("PUT", &put, &[("content-range", "3-5")], "def").await.expect(201);
    assert_eq!(answer.header("docker-content-digest"), digest);
    assert_eq!(client.get(&answer.location()).await.expect(200).body, b"abcdef");
    client.get(&status.location()).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn chunks_out_of_order_are_416_and_tell_where_to_go_on() {
    let client = Client::open().await;
    let location = start(&client).await;
    let first = client.send("PATCH", &location, &[], "abc").await.expect(202).location();
    for (method, range) in [("PATCH", "5-7"), ("PATCH", "0-2"), ("PUT", "5-7"), ("PATCH", "x")] {
        let target = format!("{first}&digest={}", sha256(b"abc"));
        let answer = client.send(method, &target, &[("content-range", range)], "def").await;
        let answer = answer.expect_error(416, "RANGE_INVALID");
        assert_eq!(answer.header("range"), "0-2");
        client.get(&answer.location()).await.expect(204);
    }
    let short = client.send("PATCH", &first, &[("content-range", "3-9")], "def").await;
    short.expect_error(400, "SIZE_INVALID");
    // An old state is told the newest one.
    let answer = client.send("PATCH", &location, &[], "xyz").await;
    let answer = answer.expect_error(416, "RANGE_INVALID");
    let put = format!("{}&digest={}", answer.location(), sha256(b"abc"));
    client.send("PUT", &put, &[], "").await.expect(201);
}

#[tokio::test]
async fn a_wrong_digest_ends_the_session_and_an_unreadable_one_does_not() {
    let client = Client::open().await;
    let location = start(&client).await;
    let patched = client.send("PATCH", &location, &[], "abc").await.expect(202).location();
    let missing = client.send("PUT", &patched, &[], "").await.expect_error(400, "DIGEST_INVALID");
    assert_eq!(missing.error().1, "digest missing");
    for bad in ["sha256:12", "md5:d41d8cd98f00b204e9800998ecf8427e", "%"] {
        let target = format!("{patched}&digest={bad}");
        client.send("PUT", &target, &[], "").await.expect_error(400, "DIGEST_INVALID");
    }
    client.get(&patched).await.expect(204);
    let target = format!("{patched}&digest={}", sha256(b"other"));
    let answer = client.send("PUT", &target, &[], "").await.expect_error(400, "DIGEST_INVALID");
    assert_eq!(answer.error().1["Digest"], sha256(b"other"));
    client.get(&patched).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn cancelled_is_gone() {
    let client = Client::open().await;
    let location = start(&client).await;
    client.send("PATCH", &location, &[], "abc").await.expect(202);
    client.send("DELETE", &location, &[], "").await.expect(204);
    client.send("DELETE", &location, &[], "").await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_state_is_good_for_its_upload_only() {
    let client = Client::open().await;
    let location = start(&client).await;
    let (path, state) = location.split_once("?_state=").unwrap();
    let other = path.replace("/a/b/", "/a/c/");
    let next = start(&client).await;
    let next = next.split_once('?').unwrap().0;
    for target in [
        path.to_owned(),
        format!("{path}?_state="),
        format!("{path}?_state=x{}", &state[1..]),
        format!("{other}?_state={state}"),
        format!("{next}?_state={state}"),
    ] {
        for method in ["GET", "PATCH", "PUT", "DELETE"] {
            let answer = client.send(method, &target, &[], "").await;
            answer.expect_error(404, "BLOB_UPLOAD_INVALID");
        }
    }
    let target = "/v2/a/b/blobs/uploads/not-a-uuid?_state=x";
    client.get(target).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn one_post_is_enough_and_an_announced_digest_is_not_a_blob() {
    let client = Client::open().await;
    let digest = client.push_blob("a/b", b"content").await;
    client.get(&format!("/v2/a/b/blobs/{digest}")).await.expect(200);
    client.push_blob("a/b", b"").await;
    let target = format!("/v2/a/b/blobs/uploads/?digest={digest}");
    client.send("POST", &target, &[], "").await.expect(202);
    client.send("POST", &target, &[], "other").await.expect_error(400, "DIGEST_INVALID");
    let target = "/v2/a/b/blobs/uploads/?digest=sha256:1";
    client.send("POST", target, &[], "x").await.expect_error(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn sha512_is_native() {
    let client = Client::open().await;
    let digest = Digest::of(Algorithm::Sha512, b"abc").to_string();
    for query in ["", "?digest-algorithm=sha512"] {
        let target = format!("/v2/a/b/blobs/uploads/{query}");
        let started = client.send("POST", &target, &[], "").await.expect(202);
        let patched = client.send("PATCH", &started.location(), &[], "abc").await.expect(202);
        let put = format!("{}&digest={digest}", patched.location());
        let answer = client.send("PUT", &put, &[], "").await.expect(201);
        assert_eq!(answer.header("docker-content-digest"), digest);
        let answer = client.get(&answer.location()).await.expect(200);
        assert_eq!(answer.header("docker-content-digest"), digest);
        assert_eq!(answer.header("etag"), format!("\"{digest}\""));
    }
    let target = "/v2/a/b/blobs/uploads/?digest-algorithm=md5";
    client.send("POST", target, &[], "").await.expect_error(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn mounts_need_the_blob_at_the_source() {
    let client = Client::open().await;
    let digest = client.push_blob("src/app", b"content").await;
    let absent = sha256(b"absent");
    let mount = |query: String| format!("/v2/dst/app/blobs/uploads/?mount={query}");
    let answer = client.send("POST", &mount(format!("{digest}&from=src%2Fapp")), &[], "").await;
    let answer = answer.expect(201);
    assert_eq!(answer.header("docker-content-digest"), digest);
    client.get(&answer.location()).await.expect(200);
    for query in [
        format!("{absent}&from=src/app"),
        format!("{digest}&from=other/app"),
        format!("{digest}&from=NOT/a/name"),
        "sha256:1&from=src/app".to_owned(),
        absent,
    ] {
        client.send("POST", &mount(query), &[], "").await.expect(202);
    }
    let anonymous = format!("/v2/third/app/blobs/uploads/?mount={digest}");
    client.send("POST", &anonymous, &[], "").await.expect(201);
}

#[tokio::test]
async fn only_post_starts_and_post_does_not_continue() {
    let client = Client::open().await;
    let location = start(&client).await;
    let answer = client.send("POST", &location, &[], "").await.expect(405);
    assert_eq!(answer.header("allow"), "DELETE, GET, HEAD, PATCH, PUT");
    let answer = client.get("/v2/a/b/blobs/uploads/").await.expect(405);
    assert_eq!(answer.header("allow"), "POST");
}
