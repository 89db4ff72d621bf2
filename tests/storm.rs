// SPDX-License-Identifier: Apache-2.0
//! T-09: 64 clients push the same blob at the same time and half of them die on the way.
//!
//! All survivors must succeed, and the store must hold one object and one link per repository.

use std::io::Write;
use std::path::Path;
use std::sync::Barrier;

use anyhow::{Context, Result, ensure};
use testkit::client::{Client, path_of};
use testkit::{Server, digest, fixture, inventory};

const CLIENTS: usize = 64;
const REPOSITORIES: usize = 4;

/// Pushes the whole blob, which must succeed.
fn survive(server: &Server, repository: &str, blob: &[u8], start: &Barrier) -> Result<()> {
    let mut client = server.client()?;
    start.wait();
    client.push_blob(repository, blob)?;
    Ok(())
}

/// Sends part of the blob and drops the connection, as a killed client does.
fn die(server: &Server, repository: &str, blob: &[u8], at: usize, start: &Barrier) -> Result<()> {
    let mut client = server.client()?;
    start.wait();
    let session = client.start_upload(repository)?;
    let path = path_of(&session);
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut stream = client.endpoint().connect()?;
    write!(
        stream,
        "PUT {path}{separator}digest={} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
        digest::sha256(blob),
        server.host(),
        blob.len()
    )?;
    stream.write_all(&blob[..at])?;
    stream.flush()?;
    Ok(())
}

#[test]
fn survivors_of_a_storm_on_one_blob_succeed_and_one_object_remains() -> Result<()> {
    let server = Server::builder().start()?;
    let blob = fixture::noise(9, 2 << 20);
    let start = Barrier::new(CLIENTS);
    let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (server, blob, start) = (&server, &blob, &start);
                scope.spawn(move || {
                    let repository = format!("storm/r{}", number / 2 % REPOSITORIES);
                    if number % 2 == 0 {
                        survive(server, &repository, blob, start)
                    } else {
                        // Each dies at another place, the last with all but one byte sent.
                        let at = blob.len() * number / CLIENTS;
                        let at = if number + 1 == CLIENTS { blob.len() - 1 } else { at };
                        die(server, &repository, blob, at, start)
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))?)
            .collect()
    });
    for (number, outcome) in outcomes.into_iter().enumerate() {
        outcome.with_context(|| format!("client {number}"))?;
    }

    let mut client: Client = server.client()?;
    let digest = digest::sha256(&blob);
    for repository in 0..REPOSITORIES {
        inventory::blob(&mut client, &format!("storm/r{repository}"), &digest)?;
    }
    let hex = digest.trim_start_matches("sha256:");
    let root = server.store().join("docker/registry/v2");
    let objects = count_files(&root.join("blobs"), "data")?;
    ensure!(objects == 1, "{objects} objects for one blob");
    for repository in 0..REPOSITORIES {
        let links = root.join(format!("repositories/storm/r{repository}/_layers"));
        let count = count_files(&links, "link")?;
        ensure!(count == 1, "{count} links in {}", links.display());
        let link = std::fs::read_to_string(links.join("sha256").join(hex).join("link"))?;
        ensure!(link == digest, "the link says {link:?}");
    }
    Ok(())
}

fn count_files(folder: &Path, name: &str) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            count += count_files(&entry.path(), name)?;
        } else if entry.file_name() == name {
            count += 1;
        }
    }
    Ok(count)
}
