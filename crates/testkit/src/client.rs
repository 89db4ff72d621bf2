// SPDX-License-Identifier: Apache-2.0
//! A blocking HTTP/1.1 client for tests, small enough that nothing it does can hide a fault.
//!
//! It never follows redirects and never repeats a request that the server may have seen. One client
//! is one connection at a time; threads use one each. RFC 9112 is followed as far as registries go:
//! `Content-Length`, chunked and until-close bodies.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::digest;
use crate::trust::Credentials;

/// Upper limit of every read and write, unless a test chooses another.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A TCP or TLS byte stream.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// An answer with its whole body.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Field names in lower case with their values, in the order received.
    pub headers: Vec<(String, String)>,
    /// Body after removal of the transfer coding.
    pub body: Vec<u8>,
}

impl Response {
    /// First value of a field; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// Fails unless the status is `status`.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(self.status == status, "wanted {status}, got {}: {}", self.status, self.text());
        Ok(self)
    }

    /// First error code of a registry error body (registry.md 1.4), if that is what this is.
    pub fn code(&self) -> Option<String> {
        Some(self.json().ok()?["errors"][0]["code"].as_str()?.to_owned())
    }
}

/// Where and how to reach a server.
#[derive(Clone)]
pub struct Endpoint {
    /// Where the server listens.
    pub address: SocketAddr,
    /// TLS settings; absent for clear text.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Sent with every request when present.
    pub credentials: Option<Credentials>,
    /// Upper limit of every read and write.
    pub patience: Duration,
}

impl Endpoint {
    /// Opens a connection.
    pub fn connect(&self) -> Result<Box<dyn Stream>> {
        let socket = TcpStream::connect_timeout(&self.address, self.patience)?;
        socket.set_read_timeout(Some(self.patience))?;
        socket.set_write_timeout(Some(self.patience))?;
        socket.set_nodelay(true)?;
        let Some(config) = &self.tls else { return Ok(Box::new(socket)) };
        let name = rustls::pki_types::ServerName::from(self.address.ip());
        let session = rustls::ClientConnection::new(config.clone(), name)?;
        Ok(Box::new(rustls::StreamOwned::new(session, socket)))
    }
}

/// A connection to one server, opened on first use and again after the server closed it.
pub struct Client {
    endpoint: Endpoint,
    connection: Option<BufReader<Box<dyn Stream>>>,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, connection: None }
    }

    /// Where this client sends its requests.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends one request and reads the whole answer. `target` may be an absolute URL.
    pub fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response> {
        let target = path_of(target);
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", self.endpoint.address);
        if let Some(credentials) = &self.endpoint.credentials {
            head.push_str(&format!("authorization: {}\r\n", credentials.basic()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");

        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => BufReader::with_capacity(64 * 1024, self.endpoint.connect()?),
        };
        // A server may answer (401, 413) and stop reading before it has the whole body; the answer
        // counts, so a failed write is an error only when no answer follows.
        let written = write_request(connection.get_mut(), head.as_bytes(), body);
        let answer = read_response(&mut connection, method == "HEAD");
        let (response, keep) = match (written, answer) {
            (_, Ok(answer)) => answer,
            (Err(cause), Err(_)) => return Err(cause).context("send the request"),
            (Ok(()), Err(cause)) => return Err(cause).context("read the answer"),
        };
        if keep {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    /// GET without a body.
    pub fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> Result<Response> {
        self.send("GET", target, headers, b"")
    }

    /// HEAD.
    pub fn head(&mut self, target: &str) -> Result<Response> {
        self.send("HEAD", target, &[], b"")
    }

    /// DELETE.
    pub fn delete(&mut self, target: &str) -> Result<Response> {
        self.send("DELETE", target, &[], b"")
    }

    /// Uploads a blob with POST and one PUT; returns its digest.
    pub fn push_blob(&mut self, repository: &str, bytes: &[u8]) -> Result<String> {
        let digest = digest::sha256(bytes);
        let session = self.start_upload(repository)?;
        let separator = if session.contains('?') { '&' } else { '?' };
        self.send(
            "PUT",
            &format!("{session}{separator}digest={digest}"),
            &[("content-type", "application/octet-stream")],
            bytes,
        )?
        .expect(201)?;
        Ok(digest)
    }

    /// Starts an upload; returns the URL that its next request goes to.
    pub fn start_upload(&mut self, repository: &str) -> Result<String> {
        let answer = self
            .send("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"")?
            .expect(202)?;
        Ok(answer.header("location").context("no Location in the answer to POST")?.to_owned())
    }

    /// Puts a manifest under a tag or digest; returns its digest.
    pub fn push_manifest(
        &mut self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<String> {
        self.send(
            "PUT",
            &format!("/v2/{repository}/manifests/{reference}"),
            &[("content-type", media_type)],
            bytes,
        )?
        .expect(201)?;
        Ok(digest::sha256(bytes))
    }
}

/// Path and query of `target`, which may be absolute.
pub fn path_of(target: &str) -> &str {
    let Some((_, rest)) = target.split_once("://") else { return target };
    rest.find('/').map_or("/", |at| &rest[at..])
}

fn write_request(stream: &mut dyn Stream, head: &[u8], body: &[u8]) -> Result<()> {
    stream.write_all(head)?;
    stream.write_all(body)?;
    stream.flush()?;
    Ok(())
}

/// Reads one final answer (1xx are passed over) and whether the connection can be used again.
pub fn read_response(reader: &mut impl BufRead, headless: bool) -> Result<(Response, bool)> {
    loop {
        let status_line = read_line(reader)?;
        let mut parts = status_line.splitn(3, ' ');
        let version = parts.next().unwrap_or_default().to_owned();
        ensure!(version.starts_with("HTTP/1."), "not an HTTP/1 answer: {status_line:?}");
        let status: u16 = parts.next().context("no status code")?.parse()?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(reader)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').context("a header line without a colon")?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if (100..200).contains(&status) {
            continue;
        }
        let mut response = Response { status, headers, body: Vec::new() };
        let mut keep = version == "HTTP/1.1"
            && !response.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close"));
        if headless || status == 204 || status == 304 {
            return Ok((response, keep));
        }
        if response.header("transfer-encoding").is_some_and(|it| it.contains("chunked")) {
            response.body = read_chunked(reader)?;
        } else if let Some(length) = response.header("content-length") {
            let length: usize = length.parse().context("content-length of the answer")?;
            response.body = vec![0; length];
            reader.read_exact(&mut response.body).context("the answer's body is cut short")?;
        } else {
            reader.read_to_end(&mut response.body)?;
            keep = false;
        }
        return Ok((response, keep));
    }
}

fn read_line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = Vec::new();
    reader.take(1 << 20).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        bail!("the connection ended inside a line");
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8(line)?)
}

fn read_chunked(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader)?;
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
        if size == 0 {
            while !read_line(reader)?.is_empty() {}
            return Ok(body);
        }
        let start = body.len();
        body.resize(start + size, 0);
        reader.read_exact(&mut body[start..])?;
        ensure!(read_line(reader)?.is_empty(), "a chunk is longer than it said");
    }
}
