// SPDX-License-Identifier: Apache-2.0
//! hyper's own HTTP/1.1 server with the replies of `bench`: the other side of the decision to have
//! our own connection loop. `hyper_http1 LISTEN [FILE]`.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{HeaderValue, Request, Response, header};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

type Reply = Response<BoxBody<Bytes, io::Error>>;

/// File data in 256 KiB pieces, read on the worker (the benchmark's file is in memory).
fn pieces(file: Arc<File>, len: u64) -> BoxBody<Bytes, io::Error> {
    let pieces = unfold((file, 0), move |(file, at)| async move {
        let want = usize::try_from((len - at).min(256 * 1024)).ok().filter(|want| *want > 0)?;
        let mut buffer = vec![0; want];
        let read = file.read_exact_at(&mut buffer, at).map(|()| Frame::data(buffer.into()));
        Some((read, (file, at + want as u64)))
    });
    BoxBody::new(StreamBody::new(Box::pin(pieces)))
}

#[tokio::main(worker_threads = 2)]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let file = arguments.next().map(File::open).transpose()?;
    let len = file.as_ref().map_or(Ok(0), |file| file.metadata().map(|meta| meta.len()))?;
    let file = file.map(Arc::new);
    let small = Bytes::from(vec![b'x'; 1434]);
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (small, file) = (small.clone(), file.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (small, file) = (small.clone(), file.clone());
            async move {
                let body = match file {
                    Some(file) if request.uri().path() == "/file" => pieces(file, len),
                    _ => Full::new(small).map_err(|never: Infallible| match never {}).boxed(),
                };
                let mut reply: Reply = Response::new(body);
                let octets = HeaderValue::from_static("application/octet-stream");
                reply.headers_mut().insert(header::CONTENT_TYPE, octets);
                if request.uri().path() == "/file" {
                    reply.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(len));
                }
                Ok::<_, Infallible>(reply)
            }
        });
        tokio::spawn(async move {
            // A client that goes away is no error of the benchmark.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
