// SPDX-License-Identifier: Apache-2.0
//! Sockets inherited from a supervisor (`LISTEN_FDS`, the systemd protocol).
//!
//! The only module of the crate with `unsafe`: it turns descriptor numbers from the environment
//! into owned sockets, once per process.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::Listener;

/// The first inherited descriptor.
const FIRST: RawFd = 3;
/// More than anyone passes; bounds the loop over a number from the environment.
const MOST: usize = 64;

/// A socket handed over by the supervisor.
#[derive(Debug)]
pub struct Inherited {
    /// Its entry in `LISTEN_FDNAMES`; `unknown` without one, as systemd has it.
    pub name: String,
    /// The socket.
    pub listener: Listener,
}

/// Why inherited sockets could not be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// The variables contradict the protocol.
    #[error("{variable} is not valid: {value:?}")]
    Variable {
        /// Name of the environment variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A descriptor is missing or not a listening stream socket.
    #[error("inherited descriptor {fd} is not a listening stream socket")]
    Descriptor {
        /// The descriptor's number.
        fd: RawFd,
        /// Why.
        source: io::Error,
    },
    /// [`inherited`] was called before; the sockets have an owner.
    #[error("the inherited sockets were taken before")]
    Taken,
}

/// Takes the inherited sockets; empty when there are none or they are meant for another process.
///
/// Call it before anything else opens files, within a tokio runtime, and once: a second call that
/// would find sockets fails.
pub fn inherited() -> Result<Vec<Inherited>, InheritError> {
    let variable = |name| std::env::var(name).ok();
    let names = announced(
        std::process::id(),
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
        variable("LISTEN_FDNAMES").as_deref(),
    )?;
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(InheritError::Taken);
    }
    let adopt = |(fd, name)| {
        let listener =
            own(fd).and_then(adopt).map_err(|source| InheritError::Descriptor { fd, source })?;
        Ok(Inherited { name, listener })
    };
    (FIRST..).zip(names).map(adopt).collect()
}

/// The names of the sockets that the environment announces to process `pid`.
fn announced(
    pid: u32,
    listen_pid: Option<&str>,
    listen_fds: Option<&str>,
    names: Option<&str>,
) -> Result<Vec<String>, InheritError> {
    let (Some(listen_pid), Some(listen_fds)) = (listen_pid, listen_fds) else {
        return Ok(Vec::new());
    };
    let invalid = |variable, value: &str| InheritError::Variable { variable, value: value.into() };
    let meant: u32 = listen_pid.parse().map_err(|_| invalid("LISTEN_PID", listen_pid))?;
    // Variables survive exec: a child of the process they were meant for must ignore them.
    if meant != pid {
        return Ok(Vec::new());
    }
    let count: usize = listen_fds.parse().map_err(|_| invalid("LISTEN_FDS", listen_fds))?;
    if count > MOST {
        return Err(invalid("LISTEN_FDS", listen_fds));
    }
    let mut given = names.filter(|names| !names.is_empty()).into_iter().flat_map(|n| n.split(':'));
    Ok((0..count).map(|_| given.next().unwrap_or("unknown").to_owned()).collect())
}

/// Takes ownership of an inherited descriptor after checking that it is open.
#[allow(unsafe_code)]
fn own(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the supervisor opened descriptors 3.. for this very process (LISTEN_PID is our pid)
    // and handed them over by the protocol; nothing else in the process owns them. `TAKEN` makes
    // sure that this function is reached once per descriptor. A number that is not open is found
    // by the call below, whose error path must not close what it does not own.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    match rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC) {
        Ok(()) => Ok(socket),
        Err(error) => {
            std::mem::forget(socket);
            Err(error.into())
        }
    }
}

fn adopt(socket: OwnedFd) -> io::Result<Listener> {
    let stream = sockopt::socket_type(&socket)? == SocketType::STREAM;
    if !stream || !sockopt::socket_acceptconn(&socket)? {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if sockopt::socket_domain(&socket)? == AddressFamily::UNIX {
        Listener::from_unix(socket.into())
    } else {
        Listener::from_tcp(socket.into())
    }
}

#[cfg(test)]
mod tests {
    use super::announced;

    #[test]
    fn announced_follows_the_protocol() {
        let names = |pid, fds, names| announced(7, pid, fds, names).ok();
        assert_eq!(names(None, Some("1"), None), Some(vec![]));
        assert_eq!(names(Some("8"), Some("1"), None), Some(vec![]), "for another process");
        assert_eq!(
            names(Some("7"), Some("2"), Some("main")),
            Some(vec!["main".into(), "unknown".into()])
        );
        assert_eq!(names(Some("7"), Some("2"), Some("a:b:c")), Some(vec!["a".into(), "b".into()]));
        assert_eq!(names(Some("x"), Some("1"), None), None);
        assert_eq!(names(Some("7"), Some("-1"), None), None);
        assert_eq!(names(Some("7"), Some("65"), None), None);
    }
}
