// SPDX-License-Identifier: Apache-2.0
//! Parts of files, over cleartext (sendfile) and TLS (copied).

use std::fs::File;
use std::sync::Arc;

use httpd::{FileRange, Limits, Listener, Reply, ReplyBody, Server};

use crate::support::{Client, FILE_LEN, Running, get, pattern};
use crate::tls::{Ca, connect};

const RANGES: &[(usize, usize)] = &[
    (0, 0),
    (0, 1),
    (0, 16 * 1024),
    (0, 16 * 1024 + 1),
    (7, 65_536),
    (1 << 20, 1 << 20),
    (FILE_LEN - 1, 1),
    (3, FILE_LEN - 3),
];

async fn check_ranges<T>(client: &mut Client<T>)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let whole = pattern(FILE_LEN);
    for &(offset, len) in RANGES {
        let answer = client.ask(get(&format!("/file?offset={offset}&len={len}"))).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body == whole[offset..offset + len], "{offset}+{len}");
    }
    let parts = client.ask(get("/parts")).await;
    let expected =
        [b"--a\r\n", &whole[10..110], b"\r\n--b\r\n", &whole[5000..2_005_000], b"\r\n--c"];
    assert!(parts.body == expected.concat());
    assert_eq!(client.ask(get("/hello")).await.text(), "hello");
}

#[tokio::test]
async fn ranges_and_parts_over_cleartext() {
    let server = Running::start(Limits::default());
    let mut client = Client::new(server.connect().await);
    check_ranges(&mut client).await;
    let sent = server.log.completed(RANGES.len() + 2).await;
    assert!(sent.complete);
    assert_eq!(server.log.sent.lock()[7].1.written, FILE_LEN as u64 - 3);
}

#[tokio::test]
async fn ranges_and_parts_over_tls() {
    let ca = Ca::new();
    let server = Running::with(Limits::default(), Some(Arc::new(ca.server())));
    let mut client = Client::new(connect(&server, &ca, &[b"http/1.1"]).await.expect("TLS"));
    check_ranges(&mut client).await;
}

#[tokio::test]
async fn without_large_buffers_small_ones_do() {
    let ca = Ca::new();
    let limits = Limits { large_buffers: 0, ..Limits::default() };
    let server = Running::with(limits, Some(Arc::new(ca.server())));
    let mut client = Client::new(connect(&server, &ca, &[b"http/1.1"]).await.expect("TLS"));
    check_ranges(&mut client).await;
}

#[tokio::test]
async fn a_file_shorter_than_its_range_breaks_the_connection() {
    struct Truncated(Arc<File>);
    impl httpd::Service for Truncated {
        type Context = ();
        async fn call<'a>(
            &'a self,
            head: &'a httpd::Head,
            _: &'a mut httpd::Body<'_>,
        ) -> (Reply, ()) {
            let len = if head.target.path() == "/small" { 100 } else { 1 << 20 };
            let range = FileRange { file: Arc::clone(&self.0), offset: 0, len };
            (Reply::new(http::StatusCode::OK).with_body(ReplyBody::File(range)), ())
        }
        fn completed(&self, _: &httpd::Head, sent: httpd::Sent, (): ()) {
            assert!(!sent.complete);
        }
    }
    let file = tempfile::tempfile().expect("a file");
    std::io::Write::write_all(&mut &file, &[b'x'; 50]).expect("written");
    let listener = Listener::tcp("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    let server = Server::new(Truncated(Arc::new(file)), Limits::default()).listen(listener, None);
    let serving = tokio::spawn(server.serve(std::future::pending()));
    for path in ["/small", "/large"] {
        let mut client =
            Client::new(tokio::net::TcpStream::connect(addr).await.expect("connected"));
        client.send(get(path)).await;
        let all = crate::support::read_to_end(&mut client.stream).await;
        let body = all.iter().filter(|byte| **byte == b'x').count();
        assert!(body <= 60, "{path}: {body}");
    }
    serving.abort();
}
