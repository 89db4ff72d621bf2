// SPDX-License-Identifier: Apache-2.0
//! A service with one path per behaviour, a server around it, and a raw client.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use httpd::{
    Body, BodyError, Drained, FileRange, Handle, Head, Limits, Listener, Part, Reply, ReplyBody,
    Sent, Server, Service, Tls,
};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// Longer than anything may take; a test that needs it has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A file larger than any socket buffer, with content that tells its offset.
pub const FILE_LEN: usize = 12 * 1024 * 1024 + 321;

pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

pub struct Log {
    pub sent: Mutex<Vec<(String, Sent)>>,
    pub bodies: Mutex<Vec<String>>,
    pub entered: Semaphore,
    pub gate: Semaphore,
    pub reads: AtomicUsize,
}

impl Log {
    /// Waits until `n` replies are done and returns the last.
    pub async fn completed(&self, n: usize) -> Sent {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some((_, sent)) = self.sent.lock().get(n - 1) {
                    return *sent;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("completed in time")
    }
}

pub struct Testing {
    file: Arc<File>,
    log: Arc<Log>,
}

impl Testing {
    fn stream(pieces: Vec<io::Result<&'static str>>) -> ReplyBody {
        let pieces = pieces.into_iter().map(|piece| piece.map(Bytes::from));
        ReplyBody::Stream(Box::pin(stream::iter(pieces.collect::<Vec<_>>())))
    }

    fn range(&self, query: &str) -> FileRange {
        let number = |name: &str, default| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .map_or(default, |value| value.parse().expect("a number"))
        };
        let offset = number("offset", 0);
        let len = number("len", FILE_LEN as u64 - offset);
        FileRange { file: Arc::clone(&self.file), offset, len }
    }
}

impl Service for Testing {
    type Context = ();

    async fn call<'a>(&'a self, head: &'a Head, body: &'a mut Body<'_>) -> (Reply, ()) {
        let mut reply = Reply::new(StatusCode::OK);
        match head.target.path() {
            "/hello" => reply.body = ReplyBody::Bytes("hello".into()),
            "/big" => reply.body = ReplyBody::Bytes(pattern(1 << 20).into()),
            "/inspect" => {
                let host =
                    head.headers.get(header::HOST).map_or("-", |h| h.to_str().expect("text"));
                let text = format!(
                    "{} {} {:?} host={host} announced={:?} tls={}",
                    head.method,
                    head.target.as_str(),
                    head.version,
                    body.announced(),
                    head.tls,
                );
                reply.body = ReplyBody::Bytes(text.into());
            }
            "/echo" => match body.collect(32 << 20).await {
                Ok(bytes) => reply.body = ReplyBody::Bytes(bytes),
                Err(error) => {
                    self.log.bodies.lock().push(error.to_string());
                    reply.status = match error {
                        BodyError::TimedOut => StatusCode::REQUEST_TIMEOUT,
                        BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                        _ => StatusCode::BAD_REQUEST,
                    };
                }
            },
            "/count" => {
                let mut buffer = vec![0; 256 * 1024];
                let mut total = 0;
                while let Ok(n @ 1..) = body.read(&mut buffer).await {
                    total += n;
                    self.log.reads.fetch_add(1, Ordering::Relaxed);
                }
                reply.body = ReplyBody::Bytes(total.to_string().into());
            }
            "/ignore" => reply.status = StatusCode::FORBIDDEN,
            "/close" => reply.close = true,
            "/none" => reply.status = StatusCode::NO_CONTENT,
            "/unchanged" => reply.status = StatusCode::NOT_MODIFIED,
            "/announced" => {
                reply.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(1234));
            }
            "/file" => reply.body = ReplyBody::File(self.range(head.target.query())),
            "/parts" => {
                reply.body = ReplyBody::Parts(vec![
                    Part::Bytes("--a\r\n".into()),
                    Part::File(self.range("offset=10&len=100")),
                    Part::Bytes("\r\n--b\r\n".into()),
                    Part::File(self.range("offset=5000&len=2000000")),
                    Part::Bytes("\r\n--c".into()),
                ]);
            }
            "/stream" => reply.body = Self::stream(vec![Ok("one "), Ok(""), Ok("two")]),
            "/stream-exact" | "/stream-short" | "/stream-long" => {
                let len = match head.target.path() {
                    "/stream-exact" => 7,
                    "/stream-short" => 9,
                    _ => 5,
                };
                reply.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
                reply.body = Self::stream(vec![Ok("one "), Ok("two")]);
            }
            "/stream-fails" => {
                let error = io::Error::other("source failed");
                reply.body = Self::stream(vec![Ok("one "), Err(error)]);
            }
            "/wait" => {
                self.log.entered.add_permits(1);
                self.log.gate.acquire().await.expect("open").forget();
                reply.body = ReplyBody::Bytes("waited".into());
            }
            "/panic" => panic!("as asked"),
            _ => reply.status = StatusCode::NOT_FOUND,
        }
        (reply, ())
    }

    fn completed(&self, head: &Head, sent: Sent, (): ()) {
        self.log.sent.lock().push((head.target.as_str().to_owned(), sent));
    }
}

