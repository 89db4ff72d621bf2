// SPDX-License-Identifier: Apache-2.0
//! HTTP/2 frames written by hand (RFC 9113, 4.1), to send what no client library would.

use std::io::{Read, Write};

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use system_tests::Stage;

/// Frame types (RFC 9113, 6).
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

/// Flags of HEADERS.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// How long a frame may wait: a server that stops reading a flood has defended itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A TLS connection that has agreed on `h2` and sent the preface.
pub struct Connection {
    stream: Box<dyn testkit::client::Stream>,
}

impl Connection {
    pub fn open(stage: &Stage) -> Result<Self> {
        let authority = stage.authority.as_ref().context("HTTP/2 needs TLS")?;
        let mut endpoint = stage.server.endpoint()?;
        endpoint.tls = Some(authority.client(&[b"h2"])?);
        endpoint.patience = PATIENCE;
        let mut stream = endpoint.connect()?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        let mut connection = Self { stream };
        connection.send(SETTINGS, 0, 0, &[])?;
        Ok(connection)
    }

    /// Writes one frame.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<()> {
        self.stream.write_all(&frame(kind, flags, stream, payload))?;
        self.stream.flush()?;
        Ok(())
    }

    /// Writes bytes that are frames already.
    pub fn send_all(&mut self, frames: &[u8]) -> Result<()> {
        self.stream.write_all(frames)?;
        self.stream.flush()?;
        Ok(())
    }

    /// Reads one frame: type, flags, stream, payload.
    pub fn receive(&mut self) -> Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        ensure!(length <= 1 << 20, "a frame of {length} bytes");
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Ok((head[3], head[4], stream, payload))
    }

    /// Reads until GOAWAY or the end; true when the server gave up the connection.
    pub fn is_given_up(&mut self) -> bool {
        loop {
            match self.receive() {
                Ok((GOAWAY, ..)) => return true,
                Ok(_) => {}
                Err(cause) => {
                    let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
                    return !matches!(
                        kind,
                        Some(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
                    );
                }
            }
        }
    }
}

/// Bytes of one frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// HPACK (RFC 7541) of a GET of `path`: static names, literal values, nothing indexed.
pub fn get(path: &str) -> Vec<u8> {
    // 0x82 is `:method: GET`, 0x87 `:scheme: https`; 0x04 and 0x01 name `:path` and `:authority`.
    let mut block = vec![0x82, 0x87];
    for (name, value) in [(0x04, path), (0x01, "registry")] {
        block.push(name);
        block.push(value.len() as u8);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// A literal field with a new name, not indexed; both shorter than 127 bytes.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0];
    for text in [name, value] {
        block.push(text.len() as u8);
        block.extend_from_slice(text.as_bytes());
    }
    block
}
