// SPDX-License-Identifier: Apache-2.0
//! What a server costs before it does anything: start, idle memory, idle connections; and its
//! peaks under 64 transfers.

use std::time::Duration;

use anyhow::Result;

use super::{find, start_all};
use crate::context::Context;
use crate::dataset::{BLOBS, Dataset, blob_targets};
use crate::load::get::{Fleet, Plan, Stop};
use crate::load::http::Connection;
use crate::load::push::{self, Limit, Style};
use crate::peers::{Peer, Server};
use crate::process::PeakWatch;
use crate::record::{Metric, Recorder};
use crate::store::{Tree, wipe};

/// Time to the first answer.
pub const START: Metric = Metric::new("", "ms to first answer");
const RSS: Metric = Metric::new("", "MiB RSS");
const ANONYMOUS: Metric = Metric::new("anon", "MiB anonymous");
const PSS: Metric = Metric::new("pss", "MiB PSS");
const PER_CONNECTION: Metric = Metric::new("", "KiB/connection");
const WITH_CONNECTIONS: Metric = Metric::new("total", "MiB RSS");

/// Time that a server gets to become quiet before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);

const GROUP: &str = "empty";

/// Memory of a server that has nothing to do.
pub fn idle(server: &Server) -> Vec<(Metric, f64)> {
    std::thread::sleep(SETTLE);
    let memory = server.memory();
    let mib = |kib: u64| kib as f64 / 1024.0;
    vec![(RSS, mib(memory.rss)), (ANONYMOUS, mib(memory.anonymous)), (PSS, mib(memory.pss))]
}

/// `start.empty`, `memory.idle_empty`, `memory.idle_conn` and `tls.memory.idle_conn`.
pub fn empty(context: &Context, recorder: &mut Recorder) -> Result<()> {
    let store = |peer| context.store(&context.disk, GROUP, peer);
    let rows = ["start.empty", "memory.idle_empty", "memory.idle_conn", "tls.memory.idle_conn"];
    if !context.wants_any(&rows) {
        return Ok(());
    }
    let peers = context.readers();
    context.alternate(recorder, rows[0], &peers, |peer, _| {
        wipe(&store(peer))?;
        // The median of a few starts is one sample.
        let mut times = Vec::new();
        for _ in 0..if context.is_short() { 1 } else { 5 } {
            let server = context.start_open(peer, &store(peer))?;
            times.push(server.startup.as_secs_f64() * 1e3);
            server.stop()?;
        }
        Ok(vec![(START, crate::record::median(&times).unwrap_or_default())])
    });
    context.alternate(recorder, rows[1], &peers, |peer, _| {
        wipe(&store(peer))?;
        Ok(idle(&context.start(peer, &store(peer), false)?))
    });
    for (row, tls) in [(rows[2], false), (rows[3], true)] {
        context.alternate(recorder, row, &peers, |peer, _| {
            let server = context.start(peer, &store(peer), tls)?;
            idle_connections(context, &server)
        });
    }
    wipe(&context.disk.join(GROUP))
}

fn idle_connections(context: &Context, server: &Server) -> Result<Vec<(Metric, f64)>> {
    let mut first = Connection::open(&server.endpoint)?;
    first.request("GET", "/v2/", &[], &[])?.expect(200)?;
    std::thread::sleep(SETTLE);
    let before = server.memory().rss;
    let count = context.scale.idle_connections;
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = Connection::open(&server.endpoint)?;
        connection.request("GET", "/v2/", &[], &[])?.expect(200)?;
        connections.push(connection);
    }
    std::thread::sleep(SETTLE);
    let after = server.memory().rss;
    // All of them still have to answer: a server that closed some would look thrifty.
    for connection in &mut connections {
        connection.request("GET", "/v2/", &[], &[])?.expect(200)?;
    }
    let grown = after.saturating_sub(before) as f64;
    Ok(vec![(PER_CONNECTION, grown / count as f64), (WITH_CONNECTIONS, after as f64 / 1024.0)])
}

/// `memory.pull64_peak` and `memory.push64_peak`.
pub fn peaks(context: &Context, recorder: &mut Recorder) -> Result<()> {
    const PULL: &str = "memory.pull64_peak";
    const PUSH: &str = "memory.push64_peak";
    let peers = context.readers();
    if context.wants(PULL) {
        let group = "peaks";
        let data = Dataset::generate(&context.scale);
        if peers.contains(&Peer::Nginx) {
            data.write(&mut Tree(context.store(&context.disk, group, Peer::Nginx)))?;
        }
        let servers = start_all(context, recorder, group, &peers, false);
        let targets = blob_targets(BLOBS, &data.large);
        let mut filled = Vec::new();
        context.alternate(recorder, PULL, &peers, |peer, _| {
            let server = find(&servers, peer)?;
            if peer.is_registry() && !filled.contains(&peer) {
                data.push(&server.endpoint)?;
                filled.push(peer);
            }
            let plan = Plan {
                endpoint: &server.endpoint,
                targets: &targets,
                connections: 64,
                threads: 2,
                stop: Stop::Count(128),
                sample: 0,
            };
            let fleet = Fleet::connect(plan)?;
            let watch = PeakWatch::start(server.pid());
            let done = fleet.run();
            let peak = watch.finish();
            done?;
            Ok(vec![(RSS, peak as f64 / 1024.0)])
        });
        drop(servers);
        wipe(&context.disk.join(group))?;
    }
    context.alternate(recorder, PUSH, &context.pushers(), |peer, _| {
        let store = context.store(&context.disk, GROUP, peer);
        wipe(&store)?;
        let server = context.start(peer, &store, false)?;
        let watch = PeakWatch::start(server.pid());
        let limit = Limit { time: context.time, count: 64 };
        let size = context.scale.push64;
        let done = push::blobs(&server.endpoint, 64, size, Style::Patch, limit, 7);
        let peak = watch.finish();
        done?;
        server.stop()?;
        wipe(&store)?;
        Ok(vec![(RSS, peak as f64 / 1024.0)])
    });
    Ok(())
}
