// SPDX-License-Identifier: Apache-2.0
//! What Berth has to reach, as ratios within one run or as limits, and whether it did.
//!
//! Goals against distribution 3 are judged directly when that peer runs. Otherwise
//! docker-registry 2.8.2 stands in for it, times the ratio of the two that was measured once on
//! the reference machine; such verdicts say "scaled".

use crate::peers::Peer;
use crate::record::Recorder;

/// What a value is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    /// At least this.
    Least(f64),
    /// At most this.
    Most(f64),
    /// At least this part of nginx in the same row.
    LeastOfNginx(f64),
    /// At most this part of nginx in the same row.
    MostOfNginx(f64),
    /// At least so many times distribution 3, which does `scale` times what 2.8.2 does.
    LeastOfDistribution3 { times: f64, scale: f64 },
    /// At least this part of the same metric of another row.
    LeastOfRow(&'static str, f64),
    /// At most this part of the same metric of another row.
    MostOfRow(&'static str, f64),
}

use Bound::{Least, LeastOfDistribution3, LeastOfNginx, LeastOfRow, Most, MostOfNginx, MostOfRow};

const fn v3(times: f64, scale: f64) -> Bound {
    LeastOfDistribution3 { times, scale }
}

/// Number of the goal, row and metric, bound.
const GOALS: &[(u8, &str, Bound)] = &[
    (1, "pull_100m.c16.gbs", LeastOfNginx(0.95)),
    (1, "pull_100m.c16.cpu", MostOfNginx(1.15)),
    (2, "pull_1m.c16.gbs", LeastOfNginx(0.85)),
    (2, "pull_1m.c1.gbs", LeastOfNginx(0.8)),
    (3, "manifest_get_digest.rps", LeastOfNginx(0.6)),
    (3, "manifest_get_digest.rps", v3(10.0, 5.63)),
    (3, "manifest_get_digest.cpu", Most(20.0)),
    (3, "manifest_get_tag.rps", LeastOfNginx(0.6)),
    (3, "manifest_get_tag.rps", v3(10.0, 4.13)),
    (3, "manifest_get_tag.cpu", Most(20.0)),
    (4, "manifest_head_tag.rps", Least(50_000.0)),
    (4, "manifest_head_tag.rps", v3(10.0, 4.36)),
    (4, "blob_head.rps", Least(50_000.0)),
    (4, "blob_head.rps", v3(10.0, 4.56)),
    (5, "blob_get_1k.rps", LeastOfNginx(0.6)),
    (5, "blob_get_1k.rps", v3(40.0, 2.51)),
    (5, "blob_range_64k.rps", LeastOfNginx(0.7)),
    (6, "tmpfs.push_100m_patch.c1.gbs", Least(1.2)),
    (6, "tmpfs.push_100m_patch.c1.cpu", Most(1.15)),
    (6, "tmpfs.push_100m_patch.c8.gbs", v3(2.0, 1.80)),
    (6, "tmpfs.push_100m_patch.c8.cpu", Most(1.15)),
    (6, "tmpfs.push_100m_mono.c1.gbs", Least(1.2)),
    (6, "tmpfs.push_100m_mono.c1.cpu", Most(1.15)),
    (6, "tmpfs.push_100m_mono.c8.cpu", Most(1.15)),
    (7, "push_images.c1.ips", v3(15.0, 1.17)),
    (7, "push_images.c1.cpu", Most(1.5)),
    (7, "push_images.c16.ips", v3(10.0, 1.49)),
    (7, "push_images.c16.cpu", Most(1.5)),
    (8, "memory.idle_empty", Most(15.0)),
    (8, "memory.idle_conn", Most(12.0)),
    (8, "memory.pull64_peak", Most(40.0)),
    (8, "memory.push64_peak", Most(64.0)),
    (9, "tags.10k.page100.rps", Least(20_000.0)),
    (9, "tags.10k.list_all", Most(3.0)),
    (9, "tags.1k.create", Least(5000.0)),
    (9, "tags.10k.create", Least(5000.0)),
    (9, "tags.100k.create", Least(5000.0)),
    (9, "tags.100k.page100.rps", LeastOfRow("tags.1k.page100.rps", 0.8)),
    (9, "tags.1m.create", Least(5000.0)),
    (9, "tags.1m.page100.rps", LeastOfRow("tags.1k.page100.rps", 0.8)),
    (10, "catalog.1k.first100", Most(1.0)),
    (10, "catalog.1k.deep100", Most(1.0)),
    (10, "catalog.10k.first100", Most(1.0)),
    (10, "catalog.10k.deep100", Most(1.0)),
    (10, "catalog.10k.walk1000", Most(15.0)),
    (10, "catalog.1m.first100", MostOfRow("catalog.1k.first100", 2.0)),
    (10, "catalog.1m.deep100", MostOfRow("catalog.1k.deep100", 2.0)),
    (12, "start.empty", Most(5.0)),
    (12, "start.populated", Most(10.0)),
    (12, "start.tags.100k", Most(10.0)),
    (12, "start.tags.1m", Most(10.0)),
    (13, "tls.ping.rps", LeastOfNginx(0.6)),
    (13, "tls.manifest_get_digest.rps", LeastOfNginx(0.6)),
    (13, "tls.manifest_get_tag.rps", LeastOfNginx(0.6)),
    (13, "tls.blob_get_1k.rps", LeastOfNginx(0.6)),
    (13, "tls.blob_range_64k.rps", LeastOfNginx(0.6)),
    (13, "tls.pull_1m.c1.gbs", LeastOfNginx(0.95)),
    (13, "tls.pull_1m.c16.gbs", LeastOfNginx(0.95)),
    (13, "tls.pull_100m.c1.gbs", LeastOfNginx(0.95)),
    (13, "tls.pull_100m.c16.gbs", LeastOfNginx(0.95)),
];

/// A goal as it stands after a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Number of the goal.
    pub goal: u8,
    /// Row and metric.
    pub name: &'static str,
    /// The goal in words.
    pub wanted: String,
    /// What was reached, in the terms of the goal; `None` when it could not be computed.
    pub reached: Option<f64>,
    /// Whether the goal is met; `None` when it could not be judged.
    pub met: Option<bool>,
}

