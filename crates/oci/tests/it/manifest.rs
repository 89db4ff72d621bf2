// SPDX-License-Identifier: Apache-2.0
//! Manifests: recorded documents, and what is refused.

use oci::{
    Algorithm, DescriptorError, Digest, Manifest, ManifestError, MediaType, Role, media_type as mt,
};

pub const SCHEMA2: &str = include_str!("../data/docker-schema2.json");
const LIST: &str = include_str!("../data/docker-list.json");
pub const OCI: &str = include_str!("../data/oci-manifest.json");
const INDEX: &str = include_str!("../data/oci-index.json");
const SCHEMA1: &str = include_str!("../data/schema1-signed.json");

const D: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn parse(content_type: Option<&str>, json: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(content_type, json.as_bytes())
}

fn error(content_type: &str, json: &str) -> ManifestError {
    match parse(Some(content_type), json) {
        Err(error) => error,
        Ok(manifest) => panic!("accepted {json} as {}", manifest.media_type()),
    }
}

/// A descriptor with `extra` inserted.
fn descriptor(extra: &str) -> String {
    format!(r#"{{"mediaType":"a/b","digest":"{D}","size":1{extra}}}"#)
}

#[test]
fn recorded_documents() {
    use Role::{Config, Layer, Manifest as Entry};
    for (json, media_type, digest, roles) in [
        (
            SCHEMA2,
            MediaType::DockerSchema2,
            "sha256:d0164f8dded1eec83608cffc137890eaa93db30b2c051a83dc9bab44c1f40c0b",
            vec![Config, Layer, Layer, Layer],
        ),
        (
            LIST,
            MediaType::DockerList,
            "sha256:9539112d92f8a22e37f15b0f4d7c2ff1cd0da010e7a42a44a86007b59441a6fc",
            vec![Entry, Entry],
        ),
        (
            OCI,
            MediaType::OciManifest,
            "sha256:bc4d9782152b6eb4af82b4e1bd00914fb4d0b49a1983e86e9e34a82d8bebcbb4",
            vec![Config, Layer, Layer],
        ),
        (
            INDEX,
            MediaType::OciIndex,
            "sha256:7d0205a53bce5c715d5aa69be1da320df54e3d4b16504deca04ba1847a68fd89",
            vec![Entry],
        ),
        (
            SCHEMA1,
            MediaType::DockerSchema1Signed,
            "sha256:dc240787833ea5a8d9f5d271f3d4403b3dd67b8b949b2b85ea56c4d035be4062",
            vec![Layer, Layer],
        ),
    ] {
        let with_parameter = format!("{}; charset=utf-8", media_type.as_str().to_uppercase());
        let manifests = [
            parse(Some(media_type.as_str()), json),
            parse(Some(&with_parameter), json),
            parse(Some("application/json"), json),
            parse(Some("application/json; charset=utf-8"), json),
            parse(None, json),
            Manifest::from_stored(json.as_bytes()),
        ];
        for manifest in manifests {
            let manifest = manifest.unwrap_or_else(|error| panic!("{media_type}: {error}"));
            assert_eq!(*manifest.media_type(), media_type);
            assert_eq!(manifest.digest(Algorithm::Sha256, json.as_bytes()).to_string(), digest);
            let references: Vec<Role> = manifest.references().map(|(role, _)| role).collect();
            assert_eq!(references, roles, "{media_type}");
            assert_eq!(manifest.config().is_some(), roles.contains(&Config));
            assert!(manifest.subject().is_none() && manifest.artifact_type().is_none());
        }
        // Under any other type it is refused.
        for other in [mt::DOCKER_SCHEMA1_SIGNED, mt::DOCKER_SCHEMA2, mt::DOCKER_LIST]
            .into_iter()
            .chain([mt::OCI_MANIFEST, mt::OCI_INDEX, mt::OCI_ARTIFACT, "text/plain"])
            .filter(|&other| other != media_type.as_str())
        {
            assert!(parse(Some(other), json).is_err(), "{media_type} under {other}");
        }
    }
}

#[test]
fn platforms_of_a_list() {
    let list = parse(Some(mt::DOCKER_LIST), LIST).expect("a list");
    for entry in list.manifests() {
        let platform = entry.platform.as_ref().expect("a platform");
        assert_eq!((platform.os.as_str(), platform.architecture.is_empty()), ("linux", false));
    }
}

#[test]
fn descriptors_are_read_completely() {
    let layer = descriptor(
        r#","urls":["https://a/b"],"annotations":{"k":"v"},"artifactType":"c/d","data":"eA==",
           "platform":{"os":"windows","architecture":"arm64","variant":"v8","os.version":"10",
           "os.features":["x"]},"other":[1,{}]"#,
    );
    let config = descriptor("");
    let json = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#);
    let manifest = parse(Some(mt::OCI_MANIFEST), &json).expect("a manifest");
    let layer = &manifest.layers()[0];
    assert_eq!(layer.urls, ["https://a/b"]);
    assert_eq!(layer.annotations["k"], "v");
    assert_eq!(layer.artifact_type.as_deref(), Some("c/d"));
    let expected = serde_json::json!({
        "mediaType": "a/b", "digest": D, "size": 1, "urls": ["https://a/b"],
        "annotations": {"k": "v"}, "artifactType": "c/d",
        "platform":
            {"os": "windows", "architecture": "arm64", "variant": "v8", "os.version": "10"},
    });
    assert_eq!(serde_json::to_value(layer).expect("serialises"), expected);
    let back: oci::Descriptor = serde_json::from_value(expected).expect("and back");
    assert_eq!(back, *layer);
    let config = serde_json::to_string(manifest.config().expect("a config")).expect("serialises");
    assert_eq!(config, descriptor(""), "nothing empty is written");
}

#[test]
fn media_type_may_be_left_out_where_the_specification_says_so() {
    let d = descriptor("");
    let manifest = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[]}}"#);
    let index = r#"{"schemaVersion":2,"manifests":[]}"#;
    for (json, media_type, docker) in [
        (manifest.as_str(), mt::OCI_MANIFEST, mt::DOCKER_SCHEMA2),
        (index, mt::OCI_INDEX, mt::DOCKER_LIST),
    ] {
        assert!(parse(Some(media_type), json).is_ok());
        let stored = Manifest::from_stored(json.as_bytes()).expect("found by its shape");
        assert_eq!(stored.media_type().as_str(), media_type);
        // Docker's types require it, and nothing else tells what was meant.
        let missing = ManifestError::Missing { media_type: docker, field: "mediaType" };
        assert_eq!(error(docker, json), missing);
        for content_type in [None, Some(""), Some("application/json")] {
            assert_eq!(parse(content_type, json).err(), Some(ManifestError::NoMediaType));
        }
    }
}

