// SPDX-License-Identifier: Apache-2.0
//! Upload sessions.

use blobstore::{Error, UploadState};
use bytes::Bytes;
use oci::{Algorithm, Digest};

use crate::common::{MODES, Mode, name, noise, open, push_blob, read_blob, sha256};

const SIZES: [usize; 6] = [0, 1, 65_536, 65_537, 300_000, 3_000_000];

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_blob_is_read_back_also_after_a_restart() {
    for mode in MODES {
        let root = tempfile::tempdir().unwrap();
        let repository = name("ns/app");
        let store = open(root.path(), mode).await;
        for size in SIZES {
            let bytes = noise(size, size as u64);
            let digest = push_blob(&store, &repository, &bytes).await;
            assert_eq!(read_blob(&store, &repository, &digest).await.unwrap(), bytes, "{size}");
            assert!(read_blob(&store, &name("ns/other"), &digest).await.is_none());
        }
        store.close().await;
        drop(store);
        let store = open(root.path(), mode).await;
        for size in SIZES {
            let bytes = noise(size, size as u64);
            let digest = sha256(&bytes);
            assert_eq!(read_blob(&store, &repository, &digest).await.unwrap(), bytes, "{size}");
        }
        let uploads = root.path().join("docker/registry/v2/repositories/ns/app/_uploads");
        let left = std::fs::read_dir(uploads).map_or(0, Iterator::count);
        assert_eq!(left, 0, "sessions are removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_in_the_same_process_and_in_another() {
    for mode in MODES {
        for size in [10, 200_000, 2_000_000] {
            for restart in [false, true] {
                let root = tempfile::tempdir().unwrap();
                let repository = name("ns/app");
                let bytes = noise(size, 7);
                let digest = sha256(&bytes);
                let mut store = open(root.path(), mode).await;
                let upload = store.start_upload(&repository, Algorithm::Sha256).await.unwrap();
                let mut state = upload.suspend().await.unwrap();
                for chunk in bytes.chunks(size / 3 + 1) {
                    if restart {
                        store.close().await;
                        drop(store);
                        store = open(root.path(), mode).await;
                    }
                    let mut upload = store.resume_upload(&repository, &state).await.unwrap();
                    assert_eq!(upload.offset(), state.offset);
                    upload.write(Bytes::copy_from_slice(chunk)).await.unwrap();
                    state = upload.suspend().await.unwrap();
                }
                let upload = store.resume_upload(&repository, &state).await.unwrap();
                upload.commit(&digest).await.unwrap();
                assert_eq!(read_blob(&store, &repository, &digest).await.unwrap(), bytes);
                assert_eq!(store.usage().upload_rereads, 0, "the hash travelled with the client");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_digest_removes_the_session_and_a_wrong_offset_keeps_it() {
    for mode in MODES {
        for size in [10, 200_000] {
            let root = tempfile::tempdir().unwrap();
            let repository = name("ns/app");
            let store = open(root.path(), mode).await;
            let bytes = noise(size, 3);
            let mut upload = store.start_upload(&repository, Algorithm::Sha256).await.unwrap();
            upload.write(bytes.clone()).await.unwrap();
            let state = upload.suspend().await.unwrap();

            let ahead = UploadState { offset: state.offset + 1, ..state.clone() };
            let refused = store.resume_upload(&repository, &ahead).await;
            assert!(
                matches!(refused, Err(Error::UploadOffset { actual, .. }) if actual == state.offset)
            );
            let elsewhere = store.resume_upload(&name("ns/other"), &state).await;
            assert!(matches!(elsewhere, Err(Error::UploadUnknown)));

            let upload = store.resume_upload(&repository, &state).await.unwrap();
            let busy = store.resume_upload(&repository, &state).await;
            assert!(matches!(busy, Err(Error::UploadBusy)));
            let wrong = sha256(b"something else");
            assert!(matches!(upload.commit(&wrong).await, Err(Error::DigestMismatch { .. })));
            assert!(matches!(
                store.resume_upload(&repository, &state).await,
                Err(Error::UploadUnknown)
            ));
            assert!(read_blob(&store, &repository, &sha256(&bytes)).await.is_none());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sha512_is_native_and_has_a_sha256_alias() {
    for mode in MODES {
        for (size, known) in [(100, true), (100, false), (200_000, true), (200_000, false)] {
            let root = tempfile::tempdir().unwrap();
            let repository = name("ns/app");
            let store = open(root.path(), mode).await;
            let bytes = noise(size, 11);
            let digest = Digest::of(Algorithm::Sha512, &bytes);
            let algorithm = if known { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let mut upload = store.start_upload(&repository, algorithm).await.unwrap();
            upload.write(bytes.clone()).await.unwrap();
            assert_eq!(upload.commit(&digest).await.unwrap().digest, digest);
            for asked in [digest, sha256(&bytes)] {
                assert_eq!(read_blob(&store, &repository, &asked).await.unwrap(), bytes);
            }
            let rereads = u64::from(!known && size > blobstore::SMALL);
            assert_eq!(store.usage().upload_rereads, rereads);
        }
    }
}

/// In an exclusive store the bytes of a small session wait in memory: no file is made for them, a
/// kill loses them, and the client is told that the session is unknown.
#[tokio::test(flavor = "multi_thread")]
async fn few_bytes_wait_in_memory_and_a_kill_loses_them() {
    let root = tempfile::tempdir().unwrap();
    let repository = name("ns/app");
    let bytes = noise(1000, 3);
    let begin = async |store: &blobstore::BlobStore| {
        let mut upload = store.start_upload(&repository, Algorithm::Sha256).await.unwrap();
        upload.write(bytes.slice(..600)).await.unwrap();
        upload.suspend().await.unwrap()
    };
    let store = open(root.path(), Mode::Exclusive).await;
    let state = begin(&store).await;
    assert!(!root.path().join("docker").exists());
    drop(store);
    let store = open(root.path(), Mode::Exclusive).await;
    assert!(matches!(store.resume_upload(&repository, &state).await, Err(Error::UploadUnknown)));

    // A request that is cut off leaves what had come.
    let state = begin(&store).await;
    let mut upload = store.resume_upload(&repository, &state).await.unwrap();
    upload.write(bytes.slice(600..800)).await.unwrap();
    drop(upload);
    let state = store.upload_status(&repository, state.id, Some(&state)).await.unwrap();
    assert_eq!(state.offset, 800);
    let mut upload = store.resume_upload(&repository, &state).await.unwrap();
    upload.write(bytes.slice(800..)).await.unwrap();
    upload.commit(&sha256(&bytes)).await.unwrap();
    assert_eq!(read_blob(&store, &repository, &sha256(&bytes)).await.unwrap(), bytes);
}

/// Memory for such sessions has an end; the others lie in the store, and all can be finished.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_find_no_room_in_memory_are_stored() {
    let root = tempfile::tempdir().unwrap();
    let repository = name("ns/app");
    let store = open(root.path(), Mode::Exclusive).await;
    let mut states = Vec::new();
    for seed in 0..200 {
        let mut upload = store.start_upload(&repository, Algorithm::Sha256).await.unwrap();
        upload.write(noise(60_000, seed)).await.unwrap();
        states.push(upload.suspend().await.unwrap());
    }
    let uploads = root.path().join("docker/registry/v2/repositories/ns/app/_uploads");
    let stored = std::fs::read_dir(uploads).unwrap().count();
    assert!((50..100).contains(&stored), "{stored} of 200 are stored");
    for (seed, state) in states.iter().enumerate() {
        let upload = store.resume_upload(&repository, state).await.unwrap();
        upload.commit(&sha256(&noise(60_000, seed as u64))).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_distribution_is_resumed_with_its_hash_state() {
    let root = tempfile::tempdir().unwrap();
    let repository = name("ns/app");
    let bytes = noise(150_000, 5);
    let id = uuid::Uuid::new_v4();
    let session = root.path().join(format!("docker/registry/v2/repositories/ns/app/_uploads/{id}"));
    std::fs::create_dir_all(session.join("hashstates/sha256")).unwrap();
    std::fs::write(session.join("startedat"), "2026-11-24T00:00:00Z").unwrap();
    std::fs::write(session.join("data"), &bytes[..100_000]).unwrap();
    let mut hasher = oci::Hasher::new(Algorithm::Sha256);
    hasher.update(&bytes[..100_000]);
    std::fs::write(session.join("hashstates/sha256/100000"), hasher.to_go()).unwrap();

    let store = open(root.path(), Mode::Exclusive).await;
    let state = UploadState {
        id,
        offset: 100_000,
        started_at: time::OffsetDateTime::UNIX_EPOCH,
        midstates: Vec::new(),
    };
    let mut upload = store.resume_upload(&repository, &state).await.unwrap();
    upload.write(bytes.slice(100_000..)).await.unwrap();
    upload.commit(&sha256(&bytes)).await.unwrap();
    assert_eq!(store.usage().upload_rereads, 0);
    assert_eq!(read_blob(&store, &repository, &sha256(&bytes)).await.unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_repairs_rotten_data() {
    for mode in MODES {
        for size in [1000, 200_000] {
            let root = tempfile::tempdir().unwrap();
            let repository = name("ns/app");
            let store = open(root.path(), mode).await;
            let bytes = noise(size, 13);
            let digest = push_blob(&store, &repository, &bytes).await;
            assert!(read_blob(&store, &repository, &digest).await.is_some());
            let hex = digest.hex();
            let data = root
                .path()
                .join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
            std::fs::write(&data, b"rot").unwrap();
            push_blob(&store, &repository, &bytes).await;
            assert_eq!(std::fs::read(&data).unwrap(), bytes);
            assert_eq!(read_blob(&store, &repository, &digest).await.unwrap(), bytes);
        }
    }
}
