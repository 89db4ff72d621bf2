// SPDX-License-Identifier: Apache-2.0
//! A store moves between Debian's `docker-registry` and Berth, both ways, object for object.
//!
//! One store is served by one registry at a time. Each takes an inventory of everything it serves
//! (catalogue, tags, manifests, blobs; digests computed from the bytes received) and the inventories
//! must be equal.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::client::Client;
use testkit::fixture::{Descriptor, Layout, artifact, compress, media, noise, tar};
use testkit::inventory::{self, Inventory};
use testkit::{Server, Subject, Tool, server};

/// Stops a registry in order, so that all it has is on disk.
fn stop(mut server: Server) -> Result<()> {
    server.signal_stop()?;
    server.wait(Duration::from_secs(40)).map(|_| ())
}

fn served_by(subject: Subject, store: &Path) -> Result<Inventory> {
    let server = Server::builder_of(subject).store(store).start()?;
    let inventory = inventory::take(&mut server.client()?)?;
    stop(server)?;
    Ok(inventory)
}

fn fill(subject: Subject, store: &Path, seed: u64) -> Result<()> {
    let server = Server::builder_of(subject).store(store).start()?;
    let mut client = server.client()?;
    push_everything(&mut client, seed)?;
    stop(server)
}

/// Pushes an image of each kind that both registries take, with shared layers, several repositories,
/// moved and deleted tags.
fn push_everything(client: &mut Client, seed: u64) -> Result<()> {
    for repository in ["alone", "team/app", "team/deep/er/path_with.signs-1"] {
        let amd64 = push_image(client, repository, seed, "amd64", false)?;
        let arm64 = push_image(client, repository, seed, "arm64", false)?;
        let docker = push_image(client, repository, seed, "s390x", true)?;
        let index = json!({
            "schemaVersion": 2,
            "mediaType": media::INDEX,
            "manifests": [amd64.json(), arm64.json()],
        });
        let index = serde_json::to_vec(&index)?;
        let list = json!({
            "schemaVersion": 2,
            "mediaType": media::DOCKER_LIST,
            "manifests": [docker.json()],
        });
        let list = serde_json::to_vec(&list)?;
        client.push_manifest(repository, &format!("multi-{seed}"), media::INDEX, &index)?;
        client.push_manifest(repository, &format!("list-{seed}"), media::DOCKER_LIST, &list)?;
        // A tag that moved keeps its history on disk, which the other registry must understand.
        client.push_manifest(repository, "latest", media::DOCKER_LIST, &list)?;
        client.push_manifest(repository, "latest", media::INDEX, &index)?;
    }
    // A mounted blob and a deleted manifest leave links of their own kind.
    let layer = client.push_blob("alone", &noise(seed ^ 0xabc, 5000))?;
    let mount = format!("/v2/mounted/blobs/uploads/?mount={layer}&from=alone");
    client.send("POST", &mount, &[], b"")?.expect(201)?;
    let gone = push_image(client, "alone", seed ^ 0xdead, "riscv64", false)?;
    client.delete(&format!("/v2/alone/manifests/{}", gone.digest))?.expect(202)?;
    Ok(())
}

/// Pushes an image and tags it with its architecture; returns its descriptor for an index.
fn push_image(
    client: &mut Client,
    repository: &str,
    seed: u64,
    architecture: &str,
    docker: bool,
) -> Result<Descriptor> {
    let (manifest_type, config_type, layer_type) = if docker {
        (media::DOCKER_MANIFEST, media::DOCKER_CONFIG, media::DOCKER_LAYER)
    } else {
        (media::MANIFEST, media::CONFIG, media::LAYER_GZIP)
    };
    let mut layers = Vec::new();
    let mut diff_ids = Vec::new();
    for (name, size) in [("shared", 300_000), (architecture, 70_000), ("empty", 0)] {
        let salt = name.bytes().map(u64::from).sum::<u64>();
        let archive = tar::archive(&[(name, &noise(seed ^ salt, size))]);
        diff_ids.push(testkit::digest::sha256(&archive));
        let packed = compress::gzip(&archive);
        client.push_blob(repository, &packed)?;
        layers.push(Descriptor::of(layer_type, &packed).json());
    }
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": [{}, {}, {}],
    });
    let config = serde_json::to_vec(&config)?;
    client.push_blob(repository, &config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": Descriptor::of(config_type, &config).json(),
        "layers": layers,
    });
    let manifest = serde_json::to_vec(&manifest)?;
    let tag = format!("{architecture}-{seed}");
    client.push_manifest(repository, &tag, manifest_type, &manifest)?;
    let platform = json!({ "architecture": architecture, "os": "linux" });
    Ok(Descriptor::of(manifest_type, &manifest).with("platform", platform))
}

fn must_agree(store: &Path, least: usize) -> Result<Inventory> {
    let peer = served_by(Subject::Peer, store).context("served by docker-registry")?;
    let berth = served_by(Subject::Berth, store).context("served by Berth")?;
    let differences = inventory::differences(&peer, &berth);
    ensure!(differences.is_empty(), "docker-registry / Berth:\n{}", differences.join("\n"));
    ensure!(peer.len() >= least, "only {} objects were compared", peer.len());
    println!("{} objects are served alike", peer.len());
    Ok(peer)
}

fn must_be_clean(store: &Path) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let configuration = directory.path().join("config.yml");
    let text = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n",
        store.display()
    );
    std::fs::write(&configuration, text)?;
    let program = server::berth()?;
    let check = Tool::new(&program.to_string_lossy())?.with(["registry", "check"]);
    check.run([configuration])?;
    Ok(())
}

#[test]
fn store_of_docker_registry_is_served_by_berth() -> Result<()> {
    let store = tempfile::tempdir()?;
    fill(Subject::Peer, store.path(), 1)?;
    must_agree(store.path(), 50)?;
    must_be_clean(store.path())
}

