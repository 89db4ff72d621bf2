// SPDX-License-Identifier: Apache-2.0
//! Manifests, tags and referrers.

use bytes::Bytes;

use crate::common::{MODES, Mode, image, name, open, push_manifest, sha256, tag};

#[tokio::test(flavor = "multi_thread")]
async fn tags_move_and_go_with_their_manifest() {
    for mode in MODES {
        let root = tempfile::tempdir().unwrap();
        let repository = name("ns/app");
        let store = open(root.path(), mode).await;
        assert!(store.tags(&repository, None, 10).await.unwrap().is_none());
        let first = image(&sha256(b"1"), &[], None);
        let second = image(&sha256(b"2"), &[], None);
        let first = push_manifest(&store, &repository, &first, &["a", "b"]).await;
        let second = push_manifest(&store, &repository, &second, &["b", "c"]).await;
        assert_eq!(store.resolve_tag(&repository, &tag("a")).await.unwrap(), Some(first));
        assert_eq!(store.resolve_tag(&repository, &tag("b")).await.unwrap(), Some(second));
        let page = store.tags(&repository, None, 2).await.unwrap().unwrap();
        assert_eq!((page.items, page.more), (vec!["a".to_owned(), "b".to_owned()], true));
        let page = store.tags(&repository, Some("b"), 2).await.unwrap().unwrap();
        assert_eq!((page.items, page.more), (vec!["c".to_owned()], false));

        assert!(store.delete_manifest(&repository, &second).await.unwrap());
        assert!(!store.delete_manifest(&repository, &second).await.unwrap());
        assert!(store.manifest(&repository, &second).await.unwrap().is_none());
        let page = store.tags(&repository, None, 10).await.unwrap().unwrap();
        assert_eq!(page.items, ["a"]);
        assert!(store.delete_tag(&repository, &tag("a")).await.unwrap());
        assert!(!store.delete_tag(&repository, &tag("a")).await.unwrap());
        assert!(store.manifest(&repository, &first).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_larger_than_a_record_are_stored_too() {
    for mode in MODES {
        let root = tempfile::tempdir().unwrap();
        let repository = name("ns/app");
        let store = open(root.path(), mode).await;
        let layers: Vec<_> = (0..2000u32).map(|i| sha256(&i.to_le_bytes())).collect();
        let bytes = image(&sha256(b"c"), &layers, None);
        assert!(bytes.len() > blobstore::SMALL);
        let digest = push_manifest(&store, &repository, &bytes, &["big"]).await;
        store.close().await;
        drop(store);
        let store = open(root.path(), mode).await;
        let stored = store.manifest(&repository, &digest).await.unwrap().unwrap();
        assert_eq!(stored.bytes, bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn referrers_are_found_also_those_that_another_registry_stored() {
    for mode in MODES {
        let root = tempfile::tempdir().unwrap();
        let repository = name("ns/app");
        let store = open(root.path(), mode).await;
        let subject = sha256(b"subject");
        let one = image(&sha256(b"1"), &[], Some(&subject));
        let one = push_manifest(&store, &repository, &one, &[]).await;
        let two = image(&sha256(b"2"), &[], Some(&subject));
        let two = push_manifest(&store, &repository, &two, &[]).await;
        store.close().await;
        drop(store);
        // As another registry would have left it.
        let index = root.path().join("docker/registry/v2/repositories/ns/app/_manifests/referrers");
        std::fs::remove_dir_all(index).unwrap();
        let store = open(root.path(), mode).await;
        let found = store.referrers(&repository, &subject, None, 10).await.unwrap();
        let mut expected = [one, two];
        expected.sort();
        let digests: Vec<_> = found.items.iter().map(|manifest| manifest.digest).collect();
        assert_eq!(digests, expected);
        let rest = store.referrers(&repository, &subject, Some(&expected[0]), 10).await.unwrap();
        assert_eq!(rest.items.len(), 1);
        store.delete_manifest(&repository, &one).await.unwrap();
        let found = store.referrers(&repository, &subject, None, 10).await.unwrap();
        assert_eq!(found.items.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn torn_files_count_as_absent() {
    let root = tempfile::tempdir().unwrap();
    let repository = name("ns/app");
    let store = open(root.path(), Mode::Exclusive).await;
    let bytes = image(&sha256(b"1"), &[], None);
    let digest = push_manifest(&store, &repository, &bytes, &["good", "torn"]).await;
    store.close().await;
    drop(store);
    let base = root.path().join("docker/registry/v2");
    let tags = base.join("repositories/ns/app/_manifests/tags");
    std::fs::write(tags.join("torn/current/link"), "").unwrap();
    std::fs::create_dir_all(tags.join("empty/current")).unwrap();
    let store = open(root.path(), Mode::Exclusive).await;
    assert!(store.resolve_tag(&repository, &tag("torn")).await.unwrap().is_none());
    assert_eq!(store.tags(&repository, None, 9).await.unwrap().unwrap().items, ["good"]);
    drop(store);
    let hex = digest.hex();
    std::fs::write(base.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2])), "").unwrap();
    let store = open(root.path(), Mode::Exclusive).await;
    assert!(store.manifest(&repository, &digest).await.unwrap().is_none());
    // A push repairs it.
    push_manifest(&store, &repository, &Bytes::clone(&bytes), &["torn"]).await;
    assert!(store.manifest(&repository, &digest).await.unwrap().is_some());
    assert_eq!(store.tags(&repository, None, 9).await.unwrap().unwrap().items, ["good", "torn"]);
}