/// Judges every goal whose row has numbers.
pub fn judge(recorder: &Recorder) -> Vec<Verdict> {
    GOALS
        .iter()
        .filter(|(_, name, _)| recorder.entries.iter().any(|entry| entry.name() == *name))
        .map(|(goal, name, bound)| verdict(recorder, *goal, name, *bound))
        .collect()
}

fn verdict(recorder: &Recorder, goal: u8, name: &'static str, bound: Bound) -> Verdict {
    let of = |name: &str, peer| recorder.median(name, peer).filter(|value| *value > 0.0);
    let ours = recorder.median(name, Peer::Berth);
    let over = |base: Option<f64>| Some(ours? / base?);
    let nginx = || over(of(name, Peer::Nginx));
    let (wanted, reached, limit, least) = match bound {
        Least(limit) => (format!("≥ {limit}"), ours, limit, true),
        Most(limit) => (format!("≤ {limit}"), ours, limit, false),
        LeastOfNginx(part) => (format!("≥ {part} × nginx"), nginx(), part, true),
        MostOfNginx(part) => (format!("≤ {part} × nginx"), nginx(), part, false),
        LeastOfRow(row, part) => {
            (format!("≥ {part} × {row}"), over(of(row, Peer::Berth)), part, true)
        }
        MostOfRow(row, part) => {
            (format!("≤ {part} × {row}"), over(of(row, Peer::Berth)), part, false)
        }
        LeastOfDistribution3 { times, scale } => match of(name, Peer::Distribution3) {
            Some(base) => (format!("≥ {times} × v3"), over(Some(base)), times, true),
            None => {
                let base = of(name, Peer::Distribution).map(|value| value * scale);
                (format!("≥ {times} × v3 (scaled {scale})"), over(base), times, true)
            }
        },
    };
    let met = reached.map(|reached| if least { reached >= limit } else { reached <= limit });
    Verdict { goal, name, wanted, reached, met }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{CPU_REQUEST, RPS};

    fn find(verdicts: &[Verdict], wanted: &str) -> Verdict {
        verdicts.iter().find(|one| one.wanted == wanted).unwrap().clone()
    }

    #[test]
    fn goals_are_judged_by_medians_of_the_same_run() {
        let mut recorder = Recorder::default();
        let row = "manifest_get_digest";
        for value in [50_000.0, 70_000.0, 60_000.0] {
            recorder.add(row, Peer::Berth, RPS, value);
        }
        recorder.add(row, Peer::Nginx, RPS, 90_000.0);
        recorder.add(row, Peer::Distribution, RPS, 1000.0);
        recorder.add(row, Peer::Berth, CPU_REQUEST, 25.0);
        let verdicts = judge(&recorder);
        assert_eq!(verdicts.len(), 3);
        let nginx = find(&verdicts, "≥ 0.6 × nginx");
        assert_eq!((nginx.reached, nginx.met), (Some(60.0 / 90.0), Some(true)));
        let scaled = find(&verdicts, "≥ 10 × v3 (scaled 5.63)");
        assert_eq!((scaled.reached, scaled.met), (Some(60.0 / 5.63), Some(true)));
        assert_eq!(find(&verdicts, "≤ 20").met, Some(false));

        recorder.add(row, Peer::Distribution3, RPS, 10_000.0);
        assert_eq!(find(&judge(&recorder), "≥ 10 × v3").met, Some(false));
    }

    #[test]
    fn without_berth_nothing_is_judged() {
        let mut recorder = Recorder::default();
        recorder.add("blob_head", Peer::Distribution, RPS, 1000.0);
        assert!(judge(&recorder).iter().all(|verdict| verdict.met.is_none()));
    }
}
