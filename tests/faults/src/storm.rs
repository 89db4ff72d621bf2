// SPDX-License-Identifier: Apache-2.0
//! T-09: many clients push the same blob at once and half of them vanish in the middle.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::client::path_of;
use testkit::fixture::noise;
use testkit::{Client, digest};

use crate::random::Random;
use crate::report::{Report, Violation};
use crate::world::{Mode, World, client, find, new_store};

const REPOSITORIES: [&str; 2] = ["faults/storm/a", "faults/storm/b"];

/// `clients` at once, once with a blob that rides in the journal and once with a larger one.
pub fn run(seed: u64, mode: Mode, clients: usize) -> Result<Report> {
    let name = match mode {
        Mode::Exclusive => "storm-exclusive",
        Mode::Shared => "storm-shared",
    };
    let mut report = Report::new(name, seed);
    let store = new_store()?;
    let mut world = World::new(mode, store.path());
    if let Err(cause) = scenario(&mut world, seed, clients, &mut report) {
        report.violation(Violation {
            point: format!("{clients} clients, {} store", mode.word()),
            what: vec![format!("{cause:#}")],
            store: Some(store.keep()),
        });
    }
    world.kill()?;
    Ok(report)
}

fn scenario(world: &mut World, seed: u64, clients: usize, report: &mut Report) -> Result<()> {
    world.start(None)?;
    let mut random = Random::new(seed);
    let mut survived = 0;
    for (round, length) in [40_000, 2 << 20].into_iter().enumerate() {
        let bytes = noise(seed.wrapping_add(round as u64), length);
        let barrier = Barrier::new(clients);
        let plans: Vec<(usize, usize)> =
            (0..clients).map(|index| (index, random.below(length))).collect();
        let server = &*world.running()?;
        let results: Vec<Result<bool>> = std::thread::scope(|scope| {
            let threads: Vec<_> = plans
                .into_iter()
                .map(|(index, cut)| {
                    let (bytes, barrier) = (&bytes, &barrier);
                    scope.spawn(move || {
                        let repository = REPOSITORIES[index / 2 % 2];
                        let mut client = client(server)?;
                        barrier.wait();
                        if index % 2 == 0 {
                            push(&mut client, repository, bytes)?;
                            Ok(true)
                        } else {
                            vanish(&mut client, repository, bytes, cut)?;
                            Ok(false)
                        }
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|it| it.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a client panicked"))))
                .collect()
        });
        for result in results {
            survived += usize::from(result.context("a client of the storm")?);
        }
        let digest = digest::sha256(&bytes);
        for repository in REPOSITORIES {
            let target = format!("/v2/{repository}/blobs/{digest}");
            let answer = world.client()?.get(&target, &[])?.expect(200)?;
            ensure!(answer.body == bytes, "served with other bytes");
        }
        let hex = digest.trim_start_matches("sha256:");
        let (mut objects, mut links) = (0, 0);
        find(&world.store, &mut |path| {
            let text = path.to_string_lossy();
            objects += usize::from(text.ends_with(&format!("{hex}/data")));
            links += usize::from(text.ends_with(&format!("_layers/sha256/{hex}/link")));
        })?;
        ensure!(objects == 1, "{objects} objects");
        ensure!(links == REPOSITORIES.len(), "{links} links");
    }
    world.stop()?;
    let wrong = [world.check()?, world.leftovers()?].concat();
    ensure!(wrong.is_empty(), "{wrong:?}");
    report.figure("clients", 2 * clients);
    report.figure("survivors_succeeded", survived);
    Ok(())
}

fn push(client: &mut Client, repository: &str, bytes: &[u8]) -> Result<()> {
    client.push_blob(repository, bytes).map(drop)
}

/// Begins an upload and closes the connection somewhere in the bytes.
fn vanish(client: &mut Client, repository: &str, bytes: &[u8], cut: usize) -> Result<()> {
    let target = client.start_upload(repository)?;
    let separator = if target.contains('?') { '&' } else { '?' };
    let address = client.endpoint().address;
    let mut socket = TcpStream::connect(address)?;
    socket.set_write_timeout(Some(Duration::from_secs(20)))?;
    let head = format!(
        "PUT {}{separator}digest={} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n",
        path_of(&target),
        digest::sha256(bytes),
        bytes.len()
    );
    socket.write_all(head.as_bytes())?;
    socket.write_all(&bytes[..cut])?;
    Ok(())
}
