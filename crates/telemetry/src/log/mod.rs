// SPDX-License-Identifier: Apache-2.0
//! Log lines (registry.md 6.3, 6.4).
//!
//! There are two ways in and one way out:
//!
//! ```text
//!   Line::info("response").field("http.request.host", host).emit() ─┐
//!                                                                   ├─▶ Logger ─▶ format ─▶ Sink
//!   tracing::info!(…) ─▶ LogLayer (adds the fields of spans) ───────┘
//! ```
//!
//! [`Line`] serves lines whose fields are known only at run time, such as the access log. Events
//! of `tracing` come from code that has no more to say than a message and a few values, and from
//! libraries. Both pass the same level filter and formatter. A line leaves in one write.
//!
//! Before [`init`] (or inside [`Capture`]) lines go nowhere, so a library's tests stay silent.

mod config;
mod format;
mod layer;
mod level;
mod line;
mod logger;
mod redact;
mod sink;
mod value;

pub use config::{Format, LogConfig};
pub use layer::LogLayer;
pub use level::{Level, UnknownLevel};
pub use line::Line;
pub use logger::{InitError, Logger, current, init};
pub use redact::redact_query;
pub use sink::{Capture, Sink, Stderr};
pub use value::{MAX_VALUE, Value};
