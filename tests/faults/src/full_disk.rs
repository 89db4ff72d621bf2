// SPDX-License-Identifier: Apache-2.0
//! T-06: a device that is really full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::fixture::{media, noise};
use testkit::{Client, digest};

use crate::report::{Report, Violation};
use crate::verify::is_protocol_error;
use crate::world::{Mode, World, client};

/// Size of the device.
const SIZE: usize = 64 << 20;

/// Writes must succeed this long after space has come back.
const RESUME_LIMIT: Duration = Duration::from_secs(5);

/// A refusal must come within this time.
const REFUSAL_LIMIT: Duration = Duration::from_secs(5);

const REPOSITORY: &str = "faults/full";

/// A small device, taken down when dropped.
struct Device {
    folder: tempfile::TempDir,
}

impl Device {
    /// `None`, with the reason printed, where mounting is not permitted.
    fn mount() -> Result<Option<Self>> {
        let folder = tempfile::Builder::new().prefix("berth-full-").tempdir()?;
        let options = format!("size={SIZE}");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "berth-full"])
            .arg(folder.path())
            .output();
        match output {
            Ok(output) if output.status.success() => Ok(Some(Self { folder })),
            Ok(output) => {
                eprintln!("skipped: mount: {}", String::from_utf8_lossy(&output.stderr).trim());
                Ok(None)
            }
            Err(cause) => {
                eprintln!("skipped: mount: {cause}");
                Ok(None)
            }
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.folder.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("could not unmount {}", self.folder.path().display());
        }
    }
}

