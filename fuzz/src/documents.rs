// SPDX-License-Identifier: Apache-2.0
//! Documents: manifests, schema 1 with its signatures, saved hashes, the configuration.

use std::sync::LazyLock;

use oci::{Algorithm, Digest, Hasher, Manifest, MediaType, Midstate, media_type, schema1};
use registry_config::Source;
use time::OffsetDateTime;

use crate::text;

const TYPES: [&str; 7] = [
    media_type::DOCKER_SCHEMA1,
    media_type::DOCKER_SCHEMA1_SIGNED,
    media_type::DOCKER_SCHEMA2,
    media_type::DOCKER_LIST,
    media_type::OCI_MANIFEST,
    media_type::OCI_INDEX,
    media_type::OCI_ARTIFACT,
];

/// [`Manifest::parse`] as each type and without one, and [`Manifest::from_stored`]: no document is
/// accepted as two things (CVE-2021-41190), and what was accepted is read back as the same.
pub fn manifest(data: &[u8]) {
    let mut accepted: Option<Manifest> = None;
    for content_type in TYPES.into_iter().map(Some).chain([None, Some("application/json; a=b")]) {
        let Ok(manifest) = Manifest::parse(content_type, data) else { continue };
        check(&manifest, data);
        if let Some(before) = accepted.as_ref() {
            assert_eq!(before.media_type(), manifest.media_type(), "two readings of one document");
        }
        accepted = Some(manifest);
    }
    let stored = Manifest::from_stored(data);
    if let Ok(stored) = &stored {
        check(stored, data);
    }
    let Some(pushed) = accepted else { return };
    // An index without a list and without a type is recognised by nothing but its header.
    let nameless = pushed.manifests().is_empty() && *pushed.media_type() == MediaType::OciIndex;
    match stored {
        Ok(stored) => {
            assert_eq!(stored.media_type(), pushed.media_type());
            assert!(stored.references().eq(pushed.references()));
            assert_eq!(stored.subject(), pushed.subject());
            assert_eq!(stored.annotations(), pushed.annotations());
        }
        Err(error) => assert!(nameless, "what was accepted must be readable: {error}"),
    }
}

fn check(manifest: &Manifest, data: &[u8]) {
    assert!(manifest.media_type().is_manifest());
    for list in [manifest.layers(), manifest.manifests()] {
        assert!(list.len() <= oci::MAX_DESCRIPTORS);
    }
    for (role, descriptor) in manifest.references() {
        assert_eq!(role.is_blob(), !manifest.media_type().is_index());
        assert!(i64::try_from(descriptor.size).is_ok());
        assert!(manifest.knows_sizes() || descriptor.size == 0);
    }
    assert_eq!(manifest.schema1().is_some(), manifest.media_type().is_schema1());
    if manifest.schema1().is_none() {
        let digest = manifest.digest(Algorithm::Sha256, data);
        assert_eq!(digest, Digest::of(Algorithm::Sha256, data));
    }
}

static KEY: LazyLock<schema1::SigningKey> =
    LazyLock::new(|| schema1::SigningKey::generate().expect("the system gives random numbers"));

/// [`schema1::Document`]: what we sign verifies and says the same as before; and
/// [`schema1::convert`] of any image configuration, whose result is such a document.
pub fn schema1(data: &[u8]) {
    convert(data);
    let Ok(document) = schema1::Document::parse(data) else { return };
    assert!(!document.layers().is_empty());
    assert_eq!(document.layers().len(), document.history().len());
    let verified = document.verify();
    if document.is_signed() {
        return;
    }
    assert_eq!(verified.map(|_| ()), Err(schema1::SignatureError::Unsigned));
    assert_eq!(document.payload(), data);
    // A document that says `"signatures": null` has no signatures, and cannot get any.
    if serde_json::from_slice(data)
        .is_ok_and(|json: serde_json::Value| json.get("signatures").is_some())
    {
        return;
    }
    let Ok(signed) = KEY.sign(data, OffsetDateTime::UNIX_EPOCH) else { return };
    assert_eq!(signed.digest, Digest::of(Algorithm::Sha256, data));
    let read = schema1::Document::parse(&signed.bytes).expect("the signed document is one");
    assert!(read.is_signed() && read.verify().is_ok());
    assert_eq!(read.payload(), data);
    assert_eq!(read.layers(), document.layers());
    assert_eq!(read.history(), document.history());
    assert_eq!((read.name(), read.tag()), (document.name(), document.tag()));
}

