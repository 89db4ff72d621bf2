// SPDX-License-Identifier: Apache-2.0
//! Throughput and latency of each store: `cargo run --release -p apistore --all-features --example bench [DIR]`.
//!
//! The stores lie in DIR (a real disk; the current directory unless given). etcd is started if it is installed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use apistore::{Etcd, Expect, List, Memory, Sqlite, Store};
use bytes::Bytes;
use futures_util::StreamExt;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// About a small Kubernetes object.
const VALUE: &[u8] = &[b'x'; 1024];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let dir = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let dir = tempfile::tempdir_in(dir)?;
    syncs(dir.path())?;
    measure("memory", Arc::new(Memory::default())).await?;
    let begun = Instant::now();
    let sqlite = Sqlite::open(&dir.path().join("sqlite"), &Default::default())?;
    println!("sqlite   first start {:?}", begun.elapsed());
    measure("sqlite", Arc::new(sqlite)).await?;
    let begun = Instant::now();
    drop(Sqlite::open(&dir.path().join("sqlite"), &Default::default())?);
    println!("sqlite   later start and stop {:?}", begun.elapsed());
    match etcd(dir.path()) {
        Ok((_child, store)) => {
            while store.revision().await.is_err() {}
            measure("etcd", Arc::new(store)).await?;
        }
        Err(error) => println!("etcd     not measured: {error}"),
    }
    Ok(())
}

/// What the disk can do: a write and a sync at a time.
fn syncs(dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::create(dir.join("sync"))?;
    file.write_all_at(&vec![0; 4 << 20], 0)?;
    file.sync_all()?;
    let mut times = Vec::new();
    for at in 0..200 {
        let begun = Instant::now();
        file.write_all_at(&[1; 8192], at * 8192)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    line("disk", "8 KiB and fdatasync", 1, &mut times, Duration::ZERO);
    Ok(())
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn etcd(dir: &Path) -> Result<(Server, Etcd), Failure> {
    let port =
        || -> std::io::Result<u16> { Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()) };
    let (client, peer) =
        (format!("http://127.0.0.1:{}", port()?), format!("http://127.0.0.1:{}", port()?));
    let child = Command::new("etcd")
        .arg("--data-dir")
        .arg(dir.join("etcd"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((Server(child), Etcd::new(apistore::etcd::Config::new([client]))?))
}

fn line(store: &str, what: &str, at_once: usize, times: &mut [Duration], total: Duration) {
    times.sort_unstable();
    let total = if total.is_zero() { times.iter().sum() } else { total };
    let per_second = times.len() as f64 / total.as_secs_f64();
    let (half, most) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!(
        "{store:8} {what:22} x{at_once:<3} {per_second:>9.0}/s  p50 {half:>10.1?}  p99 {most:>10.1?}"
    );
}

/// `count` calls by `tasks` tasks.
async fn calls<F>(
    store: &Arc<dyn Store>,
    name: &str,
    what: &str,
    tasks: usize,
    count: usize,
    call: impl Fn(Arc<dyn Store>, usize) -> F + Clone + Send + Sync + 'static,
) -> Result<(), Failure>
where
    F: Future<Output = Result<(), apistore::Error>> + Send,
{
    let begun = Instant::now();
    let handles: Vec<_> = (0..tasks)
        .map(|task| {
            let (store, call) = (Arc::clone(store), call.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                for number in 0..count / tasks {
                    let begun = Instant::now();
                    call(Arc::clone(&store), number * tasks + task).await?;
                    times.push(begun.elapsed());
                }
                Ok::<_, apistore::Error>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for handle in handles {
        times.extend(handle.await??);
    }
    line(name, what, tasks, &mut times, begun.elapsed());
    Ok(())
}

async fn measure(name: &str, store: Arc<dyn Store>) -> Result<(), Failure> {
    let value = Bytes::from_static(VALUE);
    for (tasks, count) in [(1, 1000), (16, 8000)] {
        calls(&store, name, "create", tasks, count, {
            let value = value.clone();
            move |store, number| {
                let value = value.clone();
                async move {
                    store.create(&format!("/b/{tasks}/{number:06}"), value, None).await.map(drop)
                }
            }
        })
        .await?;
        calls(&store, name, "update", tasks, count, {
            let value = value.clone();
            move |store, number| {
                let value = value.clone();
                let key = format!("/b/{tasks}/{number:06}");
                async move { store.update(&key, value, Expect::Exists, None).await.map(drop) }
            }
        })
        .await?;
        calls(&store, name, "get", tasks, 10_000, |store, number| async move {
            store.get(&format!("/b/1/{:06}", number * 7 % 1000)).await.map(drop)
        })
        .await?;
        calls(&store, name, "list of 500", tasks, 320, |store, _| async move {
            let list = List { limit: 500, ..List::default() };
            store.list("/b/1/", list).await.map(drop)
        })
        .await?;
    }
    fan_out(name, &store).await
}

/// A thousand watchers of the same keys.
async fn fan_out(name: &str, store: &Arc<dyn Store>) -> Result<(), Failure> {
    const WATCHERS: usize = 1000;
    const EVENTS: usize = 50;
    let base = store.revision().await?;
    let mut watchers = Vec::new();
    for _ in 0..WATCHERS {
        let mut changes = store.watch("/w/", base).await?;
        watchers.push(tokio::spawn(async move {
            for _ in 0..EVENTS {
                changes.next().await;
            }
        }));
    }
    let begun = Instant::now();
    for number in 0..EVENTS {
        store.create(&format!("/w/{number}"), Bytes::from_static(VALUE), None).await?;
    }
    for watcher in watchers {
        watcher.await?;
    }
    let took = begun.elapsed();
    let per_second = (WATCHERS * EVENTS) as f64 / took.as_secs_f64();
    println!(
        "{name:8} events to {WATCHERS} watchers    {per_second:>9.0}/s  {EVENTS} changes in {took:.1?}"
    );
    Ok(())
}
