// SPDX-License-Identifier: Apache-2.0
//! The graceful stop.

use std::time::Duration;

use httpd::Limits;
use tokio::net::TcpStream;

use crate::support::{Client, PATIENCE, Running, get, read_to_end};

#[tokio::test]
async fn requests_in_flight_finish_and_idle_connections_close() {
    let mut server = Running::start(Limits::default());
    let mut idle = Client::new(server.connect().await);
    assert_eq!(idle.ask(get("/hello")).await.status, 200);
    let mut fresh = Client::new(server.connect().await);
    let silent = Client::new(server.connect().await);
    let mut busy = Vec::new();
    for _ in 0..20 {
        let mut client = Client::new(server.connect().await);
        client.send(get("/wait")).await;
        busy.push(client);
    }
    server.log.entered.acquire_many(20).await.expect("entered").forget();
    // A body in transit is in flight too.
    let mut pushing = Client::new(server.connect().await);
    pushing.send("POST /count HTTP/1.1\r\nHost: t\r\nContent-Length: 6\r\n\r\nabc").await;
    while server.log.reads.load(std::sync::atomic::Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }

    server.begin_stop();
    idle.closed().await;
    // Accepted before the stop: its first request is still answered.
    let answer = fresh.ask(get("/hello")).await;
    assert_eq!((answer.text(), answer.field("connection")), ("hello", Some("close")));
    silent.closed().await;
    assert!(TcpStream::connect(server.addr).await.is_err(), "the listener is closed");
    server.log.gate.add_permits(20);
    for mut client in busy {
        let answer = client.answer().await;
        assert_eq!((answer.text(), answer.field("connection")), ("waited", Some("close")));
        client.closed().await;
    }
    let answer = pushing.ask("def").await;
    assert_eq!((answer.text(), answer.field("connection")), ("6", Some("close")));
    pushing.closed().await;
    assert_eq!(server.stopped().await.cut, 0);
}

#[tokio::test]
async fn what_does_not_finish_is_cut_and_counted() {
    let limits = Limits { drain: Duration::from_millis(100), ..Limits::default() };
    let mut server = Running::start(limits);
    // One waits in the handler, one for the client's body, one for the client to read.
    let mut waiting = Client::new(server.connect().await);
    waiting.send(get("/wait")).await;
    server.log.entered.acquire().await.expect("entered").forget();
    let mut pushing = Client::new(server.connect().await);
    pushing.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 6\r\n\r\nabc").await;
    let mut pulling = Client::new(server.connect().await);
    pulling.send(get("/file")).await;
    assert_eq!(pulling.head().await.status, 200);
    while server.handle.stats().in_flight < 3 {
        tokio::task::yield_now().await;
    }
    server.begin_stop();
    let log = server.log.clone();
    let drained = server.stopped().await;
    assert_eq!(drained.cut, 3);
    // The handler that was reading saw why.
    assert_eq!(log.bodies.lock().as_slice(), ["the server is stopping"]);
    let rest = tokio::time::timeout(PATIENCE, read_to_end(&mut waiting.stream)).await;
    assert!(rest.expect("closed").is_empty());
}
