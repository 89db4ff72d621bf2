// SPDX-License-Identifier: Apache-2.0
//! Heads that two servers could read differently, and every other reason to refuse one.

use httpd::Limits;

use crate::support::{Client, Running, get};

/// Request, status of its answer. After each the connection has to be closed: a request smuggled
/// behind must never be answered.
const REFUSED: &[(&str, u16)] = &[
    // RFC 9112 6.1: both delimitations.
    (
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        400,
    ),
    // RFC 9112 6.3: lengths that differ or are not numbers.
    ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3, 3\r\n\r\nabc", 400),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: +3\r\n\r\nabc", 400),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: -3\r\n\r\nabc", 400),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 0x3\r\n\r\nabc", 400),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3 3\r\n\r\nabc", 400),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: \r\n\r\nabc", 400),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551616\r\n\r\n", 400),
    // Transfer codings.
    ("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: identity\r\n\r\n", 501),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
    (
        "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 400),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", 400),
    ("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding:\r\n\r\n", 400),
    ("POST /echo HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    // RFC 9112 5: field syntax.
    ("GET /hello HTTP/1.1\r\nHost : t\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: t\r\nX: a\r\n b\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\n Host: t\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: t\r\nX: a\0b\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: t\r\nX(: a\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: t\r\n: a\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: t\r\nX\r\n\r\n", 400),
    // RFC 9112 2.2: line ends.
    ("GET /hello HTTP/1.1\nHost: t\n\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: t\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: t\r\nX: a\rb\r\n\r\n", 400),
    ("\r\n\r\nGET /hello HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    // RFC 9112 3: request line.
    ("GET  /hello HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("GET /hello  HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("GET /hel lo HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("GET /hello\r\nHost: t\r\n\r\n", 400),
    ("GET /hello HTTP/1.2\r\nHost: t\r\n\r\n", 505),
    ("GET /hello HTTP/2.0\r\nHost: t\r\n\r\n", 505),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("GET hello HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("GET /a#b HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("GET /\u{fc} HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("GET ftp://t/ HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("GET http://user@t/ HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("GET http:///x HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    ("CONNECT t:443 HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    // RFC 9112 3.2: Host.
    ("GET /hello HTTP/1.1\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    // RFC 9110 10.1.1.
    ("POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417),
];

#[tokio::test]
async fn ambiguous_heads_are_refused_and_end_the_connection() {
    let server = Running::start(Limits::default());
    for (request, status) in REFUSED {
        let smuggled = format!("{request}{}", get("/hello"));
        let text = server.raw(smuggled.as_bytes()).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {text}");
        assert!(text.contains("\r\nConnection: close\r\n"), "{request:?}: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{request:?}: {text}");
    }
    assert_eq!(server.handle.stats().requests, 0);
    assert_eq!(server.handle.stats().refused, REFUSED.len() as u64);
}

#[tokio::test]
async fn unusual_but_unambiguous_heads_are_served() {
    let server = Running::start(Limits::default());
    let cases = [
        (
            "GET http://other:8/inspect?q HTTP/1.1\r\nHost: t\r\n\r\n",
            "GET /inspect?q HTTP/1.1 host=other:8",
        ),
        (
            "GET HTTP://other/inspect HTTP/1.1\r\nHost: t\r\n\r\n",
            "GET /inspect HTTP/1.1 host=other",
        ),
        ("\r\nGET /inspect HTTP/1.1\r\nHost: t\r\n\r\n", "GET /inspect HTTP/1.1 host=t"),
        ("GET /inspect HTTP/1.1\r\nhOST:t  \r\n\r\n", "GET /inspect HTTP/1.1 host=t "),
        ("GET /inspect HTTP/1.0\r\n\r\n", "GET /inspect HTTP/1.0 host=-"),
        ("FROB /inspect HTTP/1.1\r\nHost: t\r\n\r\n", "FROB /inspect"),
        (
            "GET /inspect HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
            "announced=Some(0)",
        ),
        (
            "GET /inspect HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
            "announced=None",
        ),
        ("GET /inspect HTTP/1.1\r\nHost: [::1]:5000\r\n\r\n", "host=[::1]:5000"),
    ];
    for (request, expected) in cases {
        let answer = Client::new(server.connect().await).ask(request).await;
        assert_eq!(answer.status, 200, "{request:?}");
        assert!(answer.text().contains(expected), "{request:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn heads_are_bounded() {
    let server = Running::start(Limits::default());
    let target = |len: usize| get(&format!("/{}", "a".repeat(len - 1)));
    let fields =
        |n: usize| format!("GET /hello HTTP/1.1\r\nHost: t\r\n{}\r\n", "X: y\r\n".repeat(n - 1));
    let bytes = |n: usize| {
        let line = format!("X: {}\r\n", "v".repeat(1000));
        format!("GET /hello HTTP/1.1\r\nHost: t\r\n{}\r\n", line.repeat(n / 1000))
    };
    for (request, status) in [
        (target(8 * 1024), 404),
        (target(8 * 1024 + 1), 414),
        (target(200 * 1024), 414),
        (fields(100), 200),
        (fields(101), 431),
        (bytes(60_000), 200),
        (bytes(70_000), 431),
        (bytes(10_000_000), 431),
    ] {
        let mut client = Client::new(server.connect().await);
        let (mut read, mut write) = client.stream.split();
        // The server may answer and stop reading before all is sent.
        let sending = async {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut write, request.as_bytes()).await;
        };
        let mut start = [0; 12];
        let reading = tokio::io::AsyncReadExt::read_exact(&mut read, &mut start);
        let (_, read) = tokio::join!(sending, reading);
        read.expect("an answer");
        assert_eq!(String::from_utf8_lossy(&start), format!("HTTP/1.1 {status}"));
    }
}

#[tokio::test]
async fn chunked_bodies_are_decoded_whatever_their_pieces() {
    let server = Running::start(Limits::default());
    let head = "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = "5;x=1\r\nhello\r\n1\r\n \r\n00a\r\n0123456789\r\n0\r\nTrailer: dropped\r\n\r\n";
    let mut client = Client::new(server.connect().await);
    for _ in 0..2 {
        assert_eq!(client.ask(format!("{head}{body}")).await.text(), "hello 0123456789");
    }
    client.send(head).await;
    for byte in body.as_bytes() {
        client.send([*byte]).await;
    }
    assert_eq!(client.answer().await.text(), "hello 0123456789");
}

#[tokio::test]
async fn large_chunks_reach_the_handler_whole() {
    let server = Running::start(Limits::default());
    let data = crate::support::pattern(3_000_000);
    let mut request =
        b"POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for (i, piece) in data.chunks(32_768 + 13).enumerate() {
        // Now and then chunks of one byte, whose framing is larger than their data.
        let (first, rest) = piece.split_at(i % 2);
        for piece in [first, rest].into_iter().filter(|piece| !piece.is_empty()) {
            request.extend(format!("{:X}\r\n", piece.len()).bytes());
            request.extend(piece);
            request.extend(b"\r\n");
        }
    }
    request.extend(b"0\r\n\r\n");
    let mut client = Client::new(server.connect().await);
    let answer = client.ask(&request).await;
    assert!(answer.body == data, "{} of {}", answer.body.len(), data.len());
    assert_eq!(client.ask(get("/hello")).await.text(), "hello");
}

#[tokio::test]
async fn broken_chunks_fail_the_body_and_end_the_connection() {
    let server = Running::start(Limits::default());
    for body in ["5\r\nhelloX\r\n", "g\r\n", "5\nhello\r\n0\r\n\r\n", "\r\n", "5;\x01\r\n"] {
        let request = format!(
            "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n{body}{}",
            get("/hello")
        );
        let text = server.raw(request.as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 400 "), "{body:?}: {text}");
        assert!(text.contains("\r\nConnection: close\r\n"), "{body:?}: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{body:?}: {text}");
    }
}
