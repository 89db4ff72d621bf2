// SPDX-License-Identifier: Apache-2.0
//! Tests of the four kinds of patch: suites and recorded answers of others in `tests/vectors` (README there), rules of our
//! own, and properties.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test may fail, and reads better with values"
)]

mod apply;
mod fixture;
mod json;
mod merge;
mod properties;
mod recorded;
mod strategic;
