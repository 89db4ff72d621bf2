// SPDX-License-Identifier: Apache-2.0
//! What a client sends when it pushes: blobs and images, on blocking connections, one thread per
//! client as real clients are separate processes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use super::content::{Bodies, Body, Random, digest};
use super::http::{Connection, path_of};
use super::transport::Endpoint;

/// Media type of the manifests that are pushed.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");

/// Largest blob whose bytes are read back after a run.
const READ_BACK: usize = 8 * 1024 * 1024;

/// How the bytes of a blob travel (distribution specification, "Pushing blobs").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// POST, PATCH with all bytes, empty PUT: what docker, podman and containerd send.
    Patch,
    /// POST, PUT with all bytes.
    Monolithic,
}

/// Uploads one blob.
pub fn blob(client: &mut Connection, repository: &str, body: &Body, style: Style) -> Result<()> {
    let started = client
        .request("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], &[])?
        .expect(202)?;
    let mut location = started.head.location.context("the upload has no Location")?;
    if style == Style::Patch {
        let path = path_of(&location).to_owned();
        let answer = client.request("PATCH", &path, &[OCTETS], &body.parts())?.expect(202)?;
        location = answer.head.location.context("the PATCH answer has no Location")?;
    }
    let path = path_of(&location);
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{separator}digest={}", body.digest);
    let parts = body.parts();
    let content: &[&[u8]] = if style == Style::Patch { &[] } else { &parts };
    client.request("PUT", &path, &[OCTETS], content)?.expect(201)?;
    Ok(())
}

/// Text of an image manifest over a configuration and layers.
pub fn manifest(config: &Body, layers: &[Body]) -> Vec<u8> {
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| {
            serde_json::json!({"mediaType": LAYER, "digest": layer.digest, "size": layer.len()})
        })
        .collect();
    let config =
        serde_json::json!({"mediaType": CONFIG, "digest": config.digest, "size": config.len()});
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
    });
    manifest.to_string().into_bytes()
}

/// A configuration that no other number has.
pub fn config(number: u64) -> Body {
    let text = serde_json::json!({
        "architecture": "amd64", "os": "linux", "author": format!("berth-bench {number:016x}"),
        "config": {}, "rootfs": {"type": "layers", "diff_ids": []},
    });
    Body::whole(text.to_string().into_bytes())
}

/// Puts a manifest under a tag and checks the digest that the server computed.
pub fn put_manifest(
    client: &mut Connection,
    repository: &str,
    tag: &str,
    bytes: &[u8],
    expected: &str,
) -> Result<()> {
    let path = format!("/v2/{repository}/manifests/{tag}");
    let answer =
        client.request("PUT", &path, &[("Content-Type", MANIFEST)], &[bytes])?.expect(201)?;
    let found = answer.head.digest.unwrap_or_default();
    ensure!(found == expected, "{path}: the server says {found}, not {expected}");
    Ok(())
}

/// Pushes one image of unique blobs: per blob HEAD, POST, PATCH, PUT, then the manifest.
/// Returns the blobs and the manifest, to be read back.
fn image(
    client: &mut Connection,
    repository: &str,
    layers: &Bodies,
    random: &mut Random,
) -> Result<(Vec<Body>, Body)> {
    let mut blobs = vec![layers.unique(random), layers.unique(random), config(random.next())];
    for body in &blobs {
        let path = format!("/v2/{repository}/blobs/{}", body.digest);
        let answer = client.request("HEAD", &path, &[], &[])?;
        ensure!(answer.head.status == 404, "HEAD {path}: status {}", answer.head.status);
        blob(client, repository, body, Style::Patch)?;
    }
    let Some(config) = blobs.pop() else { bail!("no configuration") };
    let bytes = manifest(&config, &blobs);
    let manifest = Body::whole(bytes);
    let tag = format!("t{:016x}", random.next());
    put_manifest(client, repository, &tag, manifest.parts()[1], &manifest.digest)?;
    blobs.push(config);
    Ok((blobs, manifest))
}

/// Reads back what was pushed and compares digests.
fn read_back(client: &mut Connection, path: &str, expected: &str) -> Result<()> {
    let answer = client.request("GET", path, &[("Accept", MANIFEST)], &[])?.expect(200)?;
    let found = digest(&answer.body);
    ensure!(found == expected, "GET {path}: body has digest {found}");
    Ok(())
}

/// When a push run ends.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Not begun after this time.
    pub time: Duration,
    /// Nor after so many objects.
    pub count: u64,
}

/// What a push run did.
#[derive(Clone, Debug, Default)]
pub struct Pushed {
    /// Objects (blobs or images) acknowledged.
    pub objects: u64,
    /// Time from the first to the last acknowledgement.
    pub elapsed: Duration,
    /// Microseconds per object.
    pub latencies: Vec<u32>,
}

