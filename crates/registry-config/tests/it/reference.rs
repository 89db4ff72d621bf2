// SPDX-License-Identifier: Apache-2.0
//! The schema is sound, and docs/configuration.md says what the schema says.

use std::collections::HashSet;
use std::path::Path;

use registry_config::{Config, Section, Shape, reference_json, reference_markdown};

use crate::{LEAST, config, try_load};

/// All keys with their paths, through lists and maps.
fn walk(path: &str, section: &'static Section, visit: &mut impl FnMut(&str, &'static Section)) {
    visit(path, section);
    for key in section.keys {
        let mut shape = key.shape;
        while let Shape::List(inner) | Shape::Map(inner) = shape {
            shape = *inner;
        }
        if let Shape::Section(section) = shape {
            walk(&format!("{path}.{}", key.name), section, visit);
        }
    }
}

#[test]
fn keys_are_lower_case_documented_and_unique() {
    walk("", Config::SECTION, &mut |path, section| {
        let mut names = HashSet::new();
        assert!(!section.about.is_empty(), "{path}");
        for key in section.keys {
            for name in std::iter::once(&key.name).chain(key.aliases) {
                assert!(names.insert(*name), "{path}.{name} twice");
                let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
                assert!(name.chars().all(lower), "{path}.{name}: `_` separates parts of variables");
            }
            let last = key.about.last().map_or("", |line| line.trim());
            assert!(last.ends_with('.'), "{path}.{} lacks a sentence", key.name);
        }
    });
}

/// Reads every default and every bound: the reader panics where one is wrong.
#[test]
fn defaults_are_valid() {
    config(LEAST, &[]);
    let entries = format!(
        "{LEAST}health: {{file: [{{file: f}}], http: [{{uri: 'http://h'}}], tcp: [{{addr: a}}]}}\n\
         notifications: {{endpoints: [{{url: 'http://h'}}]}}\n\
         validation: {{manifests: {{indexes: {{platforms: list, platformlist: [{{}}]}}}}}}\n"
    );
    try_load(&entries, &[]).expect("right, if not without effect");
    for driver in ["filesystem", "inmemory", "s3", "gcs", "azure", "swift", "oss"] {
        config(&format!("version: 0.1\nstorage: {{{driver}: {{}}}}\n"), &[]);
    }
    // Writing each default as a value reads the bounds as well.
    walk("", Config::SECTION, &mut |path, section| {
        for key in section.keys.iter().filter(|key| key.range.is_some()) {
            let mut variable = String::from("REGISTRY");
            for part in path.split('.').skip(1).chain([key.name]) {
                variable.push('_');
                variable.push_str(&part.to_ascii_uppercase());
            }
            // Entries of lists cannot be addressed; the variable is then only a warning.
            let driver = path.strip_prefix(".storage.").and_then(|rest| rest.split('.').next());
            let driver = driver.filter(|name| *name != "maintenance").unwrap_or("inmemory");
            let variables = [("REGISTRY_STORAGE", driver), (variable.as_str(), key.default)];
            let result = try_load("version: 0.1", &variables);
            assert!(result.is_ok(), "{path}.{}: {result:?}", key.name);
        }
    });
}

#[test]
fn json_reference_lists_every_leaf() {
    let json = reference_json();
    for line in [
        "{\"key\":\"http.draintimeout\",\"variable\":\"REGISTRY_HTTP_DRAINTIMEOUT\",\"type\":\"duration\",\"default\":\"29s\",\"least\":\"0s\",\"greatest\":\"1h\"",
        "{\"key\":\"notifications.endpoints[].url\",\"variable\":null,\"type\":\"URL\",\"default\":null",
        "{\"key\":\"compatibility.schema1.signingkeyfile\",\"variable\":\"REGISTRY_COMPATIBILITY_SCHEMA1_TRUSTKEY\"",
    ] {
        assert!(json.contains(line), "{line}");
    }
}

/// `BERTH_UPDATE_DOCS=1` writes the page; otherwise the page must be what the schema prints.
#[test]
fn page_is_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let expected = reference_markdown();
    if std::env::var_os("BERTH_UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&page, &expected).expect("docs/configuration.md is writable");
    }
    if let Ok(text) = std::fs::read_to_string(&page) {
        assert!(
            text == expected,
            "docs/configuration.md is not what the schema says; run this test with BERTH_UPDATE_DOCS=1"
        );
    }
}
