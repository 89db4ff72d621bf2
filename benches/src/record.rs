// SPDX-License-Identifier: Apache-2.0
//! Samples of a run and what is computed from them.

use std::collections::BTreeMap;

use crate::peers::Peer;

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Last part of its name in the report; empty when the row has one number only.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
}

impl Metric {
    /// A metric.
    pub const fn new(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit }
    }
}

/// Requests per second.
pub const RPS: Metric = Metric::new("rps", "req/s");
/// Median latency of a request.
pub const P50: Metric = Metric::new("p50", "us");
/// 99th percentile of the latency of a request.
pub const P99: Metric = Metric::new("p99", "us");
/// Processor time of the server per request.
pub const CPU_REQUEST: Metric = Metric::new("cpu", "server us/req");
/// Throughput in 10^9 bytes per second.
pub const GBS: Metric = Metric::new("gbs", "GB/s");
/// Processor time of the server per 10^9 bytes.
pub const CPU_GB: Metric = Metric::new("cpu", "server CPU s/GB");

/// Samples of one metric of one row.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Row name.
    pub row: String,
    /// Metric.
    pub metric: Metric,
    /// One sample per round and peer.
    pub samples: BTreeMap<Peer, Vec<f64>>,
}

impl Entry {
    /// Row and metric in one word.
    pub fn name(&self) -> String {
        match self.metric.name {
            "" => self.row.clone(),
            name => format!("{}.{name}", self.row),
        }
    }

    /// Median of a peer's rounds.
    pub fn median(&self, peer: Peer) -> Option<f64> {
        median(self.samples.get(&peer)?)
    }
}

/// Everything that was measured, in order.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Rows with their samples.
    pub entries: Vec<Entry>,
    /// What went wrong: row, peer, reason.
    pub failures: Vec<(String, Peer, String)>,
    /// Remarks that belong to the report.
    pub notes: Vec<String>,
}

impl Recorder {
    /// Adds one sample.
    pub fn add(&mut self, row: &str, peer: Peer, metric: Metric, value: f64) {
        let at = self.entries.iter().position(|one| one.row == row && one.metric == metric);
        let at = at.unwrap_or_else(|| {
            let samples = BTreeMap::new();
            self.entries.push(Entry { row: row.to_owned(), metric, samples });
            self.entries.len() - 1
        });
        self.entries[at].samples.entry(peer).or_default().push(value);
    }

    /// Adds a remark once.
    pub fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Remembers that a row failed for a peer.
    pub fn fail(&mut self, row: &str, peer: Peer, error: &anyhow::Error) {
        eprintln!("  {row} {peer}: FAILED: {error:#}");
        self.failures.push((row.to_owned(), peer, format!("{error:#}")));
    }

    /// Whether a row failed for a peer before.
    pub fn failed(&self, row: &str, peer: Peer) -> bool {
        self.failures.iter().any(|(one, who, _)| one == row && *who == peer)
    }

    /// Median of a row's metric (`row.metric`) for a peer.
    pub fn median(&self, name: &str, peer: Peer) -> Option<f64> {
        self.entries.iter().find(|entry| entry.name() == name)?.median(peer)
    }
}

/// Median of some numbers; the mean of the two in the middle of an even count.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The smallest value that at least `percent` of all values do not exceed (nearest rank).
pub fn percentile(values: &mut [u32], percent: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    let index = rank.clamp(1, values.len()) - 1;
    f64::from(*values.select_nth_unstable(index).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_by_nearest_rank() {
        let mut values: Vec<u32> = (1..=100).rev().collect();
        assert_eq!(percentile(&mut values, 50.0), 50.0);
        assert_eq!(percentile(&mut values, 99.0), 99.0);
        assert_eq!(percentile(&mut values, 100.0), 100.0);
        assert_eq!(percentile(&mut values, 0.0), 1.0);
        assert_eq!(percentile(&mut [7], 99.0), 7.0);
        assert_eq!(percentile(&mut [], 99.0), 0.0);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn samples_gather_under_row_and_metric() {
        let mut recorder = Recorder::default();
        for value in [1.0, 5.0, 3.0] {
            recorder.add("ping", Peer::Nginx, RPS, value);
        }
        recorder.add("ping", Peer::Nginx, P99, 9.0);
        assert_eq!(recorder.median("ping.rps", Peer::Nginx), Some(3.0));
        assert_eq!(recorder.median("ping.rps", Peer::Berth), None);
        assert_eq!(recorder.entries.len(), 2);
    }
}
