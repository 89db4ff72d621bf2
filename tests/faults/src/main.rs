// SPDX-License-Identifier: Apache-2.0
//! Runs the fault tests at the size their figures are published with.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use fault_tests::report::Report;
use fault_tests::world::Mode;
use fault_tests::{errors, full_disk, kill, power, power_fs, rot, storm};

/// Fault tests of Berth
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    test: Test,
}

#[derive(Args)]
struct Size {
    /// Everything instead of a sample
    #[arg(long)]
    full: bool,
    /// Seed of contents and samples
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many registries are tested side by side
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Size of the sample (each test has a default)
    #[arg(long)]
    count: Option<usize>,
    /// Only this kind of store
    #[arg(long, value_parser = mode)]
    store: Option<Mode>,
    /// Folder for <test>.json
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Test {
    /// SIGKILL in every call on the store (T-01)
    Kill(Size),
    /// Power cuts: crash images of recorded calls (T-03)
    Power(Size),
    /// Power cuts under ext4, XFS and btrfs (T-03)
    PowerFs(Size),
    /// Errors of every call on the store (T-05)
    Errors(Size),
    /// A full device (T-06)
    FullDisk(Size),
    /// Flipped bits (T-08)
    Rot(Size),
    /// Many clients push one blob, half of them are killed (T-09)
    Storm(Size),
    /// All of them
    All(Size),
}

fn mode(word: &str) -> Result<Mode, String> {
    Mode::ALL
        .into_iter()
        .find(|mode| mode.word() == word)
        .ok_or_else(|| "exclusive or shared".to_owned())
}

impl Size {
    fn modes(&self) -> Vec<Mode> {
        self.store.map_or(Mode::ALL.to_vec(), |mode| vec![mode])
    }

    fn limit(&self, sample: usize) -> Option<usize> {
        self.count.or((!self.full).then_some(sample))
    }

    fn finish(&self, report: &Report) -> Result<bool> {
        println!("{}", report.summary());
        if let Some(out) = &self.out {
            report.write(out)?;
        }
        Ok(report.violations.is_empty())
    }

    fn kill(&self) -> Result<bool> {
        self.finish(&kill::run(self.seed, &self.modes(), self.limit(20), self.jobs)?)
    }

    fn power(&self) -> Result<bool> {
        let images = self.count.unwrap_or(if self.full { 400 } else { 25 });
        self.finish(&power::run(self.seed, &self.modes(), images, self.jobs)?)
    }

    fn power_fs(&self) -> Result<bool> {
        let images = self.count.unwrap_or(if self.full { 300 } else { 10 });
        let kinds = power_fs::mount::KINDS;
        self.finish(&power_fs::run(self.seed, &kinds, &self.modes(), images, self.jobs)?)
    }

    fn errors(&self) -> Result<bool> {
        self.finish(&errors::run(self.seed, &self.modes(), self.limit(20), self.jobs)?)
    }

    fn full_disk(&self) -> Result<bool> {
        let seconds = self.count.unwrap_or(if self.full { 60 } else { 2 });
        let mut good = true;
        for mode in self.modes() {
            good &= self.finish(&full_disk::run(self.seed, mode, seconds as u64)?)?;
        }
        Ok(good)
    }

    fn rot(&self) -> Result<bool> {
        self.finish(&rot::run(self.seed, self.count.unwrap_or(if self.full { 1000 } else { 60 }))?)
    }

    fn storm(&self) -> Result<bool> {
        let mut good = true;
        for mode in self.modes() {
            good &= self.finish(&storm::run(self.seed, mode, self.count.unwrap_or(64))?)?;
        }
        Ok(good)
    }
}

fn main() -> Result<ExitCode> {
    let good = match Arguments::parse().test {
        Test::Kill(size) => size.kill()?,
        Test::Power(size) => size.power()?,
        Test::PowerFs(size) => size.power_fs()?,
        Test::Errors(size) => size.errors()?,
        Test::FullDisk(size) => size.full_disk()?,
        Test::Rot(size) => size.rot()?,
        Test::Storm(size) => size.storm()?,
        Test::All(size) => [
            size.kill()?,
            size.power()?,
            size.power_fs()?,
            size.errors()?,
            size.full_disk()?,
            size.rot()?,
            size.storm()?,
        ]
        .into_iter()
        .all(|good| good),
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
