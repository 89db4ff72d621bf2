// SPDX-License-Identifier: Apache-2.0
//! HTTP/2 through hyper's client: over TLS by ALPN and on cleartext with prior knowledge.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;

use httpd::{H2Limits, Limits};

use crate::support::{Client, FILE_LEN, PATIENCE, Running, get, pattern, read_to_end};
use crate::tls::{Ca, connect};

type Sender = SendRequest<Full<Bytes>>;

async fn client<T>(stream: T) -> (Sender, JoinHandle<hyper::Result<()>>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    (sender, tokio::spawn(connection))
}

async fn ask(
    sender: &mut Sender,
    method: Method,
    path: &str,
    body: impl Into<Bytes>,
) -> hyper::Result<Response<Incoming>> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://host.example{path}"))
        .body(Full::new(body.into()))
        .expect("valid");
    sender.ready().await?;
    tokio::time::timeout(PATIENCE, sender.send_request(request)).await.expect("in time")
}

async fn bytes(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.expect("a body").to_bytes()
}

fn cleartext() -> Limits {
    Limits { h2: H2Limits { cleartext: true, ..H2Limits::default() }, ..Limits::default() }
}

async fn check(server: &Running, mut sender: Sender, tls: bool) {
    let response = ask(&mut sender, Method::GET, "/inspect?q", "").await.expect("answered");
    let text = bytes(response).await;
    let expected = format!("GET /inspect?q HTTP/2.0 host=host.example announced=None tls={tls}");
    let expected = expected.replace("announced=None", "announced=Some(0)");
    let without = expected.replace("announced=Some(0)", "announced=None");
    assert!(text == expected || text == without, "{text:?}");

    let data = pattern(3 << 20);
    let response = ask(&mut sender, Method::POST, "/echo", data.clone()).await.expect("answered");
    assert_eq!(response.headers()["content-length"], (3 << 20).to_string());
    assert!(bytes(response).await == data);
    let response = ask(&mut sender, Method::GET, "/file?offset=5", "").await.expect("answered");
    assert!(bytes(response).await == pattern(FILE_LEN)[5..]);
    let response = ask(&mut sender, Method::GET, "/parts", "").await.expect("answered");
    assert!(bytes(response).await.ends_with(b"\r\n--c"));
    let response = ask(&mut sender, Method::HEAD, "/announced", "").await.expect("answered");
    assert_eq!(response.headers()["content-length"], "1234");
    let response = ask(&mut sender, Method::GET, "/stream", "").await.expect("answered");
    assert_eq!(bytes(response).await, "one two");
    let response = ask(&mut sender, Method::GET, "/none", "").await.expect("answered");
    assert_eq!(response.headers().get("content-length"), None);
    let response = ask(&mut sender, Method::GET, "/panic", "").await.expect("answered");
    assert_eq!(response.status(), 500);
    let mut done = 7;
    for path in ["/stream-short", "/stream-long", "/stream-fails"] {
        let response = ask(&mut sender, Method::GET, path, "").await;
        if let Ok(response) = response {
            assert!(response.into_body().collect().await.is_err(), "{path}");
        }
        done += 1;
        assert!(!server.log.completed(done).await.complete, "{path}");
    }
    let sent = server.log.sent.lock();
    assert!(sent[..7].iter().all(|(_, sent)| sent.complete), "{sent:?}");
    assert_eq!(sent[2].1.written, FILE_LEN as u64 - 5);
}

#[tokio::test]
async fn everything_works_over_tls() {
    let ca = Ca::new();
    let server = Running::with(Limits::default(), Some(Arc::new(ca.server())));
    let stream = connect(&server, &ca, &[b"h2", b"http/1.1"]).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    check(&server, client(stream).await.0, true).await;
}

#[tokio::test]
async fn everything_works_on_cleartext_beside_http1() {
    let server = Running::start(cleartext());
    check(&server, client(server.connect().await).await.0, false).await;
    assert_eq!(Client::new(server.connect().await).ask(get("/hello")).await.text(), "hello");
    // A method that begins like the preface is HTTP/1.1 all the same.
    let answer =
        Client::new(server.connect().await).ask("PRI /hello HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn http2_can_be_turned_off() {
    let ca = Ca::new();
    let mut settings = ca.settings();
    settings.http2 = false;
    let tls = httpd::Tls::new(settings).expect("valid");
    let server = Running::with(Limits::default(), Some(Arc::new(tls)));
    let stream = connect(&server, &ca, &[b"h2", b"http/1.1"]).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_graceful_stop_finishes_streams() {
    let mut server = Running::start(cleartext());
    let (mut busy, busy_connection) = client(server.connect().await).await;
    let (_idle, idle_connection) = client(server.connect().await).await;
    let waiting = tokio::spawn(async move { ask(&mut busy, Method::GET, "/wait", "").await });
    server.log.entered.acquire().await.expect("entered").forget();
    server.begin_stop();
    idle_connection.await.expect("no panic").expect("GOAWAY is no error");
    server.log.gate.add_permits(1);
    let response = waiting.await.expect("no panic").expect("answered");
    assert_eq!(bytes(response).await, "waited");
    busy_connection.await.expect("no panic").expect("GOAWAY is no error");
    assert_eq!(server.stopped().await.cut, 0);
}

#[tokio::test]
async fn idle_and_silent_connections_are_closed() {
    let short = Duration::from_millis(100);
    let limits = Limits { idle: short, ..cleartext() };
    let server = Running::start(limits);
    let (mut sender, connection) = client(server.connect().await).await;
    ask(&mut sender, Method::GET, "/hello", "").await.expect("answered");
    tokio::time::timeout(PATIENCE, connection).await.expect("closed").expect("no panic").ok();

    let server = Running::start(Limits { head_time: short, ..cleartext() });
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
    // SETTINGS and GOAWAY come, then the end.
    assert!(!read_to_end(&mut stream).await.is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped() {
    let limits = Limits { write_idle: Duration::from_millis(100), ..cleartext() };
    let server = Running::start(limits);
    let (mut sender, connection) = client(server.connect().await).await;
    // The body is held but never polled: its window fills and stays full.
    let response = ask(&mut sender, Method::GET, "/file", "").await.expect("answered");
    let ended = tokio::time::timeout(PATIENCE, connection).await;
    drop(ended.expect("dropped in time"));
    drop(response);
    assert!(!server.log.completed(1).await.complete);
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let server = Running::start(cleartext());
    let (mut sender, connection) = client(server.connect().await).await;
    // CVE-2023-44487: requests that are cancelled as soon as they are sent.
    let mut ended = false;
    for _ in 0..20_000 {
        if sender.ready().await.is_err() {
            ended = true;
            break;
        }
        let request = Request::get("http://t/wait").body(Full::default()).expect("valid");
        drop(sender.send_request(request));
        tokio::task::yield_now().await;
    }
    // Either the server ended the connection, or it kept up: then it holds nothing.
    if !ended {
        drop(sender);
        drop(connection);
        tokio::time::timeout(PATIENCE, async {
            while server.handle.stats().open > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("nothing is left behind");
    }
    let mut fresh = Client::new(server.connect().await);
    assert_eq!(fresh.ask(get("/hello")).await.status, 200);
}
