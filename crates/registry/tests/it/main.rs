// SPDX-License-Identifier: Apache-2.0
//! The registry as its clients see it: requests in, answers out, over a real store in memory.
//! One module per endpoint or behaviour; the names of the tests are the claims.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod access;
mod blobs;
mod client;
mod deletes;
mod events;
mod lists;
mod manifests;
mod network;
mod plumbing;
mod uploads;
