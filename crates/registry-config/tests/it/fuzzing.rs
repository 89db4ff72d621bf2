// SPDX-License-Identifier: Apache-2.0
//! Whatever is in the file or the environment, loading ends with an answer.

use proptest::collection::vec;
use proptest::prelude::*;
use registry_config::{Url, format_duration, parse_duration};

use crate::{BEGINNINGS, LEAST, errors, texts, try_load};

/// Text in which YAML's special characters are frequent.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{0,6}",
        Just("\n".to_owned()),
        Just("  ".to_owned()),
        Just(": ".to_owned()),
        Just("- ".to_owned()),
        "[\\[\\]{}&*!|>'\"%@`#,?<~]",
        Just("storage".to_owned()),
        Just("http".to_owned()),
        Just("<<".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_is_answered(text in ".{0,200}") {
        let _ = try_load(&text, &[]);
    }

    #[test]
    fn any_yaml_is_answered(text in yaml_like()) {
        let _ = try_load(&text, &[]);
        let _ = try_load(&format!("{LEAST}{text}"), &[]);
    }

    #[test]
    fn any_variable_is_answered(index in 0..BEGINNINGS.len(), tail in "[A-Z0-9_]{0,12}", value in yaml_like()) {
        let name = format!("{}{tail}", BEGINNINGS[index]);
        if let Err(errors) = try_load(LEAST, &[(&name, &value)]) {
            prop_assert!(!errors.errors.is_empty());
            prop_assert_eq!(errors.to_string().lines().count(), errors.errors.len());
        }
    }

    #[test]
    fn durations_survive_printing(nanos in 0..i64::MAX as u64) {
        let duration = std::time::Duration::from_nanos(nanos);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
    }

    #[test]
    fn urls_hide_what_is_before_the_host(user in "[a-z]{1,8}", text in "\\PC{0,40}") {
        let _ = Url::parse(&text).map(|url| url.to_string());
        let url = Url::parse(&format!("https://{user}:hunter2@host/p")).expect("a URL");
        prop_assert!(!url.to_string().contains("hunter2"));
    }
}

/// Found by the fuzz target `config`.
#[test]
fn a_key_cannot_break_the_line_of_its_message() {
    let driver = errors("version: 0.1\nstorage: {\"a\\nb\": {}}\n", &[]);
    assert!(driver.iter().any(|line| line.contains(r"(storage.a\nb, ")), "{driver:?}");
    let unknown = try_load(&format!("{LEAST}\"a\\rb\": 1\n"), &[]).expect("it only warns");
    assert_eq!(texts(&unknown), [r"ignoring unknown key a\rb (config.yml:3)"]);
}
