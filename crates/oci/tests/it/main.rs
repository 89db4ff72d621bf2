// SPDX-License-Identifier: Apache-2.0
//! Tests of the crate's public interface.

mod digest;
mod hasher;
mod manifest;
mod manifest_limits;
mod name;
mod reference;
mod schema1;
