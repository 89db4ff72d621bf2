// SPDX-License-Identifier: Apache-2.0
//! `berth registry`: from a configuration to a running registry, or to work on its store.

mod checks;
mod config;
mod debug;
mod descriptors;
pub(crate) mod listing;
pub(crate) mod maintenance;
mod metrics;
pub(crate) mod serve;
mod settings;
mod store;
