// SPDX-License-Identifier: Apache-2.0
//! Manifests made to cost much: large, deep, long, random.

use oci::{MAX_DESCRIPTORS, Manifest, ManifestError, media_type as mt, schema1};
use proptest::prelude::*;

use crate::manifest::{OCI, SCHEMA2};

const D: &str = r#"{"mediaType":"a/b","size":0,"digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}"#;

#[test]
fn a_large_manifest_is_accepted() {
    let annotations: Vec<String> =
        (0..39).map(|n| format!(r#""k{n}":"{}""#, "x".repeat(100_000))).collect();
    let json = format!(
        r#"{{"schemaVersion":2,"config":{D},"layers":[{D}],"annotations":{{{}}}}}"#,
        annotations.join(",")
    );
    assert!(json.len() > 3_900_000);
    let manifest = Manifest::parse(Some(mt::OCI_MANIFEST), json.as_bytes()).expect("large");
    assert_eq!(manifest.annotations().len(), 39);
}

/// The brackets are never closed: a parser that wanted the end of the document would tell.
#[test]
fn deep_documents_are_refused_wherever_they_are_deep() {
    for open in ["[", r#"{"x":"#, r#"{"layers":["#] {
        let deep = open.repeat(100_000);
        for start in [
            String::new(),
            r#"{"schemaVersion":2,"x":"#.to_owned(),
            r#"{"schemaVersion":2,"layers":"#.to_owned(),
            r#"{"schemaVersion":2,"layers":[{"data":"#.to_owned(),
            r#"{"schemaVersion":2,"annotations":{"a":"#.to_owned(),
        ] {
            let json = format!("{start}{deep}");
            let error = Manifest::parse(Some(mt::OCI_MANIFEST), json.as_bytes()).err();
            let Some(ManifestError::Json(text)) = error else { panic!("{start}: {error:?}") };
            assert!(text.contains("levels deep"), "{start}: {text}");
            assert!(Manifest::from_stored(json.as_bytes()).is_err());
            assert!(schema1::Document::parse(json.as_bytes()).is_err());
        }
    }
}

#[test]
fn long_lists_are_refused() {
    let json = |list: &str, entry: &str, count: usize| {
        let entries = vec![entry; count].join(",");
        format!(r#"{{"schemaVersion":2,"config":{D},"{list}":[{entries}]}}"#)
    };
    let most = json("layers", D, MAX_DESCRIPTORS);
    let manifest = Manifest::parse(Some(mt::OCI_MANIFEST), most.as_bytes()).expect("fits");
    assert_eq!(manifest.layers().len(), MAX_DESCRIPTORS);
    // Whatever the entries are, and whether or not the list belongs to the type.
    for (list, entry, count) in [
        ("layers", D, MAX_DESCRIPTORS + 1),
        ("layers", "{}", 1_000_000),
        ("manifests", "{}", 1_000_000),
        ("blobs", "{}", 1_000_000),
    ] {
        let long = json(list, entry, count);
        let error = Manifest::parse(Some(mt::OCI_MANIFEST), long.as_bytes()).err();
        let Some(ManifestError::Json(text)) = error else { panic!("{list}: {error:?}") };
        assert!(text.contains("more than 16384 entries"), "{list}: {text}");
    }
    let layers = vec![r#"{"blobSum":""}"#; 1_000_000].join(",");
    let long = format!(r#"{{"schemaVersion":1,"fsLayers":[{layers}]}}"#);
    assert!(Manifest::from_stored(long.as_bytes()).is_err());
}

#[test]
fn errors_stay_short() {
    let long = "x".repeat(1_000_000);
    for json in [
        format!(r#"{{"schemaVersion":"{long}"}}"#),
        format!(r#"{{"schemaVersion":2,"mediaType":"{long}"}}"#),
        format!(r#"{{"schemaVersion":2,"config":{{"digest":"{long}","size":1}}}}"#),
        format!(r#"{{"schemaVersion":2,"config":{{"digest":"sha256:{long}","size":1}}}}"#),
        format!(r#"{{"schemaVersion":2,"config":"{long}"}}"#),
        format!(r#"{{"{long}"}}"#),
    ] {
        for content_type in [Some(mt::OCI_MANIFEST), None] {
            let error = Manifest::parse(content_type, json.as_bytes()).expect_err("malformed");
            assert!(error.to_string().len() < 1000, "{}", error.to_string().len());
        }
    }
    let error = Manifest::parse(Some(&long), b"{}").expect_err("no type of manifest");
    assert!(error.to_string().len() < 1000);
}

/// Parts of documents, so that random sequences come near to manifests.
fn fragment() -> impl Strategy<Value = String> {
    let words = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "1",
        "2",
        "-1",
        "true",
        "\"\"",
        D,
        "\"schemaVersion\":2",
        "\"schemaVersion\":1",
        "\"mediaType\":",
        "\"config\":",
        "\"layers\":[",
        "\"manifests\":[",
        "\"fsLayers\":[{\"blobSum\":\"x\"}]",
        "\"history\":[",
        "\"signatures\":[",
        "\"header\":{",
        "\"protected\":\"eyJmb3JtYXRMZW5ndGgiOjExNzQsImZvcm1hdFRhaWwiOiJDbjAifQ\"",
        "\\",
        "\u{e9}",
    ];
    prop::sample::select(words.map(str::to_owned).to_vec())
}

fn never_panics(bytes: &[u8]) {
    for content_type in [
        None,
        Some(mt::DOCKER_SCHEMA1_SIGNED),
        Some(mt::DOCKER_SCHEMA2),
        Some(mt::OCI_INDEX),
        Some(mt::OCI_ARTIFACT),
    ] {
        if let Ok(manifest) = Manifest::parse(content_type, bytes) {
            // What is strict is not stricter than what is stored.
            assert!(Manifest::from_stored(bytes).is_ok() || manifest.media_type().is_oci());
        }
    }
    drop(Manifest::from_stored(bytes));
    if let Ok(document) = schema1::Document::parse(bytes) {
        drop(document.verify());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        never_panics(&bytes);
    }

    #[test]
    fn arbitrary_fragments_never_panic(parts in prop::collection::vec(fragment(), 0..20)) {
        never_panics(parts.concat().as_bytes());
        never_panics(format!("{{{}}}", parts.join(",")).as_bytes());
    }

    #[test]
    fn altered_documents_never_panic(
        which in 0..3_usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let document = [OCI, SCHEMA2, include_str!("../data/schema1-signed.json")][which];
        let mut bytes = document.as_bytes().to_vec();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        never_panics(&bytes);
    }
}
