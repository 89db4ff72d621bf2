// SPDX-License-Identifier: Apache-2.0
//! Every path of the store, in the one place that builds them.
//!
//! Distribution's layout, byte for byte (registry.md 5.1), below the driver's root:
//!
//! ```text
//! /docker/registry/v2
//! ├── blobs/<alg>/<xx>/<hex>/data                           bytes of a blob or manifest
//! └── repositories/<name>
//!     ├── _layers/<alg>/<hex>/link                          the blob belongs to the repository
//!     ├── _manifests
//!     │   ├── revisions/<alg>/<hex>/link                    the manifest belongs to it
//!     │   ├── tags/<tag>/current/link                       what the tag points to
//!     │   ├── tags/<tag>/index/<alg>/<hex>/link             what it ever pointed to
//!     │   └── referrers/<alg>/<hex>/<alg>/<hex>/link        ours: manifests by subject (D-8)
//!     └── _uploads/<uuid>
//!         ├── data                                          bytes received so far
//!         ├── startedat                                     RFC 3339, UTC, whole seconds
//!         └── hashstates/<alg>/<offset>                     distribution's; read, never written
//! /.berth                                                   ours alone; may be deleted when stopped
//! ├── lock                                                  held by the exclusive owner
//! ├── journal/{a,b}                                         journal segments
//! └── tmp/<id>                                              files on their way to a name
//! ```
//!
//! A link holds the text of a digest without a newline. The digest it holds, not the one in its
//! path, says where the bytes are: a `sha512` path may lead to `sha256` data and the reverse.

use oci::{Digest, RepositoryName, Tag};
use storage::driver::Key;
use uuid::Uuid;

/// The root of distribution's tree.
pub const ROOT: &str = "/docker/registry/v2";

/// Repository names may fill 255 bytes, digests 128 hex digits; a link is never longer than this.
pub const MAX_LINK: usize = 512;

fn key(path: &str) -> Key {
    Key::parse(path).expect("names, tags and digests consist of legal key characters")
}

/// `blobs/`.
pub fn blobs() -> Key {
    key(&format!("{ROOT}/blobs"))
}

/// The directory of one blob.
pub fn blob_dir(digest: &Digest) -> Key {
    let hex = digest.hex();
    key(&format!("{ROOT}/blobs/{}/{}/{hex}", digest.algorithm().as_str(), &hex[..2]))
}

/// The bytes of one blob.
pub fn blob_data(digest: &Digest) -> Key {
    let hex = digest.hex();
    key(&format!("{ROOT}/blobs/{}/{}/{hex}/data", digest.algorithm().as_str(), &hex[..2]))
}

/// `repositories/`.
pub fn repositories() -> Key {
    key(&format!("{ROOT}/repositories"))
}

/// The directory of a repository.
pub fn repository(name: &RepositoryName) -> Key {
    key(&format!("{ROOT}/repositories/{}", name.as_str()))
}

/// The directory of a repository, or of a part of a name, as found while walking.
pub fn repository_path(name: &str) -> Option<Key> {
    if name.is_empty() {
        return Some(repositories());
    }
    Key::parse(&format!("{ROOT}/repositories/{name}")).ok()
}

fn below(name: &RepositoryName, rest: &str) -> Key {
    key(&format!("{ROOT}/repositories/{}/{rest}", name.as_str()))
}

fn digest_path(digest: &Digest) -> String {
    format!("{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// The link that makes a blob part of a repository.
pub fn layer_link(name: &RepositoryName, digest: &Digest) -> Key {
    below(name, &format!("_layers/{}/link", digest_path(digest)))
}

/// `_manifests/revisions` of a repository.
pub fn revisions(name: &RepositoryName) -> Key {
    below(name, "_manifests/revisions")
}

/// The link that makes a manifest part of a repository.
pub fn revision_link(name: &RepositoryName, digest: &Digest) -> Key {
    below(name, &format!("_manifests/revisions/{}/link", digest_path(digest)))
}

/// `_manifests/tags` of a repository.
pub fn tags(name: &RepositoryName) -> Key {
    below(name, "_manifests/tags")
}

/// The directory of one tag.
pub fn tag(name: &RepositoryName, tag: &str) -> Option<Key> {
    Key::parse(&format!("{ROOT}/repositories/{}/_manifests/tags/{tag}", name.as_str())).ok()
}

/// What a tag points to.
pub fn tag_current(name: &RepositoryName, tag: &Tag) -> Key {
    below(name, &format!("_manifests/tags/{}/current/link", tag.as_str()))
}

/// A tag's memory of a manifest it points or pointed to.
pub fn tag_index(name: &RepositoryName, tag: &Tag, digest: &Digest) -> Key {
    below(name, &format!("_manifests/tags/{}/index/{}/link", tag.as_str(), digest_path(digest)))
}

/// All referrers known of one subject.
pub fn referrers(name: &RepositoryName, subject: &Digest) -> Key {
    below(name, &format!("_manifests/referrers/{}", digest_path(subject)))
}

/// One referrer of one subject.
pub fn referrer_link(name: &RepositoryName, subject: &Digest, referrer: &Digest) -> Key {
    below(
        name,
        &format!("_manifests/referrers/{}/{}/link", digest_path(subject), digest_path(referrer)),
    )
}

/// `_uploads` of a repository.
pub fn uploads(name: &RepositoryName) -> Key {
    below(name, "_uploads")
}

/// The directory of one upload session.
pub fn upload(name: &RepositoryName, id: Uuid) -> Key {
    below(name, &format!("_uploads/{id}"))
}

/// The bytes of an upload session.
pub fn upload_data(name: &RepositoryName, id: Uuid) -> Key {
    below(name, &format!("_uploads/{id}/data"))
}

/// When an upload session began.
pub fn upload_started_at(name: &RepositoryName, id: Uuid) -> Key {
    below(name, &format!("_uploads/{id}/startedat"))
}

/// A running hash as distribution leaves it.
pub fn upload_hash_state(name: &RepositoryName, id: Uuid, algorithm: &str, offset: u64) -> Key {
    below(name, &format!("_uploads/{id}/hashstates/{algorithm}/{offset}"))
}

/// A file of ours on its way to a name.
pub fn temporary(id: Uuid) -> Key {
    key(&format!("/.berth/tmp/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn paths_are_those_of_distribution() {
        let name = RepositoryName::parse("ns/app").unwrap();
        let digest = Digest::parse(&format!("sha256:{HEX}")).unwrap();
        let tag = Tag::parse("v1").unwrap();
        let table = [
            (blob_data(&digest), format!("/blobs/sha256/e3/{HEX}/data")),
            (layer_link(&name, &digest), format!("/repositories/ns/app/_layers/sha256/{HEX}/link")),
            (
                revision_link(&name, &digest),
                format!("/repositories/ns/app/_manifests/revisions/sha256/{HEX}/link"),
            ),
            (
                tag_current(&name, &tag),
                "/repositories/ns/app/_manifests/tags/v1/current/link".to_owned(),
            ),
            (
                tag_index(&name, &tag, &digest),
                format!("/repositories/ns/app/_manifests/tags/v1/index/sha256/{HEX}/link"),
            ),
        ];
        for (key, expected) in table {
            assert_eq!(key.as_str(), format!("{ROOT}{expected}"));
        }
    }
}
