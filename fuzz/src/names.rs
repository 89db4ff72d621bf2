// SPDX-License-Identifier: Apache-2.0
//! Digests, names of repositories, tags and references.

use oci::{Digest, ImageReference, Reference, RepositoryName, Tag};

use crate::text;

/// [`Digest::parse`]: accepts exactly `algorithm:hex`, and prints what it read.
pub fn digest(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let parsed = Digest::parse(text);
    assert_eq!(parsed.is_ok(), is_digest(text), "{text:?}: {parsed:?}");
    let Ok(digest) = parsed else { return };
    assert_eq!(digest.to_string(), text);
    assert_eq!(format!("{}:{}", digest.algorithm(), digest.hex()), text);
    assert_eq!(Digest::from_bytes(digest.algorithm(), digest.as_bytes()), Some(digest));
    let json = serde_json::to_string(&digest).expect("a digest is a string");
    assert_eq!(serde_json::from_str::<Digest>(&json).expect("it was just written"), digest);
}

/// The grammar once more, with nothing in common.
fn is_digest(text: &str) -> bool {
    let hex = |len: usize, rest: &str| {
        rest.len() == len && rest.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
    };
    text.strip_prefix("sha256:").is_some_and(|rest| hex(64, rest))
        || text.strip_prefix("sha384:").is_some_and(|rest| hex(96, rest))
        || text.strip_prefix("sha512:").is_some_and(|rest| hex(128, rest))
}

/// [`RepositoryName::parse`]: accepts exactly the grammar, and nothing that a file system could
/// take for a way out.
pub fn name(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let parsed = RepositoryName::parse(text);
    assert_eq!(parsed.is_ok(), is_name(text), "{text:?}: {parsed:?}");
    let Ok(name) = parsed else { return };
    assert_eq!(name.as_str(), text);
    assert_eq!(name.components().collect::<Vec<_>>().join("/"), text);
    for component in name.components() {
        assert!(!component.is_empty() && !component.starts_with(['.', '_']), "{text:?}");
    }
}

/// `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*` between slashes, read from the separators' side.
fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let component = |part: &str| {
        part.starts_with(word)
            && part.ends_with(word)
            && part.split(word).all(|separator| {
                matches!(separator, "" | "." | "_" | "__") || separator.trim_matches('-').is_empty()
            })
    };
    text.len() <= 255 && text.split('/').all(component)
}

/// [`Tag::parse`], [`Reference::parse`] and [`ImageReference::parse`]: what they read they print
/// unchanged, and they agree with each other.
pub fn reference(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let tag = Tag::parse(text);
    if let Ok(tag) = &tag {
        assert_eq!(tag.as_str(), text);
        assert!(text.len() <= Tag::MAX_LENGTH && !text.starts_with(['.', '-']) && text.is_ascii());
        assert!(!text.contains(['/', ':', '@', '%', '\\']));
    }
    match Reference::parse(text) {
        Ok(reference) => {
            assert_eq!(reference.to_string(), text);
            assert_eq!(reference.tag(), tag.as_ref().ok());
            assert_eq!(reference.digest().is_some(), text.contains(':'));
        }
        Err(_) => assert!(tag.is_err() && !is_digest(text), "{text:?}"),
    }
    let Ok(image) = ImageReference::parse(text) else { return };
    let printed = image.to_string();
    assert_eq!(printed, text);
    assert_eq!(ImageReference::parse(&printed), Ok(image.clone()));
    assert!(is_name(image.name().as_str()));
}
