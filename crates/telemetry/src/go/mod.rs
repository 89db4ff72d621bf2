// SPDX-License-Identifier: Apache-2.0
//! How a Go program writes numbers, durations and quoted text.
//!
//! Log lines and metric values of the registry we replace were produced by Go's `fmt`, `strconv`
//! and `encoding/json`, and tools parse them. The rules are restated here from the documentation
//! of those packages; the callers are [`crate::log`] and [`crate::metrics`].

mod duration;
mod float;
mod quote;

pub use duration::{GoDuration, go_duration};
pub(crate) use float::write_json_float;
pub use float::{GoFloat, go_float};
pub(crate) use quote::{push_json_string, push_quoted};
