// SPDX-License-Identifier: Apache-2.0
//! A store much larger than the caches of a server, warm in the page cache (`big.*`), and reads
//! of objects that nothing has in memory (`cold.*`).

use anyhow::Result;

use super::{Counted, find, load, start_all};
use crate::context::Context;
use crate::dataset::blob_targets;
use crate::load::content::{Bodies, Body, Random};
use crate::load::get::{Stop, Target};
use crate::load::push::{self, MANIFEST};
use crate::peers::Peer;
use crate::record::Recorder;
use crate::store::{Layout, Store, Tree, make_cold, wipe};

const GROUP: &str = "big";
const REPOSITORY: &str = "bench/big";
const BLOB: usize = 64 * 1024;

/// `big.*` and `cold.*`.
pub fn run(context: &Context, recorder: &mut Recorder) -> Result<()> {
    let warm = ["big.manifest_get_digest", "big.blob_get_64k"];
    let cold = ["cold.manifest_get_digest.c16", "cold.blob_get_64k.c16", "cold.pull_100m.c1"];
    if !context.wants_any(&warm) && !context.wants_any(&cold) {
        return Ok(());
    }
    let mut peers = context.readers();
    let mut random = Random::new(21);
    let small = Bodies::new(BLOB, 22);
    let blobs: Vec<Body> =
        (0..context.scale.big_blobs).map(|_| small.unique(&mut random)).collect();
    let large = Bodies::new(context.scale.large, 23);
    let large: Vec<Body> = (0..4).map(|_| large.unique(&mut random)).collect();
    let layers: Vec<Body> = blobs.iter().take(7).cloned().collect();
    let manifests: Vec<Body> = (0..context.scale.big_manifests)
        .map(|number| {
            let mut bytes = push::manifest(&layers[0], &layers);
            bytes.pop();
            // All share their layers; an annotation makes them unique and large.
            let width = context.scale.big_manifest.saturating_sub(bytes.len());
            let end = format!(",\"annotations\":{{\"n\":\"{number:0width$}\"}}}}");
            bytes.extend_from_slice(end.as_bytes());
            Body::whole(bytes)
        })
        .collect();
    for peer in &peers {
        let folder = context.store(&context.disk, GROUP, *peer);
        let mut store: Box<dyn Store> = match peer {
            Peer::Nginx => Box::new(Tree(folder)),
            _ => Box::new(Layout::new(&folder)),
        };
        for body in blobs.iter().chain(&large) {
            store.blob(REPOSITORY, body)?;
        }
        for body in &manifests {
            store.manifest(REPOSITORY, None, body.parts()[1])?;
        }
    }
    rustix::fs::sync();
    let blobs = blob_targets(REPOSITORY, &blobs);
    let large = blob_targets(REPOSITORY, &large);
    let manifests: Vec<Target> = manifests
        .iter()
        .map(|body| {
            let path = format!("/v2/{REPOSITORY}/manifests/{}", body.digest);
            Target::get(path, Some((body.len(), &body.digest))).with("Accept", MANIFEST)
        })
        .collect();
    let servers = start_all(context, recorder, GROUP, &peers, false);
    peers.retain(|peer| find(&servers, *peer).is_ok());
    for (row, targets) in [(warm[0], &manifests), (warm[1], &blobs)] {
        context.alternate(recorder, row, &peers, |peer, _| {
            load(find(&servers, peer)?, targets, 64, context.stop(), Counted::Requests)
        });
    }
    drop(servers);
    let some = |targets: &[Target]| -> Vec<Target> {
        let step = (targets.len() / context.scale.cold).max(1);
        targets.iter().step_by(step).take(context.scale.cold).cloned().collect()
    };
    let rows = [
        (cold[0], some(&manifests), 16, Counted::Requests),
        (cold[1], some(&blobs), 16, Counted::Requests),
        (cold[2], large, 1, Counted::Bytes),
    ];
    for (row, targets, connections, counted) in rows {
        context.alternate(recorder, row, &peers, |peer, _| {
            let store = context.store(&context.disk, GROUP, peer);
            make_cold(&store, context.drop_caches)?;
            let server = context.start(peer, &store, false)?;
            load(&server, &targets, connections, Stop::Once, counted)
        });
    }
    wipe(&context.disk.join(GROUP))
}
