// SPDX-License-Identifier: Apache-2.0
//! The bodies of the fuzz targets: each takes any bytes, hands them to one parser, and panics if
//! the parser breaks a promise. Where possible that is more than "does not panic": what was read
//! is written and read again, or compared with a second, simpler reading.
//!
//! ```text
//!  fuzz_targets/NAME.rs ─ libFuzzer ─┐
//!                                    ├─▶ bounded(NAME, bytes) ─▶ oci, httpd, registry, …
//!  tests/corpus.rs ── corpus/NAME/* ─┘
//! ```
//!
//! `README.md` says how to run them and what to do with a finding.

mod client;
mod documents;
mod http1;
mod journal;
mod names;
mod patches;
mod tokens;

use std::alloc::System;

use cap::Cap;

pub use client::{accept, authorization, content_range, query, range, route, state};
pub use documents::{config, hasher, manifest, schema1};
pub use http1::{chunked, head};
pub use journal::journal;
pub use names::{digest, name, reference};
pub use patches::{patch_apply, patch_json, patch_merge, patch_strategic};
pub use tokens::jwt;

/// libFuzzer counts allocations only under a sanitizer, which needs a nightly compiler.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What one input may make a parser hold at once (requirement T-11).
const ALLOCATION: usize = 64 << 20;

/// A target: panics if a promise is broken.
pub type Target = fn(&[u8]);

/// All targets by name, as the folders of `corpus/` are called.
pub const TARGETS: [(&str, Target); 22] = [
    ("accept", accept),
    ("authorization", authorization),
    ("chunked", chunked),
    ("config", config),
    ("content_range", content_range),
    ("digest", digest),
    ("hasher", hasher),
    ("head", head),
    ("journal", journal),
    ("jwt", jwt),
    ("manifest", manifest),
    ("name", name),
    ("patch_apply", patch_apply),
    ("patch_json", patch_json),
    ("patch_merge", patch_merge),
    ("patch_strategic", patch_strategic),
    ("query", query),
    ("range", range),
    ("reference", reference),
    ("route", route),
    ("schema1", schema1),
    ("state", state),
];

/// Runs a target that may not hold more than 64 MiB beyond what was held before: the allocation
/// that would exceed it fails, which aborts the process.
pub fn bounded(target: Target, data: &[u8]) {
    ALLOCATOR
        .set_limit(ALLOCATOR.allocated() + ALLOCATION)
        .expect("the limit lies above what is allocated");
    target(data);
}

/// The input as text, for parsers that get checked UTF-8.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// Lengths that cut an input into pieces. They follow from the input, so that a finding repeats.
fn cuts(data: &[u8]) -> impl FnMut() -> usize {
    let mut state = data.iter().fold(data.len() as u64 | 1, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + (state >> 59) as usize
    }
}
