// SPDX-License-Identifier: Apache-2.0
//! Repository names, against the grammar written down once more as a naive matcher.

use oci::{NameError, RepositoryName};
use proptest::prelude::*;

/// The specification's expression, matched from the left with backtracking: exponential in theory,
/// obvious in practice. `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`
fn reference(text: &str) -> bool {
    fn word(text: &str) -> Vec<&str> {
        let end = text.find(|c: char| !matches!(c, 'a'..='z' | '0'..='9')).unwrap_or(text.len());
        (1..=end).map(|at| &text[at..]).collect()
    }
    fn separators(text: &str) -> Vec<&str> {
        let mut rests: Vec<&str> =
            ["/", ".", "_", "__"].iter().filter_map(|s| text.strip_prefix(s)).collect();
        let dashes = text.len() - text.trim_start_matches('-').len();
        rests.extend((1..=dashes).map(|at| &text[at..]));
        rests
    }
    fn rest(text: &str) -> bool {
        text.is_empty() || separators(text).into_iter().any(|t| word(t).into_iter().any(rest))
    }
    text.len() <= 255 && word(text).into_iter().any(rest)
}

#[test]
fn table() {
    let character = |at| NameError::Character { at };
    let separator = |at| NameError::Separator { at };
    let empty = |at| NameError::EmptyComponent { at };
    for (text, expected) in [
        ("a", Ok(())),
        ("0", Ok(())),
        ("library/busybox", Ok(())),
        ("a/b/c/d/e", Ok(())),
        ("a.b_c__d-e--f---------g/1", Ok(())),
        ("", Err(NameError::Empty)),
        ("/", Err(empty(0))),
        ("/a", Err(empty(0))),
        ("a/", Err(empty(2))),
        ("a//b", Err(empty(2))),
        ("A", Err(character(0))),
        ("ns/Up", Err(character(3))),
        ("ns/a:b", Err(character(4))),
        ("ns/a@b", Err(character(4))),
        ("ns/a b", Err(character(4))),
        ("ns/é", Err(character(3))),
        ("ns/a\0", Err(character(4))),
        ("ns/a%2f", Err(character(4))),
        ("..", Err(separator(0))),
        ("../a", Err(separator(0))),
        ("a/../b", Err(separator(2))),
        ("-a", Err(separator(0))),
        ("a-", Err(separator(1))),
        ("a/b_", Err(separator(3))),
        ("a..b", Err(separator(1))),
        ("a___b", Err(separator(1))),
        ("a._b", Err(separator(1))),
        ("a-_b", Err(separator(1))),
        ("a.-b", Err(separator(1))),
        ("_uploads", Err(separator(0))),
    ] {
        assert_eq!(RepositoryName::parse(text).map(|_| ()), expected, "{text:?}");
        assert_eq!(reference(text), expected.is_ok(), "{text:?}");
    }
}

#[test]
fn length_is_that_of_the_whole_name() {
    let longest = format!("{}/{}", "a".repeat(127), "b".repeat(127));
    assert_eq!(longest.len(), RepositoryName::MAX_LENGTH);
    assert!(RepositoryName::parse(&longest).is_ok());
    let error = RepositoryName::parse(&format!("{longest}c")).err();
    assert_eq!(error, Some(NameError::TooLong { length: 256 }));
}

#[test]
fn components_and_traits() {
    let name: RepositoryName = "ns/app/x".parse().expect("a name");
    assert_eq!(name.components().collect::<Vec<_>>(), ["ns", "app", "x"]);
    assert_eq!(serde_json::to_string(&name).expect("serialises"), "\"ns/app/x\"");
    assert_eq!(serde_json::from_str::<RepositoryName>("\"ns/app/x\"").expect("and back"), name);
    assert!(serde_json::from_str::<RepositoryName>("\"NS\"").is_err());
    let names = std::collections::HashSet::from([name]);
    assert!(names.contains("ns/app/x"), "found by its text");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn agrees_with_the_expression(text in "[a-c0._/-]{0,14}") {
        prop_assert_eq!(RepositoryName::parse(&text).is_ok(), reference(&text));
    }

    #[test]
    fn agrees_with_the_expression_on_names(
        text in "[a-z0-9]{1,3}(([._/]|__|-{1,3})[a-z0-9]{1,3}){0,6}[._/-]{0,1}",
    ) {
        prop_assert_eq!(RepositoryName::parse(&text).is_ok(), reference(&text));
    }

    #[test]
    fn whatever_parses_prints_the_same(text in any::<String>()) {
        if let Ok(name) = RepositoryName::parse(&text) {
            prop_assert_eq!(name.to_string(), text);
        }
    }
}
