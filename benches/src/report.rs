// SPDX-License-Identifier: Apache-2.0
//! The report of a run, as Markdown for people and as JSON for programs.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use crate::context::Context;
use crate::goals::{Verdict, judge};
use crate::peers::Peer;
use crate::record::{Entry, Recorder};

/// What is known about the machine and the run.
#[derive(Clone, Debug, Default)]
pub struct Facts(pub Vec<(&'static str, String)>);

impl Facts {
    /// Describes machine, programs and options.
    pub fn gather(context: &Context) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or("", |(_, value)| value).trim().to_owned()
        };
        let mut facts = vec![
            ("processor", after(&read("/proc/cpuinfo"), "model name")),
            (
                "cores",
                std::thread::available_parallelism().map_or_else(|_| "?".into(), |n| n.to_string()),
            ),
            ("memory", after(&read("/proc/meminfo"), "MemTotal")),
            ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
            ("load before", read("/proc/loadavg").trim().to_owned()),
            ("rounds", context.rounds.to_string()),
            ("seconds per measurement", context.time.as_secs_f64().to_string()),
            ("disk", filesystem(&context.disk)),
        ];
        if let Some(folder) = &context.tmpfs {
            facts.push(("tmpfs", filesystem(folder)));
        }
        for peer in &context.peers {
            facts.push((peer.name(), context.programs.version(*peer)));
        }
        Self(facts)
    }

    /// Adds the load at the end, which tells whether the machine was quiet.
    pub fn finish(&mut self) {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        self.0.push(("load after", load.trim().to_owned()));
    }
}

/// Kind of the filesystem that holds a folder.
fn filesystem(folder: &std::path::Path) -> String {
    let Ok(facts) = rustix::fs::statfs(folder) else { return "unknown".into() };
    match facts.f_type {
        0xef53 => "ext4".into(),
        0x0102_1994 => "tmpfs".into(),
        0x5846_5342 => "xfs".into(),
        0x9123_683e => "btrfs".into(),
        0x794c_7630 => "overlayfs".into(),
        other => format!("{other:#x}"),
    }
}

/// Three significant digits.
fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => "-".into(),
        0.0 => "0".into(),
        s if s >= 100.0 => format!("{value:.0}"),
        s if s >= 10.0 => format!("{value:.1}"),
        s if s >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), number)
}

fn ratio(entry: &Entry, peer: Peer) -> Option<f64> {
    let base = entry.median(peer).filter(|base| *base > 0.0)?;
    Some(entry.median(Peer::Berth)? / base)
}

/// Peers that Berth is divided by, as far as they ran.
fn bases(peers: &[Peer]) -> Vec<Peer> {
    let all = [Peer::Nginx, Peer::Distribution, Peer::Distribution3];
    all.into_iter().filter(|peer| peers.contains(peer)).collect()
}

