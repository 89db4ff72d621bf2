// SPDX-License-Identifier: Apache-2.0
//! Tags, catalog and referrers (registry.md 1.11, 1.14).

use crate::client::{Client, OCI_INDEX, OCI_MANIFEST, descriptor, image, sha256};

/// Follows `Link` headers; every page's items.
async fn walk(client: &Client, first: &str, key: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut target = first.to_owned();
    loop {
        let answer = client.get(&target).await.expect(200);
        let items = answer.json()[key].as_array().unwrap().clone();
        let text = |v: &serde_json::Value| match &v["digest"] {
            serde_json::Value::Null => v.as_str().unwrap().to_owned(),
            digest => digest.as_str().unwrap().to_owned(),
        };
        pages.push(items.iter().map(text).collect());
        match answer.headers.get("link") {
            None => return pages,
            Some(link) => {
                let link = link.to_str().unwrap();
                assert!(link.ends_with(">; rel=\"next\""), "{link}");
                target = link[1..link.find('>').unwrap()].to_owned();
            }
        }
    }
}

#[tokio::test]
async fn tags_are_sorted_and_paged() {
    let client = Client::open().await;
    for tag in ["b", "a", "C", "10", "9"] {
        client.push_image("a/b", tag).await;
    }
    let sorted = ["10", "9", "C", "a", "b"];
    assert_eq!(walk(&client, "/v2/a/b/tags/list", "tags").await, [sorted]);
    let pages = walk(&client, "/v2/a/b/tags/list?n=2", "tags").await;
    assert_eq!(pages, [vec!["10", "9"], vec!["C", "a"], vec!["b"]]);
    let answer = client.get("/v2/a/b/tags/list?n=0").await.expect(200);
    assert_eq!(answer.json(), serde_json::json!({"name": "a/b", "tags": []}));
    let answer = client.get("/v2/a/b/tags/list?last=C").await.expect(200);
    assert_eq!(answer.json()["tags"], serde_json::json!(["a", "b"]));
    for bad in ["-1", "x"] {
        let answer = client.get(&format!("/v2/a/b/tags/list?n={bad}")).await;
        answer.expect_error(400, "PAGINATION_NUMBER_INVALID");
    }
    client.get("/v2/a/b/tags/list?n=9223372036854775807").await.expect(200);
    let answer = client.get("/v2/no/such/tags/list").await.expect_error(404, "NAME_UNKNOWN");
    assert_eq!(answer.error().1["name"], "no/such");
    assert_eq!(
        client.send("HEAD", "/v2/a/b/tags/list", &[], "").await.expect(405).header("allow"),
        "GET"
    );
}

#[tokio::test]
async fn repositories_are_sorted_and_paged() {
    let client = Client::open().await;
    for name in ["z/z", "a/b", "a/a", "m"] {
        client.push_image(name, "v1").await;
    }
    let sorted = ["a/a", "a/b", "m", "z/z"];
    assert_eq!(walk(&client, "/v2/_catalog", "repositories").await, [sorted]);
    let pages = walk(&client, "/v2/_catalog?n=3", "repositories").await;
    assert_eq!(pages, [vec!["a/a", "a/b", "m"], vec!["z/z"]]);
    let answer = client.get("/v2/_catalog?n=1").await.expect(200);
    assert_eq!(answer.header("link"), "</v2/_catalog?last=a%2Fa&n=1>; rel=\"next\"");
    assert_eq!(client.get("/v2/_catalog?n=0").await.expect(200).body, b"{\"repositories\":[]}\n");
    for bad in ["-1", "x", "1001", "9223372036854775808"] {
        let answer = client.get(&format!("/v2/_catalog?n={bad}")).await;
        answer.expect_error(400, "PAGINATION_NUMBER_INVALID");
    }
}

#[tokio::test]
async fn referrers_are_listed_filtered_and_paged() {
    let client = Client::open().await;
    client.push_blob("a/b", b"{}").await;
    let subject = sha256(b"subject");
    let list = format!("/v2/a/b/referrers/{subject}");
    let empty = client.get(&list).await.expect(200);
    assert_eq!(empty.header("content-type"), OCI_INDEX);
    assert_eq!(
        empty.json(),
        serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
    );
    let mut pushed = Vec::new();
    for at in 0..5 {
        let more = format!(
            ",\"artifactType\":\"type/{}\",\"annotations\":{{\"n\":\"{at}\"}},\"subject\":{}",
            at % 2,
            descriptor(OCI_MANIFEST, &subject, 7)
        );
        let manifest = image(&[], &more);
        let digest = sha256(manifest.as_bytes());
        client.put_manifest("a/b", &digest, OCI_MANIFEST, &manifest).await.expect(201);
        pushed.push(digest);
    }
    pushed.sort();
    assert_eq!(walk(&client, &list, "manifests").await.concat(), pushed);
    let pages = walk(&client, &format!("{list}?n=2"), "manifests").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat(), pushed);

    let filtered = client.get(&format!("{list}?artifactType=type%2F1")).await.expect(200);
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    let found = filtered.json()["manifests"].as_array().unwrap().clone();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|entry| entry["artifactType"] == "type/1"));
    let pages = walk(&client, &format!("{list}?artifactType=type/0&n=2"), "manifests").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    client.get("/v2/a/b/referrers/sha256:x").await.expect_error(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn referrers_of_the_fallback_tag_are_folded_in() {
    let client = Client::open().await;
    let manifest = client.push_image("a/b", "v1").await;
    let entry = descriptor(OCI_MANIFEST, &sha256(manifest.as_bytes()), manifest.len());
    let index =
        format!("{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[{entry}]}}");
    let subject = sha256(b"subject");
    let tag = subject.replace(':', "-");
    client.put_manifest("a/b", &tag, OCI_INDEX, &index).await.expect(201);
    let listed = walk(&client, &format!("/v2/a/b/referrers/{subject}"), "manifests").await;
    assert_eq!(listed, [[sha256(manifest.as_bytes())]]);
}
