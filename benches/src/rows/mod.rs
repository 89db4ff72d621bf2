// SPDX-License-Identifier: Apache-2.0
//! The rows of the report, in groups that share a preparation.
//!
//! Each group prepares only what the rows that were asked for need, alternates between the peers,
//! and removes its stores.

mod big;
mod lists;
mod process;
mod pushes;
mod reads;

use anyhow::Result;

use crate::context::Context;
use crate::load::get::{Fleet, Plan, Stop, Target};
use crate::peers::{Peer, Server};
use crate::record::{CPU_GB, CPU_REQUEST, GBS, Metric, P50, P99, RPS, Recorder, percentile};

/// Runs every group.
pub fn run(context: &Context, recorder: &mut Recorder) -> Result<()> {
    process::empty(context, recorder)?;
    reads::run(context, recorder)?;
    process::peaks(context, recorder)?;
    pushes::run(context, recorder)?;
    pushes::syncs(context, recorder)?;
    lists::tags(context, recorder)?;
    lists::catalog(context, recorder)?;
    big::run(context, recorder)
}

/// What the answers of a row are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Requests,
    Bytes,
}

/// Loads a server with one plan and computes the metrics of the row.
fn load(
    server: &Server,
    targets: &[Target],
    connections: usize,
    stop: Stop,
    counted: Counted,
) -> Result<Vec<(Metric, f64)>> {
    // One thread keeps 64 small connections busy; copying or decrypting bodies may need two.
    let threads = if counted == Counted::Bytes && connections > 1 { 2 } else { 1 };
    let sample = if counted == Counted::Bytes { 0 } else { 256 };
    let plan = Plan { endpoint: &server.endpoint, targets, connections, threads, stop, sample };
    let fleet = Fleet::connect(plan)?;
    let before = server.cpu();
    let mut outcome = fleet.run()?;
    let cpu = server.cpu() - before;
    server.await_rest();
    let seconds = outcome.elapsed.as_secs_f64();
    let gigabytes = outcome.bytes as f64 / 1e9;
    Ok(match counted {
        Counted::Requests => vec![
            (RPS, outcome.requests as f64 / seconds),
            (P50, percentile(&mut outcome.latencies, 50.0)),
            (P99, percentile(&mut outcome.latencies, 99.0)),
            (CPU_REQUEST, cpu * 1e6 / outcome.requests as f64),
        ],
        Counted::Bytes => vec![(GBS, gigabytes / seconds), (CPU_GB, cpu / gigabytes)],
    })
}

/// Starts one server per peer; a peer that does not start is left out and noted.
fn start_all(
    context: &Context,
    recorder: &mut Recorder,
    group: &str,
    peers: &[Peer],
    tls: bool,
) -> Vec<Server> {
    let mut servers = Vec::new();
    for peer in peers {
        let store = context.store(&context.disk, group, *peer);
        match context.start(*peer, &store, tls) {
            Ok(server) => servers.push(server),
            Err(error) => recorder.fail(group, *peer, &error),
        }
    }
    servers
}

/// The server of a peer.
fn find(servers: &[Server], peer: Peer) -> Result<&Server> {
    servers
        .iter()
        .find(|server| server.peer == peer)
        .ok_or_else(|| anyhow::anyhow!("{peer} is not running"))
}
