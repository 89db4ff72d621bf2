// SPDX-License-Identifier: Apache-2.0
//! Tag lists and the catalog at several sizes, pushing tags into a repository that already has
//! many, and starting on such a store.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::process::{START, idle};
use super::{Counted, find, load, start_all};
use crate::context::Context;
use crate::load::content::{Body, Random};
use crate::load::get::Target;
use crate::load::http::{Connection, next_link};
use crate::load::push::{self, Limit};
use crate::peers::Peer;
use crate::record::{Metric, Recorder, median};
use crate::store::{Layout, Store as _, repository_name, tag_name, wipe};

const REPOSITORY: &str = "bench/tags";

const MS: Metric = Metric::new("", "ms");
const TAGS: Metric = Metric::new("", "tags/s");
const TAG_CPU: Metric = Metric::new("cpu", "server CPU ms/tag");

/// Repositories from which on only empty ones are laid down.
const WHOLE: usize = 20_000;

/// distribution reads every directory for one page; beyond this one measurement takes minutes.
const DISTRIBUTION_CATALOG: usize = 50_000;

/// A manifest to tag, and the blob that is its only layer.
fn manifest() -> (Body, Vec<u8>) {
    let config = push::config(1);
    let bytes = push::manifest(&config, std::slice::from_ref(&config));
    (config, bytes)
}

/// 1000 as `1k`, 1,000,000 as `1m`.
fn label(count: usize) -> String {
    match count {
        n if n >= 1_000_000 && n % 1_000_000 == 0 => format!("{}m", n / 1_000_000),
        n if n >= 1000 && n % 1000 == 0 => format!("{}k", n / 1000),
        n => n.to_string(),
    }
}

/// One answer of a list: its names, and where the next page is.
fn page(client: &mut Connection, path: &str, key: &str) -> Result<(Vec<String>, Option<String>)> {
    let answer = client.request("GET", path, &[], &[])?.expect(200)?;
    let json: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let names = json.get(key).and_then(serde_json::Value::as_array).context("no list")?;
    let names = names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let next = answer.head.link.as_deref().and_then(next_link).map(str::to_owned);
    Ok((names, next))
}

/// Follows a list to its end; returns how many names it had.
fn walk(client: &mut Connection, first: &str, key: &str) -> Result<usize> {
    let mut path = first.to_owned();
    let mut last = String::new();
    let mut total = 0;
    loop {
        let (names, next) = page(client, &path, key)?;
        if let Some(end) = names.last() {
            ensure!(*end > last, "{path}: the list goes back from {last} to {end}");
            last.clone_from(end);
        }
        total += names.len();
        match next {
            Some(next) => path = next,
            None => return Ok(total),
        }
    }
}

/// Median time of an action that is repeated for a while.
fn timed(context: &Context, mut action: impl FnMut() -> Result<()>) -> Result<Vec<(Metric, f64)>> {
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || (begun.elapsed() < context.time && times.len() < 200) {
        let start = Instant::now();
        action()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if context.is_short() && times.len() > 2 {
            break;
        }
    }
    Ok(vec![(MS, median(&times).unwrap_or_default())])
}

/// Berth has to give whole lists; docker-registry 2.8 ignores `n` for tags.
fn complete(
    recorder: &mut Recorder,
    peer: Peer,
    what: &str,
    found: usize,
    there: usize,
) -> Result<()> {
    if matches!(peer, Peer::Berth | Peer::BerthShared) {
        ensure!(found == there, "{what}: {found} names instead of {there}");
    } else if found != there {
        recorder.note(format!("{peer}: {what} gave {found} names where {there} were expected"));
    }
    Ok(())
}

