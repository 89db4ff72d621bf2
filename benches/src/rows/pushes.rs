// SPDX-License-Identifier: Apache-2.0
//! Pushes: small images and large blobs, on disk and on tmpfs, and what they make durable.
//!
//! Every measurement starts a server on an empty store. Stores of many small files are kept until
//! all rows are done: ext4 does not use the inode of a removed file again for a minute or more and
//! steps over each such inode whenever it makes a file, so that removing one server's store would
//! slow the next one down, up to three times.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::context::Context;
use crate::load::push::{self, Limit, Pushed, Style};
use crate::peers::{Peer, Server};
use crate::record::{CPU_GB, GBS, Metric, Recorder, percentile};
use crate::store::wipe;

const GROUP: &str = "push";

const IMAGES: Metric = Metric::new("ips", "images/s");
const IMAGE_P99: Metric = Metric::new("p99", "ms");
const IMAGE_CPU: Metric = Metric::new("cpu", "server CPU ms/image");

/// System calls that make something durable, and those that create names; per image.
const CALLS: [(&str, Metric); 8] = [
    ("fsync", Metric::new("fsync", "calls")),
    ("fdatasync", Metric::new("fdatasync", "calls")),
    ("syncfs", Metric::new("syncfs", "calls")),
    ("sync_file_range", Metric::new("sync_file_range", "calls")),
    ("rename", Metric::new("rename", "calls")),
    ("link", Metric::new("link", "calls")),
    ("mkdir", Metric::new("mkdir", "calls")),
    ("open", Metric::new("open", "calls")),
];

/// A push row.
#[derive(Clone, Copy, Debug)]
enum Load {
    Images,
    Large(Style),
}

const ROWS: [(&str, Load, usize); 6] = [
    ("push_images.c1", Load::Images, 1),
    ("push_images.c16", Load::Images, 16),
    ("push_100m_patch.c1", Load::Large(Style::Patch), 1),
    ("push_100m_patch.c8", Load::Large(Style::Patch), 8),
    ("push_100m_mono.c1", Load::Large(Style::Monolithic), 1),
    ("push_100m_mono.c8", Load::Large(Style::Monolithic), 8),
];

/// Push rows on disk and, with the prefix `tmpfs.`, in memory.
pub fn run(context: &Context, recorder: &mut Recorder) -> Result<()> {
    let places = [("", Some(&context.disk)), ("tmpfs.", context.tmpfs.as_ref())];
    for (prefix, base) in places {
        let Some(base) = base else {
            recorder.note("no tmpfs was given, so there are no tmpfs rows");
            continue;
        };
        for (name, what, clients) in ROWS {
            let row = format!("{prefix}{name}");
            let mut seed = 0;
            context.alternate(recorder, &row, &context.pushers(), |peer, _| {
                seed += 1;
                let store = context.store(base, GROUP, peer);
                wipe(&store)?;
                let server = context.start(peer, &store, false)?;
                let values = measure(context, &server, what, clients, seed)?;
                server.stop()?;
                match what {
                    Load::Images => put_aside(context, base, &store)?,
                    Load::Large(_) => wipe(&store)?,
                }
                Ok(values)
            });
        }
        if Some(base) == context.tmpfs.as_ref() {
            wipe(&base.join(GROUP))?;
        }
    }
    Ok(())
}

/// Keeps a store until the end, where the run's folder is removed. On tmpfs it is removed at once.
fn put_aside(context: &Context, base: &Path, store: &Path) -> Result<()> {
    if Some(base) == context.tmpfs.as_deref() {
        return wipe(store);
    }
    let kept = base.join(format!("{GROUP}-kept"));
    std::fs::create_dir_all(&kept)?;
    let number = std::fs::read_dir(&kept)?.count();
    std::fs::rename(store, kept.join(number.to_string())).context("putting a store aside")?;
    rustix::fs::sync();
    Ok(())
}

