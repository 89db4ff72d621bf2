// SPDX-License-Identifier: Apache-2.0
//! Tokens, certificates, headers and the cache, above all what must be refused.
#![allow(clippy::unwrap_used)]

mod cache;
mod certificates;
mod headers;
mod oauth;
mod tokens;
mod vectors;

use time::{Duration, OffsetDateTime};

/// The tests' present.
fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

fn seconds(count: i64) -> Duration {
    Duration::seconds(count)
}

fn text(list: &[&str]) -> Vec<String> {
    list.iter().map(|one| (*one).to_owned()).collect()
}
