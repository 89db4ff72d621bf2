// SPDX-License-Identifier: Apache-2.0
//! What the processes of the product tell about themselves.
//!
//! ```text
//!   Line, tracing events ──▶ log::Logger ──▶ text | json | logstash ──▶ stderr
//!   counters, summaries  ──▶ metrics::Registry ──▶ text format 0.0.4 ──▶ /extensions/v2/metrics
//!   check closures       ──▶ health::Health ──▶ 503 and /debug/health
//! ```
//!
//! The names, formats and quirks are those that dashboards and log collectors know from the
//! registry this one replaces (registry.md 6.1 to 6.5); [`go`] holds the number, duration and
//! quoting rules they follow.

pub mod clock;
pub mod families;
pub mod go;
pub mod health;
pub mod log;
pub mod metrics;
