// SPDX-License-Identifier: Apache-2.0
//! Stores to test on, and content to put into them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blobstore::{Backend, BlobStore, ManifestWrite, Options, Trust};
use bytes::Bytes;
use oci::{Algorithm, Digest, Manifest, RepositoryName, Tag};
use storage::driver::Driver;
use storage::filesystem::Filesystem;

/// The kinds of store that every behaviour must hold on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Exclusive,
    Shared,
}

pub const MODES: [Mode; 2] = [Mode::Exclusive, Mode::Shared];

pub async fn open(root: &Path, mode: Mode) -> BlobStore {
    let filesystem = Filesystem::open(root, storage::filesystem::Options::default()).unwrap();
    let driver: Arc<dyn Driver> = Arc::new(filesystem.clone());
    let trust = match mode {
        Mode::Exclusive => Trust::Exclusive,
        Mode::Shared => Trust::Shared { max_age: Duration::from_secs(2) },
    };
    let options = Options { trust, ..Options::default() };
    BlobStore::open(Backend::Filesystem { filesystem, driver, observer: None }, options)
        .await
        .unwrap()
}

pub fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}

pub fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

pub fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// Bytes that look random and are the same each time.
pub fn noise(length: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out.into()
}

pub async fn push_blob(store: &BlobStore, repository: &RepositoryName, bytes: &Bytes) -> Digest {
    let digest = sha256(bytes);
    let mut upload = store.start_upload(repository, Algorithm::Sha256).await.unwrap();
    for chunk in bytes.chunks(100_000) {
        upload.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    upload.commit(&digest).await.unwrap();
    digest
}

pub async fn read_blob(
    store: &BlobStore,
    repository: &RepositoryName,
    digest: &Digest,
) -> Option<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let blob = store.open_blob(repository, digest).await.unwrap()?;
    Some(match blob.content(0, blob.size).await.unwrap() {
        storage::driver::Content::Bytes(bytes) => bytes.to_vec(),
        storage::driver::Content::File { file, offset, len } => {
            let mut out = vec![0; len as usize];
            file.read_exact_at(&mut out, offset).unwrap();
            out
        }
        storage::driver::Content::Stream { .. } => unreachable!("a local driver does not stream"),
    })
}

/// An image manifest over a config and layers that need not exist.
pub fn image(config: &Digest, layers: &[Digest], subject: Option<&Digest>) -> Bytes {
    let descriptor = |digest: &Digest, kind: &str| {
        format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":2}}"#)
    };
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip"))
        .collect();
    let subject = subject.map_or(String::new(), |subject| {
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        format!(r#","subject":{}"#, descriptor(subject, manifest))
    });
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]{subject}}}"#,
        descriptor(config, "application/vnd.oci.image.config.v1+json"),
        layers.join(",")
    )
    .into()
}

pub async fn push_manifest(
    store: &BlobStore,
    repository: &RepositoryName,
    bytes: &Bytes,
    tags: &[&str],
) -> Digest {
    let digest = sha256(bytes);
    let manifest = Manifest::from_stored(bytes).unwrap();
    let tags: Vec<Tag> = tags.iter().map(|text| tag(text)).collect();
    let write = ManifestWrite { manifest: &manifest, bytes: bytes.clone(), digest, tags: &tags };
    store.put_manifest(repository, write).await.unwrap();
    digest
}