#[test]
fn lists_may_be_empty_null_or_absent() {
    let d = descriptor("");
    for layers in ["", r#","layers":null"#, r#","layers":[]"#] {
        let json = format!(r#"{{"schemaVersion":2,"manifests":null,"config":{d}{layers}}}"#);
        let manifest = parse(Some(mt::OCI_MANIFEST), &json).expect(&json);
        assert!(manifest.layers().is_empty());
    }
    for manifests in ["", r#","manifests":null"#, r#","manifests":[]"#] {
        let json = format!(r#"{{"schemaVersion":2,"config":null,"layers":null{manifests}}}"#);
        let index = parse(Some(mt::OCI_INDEX), &json).expect(&json);
        assert!(index.manifests().is_empty() && index.media_type().is_index());
    }
}

#[test]
fn artifacts() {
    let d = descriptor("");
    let json = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","artifactType":"x/y","config":
            {{"mediaType":"{}","digest":"{D}","size":2}},"layers":[{d}],"subject":{d},
            "annotations":{{"a":"b"}}}}"#,
        mt::OCI_MANIFEST,
        mt::OCI_EMPTY
    );
    let artifact = parse(None, &json).expect("an artifact");
    assert_eq!(artifact.artifact_type_for_referrers(), Some("x/y"));
    assert_eq!(artifact.subject().map(|subject| subject.digest.to_string()).as_deref(), Some(D));
    assert_eq!(artifact.annotations()["a"], "b");
    assert_eq!(artifact.references().count(), 2, "the subject need not exist");

    // Without artifactType the configuration's type counts; an index has none.
    for empty in ["", r#","artifactType":"""#, r#","artifactType":null"#] {
        let json = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[]{empty}}}"#);
        let artifact = parse(Some(mt::OCI_MANIFEST), &json).expect("an artifact");
        assert_eq!(artifact.artifact_type(), None);
        assert_eq!(artifact.artifact_type_for_referrers(), Some("a/b"));
    }
    let json = format!(r#"{{"schemaVersion":2,"manifests":[],"subject":{d}}}"#);
    let index = parse(Some(mt::OCI_INDEX), &json).expect("an index");
    assert_eq!(index.artifact_type_for_referrers(), None);

    let json = |rest: &str| format!(r#"{{"mediaType":"{}"{rest}}}"#, mt::OCI_ARTIFACT);
    let full = json(&format!(r#","artifactType":"x/y","blobs":[{d}],"subject":{d}"#));
    for artifact in [parse(None, &full), Manifest::from_stored(full.as_bytes())] {
        let artifact = artifact.expect("an artifact manifest");
        assert_eq!(artifact.artifact_type_for_referrers(), Some("x/y"));
        assert_eq!(artifact.references().map(|(role, _)| role).collect::<Vec<_>>(), [Role::Blob]);
    }
    let missing = ManifestError::Missing { media_type: mt::OCI_ARTIFACT, field: "artifactType" };
    assert_eq!(error(mt::OCI_ARTIFACT, &json("")), missing);
}

#[test]
fn nondistributable_layers() {
    for (media_type, expected) in [
        (mt::DOCKER_FOREIGN_LAYER, true),
        (mt::DOCKER_FOREIGN_LAYER_TAR, true),
        (mt::OCI_NONDISTRIBUTABLE, true),
        (mt::OCI_NONDISTRIBUTABLE_GZIP, true),
        (mt::OCI_NONDISTRIBUTABLE_ZSTD, true),
        (mt::OCI_LAYER, false),
        (mt::OCI_LAYER_GZIP, false),
        (mt::OCI_LAYER_ZSTD, false),
        (mt::DOCKER_LAYER, false),
        ("x/y", false),
    ] {
        let d = descriptor("");
        let layer = d.replace("a/b", media_type);
        let json = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[{layer}]}}"#);
        let manifest = parse(Some(mt::OCI_MANIFEST), &json).expect("a manifest");
        assert_eq!(manifest.layers()[0].is_nondistributable(), expected, "{media_type}");
    }
}

#[test]
fn documents_of_two_kinds_are_refused() {
    let d = descriptor("");
    for (media_type, rest, field) in [
        (mt::OCI_MANIFEST, format!(r#""config":{d},"layers":[],"manifests":[]"#), "manifests"),
        (mt::DOCKER_SCHEMA2, format!(r#""config":{d},"manifests":[{d}]"#), "manifests"),
        (mt::OCI_MANIFEST, format!(r#""config":{d},"fsLayers":[]"#), "fsLayers"),
        (mt::OCI_INDEX, r#""manifests":[],"layers":[]"#.to_owned(), "layers"),
        (mt::DOCKER_LIST, format!(r#""manifests":[{d}],"config":{d}"#), "config"),
        (mt::OCI_ARTIFACT, format!(r#""artifactType":"a/b","layers":[{d}]"#), "layers"),
    ] {
        let json = format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}",{rest}}}"#);
        let expected = ManifestError::Ambiguous { media_type, field };
        assert_eq!(error(media_type, &json), expected);
        assert_eq!(Manifest::from_stored(json.as_bytes()).err(), Some(expected));
    }
    let signed = SCHEMA1.replacen('{', r#"{"manifests":[],"#, 1);
    let expected = ManifestError::Ambiguous { media_type: mt::DOCKER_SCHEMA1, field: "manifests" };
    assert_eq!(error(mt::DOCKER_SCHEMA1_SIGNED, &signed), expected);
}

#[test]
fn keys_that_readers_understand_differently_are_refused() {
    let d = descriptor("");
    let base = format!(r#""schemaVersion":2,"config":{d},"layers":[]"#);
    for extra in [
        r#""layers":[]"#.to_owned(),
        format!(r#""config":{d}"#),
        r#""schemaVersion":2"#.to_owned(),
        r#""mediaType":null,"mediaType":null"#.to_owned(),
        r#""manifests":null,"manifests":null"#.to_owned(),
        r#""Layers":[]"#.to_owned(),
        r#""layer\u017f":[]"#.to_owned(),
        r#""MediaType":"a/b""#.to_owned(),
        r#""SUBJECT":null"#.to_owned(),
    ] {
        let json = format!("{{{base},{extra}}}");
        assert!(matches!(error(mt::OCI_MANIFEST, &json), ManifestError::Json(_)), "{extra}");
    }
    let twice = descriptor(r#","size":2"#);
    let json = format!(r#"{{"schemaVersion":2,"config":{twice},"layers":[]}}"#);
    assert!(matches!(error(mt::OCI_MANIFEST, &json), ManifestError::Json(_)));
    // Keys of no meaning may be anything.
    let json = format!(r#"{{{base},"x":1,"x":2,"X":{{"layers":3}}}}"#);
    assert!(parse(Some(mt::OCI_MANIFEST), &json).is_ok());
}

#[test]
fn declarations_are_checked_on_push_only() {
    let d = descriptor("");
    for version in
        ["", r#""schemaVersion":1,"#, r#""schemaVersion":3,"#, r#""schemaVersion":null,"#]
    {
        let json =
            format!(r#"{{{version}"mediaType":"{}","config":{d},"layers":[]}}"#, mt::OCI_MANIFEST);
        let expected = ManifestError::SchemaVersion { media_type: mt::OCI_MANIFEST };
        assert_eq!(error(mt::OCI_MANIFEST, &json), expected);
        assert!(Manifest::from_stored(json.as_bytes()).is_ok(), "{json}");
    }
    let untyped = format!(r#"{{"digest":"{D}","size":1}}"#);
    let json = format!(r#"{{"schemaVersion":2,"config":{untyped},"layers":[]}}"#);
    let problem = DescriptorError::Missing("mediaType");
    let expected = ManifestError::Descriptor { path: "config".to_owned(), problem };
    assert_eq!(error(mt::OCI_MANIFEST, &json), expected);
    assert!(Manifest::from_stored(json.as_bytes()).is_ok());
}

#[test]
fn errors_name_the_place() {
    let d = descriptor("");
    let text = |layer: &str| {
        let json = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[{d},{layer}]}}"#);
        error(mt::OCI_MANIFEST, &json).to_string()
    };
    assert_eq!(text(r#"{"mediaType":"a/b","size":1}"#), "layers[1]: digest is missing");
    assert_eq!(
        text(&d.replace("ba7816", "BA7816")),
        "layers[1]: the digest has a character that is not a lower-case hex digit at position 0"
    );
    assert_eq!(
        text(&d.replace(":1}", ":-1}")),
        "layers[1]: the size -1 is not between 0 and 9223372036854775807"
    );
    assert!(text(&d.replace(":1}", ":9223372036854775808}")).starts_with("layers[1]: the size"));
    assert!(text(&d.replace(":1}", ":1.5}")).contains("line 1 column"));
    let largest = d.replace(":1}", ":9223372036854775807}");
    let json = format!(r#"{{"schemaVersion":2,"config":{largest},"layers":[]}}"#);
    let manifest = parse(Some(mt::OCI_MANIFEST), &json).expect("the largest size");
    assert_eq!(manifest.config().map(|config| config.size), Some(i64::MAX as u64));

    assert_eq!(
        error(mt::OCI_INDEX, OCI).to_string(),
        format!(
            "the Content-Type is {} but the manifest's mediaType is {}",
            mt::OCI_INDEX,
            mt::OCI_MANIFEST
        )
    );
    assert_eq!(
        error("text/plain", OCI).to_string(),
        "text/plain is not a type of manifest that this registry knows"
    );
}

#[test]
fn wrong_types_and_broken_json() {
    for json in [
        "",
        " ",
        "null",
        "[]",
        "\"x\"",
        "{",
        "{}x",
        "{\"schemaVersion\":\"2\"}",
        "{\"schemaVersion\":2,\"layers\":{}}",
        "{\"schemaVersion\":2,\"manifests\":\"\"}",
        "{\"schemaVersion\":2,\"config\":[]}",
        "{\"schemaVersion\":2,\"annotations\":{\"a\":1}}",
        "\u{feff}{}",
    ] {
        assert!(matches!(error(mt::OCI_MANIFEST, json), ManifestError::Json(_)), "{json}");
        assert!(Manifest::from_stored(json.as_bytes()).is_err(), "{json}");
    }
    let latin1 = b"{\"schemaVersion\":2,\"x\":\"\xe9\"}";
    assert!(matches!(Manifest::parse(Some(mt::OCI_MANIFEST), latin1), Err(ManifestError::Json(_))));
}

#[test]
fn the_registry_may_name_a_manifest_by_sha512() {
    let manifest = parse(None, OCI).expect("a manifest");
    let digest = manifest.digest(Algorithm::Sha512, OCI.as_bytes());
    assert_eq!(digest, Digest::of(Algorithm::Sha512, OCI.as_bytes()));
}
