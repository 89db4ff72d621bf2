// SPDX-License-Identifier: Apache-2.0
//! `berth-bench`: starts Berth, Debian's docker-registry and nginx side by side, loads them in
//! turn, and reports medians, ratios, processor time, memory and what was synced.
//!
//! Data flows from [`dataset`] and [`store`] into servers that [`peers`] starts, under load from
//! [`load`]; the [`rows`] put samples into [`record`]; [`goals`] judges them and [`report`] writes
//! the result.

mod context;
mod dataset;
mod goals;
mod load;
mod peers;
mod process;
mod record;
mod report;
mod rows;
mod store;
mod tls;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};

use crate::context::{Context, Scale};
use crate::peers::{Peer, Programs};
use crate::record::Recorder;
use crate::tls::Tls;

/// Whole-process benchmarks of Berth beside docker-registry and nginx.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Measure, and write `benchmarks.md` and `benchmarks.json`.
    Run(Run),
}

#[derive(Debug, Args)]
struct Run {
    /// Rounds; each measures every peer once.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Only rows whose name contains one of these (comma-separated).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these peers (comma-separated); by default all that are installed.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Folder of the report.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Show that every row works with a few requests each; nothing is timed in earnest.
    #[arg(long)]
    short: bool,
    /// Also 1,000,000 tags and repositories (needs 40 GB of disk and much time).
    #[arg(long)]
    large: bool,
    /// Folder on disk for stores.
    #[arg(long)]
    work: Option<PathBuf>,
    /// Folder on tmpfs for stores.
    #[arg(long, default_value = "/dev/shm")]
    tmpfs: PathBuf,
    /// Memory of Berth's caches; the store of the `big` rows is ten times that.
    #[arg(long, default_value_t = 64)]
    cache_mib: usize,
    /// Drop the caches of the whole machine before cold rows instead of those of the store only.
    #[arg(long)]
    drop_caches: bool,
    /// Run Berth without authentication; otherwise it checks a password on every request.
    #[arg(long)]
    no_auth: bool,
    /// Let nginx keep file descriptors open (`open_file_cache`), which it does not by default.
    #[arg(long)]
    nginx_file_cache: bool,
}

fn main() -> ExitCode {
    let Action::Run(run) = Arguments::parse().command;
    match measure(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("berth-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all rows; false when a row failed.
fn measure(run: Run) -> Result<bool> {
    if run.peers.is_empty() || run.peers.iter().any(|name| name.starts_with("berth")) {
        Programs::build_berth()?;
    }
    let programs = Programs::find(run.nginx_file_cache);
    let peers = choose(&programs, &run.peers)?;
    let mut recorder = Recorder::default();
    for peer in Peer::ALL.iter().filter(|peer| programs.of(**peer).is_err()) {
        recorder.note(format!("{peer} was not found and has no column"));
    }
    raise_file_limit();
    let parent = run.work.unwrap_or_else(std::env::temp_dir);
    let disk = temporary(&parent)?;
    let tmpfs = if run.tmpfs.is_dir() { Some(temporary(&run.tmpfs)?) } else { None };
    let scale = if run.short { Scale::short() } else { Scale::full(run.cache_mib) };
    let (mut tags, mut repositories) = (vec![1000, 10_000, 100_000], vec![1000, 10_000]);
    if run.short {
        (tags, repositories) = (vec![250], vec![50]);
    } else if run.large {
        tags.push(1_000_000);
        repositories.extend([100_000, 1_000_000]);
    }
    let context = Context {
        rounds: if run.short { 1 } else { run.rounds.max(1) },
        time: Duration::from_secs_f64(if run.short { 1.0 } else { run.seconds }),
        scale,
        only: run.only,
        peers,
        programs,
        tls: Tls::generate(disk.path())?,
        disk: disk.path().to_owned(),
        tmpfs: tmpfs.as_ref().map(|folder| folder.path().to_owned()),
        tag_counts: tags,
        catalog_counts: repositories,
        drop_caches: run.drop_caches,
        authenticate: !run.no_auth,
    };
    if context.authenticate && context.peers.contains(&Peer::Berth) {
        recorder.note("Berth authenticated every request (htpasswd) except in start rows");
    }
    if run.short {
        recorder.note("short form: it shows that every row works, its figures mean nothing");
    }
    if context.programs.nginx_file_cache {
        recorder.note("nginx ran with open_file_cache");
    }
    let mut facts = report::Facts::gather(&context);
    rows::run(&context, &mut recorder)?;
    facts.finish();
    let markdown = report::markdown(&recorder, &context.peers, &facts);
    let json = report::json(&recorder, &context.peers, &facts);
    std::fs::create_dir_all(&run.out)?;
    std::fs::write(run.out.join("benchmarks.md"), &markdown)?;
    std::fs::write(run.out.join("benchmarks.json"), serde_json::to_string_pretty(&json)?)?;
    print!("{markdown}");
    ensure!(!recorder.entries.is_empty(), "no row matches --only");
    Ok(recorder.failures.is_empty())
}

fn choose(programs: &Programs, names: &[String]) -> Result<Vec<Peer>> {
    let mut chosen = Vec::new();
    for name in names {
        let Some(peer) = Peer::ALL.into_iter().find(|peer| peer.name() == name) else {
            bail!("there is no peer {name}; there are {}", Peer::ALL.map(Peer::name).join(", "));
        };
        programs.of(peer)?;
        chosen.push(peer);
    }
    ensure!(
        !names.is_empty() || programs.of(Peer::Berth).is_ok(),
        "berth was not found: build it, set BERTH_BIN, or choose others with --peers"
    );
    let installed = Peer::ALL.into_iter().filter(|peer| programs.of(*peer).is_ok());
    let peers: Vec<Peer> =
        installed.filter(|peer| names.is_empty() || chosen.contains(peer)).collect();
    ensure!(!peers.is_empty(), "no server to measure was found");
    Ok(peers)
}

fn temporary(parent: &std::path::Path) -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("berth-bench-")
        .tempdir_in(parent)
        .with_context(|| format!("making a folder in {}", parent.display()))
}

/// Servers and generator hold a thousand sockets each; children inherit the limit.
fn raise_file_limit() {
    let resource = rustix::process::Resource::Nofile;
    let mut limit = rustix::process::getrlimit(resource);
    limit.current = limit.maximum;
    let _ = rustix::process::setrlimit(resource, limit);
}
