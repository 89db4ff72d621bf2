// SPDX-License-Identifier: Apache-2.0
//! The store's behaviour on a real directory (exclusive and shared) and in memory.

mod catalog;
mod common;
mod crash;
mod maintenance;
mod manifests;
mod uploads;
