// SPDX-License-Identifier: Apache-2.0
//! Tags, references in URLs, and references as people write them.

use oci::{
    Digest, DigestError, ImageReference, ImageReferenceError, Reference, ReferenceError, Tag,
    TagError,
};
use proptest::prelude::*;

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn tags() {
    let character = |at| Err(TagError::Character { at });
    let (longest, too_long) = ("a".repeat(128), "a".repeat(129));
    for (text, expected) in [
        ("latest", Ok(())),
        ("_", Ok(())),
        ("V1.0-rc_1", Ok(())),
        ("0", Ok(())),
        (longest.as_str(), Ok(())),
        (too_long.as_str(), Err(TagError::TooLong { length: 129 })),
        ("", Err(TagError::Empty)),
        (".", character(0)),
        ("..", character(0)),
        ("-a", character(0)),
        ("a/b", character(1)),
        ("a+b", character(1)),
        ("a\n", character(1)),
        ("é", character(0)),
    ] {
        assert_eq!(Tag::parse(text).map(|_| ()), expected, "{text:?}");
    }
}

#[test]
fn a_colon_makes_a_digest() {
    let digest = Digest::parse(DIGEST).expect("a digest");
    assert_eq!(Reference::parse(DIGEST), Ok(Reference::Digest(digest)));
    let tag = Reference::parse("latest").expect("a tag");
    assert_eq!(tag.tag().map(Tag::as_str), Some("latest"));
    for text in ["sha256:notreal", "a:b", ":", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let error = Reference::parse(text).err();
        assert!(matches!(error, Some(ReferenceError::Digest(_))), "{text}: {error:?}");
    }
    for text in ["", "-", "a b", ".INVALID_MANIFEST_NAME"] {
        let error = Reference::parse(text).err();
        assert!(matches!(error, Some(ReferenceError::Tag(_))), "{text}: {error:?}");
    }
}

#[test]
fn image_references() {
    for (text, host, name, tag, digest) in [
        ("busybox", None, "busybox", None, false),
        ("library/busybox:1", None, "library/busybox", Some("1"), false),
        ("quay.io/a/b", Some("quay.io"), "a/b", None, false),
        ("localhost/a", Some("localhost"), "a", None, false),
        ("localhost:5000/a:b", Some("localhost:5000"), "a", Some("b"), false),
        ("registry:5000/a/b", Some("registry:5000"), "a/b", None, false),
        ("Registry/a", Some("Registry"), "a", None, false),
        ("[::1]:5000/a:b", Some("[::1]:5000"), "a", Some("b"), false),
        ("[2001:db8::1]/a", Some("[2001:db8::1]"), "a", None, false),
        ("10.0.0.1:80/a", Some("10.0.0.1:80"), "a", None, false),
        ("a/b@DIGEST", None, "a/b", None, true),
        ("quay.io/a/b:c@DIGEST", Some("quay.io"), "a/b", Some("c"), true),
    ] {
        let text = text.replace("DIGEST", DIGEST);
        let parsed = ImageReference::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(parsed.host(), host, "{text}");
        assert_eq!(parsed.name().as_str(), name, "{text}");
        assert_eq!(parsed.tag().map(Tag::as_str), tag, "{text}");
        assert_eq!(parsed.digest().is_some(), digest, "{text}");
        assert_eq!(parsed.to_string(), text);
    }
}

#[test]
fn what_is_no_image_reference() {
    use ImageReferenceError as E;
    let long_host = format!("{}.x/a", "a".repeat(252));
    for (text, fits) in [
        ("", (|e| matches!(e, E::Name(_))) as fn(&E) -> bool),
        (":tag", |e| matches!(e, E::Name(_))),
        ("Upper", |e| matches!(e, E::Name(_))),
        ("a/B", |e| matches!(e, E::Name(_))),
        ("quay.io/", |e| matches!(e, E::Name(_))),
        ("a:", |e| matches!(e, E::Tag(_))),
        ("a:b:c", |e| matches!(e, E::Tag(_))),
        ("a:b/c", |e| matches!(e, E::Host)),
        ("-x.y/a", |e| matches!(e, E::Host)),
        ("x..y/a", |e| matches!(e, E::Host)),
        ("x.y:/a", |e| matches!(e, E::Host)),
        ("x.y:0/a", |e| matches!(e, E::Host)),
        ("x.y:65536/a", |e| matches!(e, E::Host)),
        ("x.y:+1/a", |e| matches!(e, E::Host)),
        ("[::1/a", |e| matches!(e, E::Host)),
        ("[::1]5000/a", |e| matches!(e, E::Host)),
        ("[::g]/a", |e| matches!(e, E::Host)),
        (&long_host, |e| matches!(e, E::Host)),
        ("a@", |e| matches!(e, E::Digest(DigestError::Form))),
        ("a@latest", |e| matches!(e, E::Digest(DigestError::Form))),
        ("a@sha256:1", |e| matches!(e, E::Digest(DigestError::Length { .. }))),
    ] {
        let error = ImageReference::parse(text).expect_err(text);
        assert!(fits(&error), "{text}: {error:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_parses_prints_the_same(
        text in prop_oneof![
            any::<String>(),
            "([a-zA-Z]{1,5}[.:]?[0-9]{0,4}/)?[a-z./_-]{1,8}(:[a-z.-]{0,4})?(@sha256:[0-9a-f]{64})?",
        ],
    ) {
        if let Ok(reference) = Reference::parse(&text) {
            prop_assert_eq!(reference.to_string(), text.clone());
        }
        if let Ok(reference) = ImageReference::parse(&text) {
            prop_assert_eq!(reference.to_string(), text);
        }
    }
}
