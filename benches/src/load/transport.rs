// SPDX-License-Identifier: Apache-2.0
//! One client connection, cleartext or TLS, with the few operations the generator needs.
//!
//! Cleartext bodies are thrown away inside the kernel (`recv` with `MSG_TRUNC`), which makes the
//! client of a pull several times cheaper than the server. TLS bodies have to be decrypted; the
//! ciphertext is taken from the socket in large reads.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::RecvFlags;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// No single operation on a connection may take longer.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Ciphertext taken from a socket at once.
const CIPHERTEXT: usize = 256 * 1024;

/// Where a server listens and how to speak to it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Address on loopback.
    pub address: SocketAddr,
    /// TLS settings; `None` for cleartext.
    pub tls: Option<Arc<ClientConfig>>,
    /// Value of the `Authorization` header of every request.
    pub authorization: Option<String>,
}

/// A connected client socket.
#[derive(Debug)]
pub struct Transport {
    socket: TcpStream,
    tls: Option<Box<Tls>>,
}

#[derive(Debug)]
struct Tls {
    session: ClientConnection,
    input: Vec<u8>,
    start: usize,
    end: usize,
}

impl Transport {
    /// Connects, and completes the handshake when the endpoint uses TLS.
    pub fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&endpoint.address, PATIENCE)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let Some(config) = &endpoint.tls else {
            return Ok(Self { socket, tls: None });
        };
        let name = match endpoint.address.ip() {
            IpAddr::V4(ip) => ServerName::IpAddress(ip.into()),
            IpAddr::V6(ip) => ServerName::IpAddress(ip.into()),
        };
        let mut session =
            ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut raw = &socket;
        while session.is_handshaking() {
            session.complete_io(&mut raw)?;
        }
        let tls = Tls { session, input: vec![0; CIPHERTEXT], start: 0, end: 0 };
        Ok(Self { socket, tls: Some(Box::new(tls)) })
    }

    /// Whether the TLS session was resumed; `None` for cleartext.
    pub fn resumed(&self) -> Option<bool> {
        let kind = self.tls.as_ref()?.session.handshake_kind();
        Some(kind == Some(rustls::HandshakeKind::Resumed))
    }

    /// The socket, to wait on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether bytes were taken from the socket and not yet handed out, so that waiting for the
    /// socket could wait forever.
    pub fn buffered(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.start < tls.end)
    }

    /// Sends all of `bytes`.
    pub fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return (&self.socket).write_all(bytes);
        };
        while !bytes.is_empty() {
            let taken = tls.session.writer().write(bytes)?;
            bytes = &bytes[taken..];
            tls.flush(&self.socket)?;
        }
        Ok(())
    }

    /// Receives some bytes; 0 at the end of the stream. With `wait` false an empty socket gives
    /// `WouldBlock`.
    pub fn receive(&mut self, out: &mut [u8], wait: bool) -> io::Result<usize> {
        match &mut self.tls {
            None => receive(&self.socket, out, flags(wait)),
            Some(tls) => tls.receive(&self.socket, out, wait),
        }
    }

    /// Receives up to `scratch.len()` bytes without looking at them.
    pub fn discard(&mut self, scratch: &mut [u8], wait: bool) -> io::Result<usize> {
        match &mut self.tls {
            None => receive(&self.socket, scratch, flags(wait) | RecvFlags::TRUNC),
            Some(tls) => tls.receive(&self.socket, scratch, wait),
        }
    }
}

impl Tls {
    fn flush(&mut self, mut socket: &TcpStream) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut socket)?;
        }
        Ok(())
    }

    fn receive(&mut self, socket: &TcpStream, out: &mut [u8], wait: bool) -> io::Result<usize> {
        loop {
            match self.session.reader().read(out) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if self.start == self.end {
                let taken = receive(socket, &mut self.input, flags(wait))?;
                if taken == 0 {
                    return Ok(0);
                }
                (self.start, self.end) = (0, taken);
            }
            let mut ready = &self.input[self.start..self.end];
            self.start += self.session.read_tls(&mut ready)?;
            self.session.process_new_packets().map_err(io::Error::other)?;
            self.flush(socket)?;
        }
    }
}

fn flags(wait: bool) -> RecvFlags {
    if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT }
}

fn receive(socket: &TcpStream, out: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    loop {
        match rustix::net::recv(socket, &mut *out, flags) {
            Ok((_, taken)) => return Ok(taken),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
