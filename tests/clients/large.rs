// SPDX-License-Identifier: Apache-2.0
//! A layer of 2 GiB goes up and comes down unchanged, in constant memory of the registry.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use system_tests::{Access, Stage};
use testkit::fixture::{self, Layout, image, media, tar};
use testkit::{digest, process, tool};

use super::client;

/// Content of the layer's one file: 2 GiB and a little, so that no 31-bit or 32-bit length will do.
const SIZE: u64 = (2 << 30) + 512;

/// How much memory the registry may need more than before the transfer.
const MEMORY: u64 = 64 << 20;

#[test]
fn a_layer_of_two_gibibytes_goes_up_and_down_unchanged() -> Result<()> {
    let stage = Stage::new(Access::Open)?;
    let mut layout = Layout::create(&stage.path().join("layout"))?;
    let layer = layout.add_with(media::LAYER, |out| {
        out.write_all(&tar::header("large", SIZE))?;
        // A mebibyte of noise with its number in front: no two blocks are equal.
        let mut block = fixture::noise(77, 1 << 20);
        let mut left = SIZE;
        for number in 0u64.. {
            if left == 0 {
                break;
            }
            block[..8].copy_from_slice(&number.to_le_bytes());
            let count = left.min(block.len() as u64);
            out.write_all(&block[..usize::try_from(count)?])?;
            left -= count;
        }
        out.write_all(&[0; 1024])?;
        Ok(())
    })?;
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [layer.digest] },
    });
    let config = layout.add_json(media::CONFIG, &config)?;
    let manifest = image::manifest(&layout, &config, std::slice::from_ref(&layer))?;
    layout.tag("large", &manifest)?;

    let before = process::resident(stage.server.pid())?;
    process::reset_peak(stage.server.pid())?;
    let name = format!("{}/large/app", stage.host());
    let crane = client(&stage, "crane")?.limit(Duration::from_secs(600));
    let source = layout.path().display().to_string();
    crane.run(["push", &source, &format!("{name}:large")])?;
    std::fs::remove_file(layout.blob(&layer.digest)?)?;

    let program = tool::find("crane").context("crane is not installed")?;
    let mut child = Command::new(program)
        .arg("blob")
        .arg(format!("{name}@{}", layer.digest))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let (found, length) = digest::sha256_of_reader(child.stdout.take().context("no output")?)?;
    ensure!(child.wait()?.success(), "crane blob failed");
    ensure!(found == layer.digest && length == layer.size, "{found} of {length} bytes came back");

    let grown = process::peak_resident(stage.server.pid())?.saturating_sub(before);
    println!("2 GiB up and down: the registry's peak memory grew by {} KiB", grown / 1024);
    ensure!(grown <= MEMORY, "the registry's memory grew by {} MiB", grown >> 20);
    Ok(())
}
