// SPDX-License-Identifier: Apache-2.0
//! What needs a connection that can break.

use std::sync::Arc;
use std::time::{Duration, Instant};

use httpd::{Limits, Listener, Server};
use ports::Secret;
use registry::{Registry, Settings, auth::Open};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{parts, sha256};

/// Sends one request on a connection of its own and returns the answer's text.
async fn exchange(address: &str, request: String) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn request(method: &str, target: &str, more: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n{more}\r\n")
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let start = format!("{name}: ");
    let line = answer.lines().find(|l| l.to_ascii_lowercase().starts_with(&start));
    &line.unwrap_or_else(|| panic!("no {name} in {answer}"))[start.len()..]
}

fn location(answer: &str) -> String {
    let url = header(answer, "location");
    url.strip_prefix("http://r").unwrap_or(url).to_owned()
}

#[tokio::test]
async fn a_chunk_whose_client_goes_away_is_kept_and_resumed() {
    let mut settings = Settings::new(Secret::new("secret"));
    settings.metrics_enabled = true;
    let registry = Registry::new(parts(settings, Arc::new(Open)).await);
    let listener = Listener::tcp("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = Server::new(registry, Limits::default()).listen(listener, None);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.serve(async move {
        let _ = stopped.await;
    }));

    let started = exchange(&address, request("POST", "/v2/a/b/blobs/uploads/", "")).await;
    let session = location(&started);
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!("PATCH {session} HTTP/1.1\r\nHost: r\r\nContent-Length: 1000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'x'; 300]).await.unwrap();
    drop(stream);

    // The server learns of it when it reads: wait for the answer, not for a time.
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = loop {
        let status = exchange(&address, request("GET", &session, "")).await;
        if status.starts_with("HTTP/1.1 204") && header(&status, "range") == "0-299" {
            break status;
        }
        assert!(Instant::now() < deadline, "{status}");
        tokio::task::yield_now().await;
    };
    let digest = sha256(&[b'x'; 301]);
    let finish = format!("{}&digest={digest}", location(&status));
    let more = "Content-Range: 300-300\r\nContent-Length: 1\r\n";
    let put = request("PUT", &finish, more) + "x";
    let done = exchange(&address, put).await;
    assert!(done.starts_with("HTTP/1.1 201"), "{done}");
    assert_eq!(header(&done, "docker-content-digest"), digest);

    let page = exchange(&address, request("GET", "/extensions/v2/metrics", "")).await;
    assert!(
        page.contains("imageregistry_http_requests_total{code=\"499\",method=\"patch\"} 1"),
        "{page}"
    );
    stop.send(()).unwrap();
    server.await.unwrap();
}
