// SPDX-License-Identifier: Apache-2.0
//! The grammar of keys (registry.md 5.1).

use proptest::prelude::*;
use storage::driver::{InvalidKey, Key};

/// The grammar once more, written the other way round: as a machine over characters.
fn is_legal(text: &str) -> bool {
    if text == "/" {
        return true;
    }
    if text.len() > Key::MAX_LEN || !text.starts_with('/') {
        return false;
    }
    let (mut length, mut dots) = (0, 0);
    for character in text[1..].chars().chain(['/']) {
        match character {
            '/' if length == 0 || length > Key::MAX_ELEMENT_LEN => return false,
            '/' if length == dots && dots <= 2 => return false,
            '/' => (length, dots) = (0, 0),
            '.' => (length, dots) = (length + 1, dots + 1),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => length += 1,
            _ => return false,
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_key_is_what_the_grammar_says(text in "(/|[a-c]|\\.|-|_|Z|0|%|é| |\\x00|\\\\){0,12}") {
        match Key::parse(&text) {
            Ok(key) => {
                prop_assert!(is_legal(&text));
                prop_assert_eq!(key.as_str(), text);
            }
            Err(InvalidKey(reported)) => {
                prop_assert!(!is_legal(&text));
                prop_assert_eq!(reported, text);
            }
        }
    }

    #[test]
    fn joining_is_undone_by_parent_and_name(
        elements in proptest::collection::vec("[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}", 1..20),
    ) {
        let mut key = Key::root();
        for element in &elements {
            let child = key.join(element).unwrap();
            prop_assert_eq!(child.parent(), key);
            prop_assert_eq!(child.name(), element);
            key = child;
        }
        prop_assert_eq!(key.relative(), elements.join("/"));
    }
}

#[test]
fn lengths_are_bounded() {
    let element = "e".repeat(Key::MAX_ELEMENT_LEN);
    assert!(Key::root().join(&element).is_ok());
    assert!(Key::root().join(&format!("{element}e")).is_err());
    let longest = format!("/{}", "a/".repeat(Key::MAX_LEN / 2))[..Key::MAX_LEN].to_owned();
    assert!(Key::parse(&longest).is_ok(), "{}", longest.len());
    assert!(Key::parse(&format!("{longest}aa")).is_err());
}

#[test]
fn nothing_leads_upwards() {
    for text in ["", "a", "/a/", "//", "/../a", "/a/..", "/a/./b", "/a\0b", "/a//b"] {
        assert!(Key::parse(text).is_err(), "{text:?}");
    }
    assert!(Key::root().join("a/../b").is_err());
    assert_eq!(Key::root().parent(), Key::root());
}