fn measure(
    context: &Context,
    server: &Server,
    what: Load,
    clients: usize,
    seed: u64,
) -> Result<Vec<(Metric, f64)>> {
    let endpoint = &server.endpoint;
    // The first push of a process opens files and builds routes; it is not what a row is about.
    let first = Limit { time: context.time, count: 1 };
    push::images(endpoint, 1, first, seed + 5000)?;
    let size = context.scale.large;
    let before = server.cpu();
    let (mut pushed, open) = match what {
        Load::Images => {
            let count = context.scale.count.map_or(u64::MAX, |count| count / 10);
            let limit = Limit { time: context.time, count };
            (push::images(endpoint, clients, limit, seed)?, Vec::new())
        }
        Load::Large(style) => {
            let limit = context.limit(size, clients);
            push::blobs(endpoint, clients, size, style, limit, seed)?
        }
    };
    let cpu = server.cpu() - before;
    drop(open);
    ensure!(pushed.objects > 0, "nothing was pushed");
    Ok(match what {
        Load::Images => image_metrics(&mut pushed, cpu),
        Load::Large(_) => {
            let gigabytes = pushed.objects as f64 * size as f64 / 1e9;
            vec![(GBS, gigabytes / pushed.elapsed.as_secs_f64()), (CPU_GB, cpu / gigabytes)]
        }
    })
}

fn image_metrics(pushed: &mut Pushed, cpu: f64) -> Vec<(Metric, f64)> {
    let objects = pushed.objects as f64;
    vec![
        (IMAGES, objects / pushed.elapsed.as_secs_f64()),
        (IMAGE_P99, percentile(&mut pushed.latencies, 99.0) / 1e3),
        (IMAGE_CPU, cpu * 1e3 / objects),
    ]
}

/// `syncs.image` and `syncs.blob`: system calls per pushed object, counted with strace on
/// separate servers that are not timed.
pub fn syncs(context: &Context, recorder: &mut Recorder) -> Result<()> {
    let rows = [("syncs.image", Load::Images), ("syncs.blob", Load::Large(Style::Patch))];
    if !context.wants_any(&rows.map(|row| row.0)) {
        return Ok(());
    }
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        recorder.note("strace is not installed, so what was synced was not counted");
        return Ok(());
    }
    let base = context.disk.join(GROUP);
    for (row, what) in rows {
        context.alternate(recorder, row, &context.pushers(), |peer, _| {
            let objects = if context.is_short() { 2 } else { 10 };
            let store = context.store(&context.disk, GROUP, peer);
            // What starting, one image (which makes the folders) and stopping cost is subtracted.
            let idle = traced(context, peer, &store, what, 0)?;
            let busy = traced(context, peer, &store, what, objects)?;
            let per =
                |name: &str| (count(&busy, name) - count(&idle, name)).max(0.0) / objects as f64;
            Ok(CALLS.iter().map(|(name, metric)| (*metric, per(name))).collect())
        });
    }
    wipe(&base)
}

fn traced(context: &Context, peer: Peer, store: &Path, what: Load, objects: u64) -> Result<String> {
    wipe(store)?;
    let table = context.disk.join("strace.txt");
    let mut setup = context.setup(store, false);
    setup.strace = Some(&table);
    let server = Server::start(peer, setup)?;
    let limit = Limit { time: std::time::Duration::from_secs(60), count: objects };
    push::images(&server.endpoint, 1, Limit { count: 1, ..limit }, 1)?;
    if objects > 0 {
        match what {
            Load::Images => drop(push::images(&server.endpoint, 1, limit, 2)?),
            Load::Large(style) => {
                drop(push::blobs(&server.endpoint, 1, 1 << 20, style, limit, 3)?);
            }
        }
    }
    server.stop()?;
    std::fs::read_to_string(&table).context("strace wrote no table")
}

/// Successful calls of a system call, with its variants (`rename` and `renameat2`), in a table
/// of `strace -c`.
fn count(table: &str, name: &str) -> f64 {
    let mut total = 0;
    for line in table.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        // % time, seconds, usecs/call, calls, [errors], syscall
        let [_, _, _, calls, rest @ ..] = words.as_slice() else { continue };
        let (errors, call) = match rest {
            [call] => (0, *call),
            [errors, call] => (errors.parse().unwrap_or(0), *call),
            _ => continue,
        };
        let variant = call.strip_prefix(name);
        if matches!(variant, Some("" | "at" | "at2")) {
            total += calls.parse::<i64>().unwrap_or(0) - errors;
        }
    }
    total as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strace_table() {
        let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 50.00    0.001000         100        10           fsync
 20.00    0.000400          40        10         3 openat
 10.00    0.000100           1         4           renameat2
 10.00    0.000100           1         2           rename
  0.00    0.000000           0         7           fdatasync
------ ----------- ----------- --------- --------- ----------------
100.00    0.001600                    33         3 total
";
        assert_eq!(count(table, "fsync"), 10.0);
        assert_eq!(count(table, "open"), 7.0);
        assert_eq!(count(table, "rename"), 6.0);
        assert_eq!(count(table, "sync"), 0.0);
        assert_eq!(count(table, "link"), 0.0);
    }
}
