// SPDX-License-Identifier: Apache-2.0
//! Leases for keys that go away by themselves.
//!
//! A lease each would double the writes. Keys written shortly after each other with the same time to live share one,
//! which lives a little longer than the first of them asked: never shorter than any of them.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::client::{Client, meaning};
use crate::Error;

/// How many keys share a lease: they are deleted in one go.
const SHARED_BY: u32 = 500;

#[derive(Default)]
pub(super) struct Leases(Mutex<Option<Lease>>);

struct Lease {
    id: i64,
    ttl: Duration,
    /// Keys may join until here: from then on they would go too early.
    until: Instant,
    keys: u32,
}

impl Leases {
    /// A lease that lasts at least that long from now.
    pub async fn lease(&self, client: &Client, ttl: Duration) -> Result<i64, Error> {
        if let Some(lease) = &mut *self.0.lock()
            && lease.ttl == ttl
            && lease.keys < SHARED_BY
            && Instant::now() < lease.until
        {
            lease.keys += 1;
            return Ok(lease.id);
        }
        let slack = ttl / 10;
        let seconds = (ttl + slack).as_secs().saturating_add(1);
        // Counted from before the request: the lease begins later.
        let begun = Instant::now();
        let granted = client.grant(i64::try_from(seconds).unwrap_or(i64::MAX)).await;
        let granted = granted.map_err(|status| meaning(&status, 0, 0))?;
        if !granted.error.is_empty()
            || granted.ttl < i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)
        {
            return Err(Error::Unavailable(format!("etcd granted no lease: {}", granted.error)));
        }
        *self.0.lock() = Some(Lease { id: granted.id, ttl, until: begun + slack, keys: 1 });
        Ok(granted.id)
    }
}