/// `tags.<n>.*`.
pub fn tags(context: &Context, recorder: &mut Recorder) -> Result<()> {
    for count in context.tag_counts.iter().copied() {
        let group = format!("tags.{}", label(count));
        let rows =
            ["list_all", "page100", "walk1000", "create"].map(|row| format!("{group}.{row}"));
        let start = format!("start.{group}");
        if !context.wants_any(&rows) && !context.wants(&start) {
            continue;
        }
        let (config, bytes) = manifest();
        let mut peers = context.listers();
        for peer in &peers {
            let mut layout = Layout::new(&context.store(&context.disk, &group, *peer));
            layout.blob(REPOSITORY, &config)?;
            layout.manifest(REPOSITORY, None, &bytes)?;
            layout.tags(REPOSITORY, &crate::load::content::digest(&bytes), count)?;
        }
        rustix::fs::sync();
        starts(context, recorder, &start, &group, &peers);
        let servers = start_all(context, recorder, &group, &peers, false);
        peers.retain(|peer| find(&servers, *peer).is_ok());
        let all = format!("/v2/{REPOSITORY}/tags/list");
        for (row, query) in [(&rows[0], ""), (&rows[2], "?n=1000")] {
            let path = format!("{all}{query}");
            context.alternate(recorder, row, &peers, |peer, recorder| {
                let mut client = Connection::open(&find(&servers, peer)?.endpoint)?;
                let found = walk(&mut client, &path, "tags")?;
                complete(recorder, peer, row, found, count)?;
                timed(context, || walk(&mut client, &path, "tags").map(drop))
            });
        }
        let mut random = Random::new(11);
        let targets: Vec<Target> = (0..256)
            .map(|_| tag_name(random.below(count - count / 10)))
            .map(|last| Target::get(format!("{all}?n=100&last={last}"), None))
            .collect();
        context.alternate(recorder, &rows[1], &peers, |peer, recorder| {
            let server = find(&servers, peer)?;
            let mut client = Connection::open(&server.endpoint)?;
            let last = tag_name(count / 2 - 1);
            let (names, _) = page(&mut client, &format!("{all}?n=100&last={last}"), "tags")?;
            complete(recorder, peer, &rows[1], names.len(), 100.min(count - count / 2))?;
            load(server, &targets, 64, context.stop(), Counted::Requests)
        });
        let mut round = 0;
        context.alternate(recorder, &rows[3], &peers, |peer, _| {
            round += 1;
            let server = find(&servers, peer)?;
            let count = context.scale.count.unwrap_or(50_000);
            let limit = Limit { time: context.time, count };
            let before = server.cpu();
            let prefix = format!("x{round}-");
            let pushed = push::tags(&server.endpoint, 16, limit, REPOSITORY, &bytes, &prefix)?;
            let cpu = (server.cpu() - before) * 1e3;
            server.await_rest();
            let objects = pushed.objects as f64;
            Ok(vec![(TAGS, objects / pushed.elapsed.as_secs_f64()), (TAG_CPU, cpu / objects)])
        });
        drop(servers);
        wipe(&context.disk.join(&group))?;
    }
    Ok(())
}

/// `catalog.<n>.*`, `start.populated` and `memory.idle_populated` on the store of most
/// repositories.
pub fn catalog(context: &Context, recorder: &mut Recorder) -> Result<()> {
    for count in context.catalog_counts.iter().copied() {
        let group = format!("catalog.{}", label(count));
        let rows = ["first100", "deep100", "walk1000"].map(|row| format!("{group}.{row}"));
        let last = context.catalog_counts.last() == Some(&count);
        let populated = ["start.populated", "memory.idle_populated"];
        let wanted = context.wants_any(&rows) || (last && context.wants_any(&populated));
        if !wanted {
            continue;
        }
        let (config, bytes) = manifest();
        let mut peers = context.listers();
        if count > DISTRIBUTION_CATALOG {
            peers.retain(|peer| *peer == Peer::Berth);
            recorder.note(format!("{group}: only Berth; distribution walks the tree per page"));
        }
        for peer in &peers {
            let mut layout = Layout::new(&context.store(&context.disk, &group, *peer));
            layout.repositories(&config, &bytes, count, count <= WHOLE)?;
        }
        rustix::fs::sync();
        if last {
            starts(context, recorder, populated[0], &group, &peers);
            context.alternate(recorder, populated[1], &peers, |peer, _| {
                let store = context.store(&context.disk, &group, peer);
                Ok(idle(&context.start(peer, &store, false)?))
            });
        }
        let servers = start_all(context, recorder, &group, &peers, false);
        peers.retain(|peer| find(&servers, *peer).is_ok());
        let deep = repository_name(count * 9 / 10 - 1);
        let pages = [
            (&rows[0], "/v2/_catalog?n=100".to_owned(), 100.min(count)),
            (&rows[1], format!("/v2/_catalog?n=100&last={deep}"), 100.min(count - count * 9 / 10)),
        ];
        for (row, path, expected) in pages {
            context.alternate(recorder, row, &peers, |peer, recorder| {
                let mut client = Connection::open(&find(&servers, peer)?.endpoint)?;
                let (names, _) = page(&mut client, &path, "repositories")?;
                complete(recorder, peer, row, names.len(), expected)?;
                timed(context, || page(&mut client, &path, "repositories").map(drop))
            });
        }
        context.alternate(recorder, &rows[2], &peers, |peer, recorder| {
            let mut client = Connection::open(&find(&servers, peer)?.endpoint)?;
            let path = "/v2/_catalog?n=1000";
            let found = walk(&mut client, path, "repositories")?;
            complete(recorder, peer, &rows[2], found, count)?;
            timed(context, || walk(&mut client, path, "repositories").map(drop))
        });
        drop(servers);
        wipe(&context.disk.join(&group))?;
    }
    Ok(())
}

/// Start on a store that holds much.
fn starts(context: &Context, recorder: &mut Recorder, row: &str, group: &str, peers: &[Peer]) {
    context.alternate(recorder, row, peers, |peer, _| {
        let store = context.store(&context.disk, group, peer);
        Ok(vec![(START, start_time(context, peer, &store)?.as_secs_f64() * 1e3)])
    });
}

fn start_time(context: &Context, peer: Peer, store: &Path) -> Result<Duration> {
    let server = context.start_open(peer, store)?;
    let time = server.startup;
    server.stop()?;
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels() {
        assert_eq!(label(50), "50");
        assert_eq!(label(1000), "1k");
        assert_eq!(label(100_000), "100k");
        assert_eq!(label(1_000_000), "1m");
    }
}