/// The report for people.
pub fn markdown(recorder: &Recorder, peers: &[Peer], facts: &Facts) -> String {
    let verdicts = judge(recorder);
    let bases = bases(peers);
    let mut out = String::from("# Benchmark run\n\n");
    for (name, value) in &facts.0 {
        let _ = writeln!(out, "- {name}: {value}");
    }
    let mut head = vec!["row".to_owned(), "unit".to_owned()];
    head.extend(peers.iter().map(|peer| peer.name().to_owned()));
    head.extend(bases.iter().map(|peer| format!("berth / {peer}")));
    head.push("goal".to_owned());
    let _ = writeln!(out, "\n| {} |", head.join(" | "));
    let _ = writeln!(out, "|{}", "---|".repeat(head.len()));
    for entry in &recorder.entries {
        let name = entry.name();
        let mut cells = vec![name.clone(), entry.metric.unit.to_owned()];
        cells.extend(peers.iter().map(|peer| cell(entry.median(*peer))));
        cells.extend(bases.iter().map(|peer| cell(ratio(entry, *peer))));
        let goals: Vec<String> =
            verdicts.iter().filter(|one| one.name == name).map(sentence).collect();
        cells.push(goals.join("; "));
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    let count = |met| verdicts.iter().filter(|verdict| verdict.met == met).count();
    let (met, missed, open) = (count(Some(true)), count(Some(false)), count(None));
    let _ = writeln!(out, "\nGoals: {met} met, {missed} not met, {open} not judged.");
    if verdicts.iter().any(|verdict| verdict.wanted.contains("scaled")) {
        out.push_str(
            "\nGoals against distribution 3 are \"scaled\" where that version did not run: \
             docker-registry 2.8.2 of this run times the ratio of the two versions that was \
             measured on the reference machine (v3 / 2.8.2, given in the goal).\n",
        );
    }
    for (title, lines) in [
        ("Notes", recorder.notes.clone()),
        (
            "Failures",
            recorder
                .failures
                .iter()
                .map(|(row, peer, why)| format!("{row}, {peer}: {}", why.replace('|', "/")))
                .collect(),
        ),
    ] {
        if !lines.is_empty() {
            let _ = writeln!(out, "\n## {title}\n");
            lines.iter().for_each(|line| {
                let _ = writeln!(out, "- {line}");
            });
        }
    }
    out
}

fn sentence(verdict: &Verdict) -> String {
    let met = match verdict.met {
        Some(true) => "met",
        Some(false) => "NOT met",
        None => "not judged",
    };
    format!("{}: {} ({met}: {})", verdict.goal, verdict.wanted, cell(verdict.reached))
}

/// The report for programs.
pub fn json(recorder: &Recorder, peers: &[Peer], facts: &Facts) -> Value {
    let bases = bases(peers);
    let rows: Vec<Value> = recorder
        .entries
        .iter()
        .map(|entry| {
            let columns: serde_json::Map<String, Value> = entry
                .samples
                .iter()
                .map(|(peer, samples)| {
                    let value = json!({"median": entry.median(*peer), "samples": samples});
                    (peer.name().to_owned(), value)
                })
                .collect();
            let ratios: serde_json::Map<String, Value> = bases
                .iter()
                .filter_map(|peer| Some((peer.name().to_owned(), json!(ratio(entry, *peer)?))))
                .collect();
            json!({
                "row": entry.row, "metric": entry.metric.name, "unit": entry.metric.unit,
                "peers": columns, "berth_over": ratios,
            })
        })
        .collect();
    let goals: Vec<Value> = judge(recorder)
        .iter()
        .map(|one| {
            json!({
                "goal": one.goal, "row": one.name, "wanted": one.wanted,
                "reached": one.reached, "met": one.met,
            })
        })
        .collect();
    let failures: Vec<Value> = recorder
        .failures
        .iter()
        .map(|(row, peer, why)| json!({"row": row, "peer": peer.name(), "reason": why}))
        .collect();
    let facts: serde_json::Map<String, Value> =
        facts.0.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "facts": facts, "rows": rows, "goals": goals,
        "notes": recorder.notes, "failures": failures,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RPS;

    fn recorder() -> Recorder {
        let mut recorder = Recorder::default();
        recorder.add("blob_get_1k", Peer::Berth, RPS, 60_000.0);
        recorder.add("blob_get_1k", Peer::Nginx, RPS, 80_000.0);
        recorder
    }

    #[test]
    fn table_has_ratio_and_goal() {
        let peers = [Peer::Berth, Peer::Nginx];
        let text = markdown(&recorder(), &peers, &Facts::default());
        let line = text.lines().find(|line| line.contains("blob_get_1k.rps")).unwrap();
        assert!(
            line.starts_with(
                "| blob_get_1k.rps | req/s | 60000 | 80000 | 0.750 | 5: ≥ 0.6 × nginx (met: 0.750)"
            ),
            "{line}"
        );
        assert!(text.contains("Goals: 1 met, 0 not met, 1 not judged."), "{text}");
    }

    #[test]
    fn json_has_samples_ratio_and_failures() {
        let mut recorder = recorder();
        recorder.fail("ping", Peer::Nginx, &anyhow::anyhow!("no answer"));
        let value = json(&recorder, &[Peer::Berth, Peer::Nginx], &Facts::default());
        assert_eq!(value["rows"][0]["peers"]["berth"]["samples"][0], 60_000.0);
        assert_eq!(value["rows"][0]["berth_over"]["nginx"], 0.75);
        assert_eq!(value["failures"][0]["reason"], "no answer");
    }

    #[test]
    fn three_significant_digits() {
        for (value, text) in
            [(0.0, "0"), (0.12345, "0.123"), (1.2345, "1.23"), (12.345, "12.3"), (1234.5, "1234")]
        {
            assert_eq!(number(value), text);
        }
    }
}
