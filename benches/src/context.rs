// SPDX-License-Identifier: Apache-2.0
//! What every row needs to know: options, peers, folders, sizes, and the loop that alternates.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::load::get::Stop;
use crate::load::push::Limit;
use crate::peers::{Peer, Programs, Server, Setup};
use crate::record::{Metric, Recorder};
use crate::tls::Tls;

/// Numbers that make a run long or short.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Bytes of the blob of the `100m` rows.
    pub large: usize,
    /// Large blobs in the data set.
    pub large_count: usize,
    /// Bytes of the blob of the `1m` rows.
    pub medium: usize,
    /// Small images and blobs in the data set.
    pub small_count: usize,
    /// Connections of the `idle_conn` row.
    pub idle_connections: usize,
    /// Bytes pushed per client in `push64_peak`.
    pub push64: usize,
    /// Bytes pushed in one measurement, unless the clients are many.
    pub push_cap: u64,
    /// Manifests of the store that exceeds the caches.
    pub big_manifests: usize,
    /// Bytes of each, so that few enough of them exceed a cache.
    pub big_manifest: usize,
    /// 64 KiB blobs of that store.
    pub big_blobs: usize,
    /// Objects touched in a cold row.
    pub cold: usize,
    /// Requests of a measurement that counts instead of timing.
    pub count: Option<u64>,
}

impl Scale {
    /// Timed measurements; the store of the `big` rows is ten times `cache_mib`.
    pub fn full(cache_mib: usize) -> Self {
        Self {
            large: 100 << 20,
            large_count: 2,
            medium: 1 << 20,
            small_count: 64,
            idle_connections: 1000,
            push64: 32 << 20,
            push_cap: 1 << 30,
            big_manifests: cache_mib * 10 * 32,
            big_manifest: 32 << 10,
            big_blobs: cache_mib * 10 * 16,
            cold: 2000,
            count: None,
        }
    }

    /// A few requests of everything.
    pub fn short() -> Self {
        Self {
            large: 4 << 20,
            large_count: 1,
            medium: 1 << 18,
            small_count: 4,
            idle_connections: 40,
            push64: 1 << 18,
            push_cap: 12 << 20,
            big_manifests: 50,
            big_manifest: 4 << 10,
            big_blobs: 50,
            cold: 20,
            count: Some(100),
        }
    }
}

/// A run.
#[derive(Debug)]
pub struct Context {
    /// Rounds of each row.
    pub rounds: usize,
    /// Time of one measurement.
    pub time: Duration,
    /// Sizes and counts.
    pub scale: Scale,
    /// Parts of row names; empty for all rows.
    pub only: Vec<String>,
    /// Peers, in the order of the columns.
    pub peers: Vec<Peer>,
    /// Their programs.
    pub programs: Programs,
    /// The certificate.
    pub tls: Tls,
    /// Folder on disk.
    pub disk: PathBuf,
    /// Folder on tmpfs, where there is one.
    pub tmpfs: Option<PathBuf>,
    /// Counts of tags.
    pub tag_counts: Vec<usize>,
    /// Counts of repositories.
    pub catalog_counts: Vec<usize>,
    /// Whether to drop the caches of the whole machine for cold rows.
    pub drop_caches: bool,
    /// Whether Berth asks for a password.
    pub authenticate: bool,
}

impl Context {
    /// Whether a row was asked for.
    pub fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| row.contains(part.as_str()))
    }

    /// Whether one of these rows was asked for.
    pub fn wants_any<T: AsRef<str>>(&self, rows: &[T]) -> bool {
        rows.iter().any(|row| self.wants(row.as_ref()))
    }

    /// Peers that read rows compare: Berth's two store modes read in the same way.
    pub fn readers(&self) -> Vec<Peer> {
        self.peers.iter().copied().filter(|peer| *peer != Peer::BerthShared).collect()
    }

    /// Registries of [`Self::readers`].
    pub fn listers(&self) -> Vec<Peer> {
        self.readers().into_iter().filter(|peer| peer.is_registry()).collect()
    }

    /// All registries, Berth in both store modes.
    pub fn pushers(&self) -> Vec<Peer> {
        self.peers.iter().copied().filter(|peer| peer.is_registry()).collect()
    }

    /// When a measurement of small requests stops.
    pub fn stop(&self) -> Stop {
        self.scale.count.map_or(Stop::After(self.time), Stop::Count)
    }

    /// How many blobs of `size` bytes `clients` push in one measurement: the same number for
    /// every server and client, so that none idles while the last ones finish.
    pub fn limit(&self, size: usize, clients: usize) -> Limit {
        let least = if self.is_short() { 1 } else { 3 };
        let each = (self.scale.push_cap / size as u64).div_ceil(clients as u64).max(least);
        Limit { time: Duration::from_secs(300), count: each * clients as u64 }
    }

    /// Whether this is the short form.
    pub fn is_short(&self) -> bool {
        self.scale.count.is_some()
    }

    /// The store of a peer below a folder.
    pub fn store(&self, base: &Path, group: &str, peer: Peer) -> PathBuf {
        base.join(group).join(peer.name())
    }

    /// Starts a peer on a store.
    pub fn start(&self, peer: Peer, store: &Path, tls: bool) -> Result<Server> {
        Server::start(peer, self.setup(store, tls))
    }

    /// Starts a peer on a store without authentication, to see its first 200.
    pub fn start_open(&self, peer: Peer, store: &Path) -> Result<Server> {
        Server::start(peer, Setup { authenticate: false, ..self.setup(store, false) })
    }

    /// What a peer is started with.
    pub fn setup<'a>(&'a self, store: &'a Path, tls: bool) -> Setup<'a> {
        let scratch = &self.disk;
        Setup {
            programs: &self.programs,
            store,
            scratch,
            tls: tls.then_some(&self.tls),
            strace: None,
            authenticate: self.authenticate,
        }
    }

    /// Measures a row: in each round every peer once, in an order that turns with the rounds. A
    /// peer that fails is not measured again in this row.
    pub fn alternate(
        &self,
        recorder: &mut Recorder,
        row: &str,
        peers: &[Peer],
        mut measure: impl FnMut(Peer, &mut Recorder) -> Result<Vec<(Metric, f64)>>,
    ) {
        if !self.wants(row) || peers.is_empty() {
            return;
        }
        eprintln!("{row}");
        for round in 0..self.rounds {
            for index in 0..peers.len() {
                let peer = peers[(index + round) % peers.len()];
                if recorder.failed(row, peer) {
                    continue;
                }
                match measure(peer, recorder) {
                    Ok(values) => {
                        let text: Vec<String> = values
                            .iter()
                            .map(|(metric, value)| format!("{value:.4} {}", metric.unit))
                            .collect();
                        eprintln!("  {:<16} {}", peer.name(), text.join(", "));
                        for (metric, value) in values {
                            recorder.add(row, peer, metric, value);
                        }
                    }
                    Err(error) => recorder.fail(row, peer, &error),
                }
            }
        }
    }
}
