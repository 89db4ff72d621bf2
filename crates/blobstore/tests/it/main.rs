// SPDX-License-Identifier: Apache-2.0
//! The store's behaviour on a real directory (exclusive and shared) and in memory.

#![allow(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod catalog;
mod common;
mod crash;
mod maintenance;
mod manifests;
mod uploads;
