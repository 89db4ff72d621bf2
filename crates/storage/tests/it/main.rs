// SPDX-License-Identifier: Apache-2.0
//! Tests of the storage drivers: the common cases on each, then what only one of them has.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod conformance;
mod durability;
mod faults;
mod filesystem;
mod key;
mod memory;
mod observed;
mod space;
mod upload;

use storage::driver::Key;

/// A key that is known to be legal.
fn key(text: &str) -> Key {
    Key::parse(text).expect("a legal key")
}
