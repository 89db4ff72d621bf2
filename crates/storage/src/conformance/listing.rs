// SPDX-License-Identifier: Apache-2.0
//! Listings: order, pages, what belongs to a directory.

use super::support::Harness;

const NAMES: [&str; 12] = ["-", ".x", "0", "10", "9", "A", "B", "_", "a", "a-b", "a.b", "ab"];

async fn fill(harness: &Harness) {
    for (index, name) in NAMES.iter().enumerate() {
        if index % 2 == 0 {
            harness.put(&format!("list/{name}"), "x").await;
        } else {
            // A directory is one name however much it holds.
            harness.put(&format!("list/{name}/1"), "x").await;
            harness.put(&format!("list/{name}/2/3"), "x").await;
        }
    }
}

pub(super) async fn names_are_in_byte_order(harness: Harness) {
    fill(&harness).await;
    harness.expect_names("list", &NAMES).await;
    harness.remove("list/a").await;
    harness.remove_tree("list/a-b").await;
    let left: Vec<&str> = NAMES.into_iter().filter(|name| *name != "a" && *name != "a-b").collect();
    harness.expect_names("list", &left).await;
}

pub(super) async fn pages(harness: Harness) {
    fill(&harness).await;
    harness.expect_names("list", &NAMES).await;
    let directory = harness.key("list");
    for limit in [1, 2, 5, NAMES.len() - 1, NAMES.len(), NAMES.len() + 1] {
        let mut names: Vec<String> = Vec::new();
        loop {
            let after = names.last().map(String::as_str);
            let page = harness.driver().list(&directory, after, limit).await.expect("list");
            assert!(page.names.len() <= limit, "{page:?} has more than {limit}");
            assert!(!page.names.is_empty(), "a page before the end is empty");
            names.extend(page.names);
            assert_eq!(page.more, names.len() < NAMES.len(), "after {} names", names.len());
            if !page.more {
                break;
            }
        }
        assert_eq!(names, NAMES, "pages of {limit}");
    }
    // The mark need not be a name that is there.
    for (after, first) in [("", 0), ("+", 0), ("1", 3), ("a-", 9), ("a-c", 10), ("aa", 11)] {
        let page = harness.driver().list(&directory, Some(after), 100).await.expect("list");
        assert_eq!(page.names, NAMES[first..], "after {after:?}");
    }
    let end = harness.driver().list(&directory, Some("zzz"), 100).await.expect("list");
    assert!(end.names.is_empty() && !end.more);
}

pub(super) async fn only_direct_children(harness: Harness) {
    for path in ["d/a/b/c", "d/x", "d-e/y", "dd", "d.z/k"] {
        harness.put(path, "x").await;
    }
    harness.expect_names("d", &["a", "x"]).await;
    harness.expect_names("d/a", &["b"]).await;
    harness.expect_names("", &["d", "d-e", "d.z", "dd"]).await;
}

pub(super) async fn an_absent_directory(harness: Harness) {
    // With directories it is not found, without them it is empty.
    harness.put("beside", "x").await;
    harness.expect_names("nothing", &[]).await;
    harness.expect_names("besid", &[]).await;
}