/// A running server.
pub struct Running {
    pub addr: SocketAddr,
    pub handle: Handle,
    pub log: Arc<Log>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Drained>,
}

impl Running {
    pub fn start(limits: Limits) -> Self {
        Self::with(limits, None)
    }

    pub fn with(limits: Limits, tls: Option<Arc<Tls>>) -> Self {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&pattern(FILE_LEN)).expect("written");
        let log = Arc::new(Log {
            sent: Mutex::default(),
            bodies: Mutex::default(),
            entered: Semaphore::new(0),
            gate: Semaphore::new(0),
            reads: AtomicUsize::new(0),
        });
        let service = Testing { file: Arc::new(file), log: Arc::clone(&log) };
        let listener = Listener::tcp("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let server = Server::new(service, limits).listen(listener, tls);
        let handle = server.handle();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(async move { drop(stopped.await) }));
        Self { addr, handle, log, stop: Some(stop), serving }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.expect("connected")
    }

    /// Begins the graceful stop.
    pub fn begin_stop(&mut self) {
        let _ = self.stop.take().expect("not stopped before").send(());
    }

    pub async fn stopped(self) -> Drained {
        drop(self.stop);
        tokio::time::timeout(PATIENCE, self.serving).await.expect("in time").expect("no panic")
    }

    /// Sends bytes and returns all that comes back until the server closes.
    pub async fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.expect("sent");
        let all = read_to_end(&mut stream).await;
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// All bytes until the connection ends, also when it is reset.
pub async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await;
    let _ = read.expect("the server ends the connection in time");
    all
}

/// A parsed reply.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// A client on one connection.
pub struct Client<T> {
    pub stream: T,
    buffer: Vec<u8>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub fn new(stream: T) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
        self.stream.flush().await.expect("sent");
    }

    async fn fill(&mut self) -> usize {
        let mut piece = vec![0; 64 * 1024];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut piece)).await;
        let n = read.expect("an answer in time").expect("readable");
        self.buffer.extend_from_slice(&piece[..n]);
        n
    }

    /// Reads one head.
    pub async fn head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(self.fill().await, 0, "the connection ended before the head");
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8(head).expect("ASCII");
        let status = head[9..12].parse().expect("a status");
        Answer { status, head, body: Vec::new() }
    }

    /// Reads one reply with its body.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        if answer.field("transfer-encoding").is_some() {
            let mut decoder = httpd::ChunkDecoder::default();
            while !decoder.is_done() {
                let left = decoder.data_left() as usize;
                if self.buffer.is_empty() {
                    assert_ne!(self.fill().await, 0, "the connection ended in a chunk");
                }
                if left > 0 {
                    let n = left.min(self.buffer.len());
                    answer.body.extend(self.buffer.drain(..n));
                    decoder.data_moved(n as u64);
                } else {
                    let n = decoder.framing(&self.buffer).expect("valid chunks");
                    self.buffer.drain(..n);
                }
            }
            return answer;
        }
        let len = answer.field("content-length").map_or(0, |v| v.parse().expect("a number"));
        while self.buffer.len() < len {
            assert_ne!(self.fill().await, 0, "the connection ended in the body");
        }
        answer.body = self.buffer.drain(..len).collect();
        answer
    }

    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request).await;
        self.answer().await
    }

    /// Asserts that the server closes without sending anything more.
    pub async fn closed(mut self) {
        let rest = read_to_end(&mut self.stream).await;
        assert!(self.buffer.is_empty() && rest.is_empty(), "unexpected bytes: {rest:?}");
    }
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n")
}
