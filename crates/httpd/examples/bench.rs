// SPDX-License-Identifier: Apache-2.0
//! A server for measuring the engine, and for the tests that need a process of their own.
//!
//! `bench LISTEN [FILE [CERTIFICATE KEY]]` answers `GET /small` with 1.4 KiB from memory,
//! `GET /file` with FILE, and reads the body of anything else. With `LISTEN_FDS` it serves the
//! inherited sockets instead of LISTEN. It stops at SIGTERM.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use httpd::{
    Body, FileRange, Head, Limits, Listener, Reply, ReplyBody, Sent, Server, Service, Tls,
    TlsSettings,
};

struct Bench {
    small: Bytes,
    file: Option<(Arc<File>, u64)>,
}

impl Service for Bench {
    type Context = ();

    async fn call<'a>(&'a self, head: &'a Head, body: &'a mut Body<'_>) -> (Reply, ()) {
        let mut reply = Reply::new(StatusCode::OK);
        let octets = HeaderValue::from_static("application/octet-stream");
        reply.headers.insert(header::CONTENT_TYPE, octets);
        match (&head.method, head.target.path(), &self.file) {
            (&Method::GET, "/small", _) => reply.body = ReplyBody::Bytes(self.small.clone()),
            (&Method::GET, "/file", Some((file, len))) => {
                let range = FileRange { file: Arc::clone(file), offset: 0, len: *len };
                reply.body = ReplyBody::File(range);
            }
            _ => {
                let mut buffer = vec![0; 256 * 1024];
                while let Ok(1..) = body.read(&mut buffer).await {}
                reply.status = StatusCode::CREATED;
            }
        }
        (reply, ())
    }

    fn completed(&self, _: &Head, _: Sent, (): ()) {}
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let file = match arguments.next() {
        Some(path) => {
            let file = File::open(path)?;
            let len = file.metadata()?.len();
            Some((Arc::new(file), len))
        }
        None => None,
    };
    let tls = match (arguments.next(), arguments.next()) {
        (Some(certificate), Some(key)) => {
            Some(Arc::new(Tls::new(TlsSettings::new(certificate, key))?))
        }
        _ => None,
    };
    let mut limits = Limits::default();
    limits.h2.cleartext = true;
    let mut server = Server::new(Bench { small: vec![b'x'; 1434].into(), file }, limits);
    let inherited = httpd::inherited()?;
    if inherited.is_empty() {
        let listener = Listener::tcp(&address)?;
        println!("listening on {}", listener.local_addr().ok_or("no address")?);
        server = server.listen(listener, tls.clone());
    }
    for socket in inherited {
        println!("inherited {}", socket.name);
        server = server.listen(socket.listener, tls.clone());
    }
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let drained = server
        .serve(async move {
            let _ = terminate.recv().await;
        })
        .await;
    println!("stopped, {} cut", drained.cut);
    Ok(())
}
