// SPDX-License-Identifier: Apache-2.0
//! Reads everything a registry serves, to compare two registries object for object.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::client::Client;
use crate::digest;

/// Every media type that a client of this decade asks for.
pub const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v1+prettyjws, \
    application/vnd.docker.distribution.manifest.v1+json";

/// One served object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `Content-Type` of the answer.
    pub media_type: String,
    /// Digest computed from the bytes received.
    pub digest: String,
    /// Number of bytes received.
    pub size: usize,
}

/// Everything served, by `repository:tag`, `repository@digest` and `repository/blobs/digest`.
pub type Inventory = BTreeMap<String, Object>;

/// Walks catalogue, tags, manifests (into indexes) and blobs, and verifies each digest on the way.
pub fn take(client: &mut Client) -> Result<Inventory> {
    let mut found = Inventory::new();
    for repository in names(client, "/v2/_catalog?n=100", "repositories")? {
        let tags = format!("/v2/{repository}/tags/list?n=100");
        for tag in names(client, &tags, "tags")? {
            let (object, _) = manifest(client, &repository, &tag)?;
            let digest = object.digest.clone();
            found.insert(format!("{repository}:{tag}"), object);
            walk(client, &repository, &digest, &mut found)?;
        }
    }
    Ok(found)
}

/// Adds the manifest `digest` of `repository` and all that it refers to.
pub fn walk(
    client: &mut Client,
    repository: &str,
    digest: &str,
    found: &mut Inventory,
) -> Result<()> {
    let key = format!("{repository}@{digest}");
    if found.contains_key(&key) {
        return Ok(());
    }
    let (object, document) = manifest(client, repository, digest)?;
    ensure!(object.digest == digest, "{key} has the bytes of {}", object.digest);
    found.insert(key, object);
    for child in document["manifests"].as_array().into_iter().flatten() {
        let child = child["digest"].as_str().context("an index entry without a digest")?;
        walk(client, repository, child, found)?;
    }
    let layers = document["layers"].as_array().into_iter().flatten();
    for part in layers.chain(document.get("config")) {
        if part.get("urls").is_some() {
            continue; // Not stored: the client fetches it from there.
        }
        let part = part["digest"].as_str().context("a descriptor without a digest")?;
        let object = blob(client, repository, part)?;
        found.insert(format!("{repository}/blobs/{part}"), object);
    }
    Ok(())
}

/// Fetches a blob, compares its digest and headers, and says what it is.
pub fn blob(client: &mut Client, repository: &str, digest: &str) -> Result<Object> {
    let target = format!("/v2/{repository}/blobs/{digest}");
    let answer = client.get(&target, &[])?.expect(200).with_context(|| target.clone())?;
    let actual = digest::sha256(&answer.body);
    ensure!(
        actual == digest || digest::sha512(&answer.body) == digest,
        "{target} has the bytes of {actual}"
    );
    let media_type = answer.header("content-type").unwrap_or_default().to_owned();
    Ok(Object { media_type, digest: digest.to_owned(), size: answer.body.len() })
}

fn manifest(client: &mut Client, repository: &str, reference: &str) -> Result<(Object, Value)> {
    let target = format!("/v2/{repository}/manifests/{reference}");
    let answer =
        client.get(&target, &[("accept", ACCEPT)])?.expect(200).with_context(|| target.clone())?;
    let digest = digest::sha256(&answer.body);
    let told = answer.header("docker-content-digest").unwrap_or_default();
    ensure!(told == digest, "{target} is {digest}, its header says {told}");
    let media_type = answer.header("content-type").unwrap_or_default().to_owned();
    let document = answer.json()?;
    Ok((Object { media_type, digest, size: answer.body.len() }, document))
}

/// All names of a paged list, following `Link` as clients do.
pub fn names(client: &mut Client, first: &str, key: &str) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let mut target = first.to_owned();
    loop {
        let answer = client.get(&target, &[])?;
        if answer.status == 404 && key == "tags" {
            return Ok(all); // Distribution: a repository that never had a tag.
        }
        let answer = answer.expect(200).with_context(|| target.clone())?;
        for name in answer.json()?[key].as_array().into_iter().flatten() {
            all.insert(name.as_str().context("a name that is no string")?.to_owned());
        }
        match answer.header("link").and_then(|link| link.strip_prefix('<')?.split_once('>')) {
            Some((next, _)) => target = next.to_owned(),
            None => return Ok(all),
        }
    }
}

/// Lines that tell how `b` differs from `a`; empty when they serve the same.
pub fn differences(a: &Inventory, b: &Inventory) -> Vec<String> {
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    keys.into_iter()
        .filter(|key| a.get(*key) != b.get(*key))
        .map(|key| format!("{key}: {:?} / {:?}", a.get(key), b.get(key)))
        .collect()
}
