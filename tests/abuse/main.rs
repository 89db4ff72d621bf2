// SPDX-License-Identifier: Apache-2.0
//! Hostile and broken clients (reliability.md T-12, T-13, T-29).
//!
//! Memory is read from `/proc` of the registry, latency is that of a well-behaved client beside the
//! attack. Tests of this binary run one at a time (`testkit::lock`), because they measure.

mod frames;
mod latency;
mod multiplexed;
mod names;
mod sizes;
mod slow;

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::{Response, Server, client, process};

/// What T-12 lets memory grow by under an attack with connections.
const MEMORY_CONNECTIONS: u64 = 256 << 20;
/// What T-13 lets memory grow by under one large thing.
const MEMORY_SIZES: u64 = 64 << 20;

/// How much the registry's memory has grown at its highest since it was begun to be watched.
struct Memory {
    pid: u32,
    before: u64,
}

impl Memory {
    fn watch(server: &Server) -> Result<Self> {
        process::reset_peak(server.pid())?;
        Ok(Self { pid: server.pid(), before: process::resident(server.pid())? })
    }

    fn must_have_grown_by_at_most(&self, limit: u64) -> Result<()> {
        let grown = process::peak_resident(self.pid)?.saturating_sub(self.before);
        println!("memory grew by {} KiB of {} KiB", grown >> 10, limit >> 10);
        anyhow::ensure!(grown <= limit, "memory grew by {} MiB", grown >> 20);
        Ok(())
    }
}

/// A plain TCP connection with limits on how long it waits.
fn connect(server: &Server) -> Result<TcpStream> {
    let socket = TcpStream::connect(server.address())?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    socket.set_write_timeout(Some(Duration::from_secs(60)))?;
    Ok(socket)
}

/// Sends bytes as they are and reads one answer. A server that answers and closes before it has read
/// everything is right to do so.
fn exchange(server: &Server, request: &[u8]) -> Result<Response> {
    let mut socket = connect(server)?;
    let sent = socket.write_all(request);
    let answer = client::read_response(&mut BufReader::new(&socket), false);
    match (sent, answer) {
        (_, Ok((response, _))) => Ok(response),
        (Err(cause), Err(_)) => Err(cause).context("send"),
        (Ok(()), Err(cause)) => Err(cause).context("read"),
    }
}

/// Whether the peer has closed; waits for at most the socket's read time-out.
fn is_closed(socket: &mut TcpStream) -> bool {
    let mut rest = [0; 4096];
    loop {
        match socket.read(&mut rest) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(cause) => return cause.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// The registry still serves a well-behaved client within the time that T-12 gives it.
fn must_recover(server: &Server) -> Result<()> {
    process::wait_until("the registry serves again", Duration::from_secs(10), || {
        Ok(server.client()?.get("/v2/", &[]).is_ok_and(|answer| answer.status == 200))
    })?;
    Ok(())
}
