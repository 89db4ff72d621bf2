// SPDX-License-Identifier: Apache-2.0
//! Seeded samples of the fault tests, small enough for every change. The full ones:
//! `cargo run --release -p fault-tests -- all --full`.
//!
//! `BERTH_FAULTS_SEED` draws another sample.

use anyhow::Result;
use fault_tests::world::Mode;
use fault_tests::{errors, full_disk, kill, power, power_fs, rot, storm};
use testkit::lock::machine;

fn seed() -> u64 {
    std::env::var("BERTH_FAULTS_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(1)
}

#[test]
fn a_kill_in_any_call_loses_nothing() -> Result<()> {
    let _alone = machine();
    kill::run(seed(), &Mode::ALL, Some(20), 2)?.verdict().map(drop)
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing() -> Result<()> {
    let _alone = machine();
    power::run(seed(), &Mode::ALL, 34, 2)?.verdict().map(drop)
}

#[test]
fn a_power_cut_under_ext4_loses_nothing() -> Result<()> {
    let _alone = machine();
    power_fs::run(seed(), &[power_fs::mount::EXT4], &Mode::ALL, 12, 2)?.verdict().map(drop)
}

#[test]
fn an_error_of_any_call_is_told_and_got_over() -> Result<()> {
    let _alone = machine();
    errors::run(seed(), &Mode::ALL, Some(20), 2)?.verdict().map(drop)
}

#[test]
fn a_full_device_refuses_writes_and_nothing_else() -> Result<()> {
    let _alone = machine();
    for mode in Mode::ALL {
        full_disk::run(seed(), mode, 2)?.verdict()?;
    }
    Ok(())
}

#[test]
fn a_flipped_bit_is_found_never_served_and_repaired() -> Result<()> {
    let _alone = machine();
    rot::run(seed(), 60)?.verdict().map(drop)
}

#[test]
fn a_storm_of_one_digest_ends_with_one_object() -> Result<()> {
    let _alone = machine();
    for mode in Mode::ALL {
        storm::run(seed(), mode, 64)?.verdict()?;
    }
    Ok(())
}
