// SPDX-License-Identifier: Apache-2.0
//! Pushing and pulling manifests (registry.md 1.6, 1.7, 1.14).

use std::sync::Arc;

use ports::Secret;
use registry::Settings;
use registry::auth::Open;

use crate::client::{
    Client, DOCKER_LIST, OCI_INDEX, OCI_MANIFEST, SCHEMA2, descriptor, image, sha256,
};

const ACCEPT: [(&str, &str); 1] = [("accept", "*/*")];

#[tokio::test]
async fn what_was_pushed_is_pulled() {
    let client = Client::open().await;
    let manifest = client.push_image("a/b", "v1").await;
    let digest = sha256(manifest.as_bytes());
    for reference in ["v1", &digest, &digest.replace(':', "%3A")] {
        let target = format!("/v2/a/b/manifests/{reference}");
        let get = client.send("GET", &target, &ACCEPT, "").await.expect(200);
        assert_eq!(get.body, manifest.as_bytes());
        let head = client.send("HEAD", &target, &ACCEPT, "").await.expect(200);
        for answer in [&get, &head] {
            assert_eq!(answer.header("content-type"), OCI_MANIFEST);
            assert_eq!(answer.header("content-length"), manifest.len().to_string());
            assert_eq!(answer.header("docker-content-digest"), digest);
            assert_eq!(answer.header("etag"), format!("\"{digest}\""));
        }
        for condition in [digest.clone(), format!("\"{digest}\""), "*".into()] {
            let headers = [ACCEPT[0], ("if-none-match", &condition)];
            client.send("GET", &target, &headers, "").await.expect(304);
        }
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let client = Client::open().await;
    client.push_image("a/b", "v1").await;
    let absent = sha256(b"absent");
    let answer = client.get("/v2/a/b/manifests/nope").await.expect_error(404, "MANIFEST_UNKNOWN");
    assert_eq!(answer.error().1["Tag"], "nope");
    let answer = client.get(&format!("/v2/a/b/manifests/{absent}")).await;
    let answer = answer.expect_error(404, "MANIFEST_UNKNOWN");
    assert_eq!(answer.error().1["Revision"], absent);
    client.get("/v2/no/repo/manifests/v1").await.expect_error(404, "NAME_UNKNOWN");
    client.get("/v2/a/b/manifests/.bad").await.expect_error(404, "MANIFEST_UNKNOWN");
    client.get("/v2/a/b/manifests/sha256:notreal").await.expect_error(400, "DIGEST_INVALID");
    let put = client.put_manifest("a/b", "sha256:notreal", OCI_MANIFEST, "{}").await;
    put.expect_error(400, "DIGEST_INVALID");
    client.put_manifest("a/b", "-bad", OCI_MANIFEST, "{}").await.expect_error(400, "TAG_INVALID");
}

#[tokio::test]
async fn references_are_checked() {
    let client = Client::open().await;
    client.push_blob("a/b", b"{}").await;
    let manifest = image(&[b"layer"], "");
    let answer = client.put_manifest("a/b", "v1", OCI_MANIFEST, &manifest).await;
    let answer = answer.expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(answer.error().1, sha256(b"layer"));

    client.push_blob("a/b", b"layer").await;
    let wrong_size = manifest.replace("\"size\":5", "\"size\":6");
    let answer = client.put_manifest("a/b", "v1", OCI_MANIFEST, &wrong_size).await;
    let answer = answer.expect_error(400, "MANIFEST_INVALID");
    let detail = answer.error().1;
    assert_eq!(detail["Digest"], sha256(b"layer"));
    assert_eq!((&detail["ActualSize"], &detail["SizeInManifest"]), (&5.into(), &6.into()));

    let index = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[{}]}}",
        descriptor(OCI_MANIFEST, &sha256(manifest.as_bytes()), manifest.len())
    );
    let answer = client.put_manifest("a/b", "all", OCI_INDEX, &index).await;
    answer.expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    let digest = sha256(manifest.as_bytes());
    client.put_manifest("a/b", &digest, OCI_MANIFEST, &manifest).await.expect(201);
    client.put_manifest("a/b", "all", OCI_INDEX, &index).await.expect(201);
}