/// Runs `work` in `clients` threads, each with its own connection, until the limit. After the
/// clock has stopped each thread runs `check` once.
fn parallel<S>(
    endpoint: &Endpoint,
    clients: usize,
    limit: Limit,
    state: impl Fn(usize) -> S + Sync,
    work: impl Fn(&mut Connection, &mut S, u64) -> Result<()> + Sync,
    check: impl Fn(&mut Connection, &mut S) -> Result<()> + Sync,
) -> Result<(Pushed, Vec<Connection>)> {
    let taken = AtomicU64::new(0);
    let total = Mutex::new(Pushed::default());
    let connections =
        (0..clients).map(|_| Connection::open(endpoint)).collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let results: Vec<Result<Connection>> = std::thread::scope(|scope| {
        let threads: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(index, mut connection)| {
                let (taken, total, state, work, check) = (&taken, &total, &state, &work, &check);
                scope.spawn(move || -> Result<Connection> {
                    let mut own = state(index);
                    let mut latencies = Vec::new();
                    loop {
                        let number = taken.fetch_add(1, Ordering::Relaxed);
                        let late = start.elapsed() >= limit.time && !latencies.is_empty();
                        if number >= limit.count || late {
                            break;
                        }
                        let begun = Instant::now();
                        work(&mut connection, &mut own, number)?;
                        let micros = begun.elapsed().as_micros();
                        latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
                    }
                    let elapsed = start.elapsed();
                    let mut total = total.lock().map_err(|_| anyhow!("a client failed"))?;
                    total.objects += latencies.len() as u64;
                    total.latencies.extend(&latencies);
                    total.elapsed = total.elapsed.max(elapsed);
                    drop(total);
                    if !latencies.is_empty() {
                        check(&mut connection, &mut own)?;
                    }
                    Ok(connection)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| bail!("a client panicked")))
            .collect()
    });
    let connections = results.into_iter().collect::<Result<Vec<_>>>()?;
    let total = total.into_inner().map_err(|_| anyhow!("a client failed"))?;
    Ok((total, connections))
}

/// Pushes unique images of two 4 KiB layers.
pub fn images(endpoint: &Endpoint, clients: usize, limit: Limit, seed: u64) -> Result<Pushed> {
    let layers = Bodies::new(4096, seed);
    let (pushed, _) = parallel(
        endpoint,
        clients,
        limit,
        |index| (index, Random::new(seed ^ ((index as u64 + 1) << 40)), None),
        |client, (index, random, last), _| {
            *last = Some(image(client, &format!("bench/push{index}"), &layers, random)?);
            Ok(())
        },
        |client, (index, _, last)| {
            let Some((blobs, manifest)) = last.take() else { return Ok(()) };
            let name = format!("/v2/bench/push{index}");
            read_back(client, &format!("{name}/manifests/{}", manifest.digest), &manifest.digest)?;
            for body in blobs {
                read_back(client, &format!("{name}/blobs/{}", body.digest), &body.digest)?;
            }
            Ok(())
        },
    )?;
    Ok(pushed)
}

/// Pushes unique blobs of one size. The connections come back open, so that a caller can look at
/// the server before they close.
pub fn blobs(
    endpoint: &Endpoint,
    clients: usize,
    size: usize,
    style: Style,
    limit: Limit,
    seed: u64,
) -> Result<(Pushed, Vec<Connection>)> {
    let bodies = Bodies::new(size, seed);
    parallel(
        endpoint,
        clients,
        limit,
        |index| (Random::new(seed ^ ((index as u64 + 1) << 40)), None),
        |client, (random, last), _| {
            let body = bodies.unique(random);
            blob(client, "bench/large", &body, style)?;
            *last = Some(body.digest);
            Ok(())
        },
        |client, (_, last)| {
            let Some(digest) = last.take() else { return Ok(()) };
            let path = format!("/v2/bench/large/blobs/{digest}");
            let answer = client.request("HEAD", &path, &[], &[])?.expect(200)?;
            ensure!(answer.head.length == Some(size as u64), "HEAD {path}: wrong length");
            // Reading large blobs back would double the traffic of a timed run; the server has
            // compared their digest before it answered 201.
            if size <= READ_BACK { read_back(client, &path, &digest) } else { Ok(()) }
        },
    )
}

/// Puts one manifest under many new tags.
pub fn tags(
    endpoint: &Endpoint,
    clients: usize,
    limit: Limit,
    repository: &str,
    bytes: &[u8],
    prefix: &str,
) -> Result<Pushed> {
    let expected = digest(bytes);
    let (pushed, _) = parallel(
        endpoint,
        clients,
        limit,
        |_| (),
        |client, (), number| {
            put_manifest(client, repository, &format!("{prefix}{number:08}"), bytes, &expected)
        },
        |_, ()| Ok(()),
    )?;
    Ok(pushed)
}
