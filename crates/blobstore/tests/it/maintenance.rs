// SPDX-License-Identifier: Apache-2.0
//! Check, garbage collection and purge.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use blobstore::maintenance::check::{Finding, Observer, Progress};
use blobstore::maintenance::collect::CollectOptions;
use oci::Algorithm;

use crate::common::{
    MODES, image, name, noise, open, push_blob, push_manifest, read_blob, sha256, tag,
};

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Observer for Findings {
    fn finding(&mut self, finding: &Finding) {
        self.0.push(finding.clone());
    }

    fn progress(&mut self, _: &Progress) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_every_kind_of_damage_and_nothing_else() {
    for mode in MODES {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), mode).await;
        let repository = name("ns/app");
        let config = push_blob(&store, &repository, &noise(2, 1)).await;
        let layer = push_blob(&store, &repository, &noise(2, 2)).await;
        let large = push_blob(&store, &repository, &noise(200_000, 3)).await;
        let lost = push_blob(&store, &repository, &noise(2, 4)).await;
        let bytes = image(&config, &[layer, lost], None);
        push_manifest(&store, &repository, &bytes, &["one", "two"]).await;
        let mut clean = Findings::default();
        let progress = store.check(&mut clean).await.unwrap();
        assert_eq!(clean.0, [], "{mode:?}");
        assert_eq!((progress.blobs, progress.repositories, progress.manifests), (5, 1, 1));

        let base = root.path().join("docker/registry/v2");
        let data = |digest: &oci::Digest| {
            let hex = digest.hex();
            base.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2]))
        };
        let links = base.join("repositories/ns/app");
        let mut rotten = std::fs::read(data(&large)).unwrap();
        rotten[100_000] ^= 1;
        std::fs::write(data(&large), rotten).unwrap();
        std::fs::write(data(&config), "").unwrap();
        std::fs::remove_dir_all(data(&lost).parent().unwrap()).unwrap();
        std::fs::write(links.join("_manifests/tags/one/current/link"), "sha256:12").unwrap();
        std::fs::write(base.join("blobs/sha256/README"), "hello").unwrap();
        let mut found = Findings::default();
        let progress = store.check(&mut found).await.unwrap();
        let mut codes = BTreeMap::new();
        for finding in &found.0 {
            *codes.entry(finding.problem.code()).or_insert(0) += 1;
        }
        let expected = [
            ("dangling-link", 1),
            ("empty", 1),
            ("foreign", 1),
            ("torn-link", 1),
            ("wrong-digest", 1),
        ];
        assert_eq!(codes, BTreeMap::from(expected), "{:?}", found.0);
        assert_eq!((progress.damaged, progress.notes), (4, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn collection_keeps_what_is_reachable_and_removes_the_rest() {
    for mode in MODES {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), mode).await;
        let repository = name("ns/app");
        let kept = push_blob(&store, &repository, &noise(2, 1)).await;
        let untagged_layer = push_blob(&store, &repository, &noise(2, 2)).await;
        let orphan = push_blob(&store, &repository, &noise(300_000, 3)).await;
        let child = image(&kept, &[], None);
        let size = child.len();
        let child = push_manifest(&store, &repository, &child, &[]).await;
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{child}","size":{size}}}]}}"#
        )
        .into();
        let index = push_manifest(&store, &repository, &index, &["latest"]).await;
        let signature = image(&kept, &[kept], Some(&child));
        let signature = push_manifest(&store, &repository, &signature, &[]).await;
        let untagged = image(&kept, &[untagged_layer], None);
        let untagged = push_manifest(&store, &repository, &untagged, &[]).await;

        let dry = CollectOptions { dry_run: true, delete_untagged: true };
        let plan = store.collect_garbage(dry, |_| {}).await.unwrap();
        assert!(read_blob(&store, &repository, &orphan).await.is_some());
        assert!(store.manifest(&repository, &untagged).await.unwrap().is_some());

        let done = store.collect_garbage(CollectOptions::default(), |_| {}).await.unwrap();
        assert_eq!((done.blobs, done.manifests, done.bytes), (1, 0, 300_000));
        assert!(read_blob(&store, &repository, &orphan).await.is_none());
        assert!(store.manifest(&repository, &untagged).await.unwrap().is_some());

        let all = CollectOptions { dry_run: false, delete_untagged: true };
        let done = store.collect_garbage(all, |_| {}).await.unwrap();
        assert_eq!((done.blobs, done.manifests), (2, 1));
        assert_eq!((plan.blobs, plan.manifests), (3, 1));
        for digest in [child, index, signature] {
            assert!(store.manifest(&repository, &digest).await.unwrap().is_some());
        }
        assert!(store.manifest(&repository, &untagged).await.unwrap().is_none());
        assert_eq!(store.resolve_tag(&repository, &tag("latest")).await.unwrap(), Some(index));
        assert!(read_blob(&store, &repository, &kept).await.is_some());
        let mut clean = Findings::default();
        store.check(&mut clean).await.unwrap();
        assert_eq!(clean.0, [], "nothing dangles");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn purge_removes_old_sessions_only() {
    for mode in MODES {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), mode).await;
        let repository = name("ns/app");
        let mut upload = store.start_upload(&repository, Algorithm::Sha256).await.unwrap();
        upload.write(noise(100, 1)).await.unwrap();
        let state = upload.suspend().await.unwrap();
        let uploads = root.path().join("docker/registry/v2/repositories/ns/app/_uploads");
        // As a crash of another registry may leave it.
        let torn = uploads.join("6dd0bd4b-9b1f-4a0b-8f4a-0a6b1d4c0001");
        std::fs::create_dir_all(&torn).unwrap();
        std::fs::write(torn.join("startedat"), "").unwrap();

        let now = SystemTime::now();
        let day = Duration::from_secs(24 * 3600);
        let purged = store.purge_uploads(day, now, false, |_| {}).await.unwrap();
        assert_eq!(purged.sessions, 0);
        let mut seen = 0;
        let later = now + 2 * day;
        let purged = store.purge_uploads(day, later, true, |_| seen += 1).await.unwrap();
        assert_eq!((purged.sessions, seen), (2, 2));
        assert!(torn.exists());
        let purged = store.purge_uploads(day, later, false, |_| {}).await.unwrap();
        assert_eq!((purged.sessions, purged.errors), (2, 0));
        assert!(!torn.exists());
        assert!(store.resume_upload(&repository, &state).await.is_err());
        let digest = sha256(b"");
        assert!(read_blob(&store, &repository, &digest).await.is_none());
    }
}
