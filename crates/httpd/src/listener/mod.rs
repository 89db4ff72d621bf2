// SPDX-License-Identifier: Apache-2.0
//! Listening sockets: TCP addresses, unix paths and sockets inherited from a supervisor.

mod inherited;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::socket::Socket;

pub use inherited::{InheritError, Inherited, inherited};

/// Connections the kernel keeps ready for us to accept; it clamps this to `somaxconn`.
const BACKLOG: i32 = 4096;

/// Why a socket could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Not `host:port`.
    #[error("invalid listen address {address:?}, expected host:port or :port")]
    Address {
        /// As configured.
        address: String,
    },
    /// The system refused.
    #[error("cannot listen on {address}")]
    Listen {
        /// As configured.
        address: String,
        /// Why.
        source: io::Error,
    },
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens on `host:port`. Without a host (`:5000`) on all addresses of both families. Port 0
    /// lets the system choose. Must be called within a tokio runtime; resolves names, so call it
    /// before serving.
    pub fn tcp(address: &str) -> Result<Self, BindError> {
        let failed = |source| BindError::Listen { address: address.to_owned(), source };
        let invalid = || BindError::Address { address: address.to_owned() };
        let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
        let candidates: Vec<SocketAddr> = if host.is_empty() {
            let port = port.parse().map_err(|_| invalid())?;
            // Dual stack first; a kernel without IPv6 serves the second.
            vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]
        } else {
            address.to_socket_addrs().map_err(failed)?.collect()
        };
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for candidate in candidates {
            match bind(candidate, host.is_empty()) {
                Ok(inner) => return Ok(Self { inner }),
                // Busy on one family must not silently become "served on the other only".
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(failed(error));
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// Listens on a unix socket. A socket file that nobody listens on is replaced.
    pub fn unix(path: &Path) -> Result<Self, BindError> {
        let failed = |source| BindError::Listen { address: path.display().to_string(), source };
        let stale = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
            && std::os::unix::net::UnixStream::connect(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if stale {
            std::fs::remove_file(path).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        Ok(Self { inner: Inner::Unix(listener) })
    }

    pub(crate) fn from_tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { inner: Inner::Tcp(TcpListener::from_std(listener)?) })
    }

    pub(crate) fn from_unix(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { inner: Inner::Unix(UnixListener::from_std(listener)?) })
    }

    /// The bound TCP address; `None` for a unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.inner {
            Inner::Tcp(listener) => listener.local_addr().ok(),
            Inner::Unix(_) => None,
        }
    }

    /// Accepts one connection. The peer of a unix socket is given as 127.0.0.1, port 0.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        match &self.inner {
            Inner::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                // Replies are written whole or corked; waiting for more data only adds 40 ms.
                socket.set_nodelay(true)?;
                Ok((Socket::Tcp(socket), peer))
            }
            Inner::Unix(listener) => {
                let (socket, _) = listener.accept().await?;
                Ok((Socket::Unix(socket), (Ipv4Addr::LOCALHOST, 0).into()))
            }
        }
    }
}

fn bind(address: SocketAddr, dual_stack: bool) -> io::Result<Inner> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual_stack)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(Inner::Tcp(TcpListener::from_std(socket.into())?))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[tokio::test]
    async fn a_busy_address_is_named_and_its_cause_is_the_source() {
        let first = Listener::tcp("127.0.0.1:0").expect("a port");
        let address = first.local_addr().expect("an address").to_string();
        let error = Listener::tcp(&address).expect_err("busy");
        assert_eq!(error.to_string(), format!("cannot listen on {address}"));
        let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::AddrInUse));
        let error = Listener::tcp("5000").expect_err("no colon").to_string();
        assert_eq!(error, "invalid listen address \"5000\", expected host:port or :port");
    }
}
