// SPDX-License-Identifier: Apache-2.0
//! Keep-alive, pipelining, 100-continue, HEAD, reply bodies, unread request bodies.

use httpd::{Limits, Listener, Server};
use tokio::io::AsyncWriteExt;

use crate::support::{Client, Running, get, pattern};

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Running::start(Limits::default());
    let mut client = Client::new(server.connect().await);
    let post = "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc";
    client.send(format!("{}{post}{}", get("/hello"), get("/inspect")).repeat(50)).await;
    for _ in 0..50 {
        assert_eq!(client.answer().await.text(), "hello");
        assert_eq!(client.answer().await.text(), "abc");
        assert!(client.answer().await.text().starts_with("GET /inspect"));
    }
    assert_eq!(server.handle.stats().accepted, 1);
    assert_eq!(server.handle.stats().requests, 150);
}

#[tokio::test]
async fn a_reply_has_date_length_and_canonical_names() {
    let server = Running::start(Limits::default());
    let answer = Client::new(server.connect().await).ask(get("/hello")).await;
    assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", answer.head);
    assert!(answer.head.contains("\r\nContent-Length: 5\r\n"), "{}", answer.head);
    let date = answer.field("Date").expect("a date");
    assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
    assert_eq!(answer.field("Connection"), None);
}

#[tokio::test]
async fn connections_persist_as_the_version_and_the_client_say() {
    let server = Running::start(Limits::default());
    let cases = [
        ("GET /hello HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", Some("close")),
        ("GET /hello HTTP/1.1\r\nHost: t\r\nConnection: x, Close\r\n\r\n", Some("close")),
        ("GET /hello HTTP/1.0\r\n\r\n", Some("close")),
        ("GET /close HTTP/1.1\r\nHost: t\r\n\r\n", Some("close")),
        ("GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Some("keep-alive")),
        ("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n", None),
    ];
    for (request, connection) in cases {
        let mut client = Client::new(server.connect().await);
        let answer = client.ask(request).await;
        assert_eq!(answer.field("connection"), connection, "{request:?}");
        if connection == Some("close") {
            client.closed().await;
        } else {
            assert_eq!(client.ask(get("/hello")).await.text(), "hello");
        }
    }
}

#[tokio::test]
async fn head_and_bodyless_statuses_send_no_body() {
    let server = Running::start(Limits::default());
    let mut client = Client::new(server.connect().await);
    let mut head = async |path: &str| {
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: t\r\n\r\n")).await;
        client.head().await
    };
    assert_eq!(head("/hello").await.field("content-length"), Some("5"));
    assert_eq!(head("/file").await.field("content-length"), Some("12583233"));
    assert_eq!(head("/announced").await.field("content-length"), Some("1234"));
    assert_eq!(head("/nowhere").await.field("content-length"), None);
    let answer = client.ask(get("/none")).await;
    assert_eq!((answer.status, answer.field("content-length")), (204, None));
    let answer = client.ask(get("/unchanged")).await;
    assert_eq!((answer.status, answer.field("content-length")), (304, None));
    let answer = client.ask(get("/announced")).await;
    assert_eq!(answer.field("content-length"), Some("0"), "a GET cannot announce what it lacks");
    assert_eq!(client.ask(get("/hello")).await.text(), "hello");
}

#[tokio::test]
async fn continue_is_sent_when_the_handler_reads() {
    let server = Running::start(Limits::default());
    let expect = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nExpect: 100-Continue\r\n\r\n"
        )
    };
    let mut client = Client::new(server.connect().await);
    client.send(expect("/echo")).await;
    let interim = client.head().await;
    assert_eq!(interim.head, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.ask("body").await.text(), "body");
    // The body came along: nobody waits, nothing is sent.
    assert_eq!(client.ask(expect("/echo") + "more").await.text(), "more");
    // Not read: the final status comes at once and the connection ends.
    let answer = client.ask(expect("/ignore")).await;
    assert_eq!((answer.status, answer.field("connection")), (403, Some("close")));
    client.closed().await;
    // HTTP/1.0 clients do not know 100.
    let mut client = Client::new(server.connect().await);
    let old = expect("/echo").replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(client.ask(old + "body").await.text(), "body");
}