/// An image of two layers.
static IMAGE: LazyLock<Manifest> = LazyLock::new(|| {
    let descriptor = |media_type: &str, fill: char| {
        let hex = fill.to_string().repeat(64);
        format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{hex}","size":7}}"#)
    };
    let (config, layer) = (media_type::DOCKER_CONFIG, media_type::DOCKER_LAYER);
    let document = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{},{}]}}"#,
        media_type::DOCKER_SCHEMA2,
        descriptor(config, 'c'),
        descriptor(layer, 'a'),
        descriptor(layer, 'b'),
    );
    Manifest::parse(None, document.as_bytes()).expect("the document is well-formed")
});

fn convert(config: &[u8]) {
    let at = OffsetDateTime::UNIX_EPOCH;
    let Ok(signed) = schema1::convert(&IMAGE, config, "a/b", "latest", &KEY, at) else { return };
    let manifest = Manifest::parse(Some(media_type::DOCKER_SCHEMA1_SIGNED), &signed.bytes)
        .expect("what we convert we accept");
    assert_eq!(manifest.digest(Algorithm::Sha256, &signed.bytes), signed.digest);
}

/// [`Hasher::from_go`] and [`Hasher::resume`] of anything, and hashing the input itself with a
/// stop in between.
pub fn hasher(data: &[u8]) {
    if let Ok(mut hasher) = Hasher::from_go(data) {
        let midstate = hasher.midstate();
        let again = Hasher::from_go(&hasher.to_go()).expect("we read what we write");
        assert_eq!(again.midstate(), midstate);
        let resumed = Hasher::resume(&midstate).expect("we take up what we put aside");
        assert_eq!(resumed.midstate(), midstate);
        hasher.update(data);
        assert_eq!(hasher.length(), midstate.length + data.len() as u64);
        hasher.finish();
    }
    let Some((&[first, ref length @ ..], state)) = data.split_first_chunk::<9>() else { return };
    let length = length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let algorithm = Algorithm::ALL[usize::from(first) % Algorithm::ALL.len()];
    if let Ok(mut hasher) = Hasher::resume(&Midstate { algorithm, length, state: state.to_vec() }) {
        assert_eq!((hasher.algorithm(), hasher.length()), (algorithm, length));
        let midstate = hasher.midstate();
        assert_eq!(Hasher::resume(&midstate).expect("it was just put aside").midstate(), midstate);
        hasher.update(state);
        hasher.finish();
    }
    let (before, behind) = state.split_at(usize::from(first).min(state.len()));
    let mut hasher = Hasher::new(algorithm);
    hasher.update(before);
    let mut hasher = match length % 2 {
        0 => Hasher::resume(&hasher.midstate()),
        _ => Hasher::from_go(&hasher.to_go()),
    }
    .expect("our own state is good");
    hasher.update(behind);
    assert_eq!(hasher.finish(), Digest::of(algorithm, state));
}

/// [`registry_config::load`]. Lines `#env NAME=VALUE`, which are comments in YAML, are the
/// environment.
pub fn config(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let variables: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("#env ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let source = Source { name: "fuzz.yml", text, variables: &variables, strict: false };
    let lax = registry_config::load(&source);
    let strict = registry_config::load(&Source { strict: true, ..source });
    if let Err(errors) = &lax {
        assert!(!errors.errors.is_empty(), "a refusal has a reason");
        assert_eq!(errors.to_string().lines().count(), errors.errors.len(), "{errors}");
    }
    match (lax, strict) {
        (Ok(lax), Ok(strict)) => assert_eq!(lax, strict),
        (Err(_), Ok(_)) => panic!("strict accepts what is refused otherwise"),
        (Ok(_) | Err(_), Err(errors)) => assert!(!errors.errors.is_empty()),
    }
}
