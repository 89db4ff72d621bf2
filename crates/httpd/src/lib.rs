// SPDX-License-Identifier: Apache-2.0
//! An HTTP server engine that knows nothing of registries.
//!
//! ```text
//!  socket ─▶ listener ─▶ (TLS, ALPN) ─▶ h1 loop (own, sendfile) ─┐
//!                                   └▶ h2 (hyper) ───────────────┴▶ Service::call(head, body) ─▶ Reply
//! ```
//!
//! Handlers see a [`Head`], a [`Body`] and return a [`Reply`]; whether HTTP/1.1 or HTTP/2 carried
//! them, over TLS or not, does not show. `README.md` has the measurements behind the decision to
//! have an HTTP/1.1 loop of our own.

mod body;
mod buffers;
mod file;
mod h1;
mod h2;
mod limits;
mod listener;
mod message;
mod server;
mod service;
mod socket;
mod stats;
mod stop;
mod tls;
mod wire;

pub use body::Body;
pub use h1::{ChunkDecoder, ChunkError, Framing, HeadError, HeadScanner, ParsedHead, parse_head};
pub use limits::{H2Limits, HeadLimits, Limits};
pub use listener::{BindError, InheritError, Inherited, Listener, inherited};
pub use message::{BodyError, ByteStream, FileRange, Head, Part, Reply, ReplyBody, Target};
pub use server::{Drained, Handle, Server};
pub use service::{Sent, Service};
pub use stats::Stats;
pub use tls::{MinVersion, Tls, TlsError, TlsSettings, cipher_suite_names, tls_version_names};
