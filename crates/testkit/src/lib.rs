// SPDX-License-Identifier: Apache-2.0
//! What system tests and benchmarks need around a registry that runs as a process of its own.
//!
//! ```text
//!   Server::builder ──▶ child process (berth, a peer, or either one under strace)
//!        │                    ▲
//!        ▼                    │ HTTP/1.1 over TCP or TLS
//!   configuration file     Client (blocking, no retries that hide a fault)
//!   trust, passwords       Tool   (podman, crane, …: one command, captured output)
//!   fixture::Layout ──────────▶ images with bytes that never change
//! ```
//!
//! Nothing here is used by Berth itself. Everything started is ended when its handle is dropped,
//! and everything written lies in a temporary directory.

pub mod client;
pub mod digest;
pub mod fixture;
pub mod inventory;
pub mod lock;
pub mod port;
pub mod process;
pub mod server;
pub mod tool;
pub mod trust;

pub use client::{Client, Response};
pub use server::{Builder, Server, Subject};
pub use tool::{Output, Tool};
pub use trust::{Authority, Credentials};
