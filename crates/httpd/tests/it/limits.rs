// SPDX-License-Identifier: Apache-2.0
//! Slow and numerous clients.

use std::time::Duration;

use httpd::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Client, PATIENCE, Running, get, read_to_end};

/// Times so short that a test ends soon, all others so long that they cannot be the reason.
fn quick(change: impl FnOnce(&mut Limits)) -> Limits {
    let long = PATIENCE * 3;
    let mut limits = Limits {
        head_time: long,
        idle: long,
        body_idle: long,
        write_idle: long,
        ..Limits::default()
    };
    change(&mut limits);
    limits
}

const QUICK: Duration = Duration::from_millis(100);

#[tokio::test]
async fn silent_connections_are_closed() {
    let server = Running::start(quick(|limits| limits.head_time = QUICK));
    let mut stream = server.connect().await;
    assert!(read_to_end(&mut stream).await.is_empty());
    // After a request the idle limit counts.
    let server = Running::start(quick(|limits| limits.idle = QUICK));
    let mut client = Client::new(server.connect().await);
    assert_eq!(client.ask(get("/hello")).await.text(), "hello");
    client.closed().await;
}

#[tokio::test]
async fn a_head_that_trickles_is_answered_with_408() {
    let server = Running::start(quick(|limits| limits.head_time = 2 * QUICK));
    let (mut read, mut write) = server.connect().await.into_split();
    let trickle = tokio::spawn(async move {
        // Each byte comes well within the limit; the whole head does not.
        let mut drips = tokio::time::interval(QUICK / 5);
        for byte in get("/hello").bytes().chain(std::iter::repeat(b'a')) {
            drips.tick().await;
            if write.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    });
    let mut start = [0; 12];
    let reading = tokio::time::timeout(PATIENCE, read.read_exact(&mut start)).await;
    reading.expect("in time").expect("an answer");
    trickle.abort();
    // The whole head has 30-odd bytes of 20 ms each: it cannot have been complete.
    assert_eq!(&start, b"HTTP/1.1 408");
    assert_eq!(server.handle.stats().requests, 0);
}

#[tokio::test]
async fn a_body_that_stops_times_out() {
    let server = Running::start(quick(|limits| limits.body_idle = QUICK));
    let mut client = Client::new(server.connect().await);
    let answer =
        client.ask("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc").await;
    assert_eq!((answer.status, answer.field("connection")), (408, Some("close")));
}

#[tokio::test]
async fn a_body_below_the_minimum_rate_times_out() {
    let server = Running::start(quick(|limits| {
        limits.rate_window = 2 * QUICK;
        limits.min_rate = 100_000;
    }));
    let (read, mut write) = server.connect().await.into_split();
    let trickle = tokio::spawn(async move {
        let head = "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n";
        let mut drips = tokio::time::interval(QUICK / 5);
        let _ = write.write_all(head.as_bytes()).await;
        while write.write_all(b"x").await.is_ok() {
            drips.tick().await;
        }
    });
    let mut client = Client::new(tokio::io::join(read, tokio::io::sink()));
    assert_eq!(client.answer().await.status, 408);
    trickle.abort();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped() {
    let server = Running::start(quick(|limits| limits.write_idle = QUICK));
    let mut client = Client::new(server.connect().await);
    // More than the socket buffers of both sides take.
    client.send(get("/file").repeat(8)).await;
    tokio::time::timeout(PATIENCE, async {
        while server.handle.stats().accepted == 0 || server.handle.stats().open > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("dropped in time");
    let log = server.log.sent.lock();
    assert!(!log.last().expect("a reply").1.complete);
}

#[tokio::test]
async fn beyond_the_connection_limit_clients_wait() {
    let server = Running::start(Limits { connections: 2, ..Limits::default() });
    let mut first = Client::new(server.connect().await);
    let mut second = Client::new(server.connect().await);
    assert_eq!(first.ask(get("/hello")).await.status, 200);
    assert_eq!(second.ask(get("/hello")).await.status, 200);
    // The kernel completes the third handshake, but nobody answers.
    let mut third = Client::new(server.connect().await);
    third.send(get("/hello")).await;
    assert_eq!(second.ask(get("/hello")).await.status, 200);
    assert_eq!(server.handle.stats().accepted, 2);
    assert_eq!(server.handle.stats().open, 2);
    drop(first);
    assert_eq!(third.answer().await.status, 200);
    assert_eq!(server.handle.stats().accepted, 3);
}

#[tokio::test]
async fn accepting_can_be_paused() {
    let server = Running::start(Limits::default());
    let mut first = Client::new(server.connect().await);
    assert_eq!(first.ask(get("/hello")).await.status, 200);
    server.handle.set_accepting(false);
    // The accept loop runs as a task of this thread's runtime: it has seen the change when a
    // request on another connection has been answered after it.
    assert_eq!(first.ask(get("/hello")).await.status, 200);
    let mut second = Client::new(server.connect().await);
    second.send(get("/hello")).await;
    assert_eq!(first.ask(get("/hello")).await.status, 200);
    assert_eq!(server.handle.stats().accepted, 1);
    server.handle.set_accepting(true);
    assert_eq!(second.answer().await.status, 200);
}

#[tokio::test]
async fn a_body_above_the_callers_limit_is_not_read() {
    let server = Running::start(Limits::default());
    let mut client = Client::new(server.connect().await);
    let answer = client
        .ask("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999\r\n\r\n")
        .await;
    assert_eq!((answer.status, answer.field("connection")), (413, Some("close")));
}
