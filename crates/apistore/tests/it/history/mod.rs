// SPDX-License-Identifier: Apache-2.0
//! A history checker: what concurrent clients and watchers were told, with the store killed in between, must be what
//! one store with one history could have told them.
//!
//! `BERTH_HISTORY_OPERATIONS` and `BERTH_HISTORY_SEED` make a run longer or another one; the seed decides what clients
//! do, not how the machine schedules them.

mod broken;
mod check;
mod remote;
mod run;

use std::sync::Arc;
use std::time::Instant;

use apistore::Store;

use self::broken::{Broken, Fault};
use self::run::History;

const KEYS: usize = 12;
const CLIENTS: usize = 8;

fn key(index: usize) -> String {
    format!("/h/k{index}")
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn operations(otherwise: u64) -> u64 {
    number("BERTH_HISTORY_OPERATIONS", otherwise)
}

fn seed() -> u64 {
    number("BERTH_HISTORY_SEED", 1)
}

fn judge(mut history: History) -> Vec<String> {
    let found = check::check(&history.log, &history.ops, &history.segments);
    history.anomalies.extend(found);
    history.anomalies
}

fn report(name: &str, history: History, kills: usize, begun: Instant) {
    let took = begun.elapsed();
    let watched: usize = history.segments.iter().map(|segment| segment.changes.len()).sum();
    let (ops, changes, unknown) = (history.ops.len(), history.log.len(), history.unknown);
    let compactions = history.compactions;
    let anomalies = judge(history);
    eprintln!(
        "{name}: {ops} operations, {changes} changes, {watched} events, {kills} kills, {unknown} unknown outcomes, \
         {compactions} compactions, {} anomalies, {took:.1?}, seed {}",
        anomalies.len(),
        seed()
    );
    assert!(anomalies.is_empty(), "{anomalies:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    let store: Arc<dyn Store> = Arc::new(Broken::new(None));
    let begun = Instant::now();
    let history = run::run(seed(), operations(20_000), vec![store; CLIENTS], async |_| {}).await;
    report("memory", history, 0, begun);
}

/// The checker finds what it is there for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_stores_are_found() {
    for fault in Fault::ALL {
        let store: Arc<dyn Store> = Arc::new(Broken::new(Some(fault)));
        let history = run::run(seed(), 10_000, vec![store; CLIENTS], async |_| {}).await;
        let anomalies = judge(history);
        assert!(!anomalies.is_empty(), "{fault:?} was not found");
    }
}

#[cfg(feature = "sqlite")]
mod killed_sqlite {
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use super::*;

    const DIR: &str = "BERTH_HISTORY_CHILD";

    /// Not a test: what runs in the process that is killed.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "runs as a child of `sqlite` only"]
    async fn child() {
        let Some(dir) = std::env::var_os(DIR) else { return };
        let dir = Path::new(&dir);
        let store = Arc::new(apistore::Sqlite::open(dir, &Default::default()).unwrap());
        remote::serve(store, &dir.join("socket")).await;
    }

    async fn start(dir: &Path) -> Child {
        let socket = dir.join("socket");
        let _ = std::fs::remove_file(&socket);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "history::killed_sqlite::child", "--ignored", "--nocapture"])
            .env(DIR, dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while tokio::net::UnixStream::connect(&socket).await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        child
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = start(dir.path()).await;
        let total = operations(20_000);
        let planned = (total / 2500).max(4);
        let clients: Vec<Arc<dyn Store>> = (0..CLIENTS)
            .map(|_| Arc::new(remote::Remote::new(&dir.path().join("socket"))) as Arc<dyn Store>)
            .collect();
        let (begun, mut kills) = (Instant::now(), 0);
        let history = run::run(seed(), total, clients, async |part| {
            if part * planned as f64 > f64::from(kills) + 0.5 {
                child.kill().unwrap();
                child.wait().unwrap();
                child = start(dir.path()).await;
                kills += 1;
            }
        })
        .await;
        child.kill().unwrap();
        child.wait().unwrap();
        report("sqlite", history, kills as usize, begun);
        assert!(kills > 2);
        let store = apistore::Sqlite::open(dir.path(), &Default::default()).unwrap();
        store.check().await.unwrap();
    }
}

#[cfg(feature = "etcd")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd() {
    let Some(mut server) = crate::etcd_server::Etcd::start().await else { return };
    let total = operations(8000);
    let planned = (total / 5000).max(2);
    // Several API servers on one etcd: each client its own.
    let clients: Vec<Arc<dyn Store>> =
        (0..CLIENTS).map(|_| Arc::new(server.store("/registry")) as Arc<dyn Store>).collect();
    let (begun, mut kills) = (Instant::now(), 0);
    let history = run::run(seed(), total, clients, async |part| {
        if part * planned as f64 > f64::from(kills) + 0.5 {
            server.kill_and_restart().await;
            kills += 1;
        }
    })
    .await;
    report("etcd", history, kills as usize, begun);
    assert!(kills > 0);
}
