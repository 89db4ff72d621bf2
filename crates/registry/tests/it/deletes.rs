// SPDX-License-Identifier: Apache-2.0
//! Deletion, and the gate in front of everything that changes the store (registry.md 1.8, 1.13).

use std::sync::Arc;

use ports::Secret;
use registry::{Settings, auth::Open};

use crate::client::{Client, OCI_MANIFEST, sha256};

#[tokio::test]
async fn deleted_is_gone_at_once() {
    let client = Client::open().await;
    let manifest = client.push_image("a/b", "v1").await;
    client.put_manifest("a/b", "v2", OCI_MANIFEST, &manifest).await.expect(201);
    let get = |reference: String| {
        let client = &client;
        async move {
            let target = format!("/v2/a/b/manifests/{reference}");
            client.send("GET", &target, &[("accept", "*/*")], "").await.status.as_u16()
        }
    };
    let answer = client.send("DELETE", "/v2/a/b/manifests/v1", &[], "").await.expect(202);
    assert_eq!(answer.header("content-length"), "0");
    assert_eq!(get("v1".into()).await, 404);
    assert_eq!(get("v2".into()).await, 200);
    let again = client.send("DELETE", "/v2/a/b/manifests/v1", &[], "").await;
    again.expect_error(404, "MANIFEST_UNKNOWN");

    let digest = sha256(manifest.as_bytes());
    let target = format!("/v2/a/b/manifests/{digest}");
    client.send("DELETE", &target, &[], "").await.expect(202);
    assert_eq!((get("v2".into()).await, get(digest).await), (404, 404));
    client.send("DELETE", &target, &[], "").await.expect_error(404, "MANIFEST_UNKNOWN");

    let target = format!("/v2/a/b/blobs/{}", sha256(b"layer"));
    client.send("DELETE", &target, &[], "").await.expect(202);
    client.get(&target).await.expect(404);
    client.send("DELETE", &target, &[], "").await.expect_error(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn the_admin_removes_blobs_from_everywhere() {
    let client = Client::open().await;
    let digest = client.push_blob("a/b", b"x").await;
    let target = format!("/admin/blobs/{digest}");
    for _ in 0..2 {
        client.send("DELETE", &target, &[], "").await.expect(204);
    }
    client.get(&format!("/v2/a/b/blobs/{digest}")).await.expect(404);
    client.send("DELETE", "/admin/blobs/sha256:x", &[], "").await.expect(404);
    client.get(&target).await.expect(405);
}

/// Every request that changes something.
fn changing() -> Vec<(&'static str, String)> {
    let digest = sha256(b"x");
    vec![
        ("POST", "/v2/a/b/blobs/uploads/".into()),
        ("PATCH", "/v2/a/b/blobs/uploads/u?_state=x".into()),
        ("PUT", "/v2/a/b/blobs/uploads/u?_state=x".into()),
        ("DELETE", "/v2/a/b/blobs/uploads/u?_state=x".into()),
        ("PUT", "/v2/a/b/manifests/v1".into()),
        ("DELETE", "/v2/a/b/manifests/v1".into()),
        ("DELETE", format!("/v2/a/b/manifests/{digest}")),
        ("DELETE", format!("/v2/a/b/blobs/{digest}")),
        ("DELETE", format!("/admin/blobs/{digest}")),
    ]
}

#[tokio::test]
async fn a_read_only_registry_changes_nothing() {
    let settings = Settings { read_only: true, ..Settings::new(Secret::new("secret")) };
    let client = Client::with(settings, Arc::new(Open)).await;
    for (method, target) in changing() {
        let answer = client.send(method, &target, &[], "").await.expect(405);
        assert_eq!(answer.header("allow"), "GET, HEAD", "{method} {target}");
        assert_eq!(answer.body, b"Method not allowed\n");
    }
}

#[tokio::test]
async fn disabled_deletion_holds_for_tags_too() {
    let settings = Settings { delete_enabled: false, ..Settings::new(Secret::new("secret")) };
    let client = Client::with(settings, Arc::new(Open)).await;
    client.push_image("a/b", "v1").await;
    for (method, target) in changing() {
        if method == "DELETE" && !target.contains("uploads") {
            let answer = client.send(method, &target, &[], "").await;
            answer.expect_error(405, "UNSUPPORTED");
        }
    }
    let accept = [("accept", "*/*")];
    client.send("GET", "/v2/a/b/manifests/v1", &accept, "").await.expect(200);
}