#[test]
fn fresh_store_of_berth_is_served_by_docker_registry() -> Result<()> {
    let store = tempfile::tempdir()?;
    fill(Subject::Berth, store.path(), 2)?;
    must_agree(store.path(), 50)?;
    must_be_clean(store.path())
}

#[test]
fn store_grown_by_both_in_turn_is_served_by_both() -> Result<()> {
    let store = tempfile::tempdir()?;
    fill(Subject::Peer, store.path(), 3)?;
    let before = served_by(Subject::Peer, store.path())?;
    fill(Subject::Berth, store.path(), 4)?;
    let grown = must_agree(store.path(), 90)?;
    let kept = before.iter().filter(|(key, object)| {
        // `latest` was moved by the second filling; everything else must be as it was.
        key.ends_with(":latest") || grown.get(*key) == Some(*object)
    });
    ensure!(kept.count() == before.len(), "Berth changed what docker-registry had stored");
    fill(Subject::Peer, store.path(), 5)?;
    must_agree(store.path(), 130)?;
    must_be_clean(store.path())
}

#[test]
fn adoption_rewrites_nothing() -> Result<()> {
    let store = tempfile::tempdir()?;
    fill(Subject::Peer, store.path(), 6)?;
    let before = files(store.path())?;
    served_by(Subject::Berth, store.path())?;
    let after = files(store.path())?;
    let changed: Vec<&String> =
        before.iter().filter(|(path, at)| after.get(*path) != Some(*at)).map(|it| it.0).collect();
    ensure!(changed.is_empty(), "reading changed {changed:?}");
    Ok(())
}

/// Inode, length and time of change of each file below `directory`.
fn files(directory: &Path) -> Result<std::collections::BTreeMap<String, (u64, u64, i64, i64)>> {
    use std::os::unix::fs::MetadataExt as _;
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let facts = path.symlink_metadata()?;
            if facts.is_dir() {
                folders.push(path);
            } else {
                let stamp = (facts.ino(), facts.len(), facts.mtime(), facts.mtime_nsec());
                found.insert(path.display().to_string(), stamp);
            }
        }
    }
    Ok(found)
}

/// Starts an upload on `first`, finishes it on `second`: session files, hash states and `_state`
/// (registry.md 1.9, 5.2) are understood by both, given the same secret.
fn hand_over(first: Subject, second: Subject) -> Result<()> {
    let store = tempfile::tempdir()?;
    let blob = noise(11, 1_500_001);
    let (head, tail) = blob.split_at(700_001);
    let server = Server::builder_of(first).store(store.path()).start()?;
    let mut client = server.client()?;
    let session = client.start_upload("hand/over")?;
    let answer = client.send("PATCH", &session, &[], head)?.expect(202)?;
    let session = answer.header("location").context("no Location")?.to_owned();
    stop(server)?;

    let server = Server::builder_of(second).store(store.path()).start()?;
    let mut client = server.client()?;
    let progress = client.get(&session, &[])?.expect(204)?;
    let range = progress.header("range").unwrap_or_default();
    ensure!(range == format!("0-{}", head.len() - 1), "{second:?} says {range}");
    let digest = testkit::digest::sha256(&blob);
    client.send("PUT", &format!("{session}&digest={digest}"), &[], tail)?.expect(201)?;
    inventory::blob(&mut client, "hand/over", &digest)?;
    stop(server)
}

#[test]
fn upload_started_on_docker_registry_is_finished_on_berth() -> Result<()> {
    hand_over(Subject::Peer, Subject::Berth)
}

#[test]
fn upload_started_on_berth_is_finished_on_docker_registry() -> Result<()> {
    hand_over(Subject::Berth, Subject::Peer)
}

/// Clients keep referrers in a tag where a registry has no API for them; the API lists them later.
#[test]
fn referrers_in_fallback_tags_of_docker_registry_are_listed_by_berth() -> Result<()> {
    let store = tempfile::tempdir()?;
    let layout = Layout::create(&store.path().join("layout"))?;
    let kind = "application/vnd.example.note";
    let subject = artifact(&layout, "application/vnd.example.subject", b"subject", None)?;
    let note = artifact(&layout, kind, b"note", Some(&subject))?;
    // Only the tag knows what this one is about.
    let old = artifact(&layout, kind, b"old", None)?;

    let server = Server::builder_of(Subject::Peer).store(store.path()).start()?;
    let mut client = server.client()?;
    for content in ["{}", "subject", "note", "old"] {
        client.push_blob("refers/app", content.as_bytes())?;
    }
    for part in [&subject, &note, &old] {
        let bytes = layout.read(&part.digest)?;
        client.push_manifest("refers/app", &part.digest, media::MANIFEST, &bytes)?;
    }
    let listed = |part: &Descriptor| part.clone().with("artifactType", json!(kind)).json();
    let index = json!({
        "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [listed(&old), listed(&note)],
    });
    let tag = subject.digest.replace(':', "-");
    client.push_manifest("refers/app", &tag, media::INDEX, &serde_json::to_vec(&index)?)?;
    stop(server)?;

    let server = Server::builder_of(Subject::Berth).store(store.path()).start()?;
    let target = format!("/v2/refers/app/referrers/{}", subject.digest);
    let answer = server.client()?.get(&target, &[])?.expect(200)?.json()?;
    let entries = answer["manifests"].as_array().into_iter().flatten();
    let found: BTreeSet<&str> = entries.filter_map(|entry| entry["digest"].as_str()).collect();
    let wanted = BTreeSet::from([note.digest.as_str(), old.digest.as_str()]);
    ensure!(found == wanted, "listed {found:?}, wanted {wanted:?}");
    Ok(())
}
