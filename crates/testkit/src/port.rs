// SPDX-License-Identifier: Apache-2.0
//! Free loopback ports for child processes that must be told their port.
//!
//! A port found by binding to 0 comes from the kernel's range for outgoing connections, so another
//! test's client may hold it by the time the child binds it. These come from below that range
//! (32768 by default), from a place that depends on the process, and are handed out once.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Returns a loopback address that nothing listens on and that this process has not handed out.
pub fn free() -> Result<SocketAddr> {
    // Test binaries run side by side; a prime step keeps their sequences apart.
    let start = (u64::from(std::process::id()) * 331 % u64::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start.wrapping_add(step) % COUNT);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free loopback port between {FIRST} and {}", FIRST + COUNT)
}
