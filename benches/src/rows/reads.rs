// SPDX-License-Identifier: Apache-2.0
//! Warm reads over keep-alive connections: small requests, ranges and pulls, cleartext and TLS.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Counted, find, load, start_all};
use crate::context::Context;
use crate::dataset::{BLOBS, Dataset, blob_targets};
use crate::load::get::{Target, verify};
use crate::load::http::Connection;
use crate::peers::{Peer, Server};
use crate::record::{CPU_REQUEST, Metric, P99, Recorder, percentile};
use crate::store::{Tree, wipe};

const GROUP: &str = "reads";

/// A read row: name, connections, unit, and whether it is repeated over TLS.
type Row = (&'static str, usize, Counted, bool);

const ROWS: [Row; 11] = [
    ("ping", 64, Counted::Requests, true),
    ("manifest_get_digest", 64, Counted::Requests, true),
    ("manifest_get_tag", 64, Counted::Requests, true),
    ("manifest_head_tag", 64, Counted::Requests, false),
    ("blob_head", 64, Counted::Requests, false),
    ("blob_get_1k", 64, Counted::Requests, true),
    ("blob_range_64k", 64, Counted::Requests, true),
    ("pull_1m.c1", 1, Counted::Bytes, true),
    ("pull_1m.c16", 16, Counted::Bytes, true),
    ("pull_100m.c1", 1, Counted::Bytes, true),
    ("pull_100m.c16", 16, Counted::Bytes, true),
];

/// Rows of new TLS connections, each with one request: name, and whether sessions are resumed.
const HANDSHAKES: [(&str, bool); 2] = [("tls.connect_full", false), ("tls.connect_resumed", true)];

/// Clients of a handshake row.
const HANDSHAKERS: usize = 8;

/// New connections per second.
const CONNECTS: Metric = Metric::new("cps", "connections/s");

/// How many of them resumed a session.
const RESUMED: Metric = Metric::new("resumed", "%");

fn targets(data: &Dataset, row: &str) -> Vec<Target> {
    let row = row.trim_start_matches("tls.");
    match row.split('.').next().unwrap_or(row) {
        "ping" => vec![Target::get("/v2/", None)],
        "manifest_get_digest" => data.manifests_by_digest(),
        "manifest_get_tag" => data.manifests_by_tag(),
        "manifest_head_tag" => data.manifests_by_tag().into_iter().map(Target::head).collect(),
        "blob_head" => blob_targets(BLOBS, &data.small).into_iter().map(Target::head).collect(),
        "blob_get_1k" => blob_targets(BLOBS, &data.small),
        "blob_range_64k" => data.ranges(),
        "pull_1m" => blob_targets(BLOBS, &data.medium),
        _ => blob_targets(BLOBS, &data.large),
    }
}

/// All read rows: over cleartext, then, with the same stores, over TLS.
pub fn run(context: &Context, recorder: &mut Recorder) -> Result<()> {
    let plain = ROWS.iter().any(|row| context.wants(row.0));
    let secure = ROWS.iter().any(|row| row.3 && context.wants(&format!("tls.{}", row.0)))
        || HANDSHAKES.iter().any(|row| context.wants(row.0));
    if !plain && !secure {
        return Ok(());
    }
    let data = Dataset::generate(&context.scale);
    let mut peers = context.readers();
    if peers.contains(&Peer::Nginx) {
        data.write(&mut Tree(context.store(&context.disk, GROUP, Peer::Nginx)))?;
    }
    let mut filled = false;
    for (tls, wanted) in [(false, plain), (true, secure)] {
        if !wanted {
            continue;
        }
        let servers = start_all(context, recorder, GROUP, &peers, tls);
        for server in servers.iter().filter(|one| !filled && one.peer.is_registry()) {
            if let Err(error) = data.push(&server.endpoint).context("pushing the data set") {
                recorder.fail(GROUP, server.peer, &error);
            }
        }
        filled = true;
        peers.retain(|peer| !recorder.failed(GROUP, *peer));
        rows(context, recorder, &data, &servers, &peers, tls);
    }
    wipe(&context.disk.join(GROUP))
}

fn rows(
    context: &Context,
    recorder: &mut Recorder,
    data: &Dataset,
    servers: &[Server],
    peers: &[Peer],
    tls: bool,
) {
    for (name, connections, counted, secure) in ROWS {
        let row = if tls { format!("tls.{name}") } else { name.to_owned() };
        if (tls && !secure) || !context.wants(&row) {
            continue;
        }
        let targets = targets(data, &row);
        let mut warm = Vec::new();
        context.alternate(recorder, &row, peers, |peer, _| {
            let server = find(servers, peer)?;
            if !warm.contains(&peer) {
                verify(&server.endpoint, &targets)?;
                warm.push(peer);
            }
            load(server, &targets, connections, stop(context, counted), counted)
        });
    }
    if tls {
        for (row, resume) in HANDSHAKES {
            context.alternate(recorder, row, peers, |peer, _| {
                handshakes(context, find(servers, peer)?, resume)
            });
        }
    }
}

fn stop(context: &Context, counted: Counted) -> crate::load::get::Stop {
    match (context.scale.count, counted) {
        (Some(count), Counted::Bytes) => crate::load::get::Stop::Count(count / 8),
        _ => context.stop(),
    }
}

/// Opens connections one after the other in a few threads, with one request on each.
fn handshakes(context: &Context, server: &Server, resume: bool) -> Result<Vec<(Metric, f64)>> {
    let mut endpoint = server.endpoint.clone();
    endpoint.tls = Some(context.tls.client(resume)?);
    let resumed = AtomicU64::new(0);
    let time = context.time;
    let count = context.scale.count.map_or(u64::MAX, |count| count / 20);
    let before = server.cpu();
    let begun = std::time::Instant::now();
    let results: Vec<Result<Vec<u32>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..HANDSHAKERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut latencies = Vec::new();
                    while begun.elapsed() < time && (latencies.len() as u64) < count {
                        let start = std::time::Instant::now();
                        let mut client = Connection::open(&endpoint)?;
                        client.request("GET", "/v2/", &[], &[])?.expect(200)?;
                        latencies.push(start.elapsed().as_micros() as u32);
                        resumed.fetch_add(u64::from(client.resumed() == Some(true)), Relaxed);
                    }
                    Ok(latencies)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|_| bail!("a client panicked")))
            .collect()
    });
    let elapsed = begun.elapsed().as_secs_f64();
    let cpu = server.cpu() - before;
    let mut latencies: Vec<u32> =
        results.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    ensure!(!latencies.is_empty(), "no connection was made");
    let made = latencies.len() as f64;
    Ok(vec![
        (CONNECTS, made / elapsed),
        (RESUMED, resumed.into_inner() as f64 * 100.0 / made),
        (P99, percentile(&mut latencies, 99.0)),
        (CPU_REQUEST, cpu * 1e6 / made),
    ])
}