#[tokio::test]
async fn sparse_is_allowed_where_validation_is_off_and_foreign_layers_always() {
    let settings =
        Settings { validation_enabled: false, ..Settings::new(ports::Secret::new("secret")) };
    let client = Client::with(settings, std::sync::Arc::new(registry::auth::Open)).await;
    let manifest = image(&[b"absent"], "");
    client.put_manifest("a/b", "v1", OCI_MANIFEST, &manifest).await.expect(201);

    let client = Client::open().await;
    client.push_blob("a/b", b"{}").await;
    let foreign = manifest.replace(
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
    );
    client.put_manifest("a/b", "v1", OCI_MANIFEST, &foreign).await.expect(201);
    let config = descriptor("application/vnd.docker.container.image.v1+json", &sha256(b"{}"), 2);
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let ordinary = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let with_url =
        descriptor(ordinary, &sha256(b"l"), 1).replace('}', ",\"urls\":[\"https://x/\"]}");
    for layer in [descriptor(foreign, &sha256(b"l"), 1), with_url] {
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{SCHEMA2}\",\"config\":{config},\
             \"layers\":[{layer}]}}"
        );
        let answer = client.put_manifest("a/b", "v1", SCHEMA2, &manifest).await;
        answer.expect_error(400, "MANIFEST_INVALID");
    }
}

#[tokio::test]
async fn bodies_that_are_no_manifests_are_told_why() {
    let client = Client::open().await;
    for (media_type, body) in [
        (OCI_MANIFEST, "{"),
        (OCI_MANIFEST, "[]"),
        ("application/x", "{}"),
        (OCI_INDEX, &*image(&[], "")),
        ("", "{\"schemaVersion\":2}"),
    ] {
        let answer = client.put_manifest("a/b", "v1", media_type, body).await;
        let detail = answer.expect_error(400, "MANIFEST_INVALID").error().1;
        assert!(detail.as_str().is_some_and(|text| text.len() > 10), "{detail}");
    }
    let manifest = image(&[], "");
    let wrong = sha256(b"other");
    let answer = client.put_manifest("a/b", &wrong, OCI_MANIFEST, &manifest).await;
    answer.expect_error(400, "DIGEST_INVALID");
    let huge = " ".repeat((4 << 20) + 1);
    let answer = client.put_manifest("a/b", "v1", OCI_MANIFEST, &huge).await;
    answer.expect_error(413, "MANIFEST_INVALID");
    let deep = "[".repeat(100_000);
    let answer = client.put_manifest("a/b", "v1", OCI_MANIFEST, &deep).await;
    answer.expect_error(400, "MANIFEST_INVALID");
}

#[tokio::test]
async fn subjects_and_tag_parameters_are_echoed() {
    let client = Client::open().await;
    client.push_blob("a/b", b"{}").await;
    let subject = sha256(b"missing subject");
    let more = format!(",\"subject\":{}", descriptor(OCI_MANIFEST, &subject, 15));
    let manifest = image(&[], &more);
    let digest = sha256(manifest.as_bytes());
    let reference = format!("{digest}?tag=one&tag=two&tag=one");
    let answer = client.put_manifest("a/b", &reference, OCI_MANIFEST, &manifest).await.expect(201);
    assert_eq!(answer.header("oci-subject"), subject);
    assert_eq!(answer.header("docker-content-digest"), digest);
    let tags: Vec<_> = answer.headers.get_all("oci-tag").iter().collect();
    assert_eq!(tags, ["one", "two"]);
    for tag in ["one", "two"] {
        client.send("GET", &format!("/v2/a/b/manifests/{tag}"), &ACCEPT, "").await.expect(200);
    }
    let many: Vec<_> = (0..40).map(|n| format!("tag=t{n}")).collect();
    let reference = format!("{digest}?{}", many.join("&"));
    client.put_manifest("a/b", &reference, OCI_MANIFEST, &manifest).await.expect(414);
    let reference = format!("{digest}?tag=-bad");
    let answer = client.put_manifest("a/b", &reference, OCI_MANIFEST, &manifest).await;
    answer.expect_error(400, "TAG_INVALID");
}

#[tokio::test]
async fn oci_types_need_an_accept_that_has_them() {
    let client = Client::open().await;
    client.push_image("a/b", "v1").await;
    let answer = client.get("/v2/a/b/manifests/v1").await.expect_error(404, "MANIFEST_UNKNOWN");
    let message = answer.json()["errors"][0]["message"].clone();
    assert_eq!(message, "OCI manifest found, but accept header does not support OCI manifests");
}

/// A schema 2 image with history, which converts.
async fn push_schema2(client: &Client) -> String {
    let config = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:1"]},"history":[{"created":"2020-01-01T00:00:00Z","created_by":"x"}]}"#;
    client.push_blob("a/b", config.as_bytes()).await;
    client.push_blob("a/b", b"layer").await;
    let layer =
        descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", &sha256(b"layer"), 5);
    let config = descriptor(
        "application/vnd.docker.container.image.v1+json",
        &sha256(config.as_bytes()),
        config.len(),
    );
    let manifest = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{SCHEMA2}\",\"config\":{config},\
         \"layers\":[{layer}]}}"
    );
    client.put_manifest("a/b", "v2", SCHEMA2, &manifest).await.expect(201);
    manifest
}

