// SPDX-License-Identifier: Apache-2.0
//! T-08: one bit flips in stored objects.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use testkit::fixture::noise;
use testkit::{Client, digest};

use crate::random::Random;
use crate::report::{Report, Violation};
use crate::world::{Mode, World, client, new_store};

const REPOSITORY: &str = "faults/rot";

/// Damages `count` objects of various sizes, half of the store.
pub fn run(seed: u64, count: usize) -> Result<Report> {
    let mut report = Report::new("rot", seed);
    let store = new_store()?;
    if let Err(cause) = scenario(store.path(), seed, count, &mut report) {
        report.violation(Violation {
            point: format!("{count} flipped bits"),
            what: vec![format!("{cause:#}")],
            store: Some(store.keep()),
        });
    }
    Ok(report)
}

fn scenario(store: &Path, seed: u64, count: usize, report: &mut Report) -> Result<()> {
    let mut random = Random::new(seed);
    let mut world = World::new(Mode::Exclusive, store);
    "  verifyonread: true\n".clone_into(&mut world.extra);
    world.start(None)?;
    let mut to = client(world.running()?)?;
    let blobs: Vec<Vec<u8>> = (0..count * 2)
        .map(|index| {
            // Most objects are small; some are larger than what is kept in memory or one buffer.
            let length = match index % 16 {
                0 => 300_000 + random.below(300_000),
                1 => 65_536 + random.below(3),
                _ => 1 + random.below(8_000),
            };
            noise(seed.wrapping_mul(77).wrapping_add(index as u64), length)
        })
        .collect();
    for blob in &blobs {
        to.push_blob(REPOSITORY, blob)?;
    }
    world.stop()?;
    ensure!(world.check()?.is_empty(), "damage before there was any");

    let damaged: Vec<&Vec<u8>> = random.sample(blobs.iter().collect(), count);
    for blob in &damaged {
        flip(&path_of(store, blob), &mut random)?;
    }
    // Every damaged object is found, and nothing else.
    let (code, output) = world.command("check", &["--quiet", "--output", "json"])?;
    ensure!(code == Some(1), "check ended with {code:?} on a damaged store");
    let found = |blob: &Vec<u8>| {
        let digest = digest::sha256(blob);
        let hex = digest.trim_start_matches("sha256:").to_owned();
        output.lines().any(|line| line.contains(&hex) && line.contains("wrong-digest"))
    };
    let missed = damaged.iter().filter(|blob| !found(blob)).count();
    let accused = blobs.iter().filter(|blob| !damaged.contains(blob) && found(blob)).count();
    report.figure("bits_flipped", count);
    report.figure("found_by_check", count - missed);
    ensure!(missed == 0, "check missed {missed} of {count}");
    ensure!(accused == 0, "check accused {accused} sound objects");

    // With verification no pull completes with wrong bytes.
    world.start(None)?;
    let mut from = client(world.running()?)?;
    let (mut refused, mut cut) = (0, 0);
    for blob in &blobs {
        let target = format!("/v2/{REPOSITORY}/blobs/{}", digest::sha256(blob));
        match from.get(&target, &[]) {
            Ok(answer) if answer.status == 200 => {
                ensure!(answer.body == *blob, "a pull completed with wrong bytes: {target}");
                ensure!(!damaged.contains(&blob), "a damaged object was served right: {target}");
            }
            Ok(_) => {
                ensure!(damaged.contains(&blob), "a sound object was refused: {target}");
                refused += 1;
            }
            Err(_) => {
                ensure!(damaged.contains(&blob), "a sound object was cut off: {target}");
                cut += 1;
                from = client(world.running()?)?;
            }
        }
    }
    report.figure("pulls_refused", refused);
    report.figure("pulls_cut_off", cut);

    // A push of the same digest repairs, at once and for good.
    for blob in &damaged {
        from.push_blob(REPOSITORY, blob).context("push over a damaged object")?;
    }
    read_all(&mut from, &blobs)?;
    world.stop()?;
    let left = world.check()?;
    ensure!(left.is_empty(), "damage after the repair: {left:?}");
    report.figure("repaired", count);
    Ok(())
}

fn read_all(from: &mut Client, blobs: &[Vec<u8>]) -> Result<()> {
    for blob in blobs {
        let target = format!("/v2/{REPOSITORY}/blobs/{}", digest::sha256(blob));
        let answer = from.get(&target, &[])?.expect(200)?;
        ensure!(answer.body == *blob, "wrong bytes after the repair: {target}");
    }
    Ok(())
}

fn path_of(store: &Path, blob: &[u8]) -> PathBuf {
    let digest = digest::sha256(blob);
    let hex = digest.trim_start_matches("sha256:");
    store.join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
}

fn flip(path: &Path, random: &mut Random) -> Result<()> {
    let mut bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let at = random.below(bytes.len());
    bytes[at] ^= 1 << random.below(8);
    std::fs::write(path, bytes)?;
    Ok(())
}