#[tokio::test]
async fn unread_bodies_are_dropped_or_end_the_connection() {
    let server = Running::start(Limits::default());
    let post =
        |len: usize| format!("POST /ignore HTTP/1.1\r\nHost: t\r\nContent-Length: {len}\r\n\r\n");
    // Small: read and dropped, also when it comes after the reply.
    let mut client = Client::new(server.connect().await);
    assert_eq!(client.ask(post(1000)).await.field("connection"), None);
    client.send([b'x'; 1000]).await;
    assert_eq!(client.ask(get("/hello")).await.text(), "hello");
    let chunked = "POST /ignore HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(client.ask(format!("{chunked}3\r\nabc\r\n0\r\n\r\n")).await.status, 403);
    assert_eq!(client.ask(get("/hello")).await.text(), "hello");
    // Large: refused with close, and the reply arrives although the client is still sending.
    let mut client = Client::new(server.connect().await);
    client.send(post(100 << 20)).await;
    let piece = vec![0; 1 << 20];
    for _ in 0..4 {
        let _ = client.stream.write_all(&piece).await;
    }
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.field("connection")), (403, Some("close")));
    drop(client);
    // Chunked without an end in sight.
    let mut client = Client::new(server.connect().await);
    let answer = client.ask(format!("{chunked}3\r\nabc\r\n")).await;
    assert_eq!((answer.status, answer.field("connection")), (403, Some("close")));
}

#[tokio::test]
async fn streams_are_chunked_or_exact_or_break_the_connection() {
    let server = Running::start(Limits::default());
    let mut client = Client::new(server.connect().await);
    let answer = client.ask(get("/stream")).await;
    assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.text(), "one two");
    assert_eq!(server.log.completed(1).await.written, 7);
    let answer = client.ask(get("/stream-exact")).await;
    assert_eq!((answer.field("content-length"), answer.text()), (Some("7"), "one two"));
    let old = server.raw(b"GET /stream HTTP/1.0\r\n\r\n").await;
    assert!(old.ends_with("\r\nConnection: close\r\n\r\none two"), "{old}");
    let mut done = 3;
    for (path, tail) in [
        ("/stream-short", "\r\n\r\none two"),
        ("/stream-long", "\r\n\r\none "),
        ("/stream-fails", "\r\n\r\n4\r\none \r\n"),
    ] {
        let text = server.raw(get(path).as_bytes()).await;
        assert!(text.ends_with(tail), "{path}: {text}");
        done += 1;
        assert!(!server.log.completed(done).await.complete, "{path}");
    }
}

#[tokio::test]
async fn large_bodies_travel_both_ways() {
    let server = Running::start(Limits::default());
    let data = pattern(5 << 20);
    let mut client = Client::new(server.connect().await);
    let head = format!("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n", data.len());
    client.send(head).await;
    let answer = client.ask(&data).await;
    assert!(answer.body == data);
    assert_eq!(server.log.completed(1).await.written, data.len() as u64);
    assert!(client.ask(get("/big")).await.body == pattern(1 << 20));
}

#[tokio::test]
async fn a_panicking_handler_costs_one_connection() {
    let server = Running::start(Limits::default());
    let mut client = Client::new(server.connect().await);
    let answer = client.ask(get("/panic")).await;
    assert_eq!((answer.status, answer.field("connection")), (500, Some("close")));
    client.closed().await;
    let mut client = Client::new(server.connect().await);
    assert_eq!(client.ask(get("/hello")).await.text(), "hello");
    assert_eq!(server.handle.stats().in_flight, 0);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_by_the_body() {
    let server = Running::start(Limits::default());
    let mut client = Client::new(server.connect().await);
    client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc").await;
    drop(client);
    server.log.completed(1).await;
    assert!(server.log.bodies.lock()[0].starts_with("the client went away"));
}

#[tokio::test]
async fn unix_sockets_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = Listener::unix(&path).expect("bound");
    assert!(Listener::unix(&path).is_err(), "a live socket is not taken over");
    struct Hello;
    impl httpd::Service for Hello {
        type Context = ();
        async fn call<'a>(
            &'a self,
            _: &'a httpd::Head,
            _: &'a mut httpd::Body<'_>,
        ) -> (httpd::Reply, ()) {
            (httpd::Reply::new(http::StatusCode::ACCEPTED), ())
        }
        fn completed(&self, _: &httpd::Head, _: httpd::Sent, (): ()) {}
    }
    let server = Server::new(Hello, Limits::default()).listen(listener, None);
    let serving = tokio::spawn(server.serve(std::future::pending()));
    let mut client = Client::new(tokio::net::UnixStream::connect(&path).await.expect("connected"));
    assert_eq!(client.ask(get("/")).await.status, 202);
    drop(client);
    serving.abort();
    let _ = serving.await;
    Listener::unix(&path).expect("a stale socket is replaced");
}
