// SPDX-License-Identifier: Apache-2.0
//! The stores as their users see them. Cases that need `etcd` are skipped where that program is not installed, unless
//! `BERTH_REQUIRE_TOOLS` is set.
#![allow(clippy::unwrap_used, missing_docs)]

mod conformance;
#[cfg(feature = "etcd")]
mod etcd;
#[cfg(feature = "etcd")]
mod etcd_server;
mod history;
#[cfg(feature = "sqlite")]
mod sqlite;
