// SPDX-License-Identifier: Apache-2.0
//! Counters of a running server, for metrics and readiness.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A snapshot of a server's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that are open now.
    pub open: u64,
    /// Requests whose reply has not been sent yet.
    pub in_flight: u64,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Requests handed to the service since the start.
    pub requests: u64,
    /// Request heads the engine refused without asking the service.
    pub refused: u64,
    /// TLS handshakes that failed or took too long.
    pub handshake_failures: u64,
    /// Failed accepts (out of file descriptors, mostly).
    pub accept_errors: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    in_flight: AtomicU64,
    requests: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    handshake_failures: AtomicU64,
    accept_errors: AtomicU64,
}

impl Counters {
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshake_failures.fetch_add(1, Relaxed);
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_errors.fetch_add(1, Relaxed);
    }

    /// Counts a request as in flight until the guard is dropped.
    pub(crate) fn request(&self) -> InFlight<'_> {
        self.requests.fetch_add(1, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(self)
    }

    pub(crate) fn snapshot(&self, open: usize) -> Stats {
        Stats {
            open: open as u64,
            in_flight: self.in_flight.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            requests: self.requests.load(Relaxed),
            refused: self.refused.load(Relaxed),
            handshake_failures: self.handshake_failures.load(Relaxed),
            accept_errors: self.accept_errors.load(Relaxed),
        }
    }
}

pub(crate) struct InFlight<'a>(&'a Counters);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