#[tokio::test]
async fn schema_2_is_converted_for_clients_of_old() {
    let client = Client::open().await;
    let manifest = push_schema2(&client).await;
    let head = client.send("HEAD", "/v2/a/b/manifests/v2", &[], "").await.expect(200);
    let get = client.get("/v2/a/b/manifests/v2").await.expect(200);
    assert_eq!(
        get.header("content-type"),
        "application/vnd.docker.distribution.manifest.v1+prettyjws"
    );
    assert_eq!(get.header("docker-content-digest"), head.header("docker-content-digest"));
    assert_eq!(get.header("content-length"), head.header("content-length"));
    assert_ne!(get.header("docker-content-digest"), sha256(manifest.as_bytes()));
    let converted = oci::Manifest::from_stored(&get.body).unwrap();
    assert!(converted.schema1().unwrap().verify().is_ok());
    let by_digest = format!("/v2/a/b/manifests/{}", sha256(manifest.as_bytes()));
    assert_eq!(client.get(&by_digest).await.expect(200).body, manifest.as_bytes());
    let accept = [("accept", SCHEMA2)];
    let get = client.send("GET", "/v2/a/b/manifests/v2", &accept, "").await.expect(200);
    assert_eq!(get.body, manifest.as_bytes());
}

#[tokio::test]
async fn a_docker_list_gives_its_linux_amd64_entry() {
    let client = Client::open().await;
    let manifest = push_schema2(&client).await;
    let entry = descriptor(SCHEMA2, &sha256(manifest.as_bytes()), manifest.len());
    let with = |arch: &str| {
        let platform = format!(",\"platform\":{{\"architecture\":\"{arch}\",\"os\":\"linux\"}}}}");
        let entry = format!("{}{platform}", &entry[..entry.len() - 1]);
        format!("{{\"schemaVersion\":2,\"mediaType\":\"{DOCKER_LIST}\",\"manifests\":[{entry}]}}")
    };
    client.put_manifest("a/b", "list", DOCKER_LIST, &with("amd64")).await.expect(201);
    client.put_manifest("a/b", "arm", DOCKER_LIST, &with("arm64")).await.expect(201);
    let accept = [("accept", SCHEMA2)];
    let get = client.send("GET", "/v2/a/b/manifests/list", &accept, "").await.expect(200);
    assert_eq!(get.body, manifest.as_bytes());
    let both = [("accept", SCHEMA2), ("accept", DOCKER_LIST)];
    let get = client.send("GET", "/v2/a/b/manifests/list", &both, "").await.expect(200);
    assert_eq!(get.header("content-type"), DOCKER_LIST);
    let answer = client.send("GET", "/v2/a/b/manifests/arm", &accept, "").await;
    answer.expect_error(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_schema_1_push_is_stored_without_its_signatures_and_served_signed() {
    let signed = include_str!("../../../oci/tests/data/schema1-signed.json");
    let document = oci::Manifest::from_stored(signed.as_bytes()).unwrap();
    let payload = document.schema1().unwrap().payload().to_vec();
    let mut settings = Settings::new(Secret::new("secret"));
    // The layers are not at hand; what is shown here does not depend on them.
    settings.validation_enabled = false;
    let client = Client::with(settings, Arc::new(Open)).await;
    let kind = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let put = client.put_manifest("a/b", "old", kind, signed).await.expect(201);
    let digest = put.header("docker-content-digest").to_owned();
    assert_eq!(digest, sha256(&payload), "the digest does not cover the signatures");
    let head = client.send("HEAD", "/v2/a/b/manifests/old", &[], "").await.expect(200);
    let get = client.get("/v2/a/b/manifests/old").await.expect(200);
    assert_eq!(get.header("content-length"), head.header("content-length"));
    assert_eq!(get.header("docker-content-digest"), digest);
    assert_eq!(get.header("content-type"), kind);
    let served = oci::Manifest::from_stored(&get.body).unwrap();
    let served = served.schema1().unwrap();
    assert_eq!(served.payload(), payload);
    assert!(served.verify().is_ok());
    let tampered = signed.replace("amd64", "arm64");
    let refused = client.put_manifest("a/b", "bad", kind, &tampered).await;
    refused.expect_error(400, "MANIFEST_UNVERIFIED");
}
