// SPDX-License-Identifier: Apache-2.0
//! Storage drivers: places that keep bytes under names.
//!
//! [`driver`] is the contract. [`filesystem`] and [`memory`] keep it here; drivers for object stores
//! are made to the same trait and proven by the same cases (`conformance`). [`observed`] wraps any
//! driver to count and time what it does. Nothing in this crate knows what the names mean: that is
//! the layout's business, one crate above.

pub mod driver;
pub mod filesystem;
pub mod memory;
pub mod observed;

#[cfg(feature = "conformance")]
pub mod conformance;
