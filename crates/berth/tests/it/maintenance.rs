// SPDX-License-Identifier: Apache-2.0
//! `check`, `garbage-collect` and `purge-uploads`: what they refuse and beside what they run.

use crate::program::Place;

const COMMANDS: [&[&str]; 5] = [
    &["check"],
    &["garbage-collect"],
    &["garbage-collect", "--dry-run"],
    &["purge-uploads"],
    &["purge-uploads", "--delete"],
];

const ANY_PORT: &str = "http: {addr: '127.0.0.1:0'}";

#[test]
fn a_missing_store_is_named_and_not_made() {
    let place = Place::new();
    place.configure("", "");
    for words in COMMANDS {
        let finished = place.run(words);
        assert_eq!(finished.code(), Some(2), "{words:?}");
        let expected = format!(
            "berth: cannot use the storage directory {}: it does not exist \
             (storage.filesystem.rootdirectory)\n",
            place.store().display()
        );
        assert_eq!((finished.out(), finished.err()), (String::new(), expected), "{words:?}");
        assert!(!place.store().exists(), "{words:?}");
    }
}

#[test]
fn a_wrong_configuration_has_its_exit_code_too() {
    let place = Place::new();
    place.write("config.yml", "version: 0.1\n");
    for words in COMMANDS {
        let finished = place.run(words);
        assert_eq!(finished.code(), Some(2), "{words:?}");
        assert!(finished.err().contains("No storage configuration provided"), "{words:?}");
    }
}

#[test]
fn an_empty_store_is_fine() {
    let place = Place::new();
    place.configure("", "");
    std::fs::create_dir(place.store()).expect("made");
    for words in COMMANDS {
        let finished = place.run(words);
        assert_eq!((finished.code(), finished.err()), (Some(0), String::new()), "{words:?}");
    }
}

#[test]
fn garbage_is_collected_beside_a_read_only_registry() {
    let place = Place::new();
    place.configure("  maintenance: {readonly: {enabled: true}}", ANY_PORT);
    std::fs::create_dir(place.store()).expect("made");
    let registry = place.serve();
    for words in COMMANDS {
        assert_eq!(place.run(words).code(), Some(0), "{words:?}");
    }
    assert!(registry.get("/v2/").starts_with("HTTP/1.1 200 "));
    assert_eq!(registry.stop(), Some(0));
}

#[test]
fn a_read_only_registry_writes_nothing() {
    let place = Place::new();
    place.configure("  maintenance: {readonly: {enabled: true}}", ANY_PORT);
    let finished = place.run(&[]);
    assert_eq!(finished.code(), Some(1), "it does not make the store");
    assert!(finished.err().contains("it does not exist"), "{}", finished.err());
    std::fs::create_dir(place.store()).expect("made");
    assert_eq!(place.serve().stop(), Some(0));
    let entries = std::fs::read_dir(place.store()).expect("readable").count();
    assert_eq!(entries, 0);
}
