// SPDX-License-Identifier: Apache-2.0
//! The catalog's order, pages and truth.

use crate::common::{MODES, image, name, open, push_blob, push_manifest, sha256};

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_size_join_to_the_whole_list() {
    for mode in MODES {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), mode).await;
        let names = ["a", "a/b", "a/b/c", "a-b", "b/x/y/z", "b/x", "c0", "c/d", "zz"];
        let bytes = image(&sha256(b"1"), &[], None);
        for text in names {
            push_manifest(&store, &name(text), &bytes, &["t"]).await;
        }
        push_blob(&store, &name("only/blobs"), &bytes).await;
        // A parent before its children, and `/` before every other character.
        let mut expected = names.map(|text| text.replace('/', "\0"));
        expected.sort();
        let expected = expected.map(|text| text.replace('\0', "/"));
        for size in 1..=10 {
            let mut all = Vec::new();
            loop {
                let after = all.last().cloned();
                let page = store.repositories(after.as_deref(), size).await.unwrap();
                assert!(page.items.len() <= size);
                all.extend(page.items);
                if !page.more {
                    break;
                }
            }
            assert_eq!(all, expected, "{mode:?}, pages of {size}");
        }
        let behind = store.repositories(Some("a/b/0"), 3).await.unwrap();
        assert_eq!(behind.items, ["a/b/c", "a-b", "b/x"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_repository_disappears_and_a_new_one_appears() {
    for mode in MODES {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), mode).await;
        let bytes = image(&sha256(b"1"), &[], None);
        let digest = push_manifest(&store, &name("a/b"), &bytes, &["t"]).await;
        assert_eq!(store.repositories(None, 9).await.unwrap().items, ["a/b"]);
        push_manifest(&store, &name("a/b/c"), &bytes, &["t"]).await;
        push_manifest(&store, &name("a/a"), &bytes, &["t"]).await;
        store.delete_manifest(&name("a/b"), &digest).await.unwrap();
        if mode == crate::common::Mode::Exclusive {
            assert_eq!(store.repositories(None, 9).await.unwrap().items, ["a/a", "a/b/c"]);
        }
    }
}