/// Keeps the device full for some seconds.
pub fn run(seed: u64, mode: Mode, seconds: u64) -> Result<Report> {
    let name = match mode {
        Mode::Exclusive => "full-disk-exclusive",
        Mode::Shared => "full-disk-shared",
    };
    let mut report = Report::new(name, seed);
    let Some(device) = Device::mount()? else {
        report.figure("skipped", true);
        return Ok(report);
    };
    let store = device.path().join("store");
    std::fs::create_dir(&store)?;
    let mut world = World::new(mode, &store);
    if let Err(cause) = scenario(&mut world, device.path(), seed, seconds, &mut report) {
        let log = world.server.as_ref().map(testkit::Server::log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(10).collect();
        report.violation(Violation {
            point: format!("{} store on a full device", mode.word()),
            what: vec![format!("{cause:#}"), format!("log, newest first: {tail:#?}")],
            store: None,
        });
    }
    world.kill()?;
    Ok(report)
}

fn scenario(
    world: &mut World,
    device: &Path,
    seed: u64,
    seconds: u64,
    report: &mut Report,
) -> Result<()> {
    world.start(None)?;
    let mut client = client(world.running()?)?;
    let config = noise(seed, 700);
    let layer = noise(seed + 1, 300_000);
    for bytes in [&config, &layer] {
        client.push_blob(REPOSITORY, bytes)?;
    }
    let describe = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": digest::sha256(bytes), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::MANIFEST,
        "config": describe(media::CONFIG, &config), "layers": [describe(media::LAYER, &layer)],
    })
    .to_string()
    .into_bytes();
    for tag in ["kept", "removed"] {
        client.push_manifest(REPOSITORY, tag, media::MANIFEST, &manifest)?;
    }

    let filler = device.join("filler");
    fill(&filler)?;
    let begin = Instant::now();
    let (mut refused, mut accepted, mut slowest) = (0_u64, 0_u64, Duration::ZERO);
    let mut codes = std::collections::BTreeSet::new();
    let mut acknowledged: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    let mut index = 0;
    while refused == 0 || begin.elapsed() < Duration::from_secs(seconds) {
        index += 1;
        // Small ones, that the journal may still have room for, and large ones in turn.
        let length = if index % 2 == 0 { 2_000 } else { 1 << 20 };
        let bytes = noise(seed.wrapping_add(1000 + index), length);
        let start = Instant::now();
        let answer = push(&mut client, &bytes)?;
        slowest = slowest.max(start.elapsed());
        if answer.status == 201 {
            accepted += 1;
            acknowledged.push((PathBuf::from(digest::sha256(&bytes)), bytes));
        } else {
            is_protocol_error(&answer).context("a push on the full device")?;
            codes.insert(format!("{} {}", answer.status, answer.code().unwrap_or_default()));
            refused += 1;
        }
        read(&mut client, &layer)?;
        let target = format!("/v2/{REPOSITORY}/manifests/kept");
        let pull = client.get(&target, &[("accept", media::MANIFEST)])?.expect(200)?;
        ensure!(pull.body == manifest, "the manifest changed on the full device");
        fill(&filler)?;
        std::thread::sleep(Duration::from_millis(20));
        ensure!(index < 20_000, "the device never became full");
    }
    ensure!(slowest < REFUSAL_LIMIT, "an answer took {slowest:?}");
    let removed = client.delete(&format!("/v2/{REPOSITORY}/manifests/removed"))?;
    ensure!(removed.status == 202, "delete on the full device: {}", removed.text());
    let gone = client.get(&format!("/v2/{REPOSITORY}/manifests/removed"), &[])?;
    ensure!(gone.status == 404, "deleted, but answers {}", gone.status);

    std::fs::remove_file(&filler)?;
    let begin = Instant::now();
    let bytes = noise(seed + 7, 1 << 20);
    loop {
        let answer = push(&mut client, &bytes)?;
        if answer.status == 201 {
            break;
        }
        ensure!(
            begin.elapsed() < RESUME_LIMIT,
            "no writes after space came back: {}",
            answer.text()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let resumed = begin.elapsed();
    read(&mut client, &bytes)?;

    world.kill()?;
    world.start(None)?;
    let mut client = client_of(world)?;
    for bytes in acknowledged.iter().map(|(_, bytes)| bytes).chain([&bytes, &layer]) {
        read(&mut client, bytes).context("after the restart")?;
    }
    let gone = client.get(&format!("/v2/{REPOSITORY}/manifests/removed"), &[])?;
    ensure!(gone.status == 404, "deleted on the full device, back after a restart");
    world.stop()?;
    let damage = world.check()?;
    ensure!(damage.is_empty(), "{damage:?}");
    report.figure("seconds_full", seconds);
    report.figure("pushes_refused", refused);
    report.figure("pushes_accepted_while_full", accepted);
    report.figure("answers", json!(codes));
    report.figure("slowest_answer_ms", slowest.as_millis() as u64);
    report.figure("writes_resumed_after_ms", resumed.as_millis() as u64);
    Ok(())
}

fn client_of(world: &mut World) -> Result<Client> {
    client(world.running()?)
}

fn push(client: &mut Client, bytes: &[u8]) -> Result<testkit::Response> {
    let target = format!("/v2/{REPOSITORY}/blobs/uploads/");
    let begun = client.send("POST", &target, &[], b"")?;
    if begun.status != 202 {
        return Ok(begun);
    }
    let location = begun.header("location").context("no Location in a 202")?;
    let separator = if location.contains('?') { '&' } else { '?' };
    let target = format!("{location}{separator}digest={}", digest::sha256(bytes));
    client.send("PUT", &target, &[("content-type", "application/octet-stream")], bytes)
}

fn read(client: &mut Client, bytes: &[u8]) -> Result<()> {
    let target = format!("/v2/{REPOSITORY}/blobs/{}", digest::sha256(bytes));
    let answer = client.get(&target, &[])?.expect(200)?;
    ensure!(answer.body == bytes, "a blob is not what was pushed");
    Ok(())
}

/// Takes all the space that is left.
fn fill(file: &Path) -> Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::options().create(true).append(true).open(file)?;
    for size in [1 << 20, 4096, 1] {
        let block = vec![0xff; size];
        loop {
            match file.write(&block) {
                Ok(_) => {}
                Err(cause) if cause.kind() == std::io::ErrorKind::StorageFull => break,
                Err(cause) => return Err(cause).context("fill the device"),
            }
        }
    }
    Ok(())
}
