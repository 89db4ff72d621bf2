// SPDX-License-Identifier: Apache-2.0
//! What only a store in etcd has: a server that restarts, fills up, and is shared.

use std::time::Duration;

use apistore::{Error, Etcd, Event, Expect, List, Store, WatchItem};
use futures_util::StreamExt;

use crate::etcd_server::Etcd as Server;

async fn next(changes: &mut apistore::Watch) -> Event {
    loop {
        let item = tokio::time::timeout(Duration::from_secs(30), changes.next()).await.unwrap();
        if let WatchItem::Event(event) = item.unwrap().unwrap() {
            return event;
        }
    }
}

#[tokio::test]
async fn a_watch_outlives_its_server() {
    let Some(mut server) = Server::start().await else { return };
    let (store, other) = (server.store("/registry"), server.store("/registry"));
    let base = store.revision().await.unwrap();
    let mut changes = store.watch("/a/", base).await.unwrap();
    let mut expected = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            expected.push(
                other.create(&format!("/a/{round}/{number}"), "x".into(), None).await.unwrap(),
            );
        }
        if round == 0 {
            // Received in part before the connection breaks.
            assert_eq!(next(&mut changes).await.revision(), expected[0].modified);
        }
        server.kill_and_restart().await;
        // A write is not tried again by itself; the connection is new after this.
        other.revision().await.unwrap();
    }
    for now in &expected[1..] {
        assert_eq!(next(&mut changes).await, Event::Put { now: now.clone(), previous: None });
    }
}

#[tokio::test]
async fn prefixes_keep_apart() {
    let Some(server) = Server::start().await else { return };
    let (one, two) = (server.store("/one"), server.store("/one-more"));
    let base = one.revision().await.unwrap();
    let mut changes = one.watch("/", base).await.unwrap();
    two.create("/a", "two".into(), None).await.unwrap();
    assert_eq!(one.get("/a").await.unwrap(), None);
    let made = one.create("/a", "one".into(), None).await.unwrap();
    assert_eq!(next(&mut changes).await, Event::Put { now: made.clone(), previous: None });
    assert_eq!(one.list("/", List::default()).await.unwrap().items, [made]);
    // Where others look for it.
    assert!(server.store("").get("/one/a").await.unwrap().is_some());
}

#[tokio::test]
async fn full_server_is_told() {
    let Some(server) = Server::start_with(&["--quota-backend-bytes", "4194304"]).await else {
        return;
    };
    let store = server.store("/registry");
    let mut made = None;
    let full = loop {
        let value = vec![b'x'; 256 << 10];
        let done = match &made {
            None => store.create("/a", value.into(), None).await,
            Some(_) => store.update("/a", value.into(), Expect::Exists, None).await,
        };
        match done {
            Ok(now) => made = Some(now),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, Error::Full(_)), "{full:?}");
    assert_eq!(store.get("/a").await.unwrap(), made, "reads go on");
}

#[tokio::test]
async fn limits_are_told_apart() {
    let Some(server) = Server::start_with(&["--max-request-bytes", "65536"]).await else { return };
    let store = server.store("/registry");
    let size = 100_000;
    let refused = store.create("/a", vec![b'x'; size].into(), None).await;
    assert!(
        matches!(refused, Err(Error::TooLarge { size: found, .. }) if found == size),
        "{refused:?}"
    );
}

#[tokio::test]
async fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config =
        apistore::etcd::Config::new([format!("http://{}", listener.local_addr().unwrap())]);
    config.timeout = Duration::from_millis(200);
    let store = Etcd::new(config.clone()).unwrap();
    // Connects, and is never answered.
    assert!(matches!(store.get("/a").await, Err(Error::Unavailable(_))));
    assert!(matches!(store.create("/a", "x".into(), None).await, Err(Error::Unavailable(_))));
    drop(listener);
    assert!(matches!(store.create("/a", "x".into(), None).await, Err(Error::Unavailable(_))));
    // The first endpoint is dead, the second is not.
    let Some(server) = Server::start().await else { return };
    config.endpoints.extend(server.config("").endpoints);
    config.timeout = Duration::from_secs(20);
    Etcd::new(config).unwrap().create("/a", "x".into(), None).await.unwrap();
    assert!(matches!(Etcd::new(apistore::etcd::Config::new([""; 0])), Err(Error::Failed(_))));
}
